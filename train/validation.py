"""train/validation.py: approximate SDR on reels of held-out songs.

In bands, where the mask m of a band leaves of a stem's energy E

    E - sum t^2 |X|^2   that no real mask could give, and
    sum (m - t)^2 |X|^2 that this one does not.

SPDX-License-Identifier: PostgreSQL
"""

import numpy as np
import torch

from . import audio, bands, patches

HEARD = 1e-3  # of the mix's energy; a stem with less has no SDR
NAMES = (*audio.STEMS, "accompaniment")


def merged(error, joined):
    """Errors [B][4]... where bass has no truth of its own: it counts within other."""
    if not joined.any():
        return error
    bass = error[:, 2] * joined.to(error.dtype).reshape(-1, *[1] * (error.ndim - 2))
    return torch.stack([error[:, 0], error[:, 1], error[:, 2] - bass, error[:, 3] + bass], dim=1)


class Tally:
    """Energies of one reel, gathered patch by patch."""

    def __init__(self, reel):
        self.energy = np.array(reel.notes["energy"])
        self.joined = reel.notes["joined"]
        self.mix, self.aligned, self.crossed, self.missed = 0.0, 0.0, 0.0, 0.0

    def add(self, batch, masks, fresh):
        width = torch.tensor(bands.WIDTHS, dtype=torch.float32)
        error = masks * batch.bands[:, None, :2] - batch.targets
        error = merged(error, batch.joined)
        for k, first in enumerate(fresh):
            part = (..., slice(first, None), slice(None))
            weight = width / batch.scale[k] ** 2
            heard, target = batch.bands[k, :2][part], batch.targets[k][part]
            self.mix += float((weight * heard**2).sum())
            self.aligned += (weight * target**2).sum(dim=(1, 2, 3)).numpy()
            self.crossed += float((weight * target[0] * heard).sum())
            self.missed += (weight * error[k][part] ** 2).sum(dim=(1, 2, 3)).numpy()

    def sdr(self):
        """dB of the four stems and the accompaniment; NaN where there is nothing to hear."""
        error = np.maximum(self.energy - self.aligned, 0) + self.missed
        rest = self.mix - 2 * self.crossed + self.energy[0]
        energy, error = np.append(self.energy, rest), np.append(error, error[0])
        heard = energy > HEARD * self.mix
        if self.joined:
            heard[2:4] = False  # other is not what it is elsewhere
        ratio = np.maximum(energy, 1e-9) / np.maximum(error, 1e-9)
        return np.where(heard, 10 * np.log10(ratio), np.nan)


def prior(batch):
    """Classical's shares as masks."""
    return batch.shares[:, :, None]


@torch.no_grad()
def sdr(net, held_out):
    """Mean SDR in dB by name of stem; of classical's shares where net is None."""
    rows = []
    for reel in held_out:
        batch, fresh = patches.whole(reel)
        tally = Tally(reel)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            masks = net(batch.bands, batch.shares) if net else prior(batch)
        tally.add(batch, masks.float(), fresh)
        rows.append(tally.sdr())
    return dict(zip(NAMES, (round(float(x), 3) for x in np.nanmean(rows, axis=0))))
