"""train/trust.py: how far masks go from the shares to what the network makes of them.

    python3 -m train.trust --run RUN --validation REELS    # prints SDR by trust

Masks of the network and shares of `classical` are two opinions, and their
errors are not the same: a mean of both has less error than the mean of their
errors, and on music unlike that of training, where the network can be far off,
it loses at most a part of that.  Held-out reels are like those of training and
cannot tell how unlike real music is, so the weight is no result of a search:
it is TRUST, the same for all bands, as export.py writes it.  The table shows
what it costs on music that the network knows.

SPDX-License-Identifier: PostgreSQL
"""

import argparse
import pathlib

import numpy as np
import torch

from . import memory, networks, patches, validation

TRUST = 0.5
STEPS = (0, 0.2, 0.35, 0.5, 0.65, 0.8, 1)


def apply(state, trust):
    """Changes weights by name in place."""
    state["trust"] = torch.full_like(state["trust"], trust)


@torch.no_grad()
def sdr(net, held_out):
    """[step][name] in dB."""
    rows = []
    for reel in held_out:
        batch, fresh = patches.whole(reel)
        tallies = [validation.Tally(reel) for _ in STEPS]
        with torch.autocast("cpu", dtype=torch.bfloat16):
            found = net(batch.bands, batch.shares).float()
        known = validation.prior(batch)
        for trust, tally in zip(STEPS, tallies):
            tally.add(batch, known + trust * (found - known), fresh)
        rows.append([tally.sdr() for tally in tallies])
    return np.nanmean(rows, axis=0)


def main():
    parser = argparse.ArgumentParser(description="SDR of held-out reels by trust.")
    parser.add_argument("--run", type=pathlib.Path, required=True)
    parser.add_argument("--validation", type=pathlib.Path, required=True)
    args = parser.parse_args()
    memory.keep()
    state = torch.load(args.run / "checkpoint.pt")
    net = networks.build(state["settings"]["variant"])
    net.load_state_dict(state["average"])
    print("| trust | " + " | ".join(validation.NAMES) + " |\n|--:|" + "--:|" * len(validation.NAMES))
    for trust, row in zip(STEPS, sdr(net, patches.reels_of(args.validation))):
        print("| %g | " % trust + " | ".join("%.2f" % x for x in row) + " |")


if __name__ == "__main__":
    main()
