"""train/test_training.py: mixing, reels, networks, training and export; within a minute.

    nice python3 -m train.test_training

Makes its own songs of tones and noise; needs a C compiler and FFTW (native.py).

SPDX-License-Identifier: PostgreSQL
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import xml.dom.minidom

import numpy as np
import torch

from . import audio, bands, curve, effects, fit, golden, losses, mixing, networks
from . import patches, reels, safetensors, songs, validation

FRAMES = 144  # of the reels made here
SECONDS = 6.0


def tone(hz, seconds=SECONDS):
    at = np.arange(audio.samples(seconds)) / audio.RATE
    return np.repeat(np.sin(2 * np.pi * hz * at)[:, None], 2, axis=1).astype(np.float32)


def small_song(seed):
    rng = audio.dice("small", seed)
    n = audio.samples(SECONDS)
    clicks = audio.noise(rng, n, 2) * (np.arange(n) % 11025 < 600)[:, None]
    return {
        "vocals": 0.1 * tone(rng.uniform(300, 900)),
        "drums": 0.1 * clicks.astype(np.float32),
        "bass": 0.1 * tone(rng.uniform(40, 90)),
        "other": 0.1 * tone(rng.uniform(1000, 4000)) + 0.003 * audio.noise(rng, n, 2),
    }


def make_songs(folder):
    for seed in range(2):
        songs.write(folder / ("song_%d" % seed), small_song(seed), {"seed": seed})
    stems = small_song(9)
    joined = {s: stems[s] for s in ("vocals", "drums")} | {"rest": stems["bass"] + stems["other"]}
    songs.write(folder / "album_x", joined, {"song": "x"})
    return mixing.Library([folder])


def test_bands(_folder, _library):
    assert bands.BANDS == 512 and bands.WIDTHS.sum() == bands.BINS == 2049
    x = np.random.default_rng(1).random((3, 2049))
    edges = [0, *np.cumsum(bands.WIDTHS)]
    naive = np.stack([x[:, a:b].sum(axis=1) for a, b in zip(edges, edges[1:])], axis=1)
    assert np.allclose(bands.pooled(x), naive)


def test_effects(_folder, _library):
    """Nothing but what is asked for: identity, a low pass, a gain that only lowers."""
    x = audio.noise(audio.dice(1), 30000, 2)
    assert np.abs(effects.Response(len(x)).applied(x) - x).max() < 1e-4
    low = effects.Response(len(x))
    low.low_pass(8000)
    power = np.abs(np.fft.rfft(low.applied(x)[:, 0])) ** 2
    hz = np.fft.rfftfreq(len(x), 1 / audio.RATE)
    assert power[hz > 8700].sum() < 1e-4 * power.sum()
    for effect in (effects.clipping, effects.compression):
        gain = effect(x, audio.dice(2))
        assert (gain <= 1 + 1e-6).all() and (gain > 0).all()
    # MP3's delay is taken off: the decoded mix is the mix
    mix = 0.2 * tone(500, 2) + 0.2 * tone(3000, 2)
    assert audio.rms(effects.through_mp3(mix) - mix) < 0.1 * audio.rms(mix)


def test_mixing(_folder, library):
    """Mixtures repeat, are finite and level; mono is mono; all kinds come up."""
    n, kinds = mixing.frames_to_samples(32), set()
    for k in range(30):
        first, again = (drawn(library, n, k) for _ in range(2))
        assert first.stems.tobytes() == again.stems.tobytes()
        mix = first.stems.sum(axis=0)
        assert np.isfinite(first.stems).all() and abs(audio.rms(mix) - mixing.LEVEL) < 1e-3
        mono = (first.stems[..., 0] == first.stems[..., 1]).all()
        assert mono or not first.scene.mono
        assert not (first.joined and first.stems[mixing.BASS].any())
        kinds |= {("joined", first.joined), ("mono", first.scene.mono)}
    assert len(kinds) == 4, kinds


def drawn(library, n, number):
    rng = audio.dice("test", number)
    return mixing.mastered(mixing.unmastered(library, n, rng), rng)


def test_reel(folder, library):
    """Targets and energies are those of a naive computation; ideal masks leave little."""
    mixture = drawn(library, mixing.frames_to_samples(FRAMES), 3)
    array, notes = reels.rendered(mixture, False, FRAMES)
    frame, window = 70, np.hanning(4097)[:-1]
    cut = mixture.stems[:, frame * 1024 :][:, :4096].astype(np.float64)
    parts = np.fft.rfft(cut * window[None, :, None], axis=1)
    mix = parts.sum(axis=0)
    for band in (5, 200, 360, 511):
        bins = slice(bands.STARTS[band], bands.STARTS[band] + bands.WIDTHS[band])
        total = (np.abs(mix[bins]) ** 2).sum(axis=0)
        level = np.sqrt(total / bands.WIDTHS[band])
        assert np.allclose(array[frame, :2, band], level, rtol=2e-3, atol=1e-3)
        share = (mix[bins].conj() * parts[:3, bins]).real.sum(axis=1) / np.maximum(total, 1e-9)
        assert np.allclose(array[frame, 7:, band], (share * level).ravel(), rtol=5e-3, atol=2e-3)
    energy = sum(
        (np.abs(np.fft.rfft(mixture.stems[:, t * 1024 :][:, :4096] * window[:, None], axis=1)) ** 2)
        .sum(axis=(1, 2))
        for t in range(FRAMES)
    )
    assert np.allclose(notes["energy"], energy, rtol=1e-3)


def test_codec(_folder, library):
    """Through a codec the mix changes and the stems follow: they still add up to it."""
    mixture = drawn(library, mixing.frames_to_samples(FRAMES), 3)
    plain, coded = (reels.rendered(mixture, c, FRAMES)[0].astype(np.float32) for c in (False, True))
    change = np.abs(plain[:, :2] - coded[:, :2]).mean() / plain[:, :2].mean()
    assert 1e-4 < change < 0.5, change
    share = [x[:, reels.TARGETS].sum() / x[:, :2].sum() for x in (plain, coded)]
    assert abs(share[0] - share[1]) < 0.05, share


def write_reels(folder, library, count):
    before, reels.FRAMES = reels.FRAMES, FRAMES
    for number in range(count):
        reels.write(folder, number, *reels.render(library, "test", number, FRAMES))
    return before


def test_patches(folder, library):
    """Batches repeat; targets add up to the mix; left for right is what it says."""
    folder = folder / "reels"
    folder.mkdir()
    write_reels(folder, library, 6)
    found = patches.reels_of(folder)
    one, two = (patches.batch(found, 1, 5, 4) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(one, two))
    assert not torch.equal(one.bands, patches.batch(found, 1, 6, 4).bands)
    assert torch.allclose(one.targets.sum(dim=1), one.bands[:, :2], atol=1e-3)
    assert torch.allclose(one.shares.sum(dim=1), torch.ones(4, 128, 512), atol=2e-3)
    assert torch.allclose(one.bands[:, :2].mean(dim=(1, 2, 3)), torch.ones(4), atol=1e-3)
    rows = found[0].rows(0, 16)
    there, back = patches.assembled([rows], [False]), rows[:, patches.SWAPPED]
    back = patches.assembled([back], [False])
    assert torch.equal(there.bands[:, [1, 0, 2, 3]], back.bands)
    assert torch.equal(there.targets.flip(2)[:, :3], back.targets[:, :3])
    batch, fresh = patches.whole(found[0])
    assert len(batch.bands) == 2 and sum(128 - f for f in fresh) == FRAMES


def test_sdr(folder, _library):
    """Of the mix as estimate it is what energies say; no mask beats the ideal one."""
    reel = patches.reels_of(folder / "reels")[0]
    batch, fresh = patches.whole(reel)
    ideal = batch.targets / batch.bands[:, None, :2].clamp_min(1e-9)
    best = tallied(reel, batch, ideal, fresh)
    worse = tallied(reel, batch, ideal + 0.05, fresh)
    heard = ~np.isnan(best)
    assert heard.any() and (best[heard] > worse[heard]).all()
    nothing = tallied(reel, batch, torch.zeros_like(ideal), fresh)
    assert np.abs(nothing[:4][heard[:4]]).max() < 0.05, nothing  # 0 dB: all is error


def tallied(reel, batch, masks, fresh):
    tally = validation.Tally(reel)
    tally.add(batch, masks, fresh)
    return tally.sdr()


def test_networks(_folder, _library):
    """Masks add up to 1; untrained they are classical's; every tensor has a gradient."""
    heard, shares = golden.patch(32, 1)
    classical = (shares + networks.SHARE_FLOOR) / (1 + 4 * networks.SHARE_FLOOR)
    for variant in networks.VARIANTS:
        net = networks.build(variant)
        masks = net(heard, shares)
        assert masks.shape == (1, 4, 2, 32, 512)
        assert torch.allclose(masks, classical[:, :, None].expand_as(masks), atol=1e-5)
        golden.shaken(net, 1)
        masks = net(heard, shares)
        assert torch.allclose(masks.sum(dim=1), torch.ones(1, 2, 32, 512), atol=1e-5)
        masks.square().sum().backward()
        for name, tensor in net.named_parameters():
            assert tensor.grad is not None and tensor.grad.abs().sum() > 0, (variant, name)
    x = torch.randn(2, 32, 8, 16)
    assert torch.equal(networks.shuffled(x), torch.nn.functional.pixel_shuffle(x, 2))


def test_loss(folder, _library):
    """The gradient by hand is that of automatic differentiation, joined or not."""
    batch = patches.batch(patches.reels_of(folder / "reels"), 1, 2, 2)
    batch = batch._replace(joined=torch.tensor([True, False]))
    net = golden.shaken(networks.build("frequency"), 1)
    net.trust.fill_(1)  # as it is while training
    masks = net(batch.bands, batch.shares)
    found = losses.plain(masks, batch)
    logits = net.logits(net.planes(batch.bands, batch.shares))
    restraint = losses.RESTRAINT * logits.square().mean()
    ((found * losses.STEM_WEIGHTS).sum() + restraint).backward()
    wanted = {name: p.grad.clone() for name, p in net.named_parameters()}
    net.zero_grad()
    loss, by_stem = losses.of(net, batch)
    loss.backward()
    assert torch.allclose(by_stem, found, rtol=1e-4)
    for name, p in net.named_parameters():
        worst = (p.grad - wanted[name]).abs().max() / wanted[name].abs().max()
        assert worst < 1e-3, (name, worst)


def arguments(folder, out, **more):
    fixed = {"reels": folder / "reels", "validation": folder / "reels", "out": folder / out}
    fixed |= {"variant": "frequency", "begin": None, "decay": None, "batch": 2, "log_weight": 0.06}
    fixed |= {"seed": 1, "every": 4, "save": 100, "minutes": 1e9, "steps": 1e9, "threads": 1}
    fixed["out"].mkdir(exist_ok=True)
    return argparse.Namespace(**fixed | more)


def steps(args, count):
    run = begun(args)
    coming = fit.batches(patches.reels_of(args.reels), run)
    for _ in range(count):
        run.advance(next(coming))
    coming.close()
    run.save()
    return run


def begun(args):
    run = fit.Run(args)
    run.resume()
    return run


@torch.no_grad()
def loss(run, batch):
    return losses.of(run.net, batch)[0].item()


def test_training(folder, _library):
    """Loss falls; a stopped run goes on as if it had not been; a decay ends."""
    args = arguments(folder, "whole")
    fixed = patches.batch(patches.reels_of(args.reels), 1, 0, 6)
    before, whole = loss(begun(args), fixed), steps(args, 8)
    assert loss(whole, fixed) < before
    steps(arguments(folder, "stopped"), 5)
    resumed = steps(arguments(folder, "stopped"), 3)
    for a, b in zip(whole.net.state_dict().values(), resumed.net.state_dict().values()):
        assert torch.equal(a, b)
    (folder / "whole" / "history.jsonl").touch()
    args = arguments(folder, "decayed", begin=folder / "whole" / "checkpoint.pt", decay=4)
    fit.loop(begun(args), patches.reels_of(args.reels), patches.reels_of(args.validation))
    state = torch.load(folder / "decayed" / "checkpoint.pt")
    assert state["step"] == 12 and state["decay_from"] == 8
    line = json.loads((folder / "decayed" / "history.jsonl").read_text().splitlines()[-1])
    assert line["step"] == 12 and set(line["sdr"]) == set(validation.NAMES)


def test_export(folder, _library):
    """The file holds the averaged weights in f16; card and curve are there."""
    rows = [{"name": "album/x_vocals.opus", "bytes": 1, "sha256": "0" * 64, "licence": "CC0-1.0"}]
    (folder / "manifest.json").write_text(json.dumps(rows))
    command = [sys.executable, "-m", "train.export", "--run", folder / "decayed"]
    command += ["--manifest", folder / "manifest.json", "--reels", folder / "reels"]
    command += ["--name", "mine", "--trust", "0.25", "--out", folder / "model"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    arrays, notes = safetensors.read(folder / "model.safetensors")
    assert notes["spotai.name"] == "mine" and notes["spotai.architecture"] == "spotai"
    assert json.loads(notes["spotai.params"])["bins"] == bands.BINS and "spotai.licence" not in notes
    average = torch.load(folder / "decayed" / "average.pt")
    assert set(arrays) == set(average)
    exported = {name: torch.from_numpy(x.astype("float32")) for name, x in arrays.items()}
    assert (exported.pop("trust") == 0.25).all() and (average.pop("trust") == 1).all()
    for name, tensor in average.items():
        assert torch.allclose(exported[name], tensor, rtol=1e-2, atol=2e-3), name
    card = (folder / "model.md").read_text()
    assert "CC0-1.0" in card and str(folder) not in card
    xml.dom.minidom.parse(str(folder / "model.svg"))


def test_further(folder, _library):
    """Training goes on from exported weights, in full trust."""
    args = arguments(folder, "further")
    args.weights = folder / "model.safetensors"
    before = torch.load(folder / "decayed" / "average.pt")
    for name, tensor in begun(args).net.state_dict().items():
        assert torch.allclose(before[name], tensor, rtol=1e-2, atol=2e-3), name


def test_likeness(folder, _library):
    """Classical's SDR of a reel is that of validation; the better it is, the likelier a mixture is taken."""
    reel = patches.reels_of(folder / "reels")[0]
    found = reels.sdr(np.load(reel.path), reel.notes)
    for k, stem in enumerate(audio.STEMS):
        if not np.isnan(found[k]):
            assert abs(found[k] - validation.sdr(None, [reel])[stem]) < 0.1, stem
    best, good, bad = (reels.likeness(np.full(4, db)) for db in (12.0, 3.0, -3.0))
    assert 0.99 < best < 1 and 0.1 < good < 0.5 and bad < 1e-3
    assert reels.likeness(np.array([np.nan, 12, 12, 12])) < reels.WITHOUT_VOICE + 1e-9


def test_golden_repeats(_folder, _library):
    one, two = (golden.shaken(networks.build("frequency"), 1).state_dict() for _ in range(2))
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_curve(_folder, _library):
    assert curve.ticks(-2, 10) == [-2, 0, 2, 4, 6, 8, 10]
    assert np.allclose(curve.ticks(0, 0.55), [0, 0.1, 0.2, 0.3, 0.4, 0.5])


def test_safetensors_refuses(_folder, _library):
    try:
        safetensors.halves({"x": torch.tensor([1e6])})
    except SystemExit as error:
        assert "x does not fit" in str(error)
    else:
        raise AssertionError("an infinity was written")


TESTS = [
    test_bands,
    test_effects,
    test_mixing,
    test_reel,
    test_codec,
    test_patches,
    test_sdr,  # of the reels that test_patches has written
    test_networks,
    test_loss,
    test_training,
    test_golden_repeats,
    test_export,  # of the run that test_training has made
    test_further,  # from what test_export has made
    test_likeness,  # of the reels that test_patches has written
    test_curve,
    test_safetensors_refuses,
]


def main():
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        library = make_songs(folder / "songs")
        for test in TESTS:
            test(folder, library)
            print("ok", test.__name__, flush=True)
    sys.stdout.flush()
    os._exit(0)  # readers of batches may still be at work


if __name__ == "__main__":
    main()
