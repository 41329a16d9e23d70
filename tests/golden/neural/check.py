"""tests/golden/neural/check.py: is the reference itself right?

Layers against loops over their definition in numpy, formats against files
that others wrote.

SPDX-License-Identifier: PostgreSQL
"""

import io
import os

import numpy as np
import torch

from . import formats, pipeline, seeded, unet


def same(size, kernel, stride, dilation):
    """Outputs and zeros in front, by TensorFlow's definition of 'same'."""
    out = -(-size // stride)
    missing = (out - 1) * stride + (kernel - 1) * dilation + 1 - size
    return out, max(missing, 0) // 2


def taps(shape, kernel, stride, dilation):
    """Every (output, input, tap) of a convolution of [T][F]; shape is of the input."""
    (out_t, front_t), (out_f, front_f) = (same(n, kernel, stride, dilation) for n in shape)
    for i, j, a, b in np.ndindex(out_t, out_f, kernel, kernel):
        t, f = i * stride + a * dilation - front_t, j * stride + b * dilation - front_f
        if 0 <= t < shape[0] and 0 <= f < shape[1]:
            yield (i, j), (t, f), (a, b)


def convolution(x, kernel, bias, stride, dilation):
    """[T][F][in] by [kh][kw][in][out]."""
    out = np.zeros((x.shape[0] // stride, x.shape[1] // stride, len(bias))) + bias
    for at, source, tap in taps(x.shape[:2], kernel.shape[0], stride, dilation):
        out[at] += x[source] @ kernel[tap]
    return out


def transposed(x, kernel, bias, stride):
    """[T][F][in] by [kh][kw][out][in]: the same taps, the other way round."""
    shape = (x.shape[0] * stride, x.shape[1] * stride)
    out = np.zeros(shape + (len(bias),)) + bias
    for source, at, tap in taps(shape, kernel.shape[0], stride, 1):
        out[at] += kernel[tap] @ x[source]
    return out


def layers():
    """The largest distance of unet.py's three kinds of layers from the loops."""
    rng = np.random.default_rng(1)
    worst = 0.0
    for layer, naive, shape in (
        (unet.convolve, lambda *a: convolution(*a, 2, 1), (5, 5, 3, 4)),
        (unet.transpose, lambda *a: transposed(*a, 2), (5, 5, 4, 3)),
        (unet.last, lambda *a: convolution(*a, 1, 2), (4, 4, 3, 4)),
    ):
        x, kernel, bias = (rng.standard_normal(s) for s in ((8, 12, 3), shape, 4))
        w = unet.tensors({"a/kernel": kernel, "a/bias": bias}, torch.float64)
        got = layer(torch.tensor(x).permute(2, 0, 1)[None], w, "a")
        got = got[0].permute(1, 2, 0).numpy()
        worst = max(worst, np.abs(got - naive(x, kernel, bias)).max())
    return worst


def transform():
    """Distance of the spectrum from a sum over its definition, and of its inverse from the samples."""
    x = seeded.signal(3 * pipeline.FFT).astype(np.float64)
    spectrum = pipeline.stft(x)
    n = np.arange(pipeline.FFT)
    window = np.sin(np.pi * n / pipeline.FFT) ** 2
    start = 6 * pipeline.HOP - pipeline.FFT  # frame 6, bin 100, right channel
    wave = np.exp(-2j * np.pi * 100 * n / pipeline.FFT)
    bin_ = np.sum(x[start : start + pipeline.FFT, 1] * window * wave)
    assert spectrum.shape == (2, 4 * pipeline.FFT // pipeline.HOP, pipeline.BINS_ALL)
    back = pipeline.inverse(spectrum, len(x))
    return abs(spectrum[1, 6, 100] - bin_), np.abs(back - x).max()


def wiener_bin(v, x, eps):
    """Stems [stems][frames][2] of one bin: v is [stems][frames][2], x is [frames][2]."""
    y = v / (eps + v.sum(0)) * x
    power = (np.abs(y) ** 2).mean(2)
    out = np.empty_like(y)
    space = [sum(np.outer(z, z.conj()) for z in s) / (eps + p.sum()) for s, p in zip(y, power)]
    for t in range(len(x)):
        model = sum(p[t] * r for p, r in zip(power, space)) + np.sqrt(eps) * np.eye(2)
        for k in range(len(v)):
            out[k, t] = power[k, t] * space[k] @ np.linalg.solve(model, x[t])
    return out


def wiener():
    """Distance of the Wiener filters from the same with plain 2x2 matrices, bin by bin."""
    mix = pipeline.stft(seeded.signal(3 * pipeline.FFT).astype(np.float64))
    share = np.abs(seeded.uniform("share", 0, 3 * mix.size).reshape((3,) + mix.shape))
    stems = pipeline.wiener(share * np.abs(mix), mix)
    scale = max(1.0, np.abs(mix).max() / 10)
    worst = 0.0
    for f in range(0, pipeline.BINS_ALL, 64):
        v = (share * np.abs(mix))[..., f].transpose(0, 2, 1)
        naive = wiener_bin(v, mix[..., f].T / scale, float(np.finfo(np.float32).eps)) * scale
        worst = max(worst, np.abs(naive - stems[..., f].transpose(0, 2, 1)).max())
    return worst


def index(path, stems):
    """A released index: same variables as unet.py's, and written again byte for byte."""
    with open(path, "rb") as f:
        data = f.read()
    items = formats.read_table(data)
    entries = {key.decode(): formats.read_entry(value) for key, value in items[1:]}
    assert {n: e[1] for n, e in entries.items()} == unet.shapes(unet.spec(stems)), path
    again = [(n.encode(), formats.bundle_entry(*entries[n])) for n in sorted(entries)]
    assert formats.table([(b"", formats.HEADER)] + again) == data, path
    return len(entries)


def round_trip(weights):
    """What formats.py wrote holds every tensor, by readers of its own or of numpy."""
    files = formats.tensorflow(weights)
    items = formats.read_table(files["model.index"])
    for key, value in items[1:]:
        dtype, shape, offset, size, crc = formats.read_entry(value)
        raw = files[formats.DATA][offset : offset + size]
        assert formats.masked(formats.crc32c(raw)) == crc
        kind = np.int64 if dtype == formats.TF_INT64 else np.float32
        assert np.array_equal(np.frombuffer(raw, kind).reshape(shape), weights[key.decode()])
    archive = np.load(io.BytesIO(formats.npz(weights)))
    assert all(np.array_equal(archive[n], weights[n]) for n in weights)
    assert len(items) - 1 == len(archive.files) == len(weights)


def tail(shared):
    """Released tensors by their names, each with the checksum of the released index, or None."""
    folder = os.path.join(shared, "data/weights")
    path = os.path.join(folder, "spleeter_2stems_tfjs/accompaniment_decoder_tail.npz")
    if not os.path.exists(path):
        print("# SKIP no " + path)
        return None
    with open(os.path.join(folder, "spleeter_indexes/2stems.model.index"), "rb") as f:
        entries = {k.decode(): formats.read_entry(v) for k, v in formats.read_table(f.read())[1:]}
    weights = {name.replace("__", "/"): value for name, value in np.load(path).items()}
    for name, value in weights.items():
        crc = formats.masked(formats.crc32c(value.tobytes()))
        assert (value.shape, crc) == (entries[name][1], entries[name][4]), name
    return weights


def main(shared):
    """Prints what was checked; raises when something is wrong."""
    assert formats.crc32c(b"123456789") == 0xE3069283  # the check value of CRC-32C
    long = bytes(range(256)) * 1000
    slow = formats.crc_bytes(np.full(1, 2**32 - 1, np.uint32), np.frombuffer(long, np.uint8)[:, None])
    assert formats.crc32c(long) == int(slow[0]) ^ 0xFFFFFFFF
    print("CRC32C: check value, parallel against serial: ok")
    worst = layers()
    assert worst < 1e-12
    print("layers against loops in numpy: %.2g" % worst)
    forth, back = transform()
    assert forth < 1e-9 and back < 1e-12
    print("spectrum against its definition %.2g, inverse against samples %.2g" % (forth, back))
    worst = wiener()
    assert worst < 1e-9
    print("Wiener filters against plain matrices: %.2g" % worst)
    round_trip(unet.seeded_weights(unet.spec(5, "tiny")))
    print("5 tiny stems as bundle and .npz, read back: ok")
    for stems in (2, 4, 5):
        path = os.path.join(shared, "data/weights/spleeter_indexes/%dstems.model.index" % stems)
        if not os.path.exists(path):
            print("# SKIP no " + path)
            continue
        print("%d stems: released index, %d tensors, same bytes" % (stems, index(path, stems)))
    weights = tail(shared)
    if weights:
        print("%d released tensors have their released checksums" % len(weights))
