"""train/patches.py: what training reads: batches of 3 s out of reels.

SPDX-License-Identifier: PostgreSQL
"""

import json
import pathlib
from typing import NamedTuple

import numpy as np
import torch

from . import audio, bands, mixing, reels

TILT_DB = 2.0  # deviation of the equaliser that mix and targets share
TILT_POINTS = 6  # over the bands
SWAPPED = [1, 0, 2, 3, 4, 5, 6, 8, 7, 10, 9, 12, 11]  # planes of a reel, left for right


class Batch(NamedTuple):
    """float32; B patches of T frames, scaled as MaskNet wants them."""

    bands: torch.Tensor  # [B][4][T][512]
    shares: torch.Tensor  # [B][4][T][512]
    targets: torch.Tensor  # [B][4][2][T][512]
    joined: torch.Tensor  # [B] of bool: bass is in other's target
    scale: torch.Tensor  # [B]


class Reel(NamedTuple):
    path: pathlib.Path
    notes: dict

    def rows(self, first, count):
        """f16 [count][13][512]; opened each time, since mapped files count as open ones."""
        return np.array(np.load(self.path, mmap_mode="r")[first : first + count])


def reels_of(folder):
    found = []
    for notes in sorted(pathlib.Path(folder).glob("*.json")):
        found.append(Reel(notes.with_suffix(".npy"), json.loads(notes.read_text())))
    if not found:
        raise SystemExit("%s has no reels" % folder)
    return found


def tilt(rng):
    """A gain for each band."""
    points = [rng.gauss(0, TILT_DB) for _ in range(TILT_POINTS)]
    at = np.linspace(0, TILT_POINTS - 1, bands.BANDS)
    return (10 ** (np.interp(at, range(TILT_POINTS), points) / 20)).astype(np.float32)


def assembled(rows, joined, gain=None):
    """Batch of rows [B] of f16 [T][13][512], equalised by gain [B][512]."""
    x = torch.from_numpy(np.stack(rows)).transpose(1, 2)
    x = x.to(torch.float32, memory_format=torch.contiguous_format)
    level = x[:, :2].mean(dim=(1, 2))
    gain = torch.ones_like(level) if gain is None else torch.from_numpy(np.stack(gain))
    scale = 1 / ((level * gain).mean(dim=1) + 1e-6)
    factor = (gain * scale[:, None])[:, None, None]
    heard, shares = x[:, reels.INPUTS] * factor, x[:, reels.SHARES]
    targets = (x[:, reels.TARGETS] * factor).unflatten(1, (3, 2))
    shares = torch.cat([shares, 1 - shares.sum(dim=1, keepdim=True)], dim=1).clamp_(0, 1)
    other = heard[:, None, :2] - targets.sum(dim=1, keepdim=True)
    targets = torch.cat([targets, other], dim=1)
    return Batch(heard, shares, targets, torch.tensor(joined), scale)


def batch(found, seed, number, size):
    """The batch of that number, the same whenever it is read."""
    rows, joined, gain = [], [], []
    for k in range(size):
        rng = audio.dice("patch", seed, number, k)
        reel = found[rng.randrange(len(found))]
        x = reel.rows(rng.randrange(reels.FRAMES - mixing.FRAMES + 1), mixing.FRAMES)
        rows.append(x[:, SWAPPED] if rng.random() < 0.5 else x)
        joined.append(reel.notes["joined"])
        gain.append(tilt(rng))
    return assembled(rows, joined, gain)


def whole(reel):
    """A reel in patches that follow each other, and the frame of each from where on it is new."""
    firsts = list(range(0, reels.FRAMES - mixing.FRAMES + 1, mixing.FRAMES))
    fresh = [0] * len(firsts)
    left = reels.FRAMES - firsts[-1] - mixing.FRAMES
    if left:
        firsts.append(reels.FRAMES - mixing.FRAMES)
        fresh.append(mixing.FRAMES - left)
    rows = [reel.rows(first, mixing.FRAMES) for first in firsts]
    return assembled(rows, [reel.notes["joined"]] * len(rows)), fresh
