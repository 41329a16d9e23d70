"""train/fit.py: trains one variant on songs, resumes where it was stopped.

    nice python3 -m train.fit --songs DIR --validation DIR --out RUN \\
        --variant frequency --steps 100000

RUN/checkpoint.pt holds everything that a step depends on; batch k is the same
whether the run was stopped before it or not.  RUN/history.jsonl has a line for
each validation: mean error by stem over a fixed set of mixtures of held-out
songs, of the averaged weights (those that are exported).

SPDX-License-Identifier: PostgreSQL
"""

import argparse
import copy
import json
import math
import os
import pathlib
import time

import torch
from torch.utils.data import DataLoader, Dataset

from . import audio, mixing, networks

RATE_PEAK, RATE_LAST = 2e-3, 0.02  # of Adam; the last is a share of the peak
WARM_UP = 100  # steps
EMA_HALF_LIFE = 500  # steps, or a tenth of the run so far if that is shorter
CLIP_NORM = 2.0
WEIGHTS = torch.tensor([1.5, 1.0, 1.0, 1.0])  # vocals are the hardest and the most wanted
VALIDATION_BATCHES, VALIDATION_SEED = 12, "validation"


class Batches(Dataset):
    """Batch by number, for workers that read ahead."""

    def __init__(self, library, seed, first, last, size, bins):
        self.library, self.seed, self.first, self.last = library, seed, first, last
        self.size, self.bins = size, bins

    def __len__(self):
        return self.last - self.first

    def __getitem__(self, k):
        if not 0 <= k < len(self):
            raise IndexError(k)
        return mixing.batch(self.library, self.seed, self.first + k, self.size, bins=self.bins)


def errors(net, batch):
    """Mean absolute error by stem [4] of the masked mix against what is in phase with it."""
    device = next(net.parameters()).device
    inputs, aligned = (x.to(device, non_blocking=True) for x in batch)
    with torch.autocast(device.type, dtype=torch.bfloat16):
        masks = net(inputs)
    return (masks * inputs[:, None, :2] - aligned).abs().mean(dim=(0, 2, 3, 4))


def learning_rate(step, steps):
    decay = 0.5 * (1 + math.cos(math.pi * step / steps))
    return RATE_PEAK * min(1, (step + 1) / WARM_UP) * (RATE_LAST + (1 - RATE_LAST) * decay)


class Run:
    """Network, its average, optimiser and place in the run."""

    def __init__(self, args):
        self.args, self.step, self.seconds = args, 0, 0.0
        torch.manual_seed(args.seed)
        self.net = networks.build(args.variant, args.bins).to(args.device)
        self.average = copy.deepcopy(self.net).requires_grad_(False)
        self.optimiser = torch.optim.Adam(self.net.parameters(), RATE_PEAK, betas=(0.9, 0.99))
        self.path = args.out / "checkpoint.pt"

    def settings(self):
        names = ("variant", "bins", "seed", "steps", "batch")
        return {name: getattr(self.args, name) for name in names}

    def resume(self):
        """Takes up a checkpoint; one of other settings is an error."""
        if not self.path.exists():
            return
        state = torch.load(self.path, map_location=self.args.device)
        if state["settings"] != self.settings():
            raise SystemExit("%s was begun with %s" % (self.path, state["settings"]))
        self.step, self.seconds = state["step"], state["seconds"]
        self.net.load_state_dict(state["net"])
        self.average.load_state_dict(state["average"])
        self.optimiser.load_state_dict(state["optimiser"])

    def save(self):
        """Replaces the checkpoint at once, so that a kill leaves the old or the new one."""
        state = {"settings": self.settings(), "step": self.step, "seconds": self.seconds}
        state |= {"net": self.net.state_dict(), "average": self.average.state_dict()}
        state["optimiser"] = self.optimiser.state_dict()
        fresh = self.path.with_suffix(".new")
        torch.save(state, fresh)
        os.replace(fresh, self.path)

    def advance(self, batch):
        """One step; returns the errors by stem."""
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(self.step, self.args.steps)
        found = errors(self.net, batch)
        loss = (found * WEIGHTS.to(found.device)).sum()
        self.optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.net.parameters(), CLIP_NORM)
        self.optimiser.step()
        self.step += 1
        self._average()
        return found.detach()

    @torch.no_grad()
    def _average(self):
        keep = 0.5 ** (1 / min(EMA_HALF_LIFE, 1 + self.step / 10))
        for mean, now in zip(self.average.parameters(), self.net.parameters()):
            mean.lerp_(now, 1 - keep)

    @torch.no_grad()
    def validate(self, batches):
        return torch.stack([errors(self.average, b) for b in batches]).mean(dim=0)


def report(run, trained, held_out):
    line = {"step": run.step, "hours": round(run.seconds / 3600, 4)}
    line["training"] = dict(zip(audio.STEMS, (round(float(x), 5) for x in trained)))
    line["validation"] = dict(zip(audio.STEMS, (round(float(x), 5) for x in held_out)))
    with open(run.args.out / "history.jsonl", "a") as f:
        f.write(json.dumps(line) + "\n")
    print(json.dumps(line), flush=True)


def loop(run, loader, validation, deadline):
    """Steps until the last or until the deadline; reports and saves in between."""
    began, before, recent = time.time(), run.seconds, []
    for batch in loader:
        recent.append(run.advance(batch))
        run.seconds = before + time.time() - began
        late = time.time() > deadline
        if run.step % run.args.every == 0 or run.step == run.args.steps or late:
            report(run, torch.stack(recent).mean(dim=0), run.validate(validation))
            run.save()
            recent = []
        if late:
            print("stopped at step %d; the same command goes on" % run.step)
            return


def arguments():
    parser = argparse.ArgumentParser(description="Trains a mask network; resumes.")
    parser.add_argument("--songs", type=pathlib.Path, nargs="+", required=True)
    parser.add_argument("--validation", type=pathlib.Path, required=True)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--variant", choices=networks.VARIANTS, default="frequency")
    parser.add_argument("--bins", type=int, default=1024, help="of 2049; a multiple of 32")
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--every", type=int, default=500, help="steps between validations")
    parser.add_argument("--minutes", type=float, default=math.inf, help="stop then")
    parser.add_argument("--workers", type=int, default=1, help="processes that mix")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    return parser.parse_args()


def main():
    args = arguments()
    deadline = time.time() + 60 * args.minutes
    torch.set_num_threads(args.threads)
    args.out.mkdir(parents=True, exist_ok=True)
    run = Run(args)
    run.resume()
    held_out = mixing.Library([args.validation])
    shape = (args.batch, args.bins)
    validation = list(Batches(held_out, VALIDATION_SEED, 0, VALIDATION_BATCHES, *shape))
    library = mixing.Library(args.songs)
    batches = Batches(library, args.seed, run.step, args.steps, *shape)
    loader = DataLoader(batches, batch_size=None, num_workers=args.workers)
    loop(run, loader, validation, deadline)


if __name__ == "__main__":
    main()
