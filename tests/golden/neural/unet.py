"""tests/golden/neural/unet.py: Spleeter's U-Net, from its description.

Written from the facts of the architecture (Jansson et al. 2017; the layer
order, paddings and variable names of the released models), not from code.
Every layer's output can be watched; float32 or float64.

SPDX-License-Identifier: PostgreSQL
"""

from collections import namedtuple

import torch
import torch.nn.functional as nn

from . import seeded

BN_EPSILON = 1e-3  # Keras' default
FULL = (16, 32, 64, 128, 256, 512)
FRAMES, BINS = 512, 1024

Spec = namedtuple("Spec", "stems filters encoder decoder mask")
STEMS = {
    2: ("vocals", "accompaniment"),
    4: ("vocals", "drums", "bass", "other"),
    5: ("vocals", "piano", "drums", "bass", "other"),
}
# Small enough for files in the repository, and not multiples of anything.
TINY = {2: (1, 2, 3, 2, 3, 5), 4: (1, 1, 2, 1, 2, 3), 5: (1, 2, 2, 3, 3, 4)}
ACTIVATIONS = {
    "elu": nn.elu,
    "relu": torch.relu,
    "leaky_relu": lambda x: nn.leaky_relu(x, 0.2),
}


def spec(stems, size="full"):
    filters = FULL if size == "full" else TINY[stems]
    if stems == 2:
        return Spec(STEMS[2], filters, "leaky_relu", "relu", "sigmoid")
    return Spec(STEMS[stems], filters, "elu", "elu", "softmax" if stems == 5 else "sigmoid")


def numbered(base, k):
    """Keras' names: the first of a kind has no number."""
    return base if k == 0 else "%s_%d" % (base, k)


def names(stem):
    """The 7 convolutions, 6 transposed convolutions and 12 normalisations of a stem."""
    return (
        [numbered("conv2d", 7 * stem + i) for i in range(7)],
        [numbered("conv2d_transpose", 6 * stem + i) for i in range(6)],
        [numbered("batch_normalization", 12 * stem + i) for i in range(12)],
    )


def stem_shapes(filters, stem):
    """Shape of every variable of one stem, by its name in TensorFlow."""
    convolutions, transposed, normal = names(stem)
    up = list(reversed(filters[:5])) + [1]
    out = {}
    for i, name in enumerate(convolutions[:6]):
        out[name + "/kernel"] = (5, 5, filters[i - 1] if i else 2, filters[i])
        out[name + "/bias"] = (filters[i],)
    out[convolutions[6] + "/kernel"] = (4, 4, 1, 2)
    out[convolutions[6] + "/bias"] = (2,)
    for i, name in enumerate(transposed):
        out[name + "/kernel"] = (5, 5, up[i], 2 * up[i - 1] if i else filters[5])
        out[name + "/bias"] = (up[i],)
    for name, channels in zip(normal, list(filters) + up):
        for part in ("beta", "gamma", "moving_mean", "moving_variance"):
            out[name + "/" + part] = (channels,)
    return out


def shapes(model):
    """All variables of a model, global_step included."""
    out = {"global_step": ()}
    for stem in range(len(model.stems)):
        out.update(stem_shapes(model.filters, stem))
    return out


def seeded_weights(model, moved=False):
    """All variables by name, numpy float32."""
    return {n: seeded.weights(n, s, moved) for n, s in shapes(model).items()}


def tensors(weights, dtype):
    """Weights for PyTorch: its kernels are [out, in, kh, kw], or [in, out, kh, kw] transposed."""
    out = {name: torch.tensor(value, dtype=dtype) for name, value in weights.items()}
    for name, value in out.items():
        if name.endswith("/kernel"):
            out[name] = value.permute(3, 2, 0, 1).contiguous()
    return out


def normalise(x, w, name):
    """gamma (x - mean) / sqrt(variance + epsilon) + beta with stored statistics, [1, C, T, F]."""
    parts = ("moving_mean", "moving_variance", "gamma", "beta")
    return nn.batch_norm(x, *(w[name + "/" + part] for part in parts), eps=BN_EPSILON)


def convolve(x, w, name):
    """5x5, stride 2, 'same' of even sizes: 1 in front, 2 behind."""
    return nn.conv2d(
        nn.pad(x, (1, 2, 1, 2)), w[name + "/kernel"], w[name + "/bias"], stride=2
    )


def transpose(x, w, name):
    """The gradient of convolve: of the 2n + 3 outputs the first and the last two are dropped."""
    whole = nn.conv_transpose2d(x, w[name + "/kernel"], w[name + "/bias"], stride=2)
    return whole[..., 1:-2, 1:-2]


def last(x, w, name):
    """4x4, dilation 2, 3 on each side."""
    return nn.conv2d(
        nn.pad(x, (3, 3, 3, 3)), w[name + "/kernel"], w[name + "/bias"], dilation=2
    )


def logits(x, w, model, stem, watch=lambda layer, value: None):
    """[1, 2, T, F] magnitudes to [1, 2, T, F] logits of one stem.

    watch sees conv1..6 (raw, the skips), act1..5 (normalised, activated),
    up1..6 (transposed, activated, normalised) and logits, each [1, C, T, F].
    """
    convolutions, transposed, normal = names(stem)
    encoder, decoder = ACTIVATIONS[model.encoder], ACTIVATIONS[model.decoder]
    skips = []
    for i in range(6):
        skips.append(convolve(x, w, convolutions[i]))
        watch("conv%d" % (i + 1), skips[-1])
        if i < 5:
            x = encoder(normalise(skips[-1], w, normal[i]))
            watch("act%d" % (i + 1), x)
    x = skips[5]
    for i in range(6):
        if i > 0:
            x = torch.cat([skips[5 - i], x], 1)
        x = normalise(decoder(transpose(x, w, transposed[i])), w, normal[6 + i])
        watch("up%d" % (i + 1), x)
    x = last(x, w, convolutions[6])
    watch("logits", x)
    return x


def estimates(x, w, model, watch=lambda stem, layer, value: None):
    """[1, 2, T, F] magnitudes to the stems' magnitudes [stems, 2, T, F]."""
    with torch.no_grad():
        every = torch.cat(
            [
                logits(x, w, model, k, lambda layer, v, k=k: watch(k, layer, v))
                for k in range(len(model.stems))
            ]
        )
        mask = torch.softmax(every, 0) if model.mask == "softmax" else torch.sigmoid(every)
        out = mask * x
        for k in range(len(model.stems)):
            watch(k, "mask", mask[k : k + 1])
            watch(k, "estimate", out[k : k + 1])
    return out
