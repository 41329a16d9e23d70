"""tests/golden/neural/spotai.py: spotai's own mask network, from its description.

A U-Net over frames and bands: strided convolutions, stages that keep the size
(a convolution or two linear maps across frequency, added to what comes in), and
convolutions with pixel shuffle, to whose output the level's own is added.  Its
logits are added to the logarithm of the shares that come in, and the masks are
on the way from the shares to that, as far as they are trusted.  Names are those
of train/networks.py; nothing is shared with it.

SPDX-License-Identifier: PostgreSQL
"""

from collections import namedtuple

import torch
from torch.nn import functional

from . import seeded

# stages: of each level, 0 for a convolution, else the width of a bottleneck
Spec = namedtuple("Spec", "bands channels stages")
FULL = Spec(512, (32, 64, 128, 192), ((), (64,), (0, 64), (0, 32, 0, 32)))
TINY = Spec(32, (4, 6), ((5,), (0, 3)))
HEARD, STEMS = 4, 4
EPSILON = 1e-5  # PyTorch's LayerNorm


def conv_shapes(layer, out, inwards, kernel, norm):
    shape = {layer + ".conv.weight": (out, inwards, kernel, kernel), layer + ".conv.bias": (out,)}
    if norm:
        shape |= {layer + ".norm.weight": (out,), layer + ".norm.bias": (out,)}
    return shape


def map_shapes(layer, width, narrow):
    return {
        layer + ".inwards.weight": (narrow, width),
        layer + ".inwards.bias": (narrow,),
        layer + ".outwards.weight": (width, narrow),
        layer + ".outwards.bias": (width,),
    }


def shapes(spec):
    """Shape of every tensor."""
    channels, last = spec.channels, len(spec.channels) - 1
    shape = {"scale": (HEARD, spec.bands), "shift": (HEARD, spec.bands), "prior": (STEMS,)}
    shape |= {"trust": (spec.bands,)}
    for level, out in enumerate(channels):
        before = channels[level - 1] if level else HEARD + STEMS + 1
        shape |= conv_shapes("down.%d" % level, out, before, 3 if level else 5, level > 0)
        for i, narrow in enumerate(spec.stages[level]):
            layer = "stage.%d.%d" % (level, i)
            if narrow:
                shape |= map_shapes(layer, spec.bands >> (level + 1), narrow)
            else:
                shape |= conv_shapes(layer, out, out, 3, True)
        if level < last:
            layer = "up.%d" % (last - 1 - level)
            shape |= conv_shapes(layer, 4 * out, channels[level + 1], 3, False)
            if level > 0:
                shape |= {layer + ".norm.weight": (out,), layer + ".norm.bias": (out,)}
    return shape | conv_shapes("head", 4 * 2 * STEMS, channels[0], 3, False)


def seeded_weights(spec):
    return {n: seeded.weights(n, s) for n, s in shapes(spec).items()}


def rectify(x):
    return torch.where(x > 0, x, 0.2 * x)


def convolve(x, w, layer, stride=1):
    kernel = w[layer + ".conv.weight"]
    bias = w[layer + ".conv.bias"]
    return functional.conv2d(x, kernel, bias, stride=stride, padding=kernel.shape[-1] // 2)


def normalise(x, w, layer):
    """Over the channels of each frame and band."""
    if layer + ".norm.weight" not in w:
        return x
    y = (x - x.mean(1, keepdim=True)) / torch.sqrt(x.var(1, False, keepdim=True) + EPSILON)
    return y * w[layer + ".norm.weight"][:, None, None] + w[layer + ".norm.bias"][:, None, None]


def run_stage(x, w, layer):
    if layer + ".conv.weight" in w:
        return x + rectify(normalise(convolve(x, w, layer), w, layer))
    y = rectify(x @ w[layer + ".inwards.weight"].T + w[layer + ".inwards.bias"])
    return x + y @ w[layer + ".outwards.weight"].T + w[layer + ".outwards.bias"]


def planes(bands, shares, w):
    """[4][T][F] twice to [9][T][F]; bands are brought to a mean of 1 (left and right)."""
    bands = bands / (bands[:2].mean() + 1e-6)
    heard = (torch.log(bands + 0.01) + 2) / 2 * w["scale"][:, None] + w["shift"][:, None]
    place = torch.linspace(-1, 1, bands.shape[2], dtype=bands.dtype).expand_as(bands[:1])
    return torch.cat([heard, 4 * (shares - 0.25), place])


def estimate(bands, shares, weights, spec, dtype, watch=lambda stage, value: None):
    """masks [8][T][F], stems before channels; watch sees every layer as [C][T][F]."""
    w = {n: torch.tensor(v, dtype=dtype) for n, v in weights.items()}
    bands, shares = (torch.tensor(v, dtype=dtype) for v in (bands, shares))
    with torch.no_grad():
        x = planes(bands, shares, w)[None]
        skips = []
        for level in range(len(spec.channels)):
            layer = "down.%d" % level
            x = rectify(normalise(convolve(x, w, layer, 2), w, layer))
            watch(layer, x[0].numpy())
            for i in range(len(spec.stages[level])):
                x = run_stage(x, w, "stage.%d.%d" % (level, i))
                watch("stage.%d.%d" % (level, i), x[0].numpy())
            skips.append(x)
        for i, skip in enumerate(skips[-2::-1]):
            x = functional.pixel_shuffle(convolve(x, w, "up.%d" % i), 2) + skip
            x = rectify(normalise(x, w, "up.%d" % i))
            watch("up.%d" % i, x[0].numpy())
        head = functional.pixel_shuffle(convolve(x, w, "head"), 2)[0]
        watch("head", head.numpy())
        prior = w["prior"][:, None, None] * torch.log(shares + 0.02)
        logits = head.reshape(STEMS, 2, *head.shape[1:]) + prior[:, None]
        found = torch.softmax(logits, 0)
        known = shares[:, None]
        return (known + w["trust"] * (found - known)).flatten(0, 1).numpy()
