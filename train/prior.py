"""train/prior.py: the shares of the built-in method, as good as they are on real music.

On synthetic songs `classical` separates worse than on real ones: vocals 1 dB
where documented clips of real music have 7.  A network that only saw its
shares there would learn to mistrust them.  So while training they are drawn
towards the truth, by a part that changes from patch to patch and within a
patch, from nothing to most of the way: the network learns what agrees with
what it hears, and not how good the shares are on average.

The truth is blurred first, and the result sharpened or flattened at random,
so that neither its fine detail nor the height of a share tells the answer.

SPDX-License-Identifier: PostgreSQL
"""

import math

import torch
from torch.nn import functional

FLOOR = 0.02
LEAST, MOST = 0.3, 0.95  # of the way to the truth
WAVER = 0.25  # deviation within a patch
PIECES = (4, 6)  # of a patch in time and frequency between which the part changes
SHARPNESS = 0.25  # deviation of the logarithm of the exponent
BLUR = (3, 5)  # frames, bands
UNTOUCHED = 0.1  # chance that a patch keeps its shares


class Draw:
    """What is drawn for one patch."""

    def __init__(self, rng):
        self.untouched = rng.random() < UNTOUCHED
        middle = rng.uniform(LEAST, MOST)
        parts = [middle + rng.gauss(0, WAVER) for _ in range(PIECES[0] * PIECES[1])]
        self.part = torch.tensor(parts).clamp(0, MOST).reshape(1, 1, *PIECES)
        self.exponent = math.exp(rng.gauss(0, SHARPNESS))


def blurred(x):
    return functional.avg_pool2d(x, BLUR, 1, (BLUR[0] // 2, BLUR[1] // 2))


def true_shares(heard, targets):
    """[4][T][512] from magnitudes [2][T][512] and what the stems have of them [4][2][T][512]."""
    cross = blurred((targets * heard).sum(dim=1)[None])[0]
    power = blurred(heard.square().sum(dim=0)[None, None])[0]
    shares = (cross / (power + 1e-9)).clamp_(0, 1)
    return shares / (shares.sum(dim=0) + 1e-6)


def aided(shares, heard, targets, draw):
    """Shares [4][T][512] of one patch, on the way to the truth."""
    if draw.untouched:
        return shares
    part = functional.interpolate(draw.part, shares.shape[1:], mode="bilinear")[0, 0]
    known = (shares + FLOOR).log_()
    known.lerp_((true_shares(heard, targets) + FLOOR).log_(), part.expand_as(known))
    return torch.softmax(known * draw.exponent, dim=0)
