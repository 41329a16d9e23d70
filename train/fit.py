"""train/fit.py: trains one variant on reels, resumes where it was stopped.

    nice python3 -m train.fit --reels DIR --validation DIR --out RUN --variant frequency
    nice python3 -m train.fit ... --out DECAYED --begin RUN/checkpoint.pt --decay 8000

The rate is constant after a warm-up, so that a run has no length that must be
known at its start; it can be stopped (SIGTERM saves), resumed by the same
command, and finished at any time by a decay of the rate to nothing, in a
folder of its own.  RUN/checkpoint.pt holds everything that a step depends on;
batch k is the same whether the run was stopped before it or not.
RUN/average.pt is the moving average of the weights: what is validated and
exported.  RUN/history.jsonl has a line for each validation.

SPDX-License-Identifier: PostgreSQL
"""

import argparse
import copy
import json
import math
import os
import pathlib
import shutil
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import torch

from . import audio, losses, memory, networks, patches, safetensors, trust, validation

RATE = 1.5e-3  # of Adam
WARM_UP = 200  # steps
EMA_HALF_LIFE = 500  # steps, or a tenth of the run so far if that is shorter
CLIP_NORM = 2.0
LONGEST_STEP = 3.0  # s; a step that took longer was stopped by somebody, and counts as this


class Run:
    """Network, its average, optimiser and place in the run."""

    def __init__(self, args):
        self.args, self.step, self.seconds = args, 0, 0.0
        self.decay_from = None  # step
        torch.manual_seed(args.seed)
        self.net = networks.build(args.variant)
        self.average = copy.deepcopy(self.net).requires_grad_(False)
        self.optimiser = torch.optim.Adam(self.net.parameters(), RATE, betas=(0.9, 0.99))
        self.path = args.out / "checkpoint.pt"

    def settings(self):
        names = ("variant", "seed", "batch", "log_weight")
        return {name: getattr(self.args, name) for name in names}

    def resume(self):
        """Takes up the checkpoint of this run, or of the one that it begins from."""
        path = self.path if self.path.exists() else self.args.begin
        if path is None:
            self._take_weights()
            return
        state = torch.load(path)
        if state["settings"] != self.settings():
            raise SystemExit("%s was begun with %s" % (path, state["settings"]))
        self.step, self.seconds = state["step"], state["seconds"]
        self.decay_from = state["decay_from"]
        self.net.load_state_dict(state["net"])
        self.average.load_state_dict(state["average"])
        self.optimiser.load_state_dict(state["optimiser"])
        if path != self.path:
            shutil.copy(path.parent / "history.jsonl", self.args.out)
        if self.args.decay and self.decay_from is None:
            self.decay_from = self.step

    def _take_weights(self):
        """Begins from exported weights, if there are any: no memory of the optimiser, all trust."""
        if getattr(self.args, "weights", None) is None:
            return
        arrays, _ = safetensors.read(self.args.weights)
        state = {name: torch.from_numpy(x.astype("float32")) for name, x in arrays.items()}
        trust.apply(state, 1)
        self.net.load_state_dict(state)
        self.average.load_state_dict(state)

    def save(self):
        """Replaces files at once, so that a kill leaves the old or the new one."""
        state = {"settings": self.settings(), "step": self.step, "seconds": self.seconds}
        state |= {"command": "python3 -m train.fit " + " ".join(sys.argv[1:])}
        state |= {"decay_from": self.decay_from, "net": self.net.state_dict()}
        state |= {"average": self.average.state_dict(), "optimiser": self.optimiser.state_dict()}
        for content, path in ((state["average"], self.args.out / "average.pt"), (state, self.path)):
            fresh = path.with_suffix(".new")
            torch.save(content, fresh)
            os.replace(fresh, path)

    def rate(self):
        """0 at the end of a decay, after which there is no step."""
        rate = RATE * min(1, (self.step + 1) / WARM_UP)
        if self.decay_from is not None:
            rate *= max(0, 1 - (self.step - self.decay_from) / self.args.decay)
        return rate

    def advance(self, batch):
        """One step; returns the losses by stem."""
        for group in self.optimiser.param_groups:
            group["lr"] = self.rate()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss, found = losses.of(self.net, batch, self.args.log_weight)
        self.optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.net.parameters(), CLIP_NORM)
        self.optimiser.step()
        self.step += 1
        self._average()
        return found

    @torch.no_grad()
    def _average(self):
        keep = 0.5 ** (1 / min(EMA_HALF_LIFE, 1 + self.step / 10))
        for mean, now in zip(self.average.parameters(), self.net.parameters()):
            mean.lerp_(now, 1 - keep)

    def finished(self):
        decayed = self.decay_from is not None and self.step >= self.decay_from + self.args.decay
        return decayed or self.step >= self.args.steps


def report(run, trained, held_out, classical):
    line = {"step": run.step, "hours": round(run.seconds / 3600, 4)}
    line["loss"] = dict(zip(audio.STEMS, (round(float(x), 5) for x in trained)))
    line |= {"sdr": validation.sdr(run.average, held_out), "classical": classical}
    with open(run.args.out / "history.jsonl", "a") as f:
        f.write(json.dumps(line) + "\n")
    print(json.dumps(line), flush=True)


def batches(found, run):
    """Those of the steps to come, each read while the step before runs."""
    with ThreadPoolExecutor(1) as reader:
        number = run.step
        coming = reader.submit(patches.batch, found, run.args.seed, number, run.args.batch)
        while True:
            batch, number = coming.result(), number + 1
            coming = reader.submit(patches.batch, found, run.args.seed, number, run.args.batch)
            yield batch


def loop(run, found, held_out):
    """Steps until the end of a decay, the time or a signal; reports and saves in between."""
    stopped = []
    signal.signal(signal.SIGTERM, lambda *_: stopped.append(True))
    classical = validation.sdr(None, held_out)
    end, saved, recent = run.seconds + 60 * run.args.minutes, time.time(), []
    coming = batches(found, run)
    while not stopped:
        began = time.time()
        recent.append(run.advance(next(coming)))
        run.seconds += min(LONGEST_STEP, time.time() - began)
        last = run.finished() or run.seconds >= end
        if run.step % run.args.every == 0 or last:
            report(run, torch.stack(recent).mean(dim=0), held_out, classical)
            recent = []
        if last or time.time() > saved + 60 * run.args.save:
            run.save()
            saved = time.time()
        if last:
            return
    run.save()
    print("stopped at step %d; the same command goes on" % run.step)


def arguments():
    parser = argparse.ArgumentParser(description="Trains a mask network; resumes.")
    parser.add_argument("--reels", type=pathlib.Path, required=True)
    parser.add_argument("--validation", type=pathlib.Path, required=True)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--variant", choices=networks.VARIANTS, default="frequency")
    parser.add_argument("--begin", type=pathlib.Path, help="another run's checkpoint")
    parser.add_argument("--weights", type=pathlib.Path, help="exported ones, to begin from")
    parser.add_argument("--decay", type=int, help="let the rate fall to 0 in so many steps")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--log-weight", type=float, default=losses.LOG_WEIGHT)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--every", type=int, default=1000, help="steps between validations")
    parser.add_argument("--save", type=float, default=4, help="minutes between checkpoints")
    parser.add_argument("--minutes", type=float, default=math.inf, help="stop then")
    parser.add_argument("--steps", type=float, default=math.inf, help="stop there")
    parser.add_argument("--threads", type=int, default=2)
    return parser.parse_args()


def main():
    args = arguments()
    memory.keep()
    torch.set_num_threads(args.threads)
    args.out.mkdir(parents=True, exist_ok=True)
    run = Run(args)
    run.resume()
    loop(run, patches.reels_of(args.reels), patches.reels_of(args.validation))
    os._exit(0)  # the reader may still be at the next batch


if __name__ == "__main__":
    main()
