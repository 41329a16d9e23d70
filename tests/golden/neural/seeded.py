"""tests/golden/neural/seeded.py: numbers that C and Python make alike.

Everything comes from splitmix64 started at the FNV-1a hash of a name, and is
brought to float32 by operations that IEEE 754 rounds once, so that the C twin
(tests/golden_weights.h) makes the same bits without sharing a file.

SPDX-License-Identifier: PostgreSQL
"""

import numpy as np

F32 = np.float32
STEP = np.uint64(0x9E3779B97F4A7C15)  # splitmix64, Steele et al. 2014
SIGNAL_RATE_HZ = 44100
SIGNAL_FRAMES = 14 * SIGNAL_RATE_HZ  # two patches of 512 frames

# Of one-dimensional tensors, by the end of the name: centre and half width.
VECTORS = [
    ("/gamma", 1.0, 0.25),
    ("/beta", 0.0, 0.25),
    ("/bias", 0.0, 0.25),
    ("/moving_mean", 0.0, 0.0),
    ("/moving_variance", 1.0, 0.0),
    (".running_mean", 0.0, 0.5),
    (".running_var", 1.0, 0.5),
    (".weight", 1.0, 0.25),
    ("input_mean", 0.0, 0.5),
    ("input_scale", 0.125, 0.03125),
    ("output_mean", 1.0, 0.25),
    ("output_scale", 1.0, 0.25),
    ("prior", 1.0, 0.25),
    ("trust", 0.5, 0.5),
]
# Of matrices whose numbers belong to a frequency each.
TABLES = {"scale": (1.0, 0.25), "shift": (0.0, 0.25)}
OTHER_VECTOR = (0.0, 0.25)
# Of batch normalisations that prove the folding of statistics.
MOVED = [("/moving_mean", 0.0, 0.5), ("/moving_variance", 1.0, 0.5)]
SCALAR = 12345  # global_step and its like


def fnv1a(name):
    """64-bit FNV-1a of the name's bytes."""
    h = 0xCBF29CE484222325
    for byte in name.encode():
        h = ((h ^ byte) * 0x100000001B3) % 2**64
    return h


def hashes(name, first, count):
    """Numbers first .. first + count - 1 of the name's stream, uint64."""
    with np.errstate(over="ignore"):
        i = np.arange(first + 1, first + count + 1, dtype=np.uint64)
        z = np.uint64(fnv1a(name)) + i * STEP
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


def uniform(name, first, count):
    """In [-1, 1), multiples of 2^-23, float32."""
    top = (hashes(name, first, count) >> np.uint64(40)).astype(np.int64)
    return (top - 2**23).astype(F32) * F32(2.0**-23)


def positions(name, count, elements):
    """Where the tensor of this name is sampled, int64 [count]; repeats may occur."""
    return (hashes("at " + name, 0, count) % np.uint64(elements)).astype(np.int64)


def matrix_scale(name, shape):
    """Half width of a kernel or matrix, so that variance is kept from layer to layer.

    Rank 4 is [kh, kw, in, out], or [kh, kw, out, in] of a transposed
    convolution of stride 2, where a quarter of the taps meet, or PyTorch's
    [out, in, kh, kw]; rank 2 is [out, in].
    """
    if len(shape) == 2:
        return np.sqrt(F32(3) / F32(shape[1]))
    if name.endswith(".conv.weight"):
        return np.sqrt(F32(6) / F32(shape[1] * shape[2] * shape[3]))
    if "transpose" in name:
        return np.sqrt(F32(24) / F32(shape[0] * shape[1] * shape[3]))
    scale = np.sqrt(F32(6) / F32(shape[0] * shape[1] * shape[2]))
    return scale * F32(0.125) if shape[2] == 2 else scale


def vector_range(name, moved):
    for end, centre, half in (MOVED if moved else []) + VECTORS:
        if name.endswith(end):
            return F32(centre), F32(half)
    return F32(OTHER_VECTOR[0]), F32(OTHER_VECTOR[1])


def weights(name, shape, moved=False):
    """The tensor of this name, float32; moved: batch statistics unlike 0 and 1."""
    if len(shape) == 0:
        return np.array(SCALAR, F32)
    u = uniform(name, 0, int(np.prod(shape)))
    if name in TABLES:
        centre, half = TABLES[name]
        return (F32(centre) + u * F32(half)).reshape(shape)
    if len(shape) > 1:
        return (u * matrix_scale(name, shape)).reshape(shape)
    centre, half = vector_range(name, moved)
    return centre + u * half


def patch(frames, bins):
    """Magnitudes as a network sees them, float32 [2][frames][bins]: loud at the bottom, gated."""
    c, t, f = np.ogrid[0:2, 0:frames, 0:bins]
    top = hashes("patch", 0, 2 * frames * bins) >> np.uint64(40)
    u = (top.astype(F32) * F32(2.0**-24)).reshape(2, frames, bins)
    u = u * u
    level = 5 - 8 * f // bins + np.where((t // 16 + 32 * f // bins + c) % 3 == 0, 2, 0)
    return np.ldexp(u * u, level).astype(F32)


def bands(frames, count):
    """Left, right, middle and side of patch(frames, count), float32 [4][frames][count]."""
    left, right = patch(frames, count)
    return np.stack([left, right, F32(0.5) * (left + right), F32(0.5) * np.abs(left - right)])


def shares(frames, count):
    """Float32 [4][frames][count] that sum to 1, one often far larger than the others."""
    top = hashes("shares", 0, 4 * frames * count) >> np.uint64(40)
    u = ((top + np.uint64(1)).astype(F32) * F32(2.0**-24)).reshape(4, frames, count)
    u = u * u * u * u
    return u / (((u[0] + u[1]) + u[2]) + u[3])


BASS = [5357200, 5357200, 6373172, 7151600, 8030000, 8030000, 7151600, 6373172]
CHORDS = [
    [21428800, 26998000, 32120000],
    [25492688, 32120000, 38198000],
    [28606400, 36042000, 42857600],
    [24060000, 30320000, 36042000],
]
BEAT = 11025  # a quarter of a second
SILENCE = (9 * SIGNAL_RATE_HZ, 9 * SIGNAL_RATE_HZ + SIGNAL_RATE_HZ // 2)


def saw(n, increment):
    """In [-32768, 32768): the phase is n times increment, of 2^32 a turn."""
    return ((n * increment) % 2**32 >> 16) - 32768


def noise16(name, count):
    return (hashes(name, 0, count) >> np.uint64(48)).astype(np.int64) - 32768


def signal(frames=SIGNAL_FRAMES):
    """Bass, chords, drums and a floor of noise; float32 [frames][2], multiples of 2^-15.

    Half a second of digital silence after 9 s.
    """
    n = np.arange(frames, dtype=np.int64)
    bass = saw(n, np.array(BASS)[n // BEAT % 8])
    notes = np.array(CHORDS)[n // (4 * BEAT) % 4]
    low, mid, high = (saw(n, notes[:, k]) for k in range(3))
    decay = np.maximum(0, 4096 - n % BEAT)
    out = np.zeros((frames, 2), np.int64)
    for c, pan in enumerate([(3, 1), (1, 3)]):
        drum = noise16("signal %d" % c, frames)
        hit = (drum * (decay * decay >> 9)) >> 16
        chord = pan[0] * low + 2 * mid + pan[1] * high
        out[:, c] = ((2 * bass + chord + 4 * (drum >> 8)) >> 4) + (hit >> 1)
    out[SILENCE[0] : SILENCE[1]] = 0
    return out.astype(F32) * F32(2.0**-15)
