# demo/voice.py
#   The singer: spectral envelopes and a melody become a sung voice.
#
# A source-filter synthesis as in WORLD (Morise, Yokomori, Ozawa 2016): one
# minimum-phase impulse response per glottal pulse, laid at the fractional
# sample where the phase of the sung pitch passes a whole number, plus white
# noise through the same envelope.  The share of noise grows with frequency
# and depends on the kind of phone.  Because the envelope comes as a warped
# cepstrum c, the minimum-phase response is simply exp(sum c_m e^{-jm beta(w)}),
# beta the phase of the first-order all-pass (Tokuda et al. 1994), with no
# Hilbert transform.
#
# The pitch is drawn, not tracked: notes joined by portamento, a scoop into
# the line, vibrato that grows on long notes, and a slow unsteady drift.
#
# SPDX-License-Identifier: PostgreSQL

import numpy as np
from scipy import signal

import score
import words
from band import RATE
from words import FRAME, ORDER

VOICE_RATE = 32000          # of the voice's training material
WARP = 0.45                 # all-pass constant, from the voice's header
BINS = 1025                 # 64 ms at 32 kHz, longer than any formant rings
HOP = int(FRAME * VOICE_RATE)
SHARPEN = 1.08              # of the cepstrum: makes up for the model's averaging

GLIDE = 0.016               # seconds, time constant of the portamento (two poles)
VIBRATO_HZ, VIBRATO_SEMITONES = 5.4, 0.32
VIBRATO_AFTER, VIBRATO_RISE = 0.22, 0.30    # seconds into a note
SCOOP_SEMITONES = 0.7
DRIFT_SEMITONES = 0.05

# Above this frequency a phone is mostly breath.
BREATH_HZ = dict(v=2600, z=2200, dh=2600, zh=2200, b=3500, d=3500, g=3500, jh=2400)
BREATH_VOWEL_HZ = 6200.0
BREATH_FLOOR, BREATH_TOP = 0.025, 0.75


def all_pass_basis():
    """e^{-jm beta(w)} for m < ORDER at each bin."""
    w = np.linspace(0.0, np.pi, BINS)
    beta = w + 2.0 * np.arctan2(WARP * np.sin(w), 1.0 - WARP * np.cos(w))
    return np.exp(-1j * np.outer(np.arange(ORDER), beta))


def unsteady(n, rng):
    """Unit-variance noise below about 3 Hz at the frame rate."""
    sos = signal.butter(2, 3.0 * 2 * FRAME, output="sos")
    x = signal.sosfilt(sos, rng.standard_normal(n + 400))[400:]
    return x / (np.std(x) + 1e-9)


def pitch(sung, notes, rng):
    """MIDI pitch of every frame."""
    n = len(sung.spectrum)
    t = sung.start + FRAME * np.arange(n)
    target = np.full(n, float(notes[0].pitch))
    vibrato = np.zeros(n)
    rate = VIBRATO_HZ * (1.0 + 0.03 * unsteady(n, rng))
    wave = np.sin(2 * np.pi * np.cumsum(rate) * FRAME + rng.uniform(0, 6.28))
    for note in notes:
        begin, end = score.seconds(note.beat), score.seconds(note.beat + note.length)
        # two poles come two time constants late: aim so much earlier
        target[t >= begin - 2.0 * GLIDE] = note.pitch
        inside = (t >= begin) & (t < end + 0.1)
        depth = np.clip((t - begin - VIBRATO_AFTER) / VIBRATO_RISE, 0.0, 1.0)
        if note.length >= 0.7:
            vibrato[inside] = depth[inside] * VIBRATO_SEMITONES
    a = np.exp(-FRAME / GLIDE)
    glide = target - notes[0].pitch
    for _ in range(2):
        glide = signal.lfilter([1 - a], [1, -a], glide)
    scoop = -SCOOP_SEMITONES * np.exp(-np.maximum(t - score.seconds(notes[0].beat), 0.0) / 0.04)
    return notes[0].pitch + glide + scoop + vibrato * wave + DRIFT_SEMITONES * unsteady(n, rng)


def voicing(sung):
    """(share of voice, frequency where breath begins) of every frame."""
    n = len(sung.spectrum)
    t = sung.start + FRAME * (np.arange(n) + 0.5)
    voiced, edge = np.zeros(n), np.full(n, BREATH_VOWEL_HZ)
    for p in sung.phones:
        inside = (t >= p.start) & (t < p.end)
        voiced[inside] = p.name not in words.UNVOICED
        edge[inside] = BREATH_HZ.get(p.name, BREATH_VOWEL_HZ)
    window = np.array([0.25, 0.5, 0.25])
    return np.convolve(voiced, window, "same"), np.convolve(edge, window, "same")


def breath(edge, voiced):
    """Amplitude share of noise, [n, BINS]; 1 where there is no voice."""
    hz = np.linspace(0.0, VOICE_RATE / 2, BINS)
    rise = 1.0 / (1.0 + np.exp(-(hz[None, :] / edge[:, None] - 1.0) * 7.0))
    share = BREATH_FLOOR + (BREATH_TOP - BREATH_FLOOR) * rise
    return np.sqrt(1.0 - voiced[:, None] * (1.0 - share ** 2))


def overlap_add(pieces, places, length):
    out = np.zeros(length + pieces.shape[1])
    for piece, place in zip(pieces, places):
        out[place:place + len(piece)] += piece
    return out[:length]


def pulses(f0, rng):
    """Times of the glottal pulses in samples (fractional) and the phase."""
    phase = np.cumsum(f0) / VOICE_RATE
    k = np.arange(1, int(phase[-1]))
    at = np.interp(k, phase, np.arange(len(f0)))
    return at + rng.normal(0.0, 0.0015, len(at)) * VOICE_RATE / np.interp(at, np.arange(len(f0)), f0), phase


def synthesize(sung, semitones, rng):
    """The line as float64 samples at VOICE_RATE from sung.start on."""
    cepstrum = sung.spectrum.copy()
    cepstrum[:, 1:] *= SHARPEN
    basis, n = all_pass_basis(), len(cepstrum)
    length = n * HOP
    voiced, edge = voicing(sung)
    frame_at = (np.arange(n) + 0.5) * HOP
    f0 = 440.0 * 2.0 ** ((np.interp(np.arange(length), frame_at, semitones) - 69.0) / 12.0)
    at, phase = pulses(f0, rng)

    def frames(values):
        return np.interp(at, frame_at, values)

    at = at[frames(voiced) > 0.02]
    shape = np.stack([frames(cepstrum[:, m]) for m in range(ORDER)], axis=1)
    part = np.sqrt(np.maximum(0.0, 1.0 - breath(frames(edge), frames(voiced)) ** 2))
    w = np.linspace(0.0, np.pi, BINS)
    place = np.floor(at).astype(int)
    period = VOICE_RATE / np.interp(at, np.arange(length), f0)
    gain = np.sqrt(period) * (1.0 + 0.02 * rng.standard_normal(len(at)))
    spectrum = np.exp(shape @ basis - 1j * np.outer(at - place, w)) * part * gain[:, None]
    tone = overlap_add(np.fft.irfft(spectrum, axis=1)[:, :BINS], place, length)

    # Breath follows the glottis: louder once a period where there is voice.
    sway = np.interp(np.arange(length), frame_at, voiced)
    white = rng.standard_normal(length) * (1.0 + 0.6 * sway * np.cos(2 * np.pi * phase))
    padded = np.concatenate([np.zeros(HOP), white, np.zeros(HOP)])
    window = 0.5 - 0.5 * np.cos(np.pi * np.arange(2 * HOP) / HOP)
    pieces = np.stack([padded[i * HOP + HOP // 2:][:2 * HOP] * window for i in range(n)])
    spectrum = np.fft.rfft(pieces, 2 * (BINS - 1), axis=1) * np.exp(cepstrum @ basis)
    noise = np.fft.irfft(spectrum * breath(edge, voiced), axis=1)
    places = np.maximum(0, np.arange(n) * HOP - HOP // 2)
    return tone + overlap_add(noise, places, length)


def dynamics(sung, notes, n):
    """Gain of every sample: a little swell, and the last note dies away."""
    t = sung.start + np.arange(n) / VOICE_RATE
    begin = score.seconds(notes[-1].beat)
    end = score.seconds(notes[-1].beat + notes[-1].length)
    fall = 0.45 * (end - begin)
    ramp = np.clip((t - (end - fall)) / fall, 0.0, 1.0)
    return 1.0 - 0.45 * ramp ** 1.5


def sing(lines, folder, seed):
    """All lines as float64[frames, 2] at RATE, in the middle, over the song's length."""
    out = np.zeros(round(score.duration() * RATE))
    for i, line in enumerate(lines):
        rng = np.random.default_rng([seed, i])
        sung = words.shape(line, folder, rng)
        sound = synthesize(sung, pitch(sung, line.notes, rng), rng)
        sound *= dynamics(sung, line.notes, len(sound)) / 32768.0
        sound = signal.resample_poly(sound, 441, 320)
        start = round(sung.start * RATE)
        stop = min(len(out), start + len(sound))
        out[start:stop] += sound[:stop - start]
    return np.stack([out, out], axis=1)
