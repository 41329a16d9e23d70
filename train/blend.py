"""train/blend.py: how far a network may go from the shares that it is given.

    python3 -m train.blend --run RUN --validation REELS    # prints SDR by blend

The logits of the network count `blend`, the logarithm of the shares the rest:
a weighted geometric mean of both masks.  Both are linear in the last layer, so
a blend is written into its weights and costs nothing later.

The rule is chosen on held-out reels whose shares are drawn towards the truth
as far as on documented clips of real music (`prior.py`): vocals at about 7 dB.
Without that, the best blend would be 1, since on synthetic songs the shares
are worse than they are on real ones.  Of the blends whose mean over all stems is
within MARGIN of the best the smallest is taken: on music unlike that of training the
shares are the safer part.

SPDX-License-Identifier: PostgreSQL
"""

import argparse
import pathlib

import numpy as np
import torch

from . import audio, memory, networks, patches, prior, validation

BLENDS = (0, 0.2, 0.3, 0.4, 0.5, 0.65, 0.8, 1)
MARGIN = 0.3  # dB
PART = 0.55  # of the way to the truth, where shares have about 7 dB of vocals


def apply(state, share):
    """Changes weights by name in place."""
    for name in ("head.conv.weight", "head.conv.bias"):
        state[name] *= share
    state["prior"] = state["prior"] * share + (1 - share)


def undo(state, share):
    """The network as it was trained."""
    for name in ("head.conv.weight", "head.conv.bias"):
        state[name] /= share
    state["prior"] = (state["prior"] - (1 - share)) / share


class Fixed:
    """A prior.Draw without chance."""

    untouched, exponent = False, 1.0
    part = torch.full((1, 1, *prior.PIECES), PART)


def aided(batch):
    for k in range(len(batch.shares)):
        batch.shares[k] = prior.aided(batch.shares[k], batch.bands[k, :2], batch.targets[k], Fixed)
    return batch


@torch.no_grad()
def sdr(net, held_out):
    """[blend][name] in dB."""
    rows = []
    for reel in held_out:
        batch, fresh = patches.whole(reel)
        if not batch.joined.any():
            aided(batch)
        tallies = [validation.Tally(reel) for _ in BLENDS]
        with torch.autocast("cpu", dtype=torch.bfloat16):
            own = torch.log(net(batch.bands, batch.shares).float() + 1e-6)
        given = torch.log(batch.shares + networks.SHARE_FLOOR)[:, :, None]
        for share, tally in zip(BLENDS, tallies):
            tally.add(batch, torch.softmax(share * own + (1 - share) * given, dim=1), fresh)
        rows.append([tally.sdr() for tally in tallies])
    return np.nanmean(rows, axis=0)


def main():
    parser = argparse.ArgumentParser(description="SDR of held-out reels by blend.")
    parser.add_argument("--run", type=pathlib.Path, required=True)
    parser.add_argument("--validation", type=pathlib.Path, required=True)
    args = parser.parse_args()
    memory.keep()
    state = torch.load(args.run / "checkpoint.pt")
    net = networks.build(state["settings"]["variant"])
    net.load_state_dict(state["average"])
    print("| blend | " + " | ".join(validation.NAMES) + " |\n|--:|" + "--:|" * len(validation.NAMES))
    found = sdr(net, patches.reels_of(args.validation))
    for share, row in zip(BLENDS, found):
        print("| %g | " % share + " | ".join("%.2f" % x for x in row) + " |")
    mean = found.mean(axis=1)
    print("chosen: %g" % BLENDS[int(np.argmax(mean > mean.max() - MARGIN))])


if __name__ == "__main__":
    main()
