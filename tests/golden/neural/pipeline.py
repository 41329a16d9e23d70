"""tests/golden/neural/pipeline.py: from samples to stems, around the network.

Spectra are [2][frames][2049] complex, magnitudes and masks [2][frames][bins],
waveforms [samples][2].  Works in the precision of its input.

SPDX-License-Identifier: PostgreSQL
"""

import numpy as np
import torch

from . import unet

FFT, HOP = 4096, 1024
BINS_ALL = FFT // 2 + 1
EPSILON = 1e-10  # of the ratio masks
WINDOW_COMPENSATION = 2.0 / 3.0  # of four overlapped squared Hann windows


def window(dtype):
    return torch.hann_window(FFT, periodic=True, dtype=dtype)


def stft(samples):
    """[n][2] to [2][ceil((4096 + n) / 1024)][2049]: 4096 zeros in front, as many as needed behind."""
    x = torch.tensor(samples).T
    frames = -(-(FFT + x.shape[1]) // HOP)
    behind = (frames - 1) * HOP - x.shape[1]
    padded = torch.nn.functional.pad(x, (FFT, behind))
    return torch.fft.rfft(padded.unfold(1, FFT, HOP) * window(x.dtype)).numpy()


def inverse(spectrum, n):
    """[2][frames][2049] to [n][2]: overlapped and added, the 4096 samples in front dropped."""
    pieces = torch.fft.irfft(torch.tensor(spectrum), FFT)
    pieces = pieces * window(pieces.dtype)
    out = torch.zeros(2, (pieces.shape[1] - 1) * HOP + FFT, dtype=pieces.dtype)
    for t in range(pieces.shape[1]):
        out[:, t * HOP : t * HOP + FFT] += pieces[:, t]
    return (out[:, FFT : FFT + n] * WINDOW_COMPENSATION).T.numpy()


def estimates(magnitudes, weights, model):
    """[2][frames][1024] to the stems' magnitudes [stems][2][frames][1024], patch by patch."""
    frames = magnitudes.shape[1]
    patches = -(-frames // unet.FRAMES)
    padded = np.pad(magnitudes, ((0, 0), (0, patches * unet.FRAMES - frames), (0, 0)))
    out = []
    for patch in np.split(padded, patches, axis=1):
        out.append(unet.estimates(torch.tensor(patch)[None], weights, model).numpy())
    return np.concatenate(out, axis=2)[:, :, :frames]


def ratio_masks(magnitudes):
    """[stems][2][frames][bins]: what share of the squared magnitudes is each stem's."""
    power = magnitudes * magnitudes
    eps = magnitudes.dtype.type(EPSILON)
    return (power + eps / len(power)) / (power.sum(0) + eps)


def extend(masks, how):
    """Bins above the network's: silence, or the average of the frame's mask."""
    above = BINS_ALL - masks.shape[3]
    row = masks.mean(3, keepdims=True) if how == "average" else np.zeros_like(masks[..., :1])
    return np.concatenate([masks, np.repeat(row, above, axis=3)], axis=3)


def covariances(spectrum):
    """[2][frames][bins] to [2][2][frames][bins], channel by conjugated channel."""
    return spectrum[:, None] * spectrum[None].conj()


def invert(m):
    """2x2 matrices in the first two axes."""
    det = m[0, 0] * m[1, 1] - m[0, 1] * m[1, 0]
    return np.array([[m[1, 1], -m[0, 1]], [-m[1, 0], m[0, 0]]]) / det


def wiener(magnitudes, mix):
    """Spectra of the stems [stems][2][frames][2049] by one step of expectation-maximisation.

    As norbert 0.2.1 does it by default (Liutkus and Stoeter): stems start as the mix
    under soft masks of the magnitudes; each is modelled as a power spectrum times a
    2x2 covariance a bin; the mix is filtered by the model.  All frames at once.
    Its constants are those of single precision even here, since Spleeter's spectra are.
    """
    eps = float(np.finfo(np.float32).eps)
    above = BINS_ALL - magnitudes.shape[3]
    v = np.pad(magnitudes, ((0, 0), (0, 0), (0, 0), (0, above)))
    scale = max(1.0, np.abs(mix).max() / 10.0)
    x = mix / scale
    start = v / (eps + v.sum(0)) * x
    power = (np.abs(start) ** 2).mean(1)  # [stems][frames][bins]
    space = np.array(
        [covariances(y).sum(2) / (eps + p.sum(0)) for y, p in zip(start, power)]
    )  # [stems][2][2][bins]
    total = np.sqrt(eps) * np.eye(2)[:, :, None, None] + sum(
        r[:, :, None] * p for r, p in zip(space, power)
    )
    inverted = invert(total)
    out = np.empty_like(start)
    for k, (r, p) in enumerate(zip(space, power)):
        gain = np.einsum("abf,bctf->actf", r, inverted) * p
        out[k] = np.einsum("actf,ctf->atf", gain, x)
    return out * scale
