"""tests/golden/make_neural.py: the neural separators, computed a second time.

An independent reference of Spleeter's pipeline and of Open-Unmix in PyTorch,
written from the facts of the architectures.  Weights and input are seeded
(neural/seeded.py; the C side makes the same bits by tests/golden_weights.h),
so golden files hold outputs only.

    python3 tests/golden/make_neural.py golden unet

Outputs are computed in float64; the notes at the head of each file say how far
PyTorch's own float32 is from that.  Needs numpy and torch (Debian: python3-torch).

SPDX-License-Identifier: PostgreSQL
"""

import argparse
import os

import numpy as np
import torch

from neural import seeded, store, unet

HERE = os.path.dirname(os.path.abspath(__file__))
SAMPLES = 64  # values a layer


def nhwc(value):
    """[1, C, T, F] to numpy [T][F][C], the order of TensorFlow."""
    return value[0].permute(1, 2, 0).numpy()


def planar(value):
    """[1, 2, T, F] to numpy [2][T][F]."""
    return value[0].numpy()


def watch_all(seen):
    """Keeps every layer's output under (stem, layer)."""

    def watch(stem, layer, value):
        as_numpy = planar if layer in ("logits", "mask", "estimate") else nhwc
        seen[stem, layer] = as_numpy(value)

    return watch


def run_unet(model, weights, patch, dtype):
    """Every layer's output by (stem, layer), of magnitudes [2][T][F]."""
    seen = {}
    x = torch.tensor(patch, dtype=dtype)[None]
    unet.estimates(x, unet.tensors(weights, dtype), model, watch_all(seen))
    return seen


def decibels(truth, got):
    error = np.sum((truth - got.astype(np.float64)) ** 2)
    return 10 * np.log10(np.sum(truth.astype(np.float64) ** 2) / error)


def golden_unet_model(golden, label, model, moved):
    """All layers of the first stem, and logits, mask and estimate of every stem."""
    weights = unet.seeded_weights(model, moved)
    patch = seeded.patch(unet.FRAMES, unet.BINS)
    exact = run_unet(model, weights, patch, torch.float64)
    single = run_unet(model, weights, patch, torch.float32)
    far = max(np.abs(exact[k] - single[k]).max() for k in exact if k[1] == "mask")
    sdr = min(decibels(exact[k], single[k]) for k in exact if k[1] == "estimate")
    note = "%s: PyTorch float32 is within %.2g of the masks, %.1f dB of the estimates"
    golden.note(note % (label, far, sdr))
    print(note % (label, far, sdr))
    for (stem, layer), value in exact.items():
        if stem == 0 or layer in ("logits", "mask", "estimate"):
            golden.sample("%s/%s/%s" % (label, model.stems[stem], layer), value, SAMPLES)


def golden_unet():
    """The network alone, on seeded.patch."""
    golden = store.Golden(
        "tests/golden/make_neural.py golden unet",
        "layers are [T][F][C]; logits, mask and estimate are [2][T][F]",
    )
    for stems in (2, 4, 5):
        for size in ("full", "tiny"):
            golden_unet_model(golden, "%dstems-%s" % (stems, size), unet.spec(stems, size), False)
    golden_unet_model(golden, "2stems-moved", unet.spec(2), True)
    golden_unet_model(golden, "4stems-tiny-moved", unet.spec(4, "tiny"), True)
    golden.write(os.path.join(HERE, "unet.golden"))


def flat_kernel(shape):
    """Golden arrays have three dimensions; a kernel's first two become one."""
    return (shape[0] * shape[1],) + shape[2:] if len(shape) == 4 else shape


def golden_seeded():
    """What the generators make, for the test of their C twin."""
    golden = store.Golden("tests/golden/make_neural.py golden seeded")
    for name, shape in sorted(unet.shapes(unet.spec(2)).items()):
        if "_1" in name or "/" not in name or name.startswith("conv2d/"):
            value = seeded.weights(name, shape)
            golden.sample("plain:" + name, value.reshape(flat_kernel(shape)), 8)
            if "/moving" in name:
                golden.sample("moved:" + name, seeded.weights(name, shape, True), 8)
    golden.sample("patch", seeded.patch(unet.FRAMES, unet.BINS), 256)
    golden.sample("signal", seeded.signal(), 256)
    golden.run("signal-start", seeded.signal(), 0, 64)
    golden.write(os.path.join(HERE, "seeded.golden"))


GOLDEN = {"seeded": golden_seeded, "unet": golden_unet}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    golden = commands.add_parser("golden", help="remake golden files")
    golden.add_argument("which", nargs="*", help="of " + ", ".join(GOLDEN))
    args = parser.parse_args()
    torch.set_num_threads(2)
    if args.command == "golden":
        for which in args.which or GOLDEN:
            GOLDEN[which]()


if __name__ == "__main__":
    main()
