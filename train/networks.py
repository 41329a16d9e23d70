"""train/networks.py: variants of the mask network, of layers that src/core/nn has.

All refine the built-in method: they take a patch's band magnitudes (left,
right, middle, side, scaled to a mean of 1) and the shares that `classical`
gives the stems in each band, and add their logits to the logarithm of those
shares.  The masks are a mean of that and the shares, weighted by how far the
network is trusted.  The last layer starts at zero: untrained, it is `classical`.

    bands  [B][4][frames][512]            magnitudes
    shares [B][4 stems][frames][512]      add up to 1
    masks  [B][4 stems][2][frames][512]   add up to 1 over stems

frames is a multiple of 16.  README.md lists the tensors of `frequency`.

SPDX-License-Identifier: PostgreSQL
"""

import torch
from torch import nn
from torch.nn import functional

from .bands import BANDS

STEMS, PLANES, CHANNELS_OUT = 4, 4, 2
CHANNELS_IN = PLANES + STEMS + 1  # and the place in frequency
CHANNELS = (32, 64, 128, 192)  # of the levels, each half the frames and bands of the one before
FLOOR = 1e-2  # of magnitudes, 40 dB below the mean: what is quieter does not steer
SHARE_FLOOR = 0.02  # a logit of the prior is at least log of this
SLOPE = 0.2  # of LeakyReLU below zero
FRAME_MULTIPLE = 16


class ChannelNorm(nn.Module):
    """Normalisation over channels at each frame and band; in f32, also under autocast."""

    def __init__(self, channels):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x):
        y = x.permute(0, 2, 3, 1).float()
        y = functional.layer_norm(y, y.shape[-1:], self.weight, self.bias)
        return y.to(x.dtype).permute(0, 3, 1, 2)


def activated(x):
    return functional.leaky_relu(x, SLOPE)


def shuffled(x):
    """functional.pixel_shuffle(x, 2), whose backward pass is slow where channels come last."""
    batch, channels, frames, bands = x.shape
    y = x.permute(0, 2, 3, 1).reshape(batch, frames, bands, channels // 4, 2, 2)
    y = y.permute(0, 1, 4, 2, 5, 3).reshape(batch, 2 * frames, 2 * bands, channels // 4)
    return y.permute(0, 3, 1, 2)


class Down(nn.Module):
    """Halves frames and bands."""

    def __init__(self, channels_in, channels_out, size, norm=True):
        super().__init__()
        self.conv = nn.Conv2d(channels_in, channels_out, size, stride=2, padding=size // 2)
        self.norm = ChannelNorm(channels_out) if norm else nn.Identity()

    def forward(self, x):
        return activated(self.norm(self.conv(x)))


class Up(nn.Module):
    """Doubles frames and bands and adds the encoder's output of that size.

    Convolution and pixel shuffle: a transposed convolution costs many times more on CPUs.
    """

    def __init__(self, channels_in, channels_out, norm=True):
        super().__init__()
        self.conv = nn.Conv2d(channels_in, 4 * channels_out, 3, padding=1)
        self.norm = ChannelNorm(channels_out) if norm else nn.Identity()

    def forward(self, x, skip):
        return activated(self.norm(shuffled(self.conv(x)) + skip))


class Head(nn.Module):
    """Doubles frames and bands, to logits; zero at the start."""

    def __init__(self, channels):
        super().__init__()
        self.conv = nn.Conv2d(channels, 4 * STEMS * CHANNELS_OUT, 3, padding=1)
        nn.init.zeros_(self.conv.weight)
        nn.init.zeros_(self.conv.bias)

    def forward(self, x):
        return shuffled(self.conv(x))


class Same(nn.Module):
    """A convolution of 3x3, added to what comes in."""

    def __init__(self, channels):
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)
        self.norm = ChannelNorm(channels)

    def forward(self, x):
        return x + activated(self.norm(self.conv(x)))


class Depthwise(nn.Module):
    """A wide filter of each channel, then two layers over channels, added to what comes in."""

    def __init__(self, channels, size=7, widened=2):
        super().__init__()
        self.filter = nn.Conv2d(channels, channels, size, padding=size // 2, groups=channels)
        self.norm = ChannelNorm(channels)
        self.inwards = nn.Conv2d(channels, widened * channels, 1)
        self.outwards = nn.Conv2d(widened * channels, channels, 1)

    def forward(self, x):
        return x + self.outwards(activated(self.inwards(self.norm(self.filter(x)))))


class AcrossFrequency(nn.Module):
    """The same linear maps over frequency in every frame and channel, added to what comes in."""

    def __init__(self, bands, narrow):
        super().__init__()
        self.inwards, self.outwards = nn.Linear(bands, narrow), nn.Linear(narrow, bands)

    def forward(self, x):
        y = x.contiguous()  # frequency last; linear layers want it so
        y = self.outwards(activated(self.inwards(y)))
        return x + y.contiguous(memory_format=torch.channels_last)


class AlongTime(nn.Module):
    """An LSTM along time in each band, both ways, added to what comes in."""

    def __init__(self, channels, hidden):
        super().__init__()
        self.norm = ChannelNorm(channels)
        self.recurrent = nn.LSTM(channels, hidden, bidirectional=True)
        self.outwards = nn.Linear(2 * hidden, channels)

    def forward(self, x):
        batch, channels, frames, bands = x.shape
        y = self.norm(x).permute(2, 0, 3, 1).reshape(frames, batch * bands, channels)
        with torch.autocast(x.device.type, enabled=False):
            y = self.recurrent(y.float())[0]
        y = self.outwards(y).reshape(frames, batch, bands, channels)
        return x + y.permute(1, 3, 0, 2).to(x.dtype)


class MaskNet(nn.Module):
    """A U-Net over time and frequency; each level has its stages, the deepest has the middle."""

    def __init__(self, stages):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(PLANES, BANDS))
        self.shift = nn.Parameter(torch.zeros(PLANES, BANDS))
        # Not learned: the network says what the shares do not, and is trusted; see trust.py
        self.register_buffer("prior", torch.ones(STEMS))
        self.register_buffer("trust", torch.ones(BANDS))
        self.register_buffer("place", torch.linspace(-1, 1, BANDS), persistent=False)
        self.down, self.stage, self.up = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        for level, (a, b) in enumerate(zip((CHANNELS_IN, *CHANNELS), CHANNELS)):
            self.down.append(Down(a, b, 3 if level else 5, level > 0))
            self.stage.append(nn.Sequential(*stages[level]))
        for level in range(len(CHANNELS) - 1, 0, -1):
            self.up.append(Up(CHANNELS[level], CHANNELS[level - 1], level > 1))
        self.head = Head(CHANNELS[0])

    def planes(self, bands, shares):
        """The network's channels [B][9][frames][512]."""
        heard = (torch.log(bands + FLOOR) + 2) / 2
        heard = heard * self.scale[:, None] + self.shift[:, None]
        place = self.place.expand(len(bands), 1, bands.shape[2], -1)
        return torch.cat([heard, 4 * (shares - 1 / STEMS), place], dim=1)

    @staticmethod
    def known(shares):
        """What the prior's weights multiply."""
        return torch.log(shares + SHARE_FLOOR)

    def logits(self, x):
        """Of channels [B][9][frames][512], before the prior: [B][8][frames][512]."""
        x = x.contiguous(memory_format=torch.channels_last)
        skips = []
        for down, stage in zip(self.down, self.stage):
            x = stage(down(x))
            skips.append(x)
        for up, skip in zip(self.up, skips[-2::-1]):
            x = up(x, skip)
        return self.head(x)

    def forward(self, bands, shares):
        found = self.logits(self.planes(bands, shares)).float()
        found = found.reshape(len(bands), STEMS, CHANNELS_OUT, *bands.shape[2:])
        prior = self.prior[:, None, None] * self.known(shares)
        found, known = torch.softmax(found + prior[:, :, None], dim=1), shares[:, :, None]
        return known + self.trust * (found - known)


def narrow(level, width):
    """Linear maps of a level, through a bottleneck."""
    return AcrossFrequency(BANDS >> (level + 1), width)


def frequency():
    """Convolutions, and linear maps across frequency on every level but the first."""
    stages = [[], [narrow(1, 64)], [Same(128), narrow(2, 64)]]
    middle = [Same(192), narrow(3, 32), Same(192), narrow(3, 32)]
    return MaskNet([*stages, middle])


def recurrent():
    """LSTMs along time in each of the 32 deepest bands in the place of convolutions."""
    stages = [[], [narrow(1, 64)], [Same(128), narrow(2, 64)]]
    middle = [AlongTime(192, 128), narrow(3, 32), AlongTime(192, 128), narrow(3, 32)]
    return MaskNet([*stages, middle])


def depthwise():
    """Depthwise layers of 7x7 with wide layers over channels."""
    stages = [[], [Depthwise(64)], [Depthwise(128), narrow(2, 64), Depthwise(128)]]
    middle = [Depthwise(192, widened=4), narrow(3, 32), Depthwise(192, widened=4)]
    return MaskNet([*stages, middle])


VARIANTS = {"frequency": frequency, "recurrent": recurrent, "depthwise": depthwise}


def build(variant):
    return VARIANTS[variant]().to(memory_format=torch.channels_last)
