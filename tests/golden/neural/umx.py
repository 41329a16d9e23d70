"""tests/golden/neural/umx.py: Open-Unmix, from its description.

Stoeter, Uhlich, Liutkus, Mitsufuji 2019.  One network a target: two thirds of
the magnitudes of a frame, scaled, to a dense layer, three bidirectional LSTM
layers with a skip around them, two dense layers back to all bins, and a mask
without bound.  Names are those of PyTorch's state_dict after "<target>.".

SPDX-License-Identifier: PostgreSQL
"""

from collections import namedtuple

import torch

from . import seeded

Spec = namedtuple("Spec", "bins max_bin hidden")
# umxhq: 4096-point transforms, the input cut at 16 kHz.
FULL = Spec(2049, 1487, 512)
TINY = Spec(37, 29, 10)
TARGETS = ("vocals", "drums", "bass", "other")
BN_EPSILON = 1e-5  # PyTorch's default
LAYERS = 3


def shapes(spec, target):
    """Shape of every floating-point tensor of a target."""
    hidden, out = spec.hidden, 2 * spec.bins
    cell = hidden // 2  # each direction
    shape = {
        "fc1.weight": (hidden, 2 * spec.max_bin),
        "fc2.weight": (hidden, 2 * hidden),
        "fc3.weight": (out, hidden),
        "input_mean": (spec.max_bin,),
        "input_scale": (spec.max_bin,),
        "output_mean": (spec.bins,),
        "output_scale": (spec.bins,),
    }
    for name, size in (("bn1", hidden), ("bn2", hidden), ("bn3", out)):
        for part in ("weight", "bias", "running_mean", "running_var"):
            shape[name + "." + part] = (size,)
    for layer in range(LAYERS):
        for end in ("", "_reverse"):
            shape["lstm.weight_ih_l%d%s" % (layer, end)] = (4 * cell, hidden)
            shape["lstm.weight_hh_l%d%s" % (layer, end)] = (4 * cell, cell)
            shape["lstm.bias_ih_l%d%s" % (layer, end)] = (4 * cell,)
            shape["lstm.bias_hh_l%d%s" % (layer, end)] = (4 * cell,)
    return {target + "." + name: s for name, s in shape.items()}


def seeded_weights(spec, target):
    return {n: seeded.weights(n, s) for n, s in shapes(spec, target).items()}


def normalise(x, w, name):
    return torch.nn.functional.batch_norm(
        x,
        w[name + ".running_mean"],
        w[name + ".running_var"],
        w[name + ".weight"],
        w[name + ".bias"],
        eps=BN_EPSILON,
    )


def recur(x, w, hidden):
    """[frames][hidden] through the three layers, both directions side by side."""
    lstm = torch.nn.LSTM(hidden, hidden // 2, LAYERS, bidirectional=True).to(x.dtype)
    lstm.load_state_dict({n[5:]: v for n, v in w.items() if n.startswith("lstm.")})
    return lstm(x[:, None])[0][:, 0]


def estimate(patch, weights, spec, target, dtype, watch=lambda stage, value: None):
    """Magnitudes [2][frames][bins] to those of a target, same shape, as numpy.

    watch sees fc1 (normalised, tanh), lstm, fc2 (normalised, ReLU) as
    [frames][hidden], fc3 (normalised) and mask as [frames][2][bins].
    """
    w = {n[len(target) + 1 :]: torch.tensor(v, dtype=dtype) for n, v in weights.items()}
    mix = torch.tensor(patch, dtype=dtype).permute(1, 0, 2)  # [frames][2][bins]
    with torch.no_grad():
        x = (mix[..., : spec.max_bin] + w["input_mean"]) * w["input_scale"]
        x = torch.tanh(normalise(x.flatten(1) @ w["fc1.weight"].T, w, "bn1"))
        watch("fc1", x)
        recurrent = recur(x, w, spec.hidden)
        watch("lstm", recurrent)
        x = torch.cat([x, recurrent], 1)
        x = torch.relu(normalise(x @ w["fc2.weight"].T, w, "bn2"))
        watch("fc2", x)
        x = normalise(x @ w["fc3.weight"].T, w, "bn3").reshape(mix.shape)
        watch("fc3", x)
        mask = torch.relu(x * w["output_scale"] + w["output_mean"])
        watch("mask", mask)
        return (mask * mix).permute(1, 0, 2).numpy()
