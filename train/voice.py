"""train/voice.py: pseudo-singing: melodies sung by spoken and sung recordings.

Speech goes through a source-filter vocoder: its spectral envelopes, stretched
where voiced, shape pulses that follow the melody and noise.  Sung strings, of
one pitch each, are moved by pitch-synchronous overlap-add (Moulines and
Charpentier 1990) a syllable a note.  Neither is a good singer; together they
give a network many timbres under real melodies.

SPDX-License-Identifier: PostgreSQL
"""

import functools
import re
from typing import NamedTuple

import numpy as np
from scipy import signal

from . import audio
from .midi import MidiNote

# Known only to validation songs: a network that has learnt these voices would fool us.
HELD_OUT = ("speech/p226", "voices/crazy/")
SPEAKER = re.compile(r"(speech/(?:LJ|p\d+|\d+)|voices/\w+/)")
PHRASE_GAP = 0.5  # s of silence that ends a phrase

FRAME, HOP = 1024, 220  # of the vocoder: 23 ms and 5 ms
BINS = FRAME // 2 + 1
LIFTER = 105  # cepstral coefficients kept: formants, not harmonics below 420 Hz
QUIET = -11.0  # log magnitude of an envelope where nobody sings
WINDOW = np.hanning(FRAME).astype(np.float32)
FREQUENCIES = np.arange(BINS) * audio.RATE / FRAME

LONGEST_SHIFT = 5  # semitones, from the material's README
SHORTEST_SYLLABLE = audio.samples(0.2)
ONSET = audio.samples(0.12)  # of a syllable, played at its own speed: the consonant
FADE = audio.samples(0.015)


def singers(material, validation):
    """Singer to sorted names: the held-out ones for validation, or the others."""
    out = {}
    for place in ("speech/", "voices/"):
        for name in material.under(place):
            if name.startswith(HELD_OUT) == validation:
                out.setdefault(SPEAKER.match(name)[1], []).append(name)
    return out


def hertz(pitch):
    return 440.0 * 2.0 ** ((np.asarray(pitch) - 69) / 12)


def phrases(melody):
    """Notes in groups without long rests, each note cut where the next begins."""
    out = []
    for note in sorted(melody):
        if out and note.start - out[-1][-1].end < PHRASE_GAP:
            last = out[-1][-1]
            out[-1][-1] = last._replace(end=max(last.start + 0.05, min(last.end, note.start)))
            out[-1].append(note)
        else:
            out.append([note])
    return out


def invented(score, rng):
    """A melody of chord notes, for scores that have none."""
    notes, at = [], 0.0
    for chord in score.chords:
        at = max(at, chord.start)
        while at < chord.end:
            length = score.beat * rng.choice([1 / 2, 1, 1, 2])
            if rng.random() < 0.85:
                notes.append(MidiNote(at, at + 0.95 * length, rng.choice(chord.voiced(60)), 90))
            at += length
    return notes


def moved(melody, target, rng):
    """Whole octaves towards a singer's middle pitch, at times off by a few semitones."""
    middle = float(np.median([n.pitch for n in melody]))
    shift = 12 * round((target - middle) / 12) + rng.choice([0, 0, 0, -2, 2, 3, -3])
    return [n._replace(pitch=n.pitch + shift) for n in melody]


def folded(melody, middle):
    """Notes brought within half an octave of a pitch, by octaves."""
    return [n._replace(pitch=n.pitch - 12 * round((n.pitch - middle) / 12)) for n in melody]


class Expression(NamedTuple):
    """How a singer leaves the notes."""

    glide: float  # s from note to note
    rate_hz: float  # of the vibrato
    depth: float  # of the vibrato, semitones
    drift: float  # semitones

    @classmethod
    def draw(cls, rng):
        depth = rng.choice([0, 0.1, 0.25, 0.4, 0.6])
        return cls(rng.uniform(0.02, 0.09), rng.uniform(4.8, 6.6), depth, rng.uniform(0.1, 0.4))


def pitch_curve(melody, frames, expression, rng):
    """MIDI numbers at the vocoder's frames; rests are bridged."""
    curve = np.full(frames, np.nan)
    for note in melody:
        a, b = (int(t * audio.RATE / HOP) for t in (note.start, note.end))
        curve[a : max(a + 1, b)] = note.pitch
    known = np.flatnonzero(~np.isnan(curve))
    curve = np.interp(np.arange(frames), known, curve[known])
    width = max(3, int(expression.glide * audio.RATE / HOP))
    glide = np.hanning(width + 2)[1:-1]
    curve = np.convolve(np.pad(curve, width, "edge"), glide / glide.sum(), "same")[width:-width]
    slow = signal.sosfiltfilt(
        signal.butter(2, 2.0, fs=audio.RATE / HOP, output="sos"), audio.noise(rng, frames)
    )
    drift = slow / max(1e-6, slow.std())
    phase = 2 * np.pi * expression.rate_hz * np.arange(frames) * HOP / audio.RATE + drift
    swell = np.clip(0.6 + 0.5 * np.roll(drift, frames // 3), 0, 1)
    return curve + expression.drift * drift + expression.depth * swell * np.sin(phase)


def trimmed(x):
    """At peak 1, without the silence around."""
    x = x / max(audio.SILENT, float(np.abs(x).max()))
    loud = np.flatnonzero(np.convolve(np.abs(x), np.full(2000, 1 / 2000), "same") > 0.01)
    return x[loud[0] : loud[-1] + 1].astype(np.float32) if len(loud) else x


def frames_of(x, size, count):
    index = np.arange(size)[None] + HOP * np.arange(count)[:, None]
    return x[np.minimum(index, len(x) - 1)]


@functools.lru_cache(maxsize=40)
def analysed(path):
    """Log envelopes [frames][BINS] and voicing [frames] in 0 .. 1 of a recording."""
    x = trimmed(audio.read_mono(path))
    count = max(1, (len(x) - FRAME) // HOP)
    frames = frames_of(x, FRAME, count) * WINDOW
    log = np.log(np.abs(np.fft.rfft(frames, axis=1)) + 1e-5)
    envelope = log
    for _ in range(5):  # the true envelope: lies on the harmonics, not between them
        cepstrum = np.fft.irfft(np.maximum(envelope, log), axis=1)
        cepstrum[:, LIFTER : FRAME - LIFTER] = 0
        envelope = np.fft.rfft(cepstrum, axis=1).real
    long = frames_of(x, 2 * FRAME, count) * np.hanning(2 * FRAME)
    correlation = np.fft.irfft(np.abs(np.fft.rfft(long, 4 * FRAME, axis=1)) ** 2, axis=1)
    periodic = correlation[:, 100:700].max(axis=1) / (correlation[:, 0] + 1e-6)  # 63 .. 441 Hz
    energy = np.sqrt((frames**2).mean(axis=1))
    voiced = (periodic > 0.4) & (energy > 0.15 * np.percentile(energy, 90))
    smooth = np.convolve(voiced.astype(np.float32), np.full(5, 0.2), "same")
    return envelope.astype(np.float32), smooth.astype(np.float32)


def articulation(melody, frames, paths, rng):
    """Envelopes and voicing for the song: of a random recording a phrase, vowels stretched."""
    envelopes = np.full((frames, BINS), QUIET, np.float32)
    voicing = np.zeros(frames, np.float32)
    for phrase in phrases(melody):
        a = int(phrase[0].start * audio.RATE / HOP)
        b = min(frames, int(phrase[-1].end * audio.RATE / HOP))
        envelope, voiced = analysed(paths[rng.randrange(len(paths))])
        if b - a < 20 or len(voiced) < 30:
            continue
        weights = np.where(voiced > 0.5, rng.uniform(1.2, 3.0), 1.0)
        first = rng.randint(0, len(voiced) - 30)
        order = np.roll(np.arange(len(voiced)), -first)
        ends = np.cumsum(weights[order])
        place = np.searchsorted(ends, np.arange(b - a) % ends[-1], side="right")
        chosen = order[place % len(order)]
        envelopes[a:b], voicing[a:b] = envelope[chosen], voiced[chosen]
    return envelopes, voicing


def pulses(curve, n, rng):
    """Band-limited to linear interpolation: one pulse a period, with jitter of loudness."""
    hz = np.interp(np.arange(n), np.arange(len(curve)) * HOP, hertz(curve))
    phase = np.cumsum(hz / audio.RATE)
    at = np.flatnonzero(np.diff(np.floor(phase)) > 0)
    part = (np.ceil(phase[at]) - phase[at]) / (hz[at] / audio.RATE)
    loud = 22 / np.sqrt(hz[at]) * (1 + rng.uniform(0.01, 0.06) * audio.noise(rng, len(at)))
    out = np.zeros(n + 2, np.float32)
    np.add.at(out, at, (1 - part) * loud)
    np.add.at(out, at + 1, part * loud)
    return out[:n]


def warped(envelopes, factor):
    """Formants moved by a factor: another length of the vocal tract."""
    at = np.minimum(np.arange(BINS) / factor, BINS - 2 + 0.999)
    low = at.astype(int)
    part = (at - low).astype(np.float32)
    return envelopes[:, low] * (1 - part) + envelopes[:, low + 1] * part


def spoken(melody, n, paths, rng):
    """n samples (mono) of the melody by the vocoder."""
    frames = n // HOP + 1
    middle = rng.uniform(47, 68)
    melody = moved(melody, middle, rng)
    envelopes, voicing = articulation(melody, frames, paths, rng)
    curve = pitch_curve(melody, frames, Expression.draw(rng), rng)
    tract = rng.uniform(0.86, 1.18) * (1.06 if middle > 60 else 0.97)
    dull = np.exp(-np.maximum(FREQUENCIES - 3000, 0) / rng.uniform(5000, 30000))
    breath = rng.uniform(0.01, 0.15)
    high = np.clip((FREQUENCIES - 3500) / 5000, 0, 1)  # where even vowels are noise
    source, hiss = pulses(curve, n, rng), audio.noise(rng, n)
    out = np.zeros(n + FRAME, np.float32)
    for first in range(0, (n - FRAME) // HOP, 500):
        count = min(500, (n - FRAME) // HOP - first)
        part = slice(first * HOP, None)
        shape = np.exp(warped(envelopes[first : first + count], tract)) * dull
        voiced = voicing[first : first + count, None]
        tone = np.fft.rfft(frames_of(source[part], FRAME, count) * WINDOW, axis=1)
        air = np.fft.rfft(frames_of(hiss[part], FRAME, count) * WINDOW, axis=1)
        air *= (1 - voiced) * 0.5 + voiced * (breath + 0.25 * high) * 0.6
        sound = np.fft.irfft(shape * (tone * voiced * (1 - 0.5 * high) + air), axis=1) * WINDOW
        for k in range(count):
            at = (first + k) * HOP
            out[at : at + FRAME] += sound[k]
    return out[:n]


class Syllable(NamedTuple):
    sound: np.ndarray  # mono
    marks: np.ndarray  # samples, one a period
    pitch: float  # MIDI number


def pitch_of(x):
    """MIDI number of a string of one pitch, by autocorrelation of its loudest two seconds."""
    size = min(len(x), 2 * audio.RATE)
    energy = np.convolve(x**2, np.ones(2048), "same")
    first = min(len(x) - size, max(0, int(np.argmax(energy)) - size // 2))
    spectrum = np.fft.rfft(x[first : first + size], 2 * size)
    correlation = np.fft.irfft(np.abs(spectrum) ** 2)[:size]
    lags = np.arange(size)
    usable = (lags >= audio.RATE // 700) & (lags <= audio.RATE // 80)
    best = correlation[usable].max()
    peaks, _ = signal.find_peaks(np.where(usable, correlation, 0), height=0.9 * best)
    lag = peaks[0] if len(peaks) else lags[usable][np.argmax(correlation[usable])]
    return 69 + 12 * np.log2(audio.RATE / lag / 440.0)


@functools.lru_cache(maxsize=400)
def syllables(path):
    """A sung string cut at its dips of energy; pieces that are too short are left out."""
    x = trimmed(audio.read_mono(path))
    pitch = float(pitch_of(x))
    f0 = float(hertz(pitch))
    band = signal.butter(2, [0.7 * f0, 1.4 * f0], "band", fs=audio.RATE, output="sos")
    period = audio.RATE / f0
    marks, _ = signal.find_peaks(signal.sosfiltfilt(band, x), distance=max(1, int(0.7 * period)))
    lowpass = signal.butter(2, 12.0, fs=audio.RATE, output="sos")
    level = 10 * np.log10(np.maximum(signal.sosfiltfilt(lowpass, x**2), 1e-6))
    dips, _ = signal.find_peaks(-level, prominence=3.0, distance=SHORTEST_SYLLABLE)
    edges = [0, *dips, len(x)]
    out = []
    for a, b in zip(edges, edges[1:]):
        inside = marks[(marks >= a) & (marks < b)] - a
        if b - a >= SHORTEST_SYLLABLE and len(inside) > 10 and level[a:b].max() > -30:
            out.append(Syllable(x[a:b], inside, pitch))
    return out


def stretched_time(t, syllable, wanted):
    """Where in the syllable moment t of a note is: onset as it is, vowel to and fro."""
    if t < ONSET:
        return t
    end = max(ONSET + 1, len(syllable) - audio.samples(0.05))
    if wanted <= end:
        return t
    turn = (t - ONSET) % (2 * (end - ONSET))
    return ONSET + min(turn, 2 * (end - ONSET) - turn)


def overlap_add(syllable, n, hz):
    """n samples of the syllable at the pitches hz [n]."""
    out = np.zeros(n, np.float32)
    period = int(round(audio.RATE / hertz(syllable.pitch)))
    window = np.hanning(2 * period + 1)[:-1].astype(np.float32)
    padded = np.pad(syllable.sound, period)
    at = 0.0
    while at < n:
        t = int(at)
        where = stretched_time(t, syllable.sound, n)
        mark = syllable.marks[np.argmin(np.abs(syllable.marks - where))]
        grain = padded[mark : mark + 2 * period] * window
        a, b = max(0, t - period), min(n, t + period)
        out[a:b] += grain[a - t + period : b - t + period]
        at += audio.RATE / hz[t]
    fade = np.linspace(0, 1, min(FADE, n // 2), dtype=np.float32)
    out[: len(fade)] *= fade
    out[n - len(fade) :] *= fade[::-1]
    return out


def sung(melody, n, paths, rng):
    """n samples (mono) of the melody by sung syllables, a syllable a note."""
    chosen = rng.sample(paths, min(len(paths), 12))
    stock = [s for path in chosen for s in syllables(path)]
    if not stock:
        return np.zeros(n, np.float32)
    middle = float(np.median([s.pitch for s in stock]))
    melody = folded(moved(melody, middle, rng), middle)
    curve = pitch_curve(melody, n // HOP + 1, Expression.draw(rng), rng)
    out = np.zeros(n, np.float32)
    for phrase in phrases(melody):
        for note in phrase:
            syllable = stock[rng.randrange(len(stock))]
            a, b = audio.samples(note.start), min(n, audio.samples(note.end) + FADE)
            if b - a < 2 * FADE:
                continue
            pitch = np.interp(np.arange(a, b) / HOP, np.arange(len(curve)), curve)
            nearest = np.clip(pitch, syllable.pitch - LONGEST_SHIFT, syllable.pitch + LONGEST_SHIFT)
            x = overlap_add(syllable, b - a, hertz(nearest))
            out[a:b] += x * np.float32(rng.uniform(0.6, 1.0))
    return out


def talked(n, paths, rng):
    """Speech as it is, sentence after sentence."""
    out, at = np.zeros(n, np.float32), 0
    while at < n:
        x = trimmed(audio.read_mono(paths[rng.randrange(len(paths))]))[: n - at]
        out[at : at + len(x)] += x
        at += len(x) + audio.samples(rng.uniform(0.05, 0.5))
    return out


def one_voice(melody, n, singer, paths, rng):
    if not singer.startswith("voices/"):
        return spoken(melody, n, paths, rng)
    many = len(paths) > 10  # phrases of several notes are not strings of one pitch
    return sung(melody, n, paths, rng) if many else spoken(melody, n, paths, rng)


def stem(score, n, material, validation, rng):
    """n samples of vocals: mostly one singer, at times with a second one, at times speech."""
    stock = singers(material, validation)
    singer = rng.choice(sorted(stock))
    paths = [str(material.paths[name]) for name in stock[singer]]
    melody = [m for m in score.melody if m.start < score.seconds - 0.5] or invented(score, rng)
    if not melody or rng.random() < 0.1:
        mono = talked(n, paths, rng)
        out = np.repeat(mono[:, None], 2, axis=1)
    else:
        lead = audio.levelled(one_voice(melody, n, singer, paths, rng), 0.1)
        out = np.repeat(lead[:, None], 2, axis=1)
        if rng.random() < 0.3:
            interval = rng.choice([3, 4, -5, 0, 12])
            second = [m._replace(pitch=m.pitch + interval) for m in melody]
            x = audio.levelled(one_voice(second, n, singer, paths, rng), 0.07)
            pan = rng.uniform(0.2, 0.8)
            audio.place(out, x, 0, pan, 1 - pan)
    return audio.reverb(out, rng) if rng.random() < 0.7 else out
