"""train/networks.py: variants of the mask network, of layers that src/core/nn has.

All take magnitudes [B][4][frames][bins] (left, right, middle, side) scaled to a
mean of 1, and give masks [B][4 stems][2][frames][bins] that add up to 1 over
stems.  bins and frames are multiples of 2^depth.

SPDX-License-Identifier: PostgreSQL
"""

import torch
from torch import nn
from torch.nn import functional

STEMS, CHANNELS_IN, CHANNELS_OUT = 4, 4, 2
FLOOR = 1e-2  # of magnitudes, 40 dB below the mean: what is quieter does not steer


class ChannelNorm(nn.Module):
    """Normalisation over channels at each frame and bin; in f32, also under autocast."""

    def __init__(self, channels):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x):
        y = x.permute(0, 2, 3, 1).float()
        y = functional.layer_norm(y, y.shape[-1:], self.weight.float(), self.bias.float())
        return y.permute(0, 3, 1, 2)


def down(channels_in, channels_out, norm):
    layers = [nn.Conv2d(channels_in, channels_out, 5, stride=2, padding=2)]
    return nn.Sequential(*layers, *([ChannelNorm(channels_out)] if norm else []), nn.LeakyReLU(0.2))


def up(channels_in, channels_out, last):
    """Convolution and pixel shuffle: a transposed convolution costs many times more on CPUs."""
    layers = [nn.Conv2d(channels_in, 4 * channels_out, 3, padding=1), nn.PixelShuffle(2)]
    return nn.Sequential(*layers, *([] if last else [ChannelNorm(channels_out), nn.LeakyReLU(0.2)]))


def same(channels, groups=1):
    return nn.Sequential(
        nn.Conv2d(channels, channels, 3, padding=1, groups=groups),
        *([nn.Conv2d(channels, channels, 1)] if groups > 1 else []),
        ChannelNorm(channels),
        nn.LeakyReLU(0.2),
    )


class AcrossFrequency(nn.Module):
    """The same linear map over frequency in every frame and channel, through a bottleneck."""

    def __init__(self, channels, bins, narrow):
        super().__init__()
        self.inwards, self.outwards = nn.Linear(bins, narrow), nn.Linear(narrow, bins)
        self.norm = ChannelNorm(channels)

    def forward(self, x):
        y = functional.leaky_relu(self.inwards(self.norm(x).to(x.dtype)), 0.2)
        return x + self.outwards(y)


class AlongTime(nn.Module):
    """A recurrent layer along time in each band, both ways, added to what comes in."""

    def __init__(self, channels, hidden):
        super().__init__()
        self.norm = ChannelNorm(channels)
        self.recurrent = nn.LSTM(channels, hidden, batch_first=True, bidirectional=True)
        self.outwards = nn.Linear(2 * hidden, channels)

    def forward(self, x):
        batch, channels, frames, bins = x.shape
        y = self.norm(x).permute(0, 3, 2, 1).reshape(batch * bins, frames, channels)
        with torch.autocast(x.device.type, enabled=False):
            y = self.outwards(self.recurrent(y.float())[0])
        return x + y.reshape(batch, bins, frames, channels).permute(0, 3, 2, 1)


class MaskNet(nn.Module):
    """A U-Net over time and frequency with a middle of the variant's kind."""

    def __init__(self, bins, channels, middle):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1, CHANNELS_IN, 1, bins))
        self.shift = nn.Parameter(torch.zeros(1, CHANNELS_IN, 1, bins))
        place = torch.linspace(-1, 1, bins).reshape(1, 1, 1, bins)
        self.register_buffer("place", place, persistent=False)
        before = (CHANNELS_IN + 1, *channels[:-1])
        self.encoder = nn.ModuleList(
            down(a, b, level > 0) for level, (a, b) in enumerate(zip(before, channels))
        )
        self.middle = nn.Sequential(*middle)
        self.decoder = nn.ModuleList()
        for level in range(len(channels) - 1, -1, -1):
            deepest = level == len(channels) - 1
            channels_in = channels[level] * (1 if deepest else 2)
            channels_out = channels[level - 1] if level else STEMS * CHANNELS_OUT
            self.decoder.append(up(channels_in, channels_out, level == 0))

    def forward(self, magnitudes):
        x = (torch.log(magnitudes + FLOOR) + 2) / 2 * self.scale + self.shift
        x = torch.cat([x, self.place.expand(x.shape[0], 1, x.shape[2], -1)], dim=1)
        x = x.contiguous(memory_format=torch.channels_last)
        skips = []
        for layer in self.encoder:
            x = layer(x)
            skips.append(x)
        x = self.middle(x)
        for depth, layer in enumerate(self.decoder):
            if depth:
                x = torch.cat([x, skips[-1 - depth]], dim=1)
            x = layer(x.contiguous(memory_format=torch.channels_last))
        shape = (x.shape[0], STEMS, CHANNELS_OUT, *x.shape[2:])
        return torch.softmax(x.float().reshape(shape), dim=1)


def frequency_unet(bins):
    """Convolutions, and linear maps across frequency in the middle."""
    channels = (32, 32, 64, 96, 128)
    low = bins >> len(channels)
    middle = [same(128), AcrossFrequency(128, low, low), same(128), AcrossFrequency(128, low, low)]
    return MaskNet(bins, channels, [*middle, same(128)])


def recurrent_unet(bins):
    """Convolutions, and an LSTM along time in each band of the middle."""
    channels = (32, 32, 64, 96, 128)
    low = bins >> len(channels)
    middle = [AlongTime(128, 96), AcrossFrequency(128, low, low), AlongTime(128, 96)]
    return MaskNet(bins, channels, [*middle, AcrossFrequency(128, low, low)])


def depthwise_unet(bins):
    """Wider and deeper, with depthwise layers in the middle."""
    channels = (32, 48, 80, 128, 192)
    low = bins >> len(channels)
    middle = [same(192, groups=192) for _ in range(4)]
    return MaskNet(bins, channels, [*middle, AcrossFrequency(192, low, low), same(192, groups=192)])


VARIANTS = {
    "frequency": frequency_unet,
    "recurrent": recurrent_unet,
    "depthwise": depthwise_unet,
}


def build(variant, bins):
    return VARIANTS[variant](bins).to(memory_format=torch.channels_last)
