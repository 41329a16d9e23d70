"""tests/golden/make_neural.py: the neural separators, computed a second time.

An independent reference of Spleeter's pipeline, of Open-Unmix and of spotai's own network in PyTorch,
written from the facts of the architectures.  Weights and input are seeded
(neural/seeded.py; the C side makes the same bits by tests/golden_weights.h),
so golden files hold outputs only.

    make_neural.py golden [seeded|unet|pipeline|umx|spotai|tail ...]
    make_neural.py weights --stems 4 --size full --format tf --out DIR
    make_neural.py fixtures | check | time

tests/golden/README.md says what each file holds.  Outputs are computed in
float64; the notes at the head of each file say how far PyTorch's own float32 is
from that.  Needs numpy and torch (Debian: python3-torch).

SPDX-License-Identifier: PostgreSQL
"""

import argparse
import os
import time

import numpy as np
import torch

from neural import check, formats, pipeline, seeded, spotai, store, umx, unet

HERE = os.path.dirname(os.path.abspath(__file__))
SAMPLES = 64  # values a layer
RUN, RUN_VARIANT, RUN_TINY = 256, 128, 64  # frames a stretch of a waveform


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
    for name, shape in sorted(umx.shapes(umx.TINY, "bass").items()):
        golden.sample("plain:" + name, seeded.weights(name, shape), 8)
    golden.sample("patch", seeded.patch(unet.FRAMES, unet.BINS), 256)
    golden.sample("signal", seeded.signal(), 256)
    golden.run("signal-start", seeded.signal(), 0, 64)
    golden.write(os.path.join(HERE, "seeded.golden"))


def runs(samples):
    """First frames of the stretches that are kept, by name: start, patch border, end."""
    border = unet.FRAMES * pipeline.HOP - pipeline.FFT
    return {"start": 0, "middle": 100000, "border": border + 1024, "end": samples - RUN}


def keep_waves(golden, label, stem, wave, count):
    for where, first in runs(len(wave)).items():
        golden.run("%s/%s/%s" % (label, stem, where), wave, 2 * first, 2 * count)


class Song:
    """What a model makes of seeded.signal in one precision."""

    def __init__(self, model, dtype):
        self.samples = seeded.signal().astype(dtype)
        self.mix = pipeline.stft(self.samples)
        seen = np.abs(self.mix[:, :, : unet.BINS])
        kind = torch.float64 if dtype == np.float64 else torch.float32
        weights = unet.tensors(unet.seeded_weights(model), kind)
        self.estimates = pipeline.estimates(seen, weights, model)
        self.masks = pipeline.ratio_masks(self.estimates)

    def inverse(self, spectra):
        return [pipeline.inverse(s, len(self.samples)) for s in spectra]

    def waves(self, extension):
        return self.inverse(pipeline.extend(self.masks, extension) * self.mix)

    def wiener(self, window=None):
        """Stems by Wiener filters that are estimated on this many frames (None: on all)."""
        frames = self.mix.shape[1]
        parts = []
        for t in range(0, frames, window or frames):
            part = slice(t, t + (window or frames))
            parts.append(pipeline.wiener(self.estimates[:, :, part], self.mix[:, part]))
        return self.inverse(np.concatenate(parts, axis=2))


def keep_stft(golden, mix):
    golden.sample("stft/real", mix.real, 256)
    golden.sample("stft/imaginary", mix.imag, 256)
    golden.sample("stft/magnitude", np.abs(mix), 256)


def keep_song(golden, label, model, masks, count):
    """Masks and waveforms, and how far float32 is from them."""
    exact, single = Song(model, np.float64), Song(model, np.float32)
    waves, rounded = exact.waves("zeros"), single.waves("zeros")
    far = np.abs(exact.masks - single.masks).max()
    sdr = min(decibels(a, b) for a, b in zip(waves, rounded))
    note = "%s: float32 is within %.2g of the ratio masks, %.1f dB of the waveforms"
    golden.note(note % (label, far, sdr))
    print(note % (label, far, sdr), flush=True)
    for k, stem in enumerate(model.stems):
        golden.sample("%s/%s/mask" % (label, stem), exact.masks[k], masks)
        keep_waves(golden, label, stem, waves[k], count)
    return exact, single


def keep_variant(golden, label, model, exact, single):
    """Other ways from the same estimates to waveforms."""
    sdr = min(decibels(a, b) for a, b in zip(exact, single))
    golden.note("%s: float32 is within %.1f dB of the waveforms" % (label, sdr))
    print("%s: float32 is within %.1f dB of the waveforms" % (label, sdr), flush=True)
    for k, stem in enumerate(model.stems):
        keep_waves(golden, label, stem, exact[k], RUN_VARIANT)


def golden_pipeline():
    """seeded.signal through the whole of Spleeter."""
    golden = store.Golden(
        "tests/golden/make_neural.py golden pipeline",
        "mask and stft are [2][frames][bins]; waveforms are [samples][2]",
    )
    for stems in (2, 4, 5):
        model = unet.spec(stems)
        exact, single = keep_song(golden, "%dstems-full" % stems, model, 512, RUN)
        if stems == 2:
            keep_stft(golden, exact.mix)
            both = [song.waves("average") for song in (exact, single)]
            keep_variant(golden, "2stems-average", model, *both)
        if stems == 4:
            both = [song.wiener() for song in (exact, single)]
            keep_variant(golden, "4stems-wiener", model, *both)
            both = [song.wiener(unet.FRAMES) for song in (exact, single)]
            keep_variant(golden, "4stems-wiener-patch", model, *both)
        tiny = unet.spec(stems, "tiny")
        keep_song(golden, "%dstems-tiny" % stems, tiny, 64, RUN_TINY)
    golden.write(os.path.join(HERE, "pipeline.golden"))


def run_umx(spec, target, patch, dtype):
    seen = {}
    weights = umx.seeded_weights(spec, target)
    out = umx.estimate(
        patch, weights, spec, target, dtype, lambda k, v: seen.update({k: v.numpy()})
    )
    return {**seen, "estimate": out}


def golden_umx():
    """Open-Unmix on seeded.patch of six seconds: a full network, a tiny one."""
    golden = store.Golden(
        "tests/golden/make_neural.py golden umx",
        "stages are [frames][width]; fc3 and mask [frames][2][bins]; estimate [2][frames][bins]",
    )
    for label, spec, target, frames in (
        ("full", umx.FULL, "vocals", 259),
        ("tiny", umx.TINY, "drums", 50),
    ):
        patch = seeded.patch(frames, spec.bins)
        exact = run_umx(spec, target, patch, torch.float64)
        single = run_umx(spec, target, patch, torch.float32)
        far = np.abs(exact["mask"] - single["mask"]).max()
        note = "%s: PyTorch float32 is within %.2g of the mask, %.1f dB of the estimate" % (
            label,
            far,
            decibels(exact["estimate"], single["estimate"]),
        )
        golden.note(note)
        print(note)
        for stage, value in exact.items():
            golden.sample("%s/%s/%s" % (label, target, stage), value, SAMPLES)
    golden.write(os.path.join(HERE, "umx.golden"))


def run_spotai(spec, frames, dtype):
    seen = {}
    bands, shares = seeded.bands(frames, spec.bands), seeded.shares(frames, spec.bands)
    seen["mask"] = spotai.estimate(
        bands, shares, spotai.seeded_weights(spec), spec, dtype, seen.__setitem__
    )
    return seen


def golden_spotai():
    """spotai's own network on seeded.bands and seeded.shares: the full one, a tiny one."""
    golden = store.Golden(
        "tests/golden/make_neural.py golden spotai",
        "layers are [channels][frames][bands]; head and mask [stems and channels][frames][bands]",
    )
    for label, spec, frames in (("full", spotai.FULL, 128), ("tiny", spotai.TINY, 16)):
        exact = run_spotai(spec, frames, torch.float64)
        single = run_spotai(spec, frames, torch.float32)
        far = np.abs(exact["mask"] - single["mask"]).max()
        note = "%s: PyTorch float32 is within %.2g of the masks" % (label, far)
        golden.note(note)
        print(note)
        for stage, value in exact.items():
            golden.sample("%s/%s" % (label, stage), value, 8 * SAMPLES if stage == "mask" else 16)
    golden.write(os.path.join(HERE, "spotai.golden"))


def golden_tail():
    """The accompaniment net of 2 stems: a released end (up3 on), all else seeded; on seeded.patch."""
    released = check.tail(os.environ.get("SPOTAI_SHARED", "../shared"))
    if released is None:
        return
    golden = store.Golden(
        "tests/golden/make_neural.py golden tail",
        "layers are [T][F][C]; logits are [2][T][F]",
        "from the second transposed convolution's bias on, weights are Deezer's",
    )

    def watch(layer, value):
        if layer.startswith("up") or layer == "logits":
            as_numpy = planar if layer == "logits" else nhwc
            golden.sample("tail/" + layer, as_numpy(value), SAMPLES)

    with torch.no_grad():
        model = unet.spec(2)
        weights = {**unet.seeded_weights(model), **released}
        patch = torch.tensor(seeded.patch(unet.FRAMES, unet.BINS), dtype=torch.float64)
        unet.logits(patch[None], unet.tensors(weights, torch.float64), model, 1, watch)
    golden.write(os.path.join(HERE, "tail.golden"))


def named_weights(stems, size, moved):
    """A model's variables as they are stored: global_step is an int64."""
    weights = unet.seeded_weights(unet.spec(stems, size), moved)
    weights["global_step"] = weights["global_step"].astype(np.int64)
    return weights


def umx_weights(spec):
    """All four targets, with the counters that PyTorch keeps."""
    weights = {}
    for target in umx.TARGETS:
        weights.update(umx.seeded_weights(spec, target))
        for name in ("bn1", "bn2", "bn3"):
            key = "%s.%s.num_batches_tracked" % (target, name)
            weights[key] = np.array(seeded.SCALAR, np.int64)
    return weights


def write_weights(args):
    if args.umx:
        weights = umx_weights(umx.TINY if args.size == "tiny" else umx.FULL)
    else:
        weights = named_weights(args.stems, args.size, args.moved)
    name = args.name or "%s-%s" % (args.size, "umx" if args.umx else "%dstems" % args.stems)
    print(formats.save(weights, args.format, args.out, name))


def write_fixtures():
    """Tiny models for regression tests, below 60 KB each."""
    folder = os.path.join(os.path.dirname(HERE), "fixtures", "models")
    for stems, form in ((2, "tar.gz"), (2, "npz"), (4, "safetensors"), (5, "tar.gz")):
        weights = named_weights(stems, "tiny", False)
        print(formats.save(weights, form, folder, "tiny-%dstems" % stems))


def measure_time(threads, patches):
    """Seconds a patch of four stems takes, network alone; PyTorch's best of some."""
    torch.set_num_threads(threads)
    model = unet.spec(4)
    weights = unet.tensors(unet.seeded_weights(model), torch.float32)
    x = torch.tensor(seeded.patch(unet.FRAMES, unet.BINS))[None]
    times = []
    for _ in range(patches + 1):
        start = time.perf_counter()
        unet.estimates(x, weights, model)
        times.append(time.perf_counter() - start)
    return min(times[1:])


def print_times():
    """PyTorch's own speed, for the benchmark."""
    seconds = unet.FRAMES * pipeline.HOP / seeded.SIGNAL_RATE_HZ
    for threads in (1, 2):
        took = measure_time(threads, 9)
        print(
            "pytorch %s f32, 4 stems, network alone, threads %d: %.3f s a patch, %.1f x real time"
            % (torch.__version__, threads, took, seconds / took)
        )


GOLDEN = {
    "seeded": golden_seeded,
    "unet": golden_unet,
    "pipeline": golden_pipeline,
    "umx": golden_umx,
    "spotai": golden_spotai,
    "tail": golden_tail,
}


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    golden = commands.add_parser("golden", help="remake golden files")
    golden.add_argument("which", nargs="*", help="of %s; all" % ", ".join(GOLDEN))
    weights = commands.add_parser("weights", help="write seeded weights")
    weights.add_argument("--stems", type=int, choices=unet.STEMS, default=2)
    weights.add_argument("--umx", action="store_true", help="Open-Unmix instead of the U-Net")
    weights.add_argument("--size", choices=("tiny", "full"), default="tiny")
    weights.add_argument("--moved", action="store_true", help="batch statistics unlike 0 and 1")
    weights.add_argument(
        "--format", choices=("tf", "tar.gz", "safetensors", "npz"), default="safetensors"
    )
    weights.add_argument("--out", required=True, metavar="DIR")
    weights.add_argument("--name", help="of the file, or of the folder for tf")
    commands.add_parser("fixtures", help="remake tests/fixtures/models")
    commands.add_parser("time", help="PyTorch's own speed")
    checks = commands.add_parser("check", help="is the reference right?")
    checks.add_argument("--shared", default=os.environ.get("SPOTAI_SHARED", "../shared"))
    return parser.parse_args()


def main():
    args = parse_arguments()
    torch.set_num_threads(2)
    if args.command == "golden":
        for which in args.which or GOLDEN:
            GOLDEN[which]()
    elif args.command == "weights":
        write_weights(args)
    elif args.command == "fixtures":
        write_fixtures()
    elif args.command == "time":
        print_times()
    else:
        check.main(args.shared)


if __name__ == "__main__":
    main()
