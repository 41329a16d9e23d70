"""train/losses.py: what training minimises, and its gradient by hand.

For each stem the mean error of band magnitudes, amplitudes weighted by the root
of a band's bins as their energy is, and a part of the logarithm of the energy
of error of each patch, which is what SDR counts.  Where a song's bass cannot
be told from other (`joined`), the errors of the two are one.

Automatic differentiation takes 60 ms for this of each batch of 8, all of it
traffic with memory; by hand, a patch at a time in the cache, it takes 23 ms
(one core, where a whole step takes 400 ms).

SPDX-License-Identifier: PostgreSQL
"""

from typing import NamedTuple

import torch

from . import bands

STEM_WEIGHTS = torch.tensor([1.5, 1.0, 1.0, 1.0])  # vocals are the hardest and the most wanted
LOG_WEIGHT = 0.06  # of the logarithm, against the mean error
RESTRAINT = 0.04  # weight of the mean square of logits: what is not worth saying is not said
LOG_FLOOR = 3e-3  # -25 dB of the mix: better is not rewarded
BASS, OTHER = 2, 3
WIDTHS = torch.tensor(bands.WIDTHS, dtype=torch.float32)


def plain(masks, batch, log_weight=LOG_WEIGHT):
    """By stem [4]; what `Loss` computes, for tests and for reading."""
    heard = batch.bands[:, None, :2] * WIDTHS.sqrt()
    error = masks * heard - batch.targets * WIDTHS.sqrt()
    both = error[:, BASS] + error[:, OTHER]
    joined = torch.stack([error[:, 0], error[:, 1], 0 * both, both], dim=1)
    error = torch.where(batch.joined[:, None, None, None, None], joined, error)
    relative = error.square().mean(dim=(2, 3, 4)) / (heard.square().mean(dim=(2, 3, 4)) + 1e-9)
    logarithm = torch.log(relative + LOG_FLOOR).mean(dim=0)
    return error.abs().mean(dim=(0, 2, 3, 4)) + log_weight * logarithm


class Patch(NamedTuple):
    """One patch: masks [4][2][T][512], their errors, and the loss of each stem."""

    masks: torch.Tensor
    heard: torch.Tensor
    error: torch.Tensor
    energy: torch.Tensor  # [4] of error, as a share of the mix's
    mix: float  # mean energy
    loss: torch.Tensor


def estimated(logits, batch, k, log_weight):
    masks = torch.softmax(logits, dim=0)
    heard = batch.bands[k, :2] * WIDTHS.sqrt()
    error = (masks * heard).sub_(batch.targets[k] * WIDTHS.sqrt())
    if batch.joined[k]:
        error[OTHER] += error[BASS]
        error[BASS] = 0
    mix = float(heard.square().mean()) + 1e-9
    energy = error.square().mean(dim=(1, 2, 3)) / mix
    loss = error.abs().mean(dim=(1, 2, 3)) + log_weight * torch.log(energy + LOG_FLOOR)
    return Patch(masks, heard, error, energy, mix, loss)


def descent(patch, joined, log_weight):
    """Gradient [4][2][T][512] of the weighted loss of a patch by its logits."""
    count = patch.error[0].numel()
    steep = 2 * log_weight / (patch.mix * (patch.energy + LOG_FLOOR))
    weight = (STEM_WEIGHTS / count)[:, None, None, None]
    slope = patch.error.sign().addcmul_(patch.error, steep[:, None, None, None]).mul_(weight)
    if joined:
        slope[BASS] = slope[OTHER]
    slope.mul_(patch.heard).mul_(patch.masks)
    return slope.addcmul_(patch.masks, slope.sum(dim=0), value=-1)


class Loss(torch.autograd.Function):
    """Of logits [B][8][T][512]: the weighted sum, and by stem [4] without the restraint."""

    @staticmethod
    def forward(ctx, logits, known, batch, log_weight):
        """known [B][4][T][512] is the logarithm of the shares."""
        slopes, found = torch.empty_like(logits), torch.zeros(4)
        for k in range(len(logits)):
            lifted = logits[k].float().reshape(4, 2, *logits.shape[2:])
            lifted = lifted + known[k][:, None]
            patch = estimated(lifted, batch, k, log_weight)
            slope = descent(patch, bool(batch.joined[k]), log_weight).div_(len(logits))
            slopes[k] = slope.reshape(logits.shape[1:])
            slopes[k] += (2 * RESTRAINT / logits.numel()) * logits[k].float()
            found += patch.loss / len(logits)
        ctx.save_for_backward(slopes)
        ctx.mark_non_differentiable(found)
        restraint = RESTRAINT * logits.float().square().mean()
        return (found * STEM_WEIGHTS).sum() + restraint, found

    @staticmethod
    def backward(ctx, gradient, _found):
        (slopes,) = ctx.saved_tensors
        return slopes * gradient, None, None, None


def of(net, batch, log_weight=LOG_WEIGHT):
    """The weighted loss of a MaskNet, to be minimised, and the loss by stem [4]."""
    logits = net.logits(net.planes(batch.bands, batch.shares))
    return Loss.apply(logits, net.known(batch.shares), batch, log_weight)
