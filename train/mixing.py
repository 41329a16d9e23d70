"""train/mixing.py: mixtures as studios, stages and karaoke machines make them, from stems.

A mixture is drawn in three steps: which stems (the backing of one song, under
its own voice or another's; or each from elsewhere), what is done to each stem
(gain, equaliser, pan, width, room, echo, doubles, drive, compression), and what
is done to the sum.  Mastering - compression, clipping, mono - is a gain per
sample or a sum of channels, applied to the stems alike; so after it, as
before, the stems add up to the mix.

SPDX-License-Identifier: PostgreSQL
"""

import pathlib
from typing import NamedTuple

import numpy as np
import soundfile

from . import audio, effects

FFT, HOP = 4096, 1024  # the extension's transform: periodic Hann, plain sum
FRAMES = 128  # of a patch: 3 s
VOCALS, DRUMS, BASS, OTHER = range(4)  # the order of audio.STEMS

# Chances.  A network given the repetition of the backing learns to use it only
# from songs that repeat, so most mixtures have the backing of one song.
ALBUM_BACKING, SONG_BACKING = 0.22, 0.55  # the rest: each stem from elsewhere
OWN_VOICE = {"album": 0.8, "song": 0.6}
ALBUM_VOICE = 0.65  # of voices from elsewhere: the album's are the only real ones
OTHER_DRUMS = 0.12
ABSENT = {"vocals": 0.06, "drums": 0.1, "bass": 0.08, "other": 0.04}
SECOND_OTHER, SECOND_VOICE = 0.25, 0.15  # another excerpt in the stem
NARROW, DULL = 0.2, 0.25  # nothing above 8 kHz; above 10 .. 17 kHz
NARROW_MONO, MONO = 0.7, 0.15
LOUD_VOICE = 0.25  # as in karaoke recordings
MUFFLED_VOICE = 0.2  # through a cheap microphone, or far from it
MUFFLED_HZ, MUFFLED_DB = (1500, 5000), (-8, -30)  # falls from there, by that much two octaves up
COMPRESSED, CLIPPED = 0.4, 0.12  # the mix
TOGETHER = 0.1  # all stems in one room: a concert

MEAN_GAIN_DB = {"vocals": 2.0, "drums": 1.0, "bass": -1.0, "other": 1.0}
GAIN_DEVIATION_DB = 4.0
LOUD_VOICE_DB = (3.0, 9.0)
SPEEDS = (0.85, 1.18)  # of voices from elsewhere, whose pitch and size follow
LEVEL = 0.1  # RMS of a mixture
QUIET = 3e-3  # RMS; an excerpt below is drawn again
DRAWS = 5


def frames_to_samples(frames):
    return (frames - 1) * HOP + FFT


class Song(NamedTuple):
    folder: pathlib.Path
    samples: int
    stems: tuple  # those that it has; `rest` is bass and other
    album: bool  # of real music


class Library:
    """Songs on disk; excerpts are read as they are needed, so memory does not grow with songs."""

    def __init__(self, folders):
        self.songs = []
        for folder in folders:
            for path in sorted(pathlib.Path(folder).iterdir()):
                if any((path / (s + ".wav")).is_file() for s in audio.STEMS):
                    self.songs.append(self._song(path))
        self.having = {s: [g for g in self.songs if s in g.stems] for s in audio.STEMS}
        lacking = [s for s in audio.STEMS if not self.having[s]]
        if lacking:
            raise ValueError("no song has " + ", ".join(lacking))

    @staticmethod
    def _song(folder):
        stems = tuple(s for s in (*audio.STEMS, "rest") if (folder / (s + ".wav")).is_file())
        infos = [soundfile.info(str(folder / (s + ".wav"))) for s in stems]
        if len({info.frames for info in infos}) != 1:
            raise ValueError("%s: stems of different lengths" % folder)
        if any((info.samplerate, info.channels) != (audio.RATE, 2) for info in infos):
            raise ValueError("%s: stems must be stereo of %d Hz" % (folder, audio.RATE))
        return Song(folder, infos[0].frames, stems, folder.name.startswith("album"))

    def backing(self, rng):
        """A song whose drums, bass and other play together, or None."""
        kind = rng.random()
        if kind >= ALBUM_BACKING + SONG_BACKING:
            return None
        songs = [s for s in self.songs if s.album == (kind < ALBUM_BACKING)] or self.songs
        return rng.choices(songs, [song.samples for song in songs])[0]

    def elsewhere(self, stem, rng):
        """A song that has the stem, by its length; the album's more often for voices."""
        songs = self.having[stem]
        if stem == "vocals":
            album = rng.random() < ALBUM_VOICE
            songs = [s for s in songs if s.album == album] or songs
        return rng.choices(songs, [song.samples for song in songs])[0]


def excerpt(song, stem, first, n):
    path = song.folder / (stem + ".wav")
    x, _ = soundfile.read(str(path), n, first, dtype="float32", always_2d=True)
    return np.pad(x, ((0, n - len(x)), (0, 0)))


def anywhere(library, stem, n, rng):
    """An excerpt that sounds, if a few draws find one."""
    speed = rng.uniform(*SPEEDS) if stem == "vocals" and rng.random() < 0.5 else 1.0
    needed = int(n * speed) + 2
    for _ in range(DRAWS):
        song = library.elsewhere(stem, rng)
        x = excerpt(song, stem, rng.randrange(max(1, song.samples - needed)), needed)
        if audio.rms(x) > QUIET:
            break
    return x[:n] if speed == 1.0 else faster(x, speed, n)


def faster(x, speed, n):
    at, index = np.arange(n) * speed, np.arange(len(x))
    return np.stack([np.interp(at, index, c) for c in x.T], axis=1).astype(np.float32)


class Scene(NamedTuple):
    """What all stems of a mixture share."""

    top_hz: float  # nothing above
    mono: bool
    voice_db: float
    room: bool

    @classmethod
    def draw(cls, rng):
        kind = rng.random()
        narrow, dull = kind < NARROW, kind < NARROW + DULL
        top = rng.uniform(7000, 8000) if narrow else rng.uniform(1e4, 1.7e4) if dull else 22050
        mono = rng.random() < (NARROW_MONO if narrow else MONO)
        loud = rng.random() < LOUD_VOICE
        voice = rng.uniform(*LOUD_VOICE_DB) if loud else 0.0
        return cls(top, mono, voice, rng.random() < TOGETHER)


def coloured(x, stem, rng):
    """What changes the sound itself: drive, compression, doubles."""
    if stem == "vocals":
        x = effects.compressed(x, rng) if rng.random() < 0.5 else x
        x = effects.driven(x, rng.uniform(0.2, 1.5)) if rng.random() < 0.1 else x
        x = effects.doubled(x, rng) if rng.random() < 0.2 else x
    elif stem == "drums":
        x = effects.compressed(x, rng) if rng.random() < 0.3 else x
    elif stem == "bass":
        x = effects.driven(x, rng.uniform(0.3, 3)) if rng.random() < 0.2 else x
    else:
        x = effects.driven(x, rng.uniform(0.3, 4)) if rng.random() < 0.2 else x
        x = effects.compressed(x, rng) if rng.random() < 0.2 else x
    return x


def response(n, stem, scene, rng):
    """The linear effects of one stem."""
    out = effects.Response(n)
    out.equalise(rng)
    if stem == "vocals":
        if rng.random() < 0.5:
            out.sibilants(rng.uniform(-4, 9))
        if rng.random() < MUFFLED_VOICE:
            out.muffle(rng.uniform(*MUFFLED_HZ), rng.uniform(*MUFFLED_DB))
        if rng.random() < 0.25:
            out.echo(rng)
    room = {"vocals": 0.3, "drums": 0.15, "bass": 0.02, "other": 0.15}[stem]
    if scene.room or rng.random() < room:
        out.room(rng, 0.6 if scene.room or stem == "vocals" else 0.35)
    if scene.top_hz < 22050:
        out.low_pass(scene.top_hz)
    return out


def treated(x, stem, gain, scene, rng):
    """One excerpt as a mixing engineer of changing taste would leave it."""
    spread = 0.08 if stem in ("vocals", "bass") else 0.3  # those mostly stand in the middle
    pan = max(-0.9, min(0.9, rng.gauss(0, spread)))
    x = effects.panned(x, pan, rng.uniform(0.3, 1.3), rng.random() < 0.5)
    x = coloured(x, stem, rng)
    return response(len(x), stem, scene, rng).applied(x) * np.float32(gain)


def drawn_gain(stem, scene, rng):
    db = rng.gauss(MEAN_GAIN_DB[stem], GAIN_DEVIATION_DB)
    return 10 ** ((db + (scene.voice_db if stem == "vocals" else 0)) / 20)


def source(stem, base, rng):
    """The base's own track of a stem, or None where it comes from elsewhere or is nothing."""
    if base is None:
        return None
    if stem == "vocals" and rng.random() >= OWN_VOICE["album" if base.album else "song"]:
        return None
    if stem == "drums" and rng.random() < OTHER_DRUMS:
        return None
    if "rest" in base.stems and stem == "other":
        return "rest"
    return stem if stem in base.stems else None


class Mixture(NamedTuple):
    stems: np.ndarray  # [4][n][2] in the order of audio.STEMS
    joined: bool  # the bass is in other, and cannot be told from it
    scene: Scene


def unmastered(library, n, rng):
    """A Mixture before mastering; one of silence is drawn again."""
    scene, base = Scene.draw(rng), library.backing(rng)
    first = rng.randrange(max(1, base.samples - n)) if base else 0
    joined = base is not None and "rest" in base.stems
    out = np.zeros((len(audio.STEMS), n, 2), np.float32)
    for k, stem in enumerate(audio.STEMS):
        if rng.random() < ABSENT[stem] or (joined and stem == "bass"):
            continue
        gain, track = drawn_gain(stem, scene, rng), source(stem, base, rng)
        x = excerpt(base, track, first, n) if track else anywhere(library, stem, n, rng)
        out[k] = treated(x, stem, gain, scene, rng)
        again = {"other": SECOND_OTHER, "vocals": SECOND_VOICE}.get(stem, 0)
        if rng.random() < again:
            x = anywhere(library, stem, n, rng)
            out[k] += treated(x, stem, gain * rng.uniform(0.2, 0.8), scene, rng)
    if audio.rms(out.sum(axis=0)) < QUIET:
        return unmastered(library, n, rng)
    return Mixture(out, joined, scene)


def mastered(mixture, rng):
    """Stems after what is done to their sum, at an RMS of it of LEVEL."""
    stems, scene = mixture.stems, mixture.scene
    if scene.mono:
        stems = np.repeat(stems.mean(axis=2, keepdims=True), 2, axis=2)
    if rng.random() < COMPRESSED:
        stems = stems * effects.compression(stems.sum(axis=0), rng)[:, None]
    if rng.random() < CLIPPED:
        stems = stems * effects.clipping(stems.sum(axis=0), rng)
    level = audio.rms(stems.sum(axis=0))
    stems = stems * np.float32(LEVEL / max(level, audio.SILENT))
    return mixture._replace(stems=stems.astype(np.float32))
