# demo/score.py
#   The song: form, chords, words, tune and the parts of the band.
#
# Everything here is music as data: a Note is (beat, length in beats, MIDI
# pitch, velocity 1..127), beats counted from the start of bar 0.  Players are
# humanised here too, because timing and touch belong to the part, not to the
# mixer: hats lean on the beat, ghost notes lie behind it, sixteenths swing.
#
# Form (4/4): bar 0 intro, 1-4 verse, 5-8 hook, 9 last chord.  The verse loops
# vi IV | I V, the hook IV V | I vi with a cadence in its last bar, two chords a
# bar, so that the band repeats every two bars as pop songs do.
#
# SPDX-License-Identifier: PostgreSQL

from collections import namedtuple

import numpy as np

Note = namedtuple("Note", "beat length pitch velocity")
Line = namedtuple("Line", "text notes")

TEMPO = 108.0               # quarter notes a minute
LEAD_IN = 0.06              # seconds before beat 0, so that no attack is cut
BARS = 9                    # the last chord falls on the first beat of bar 9
RING = 1.7                  # seconds that the last chord may ring
SWING = 0.035               # beats by which the off-sixteenths come late

VERSE = [("Bm", "G"), ("D", "A")] * 2
HOOK = [("G", "A"), ("D", "Bm"), ("G", "A"), ("G", "A")]
CHANGES = [("D", "A")] + VERSE + HOOK + [("D", "D")]

BASS_ROOT = {"Bm": 35, "G": 31, "D": 38, "A": 33}
PIANO = {"Bm": (54, 57, 59, 62), "G": (55, 57, 59, 62),
         "D": (54, 57, 62, 64), "A": (52, 57, 61, 64)}
GUITAR = {"Bm": (59, 66, 71, 74), "G": (62, 67, 71, 74),
          "D": (62, 66, 69, 74), "A": (61, 64, 69, 73)}
PAD = {"Bm": (59, 66, 74), "G": (59, 67, 74), "D": (57, 66, 74), "A": (57, 64, 73)}

DRUM = dict(kick=36, stick=37, snare=38, hat=42, pedal=44, open=46,
            low_tom=45, mid_tom=47, high_tom=50, crash=49, ride=51)


def seconds(beat):
    """Song time of a beat."""
    return LEAD_IN + beat * 60.0 / TEMPO


def duration():
    """Length of the song in seconds."""
    return seconds(4 * BARS) + RING


def sung(bar, text, *notes):
    """One sung line; notes are (beat in bar, length, pitch), one a syllable."""
    return Line(text, [Note(4 * bar + b, n, p, 100) for b, n, p in notes])


def melody():
    """The lead voice.  A comma would make the reader of the words pause."""
    D4, E4, F4, G4, A4, B4, C5, D5 = 62, 64, 66, 67, 69, 71, 73, 74
    return [
        sung(1, "evry song I ever knew",
             (0, .5, D4), (.5, .5, E4), (1, .5, F4), (1.5, .5, F4),
             (2, .5, G4), (2.5, .25, F4), (2.75, 1.0, D4)),
        sung(2, "sleeps in rows of midnight blue",
             (0, .5, D4), (.5, .5, E4), (1, .5, F4), (1.5, .5, D4),
             (2, .25, E4), (2.25, .5, F4), (2.75, 1.0, E4)),
        sung(3, "drums and bass and words for you",
             (0, .5, D4), (.5, .5, E4), (1, .5, F4), (1.5, .5, F4),
             (2, .5, G4), (2.5, .25, A4), (2.75, 1.0, B4)),
        sung(4, "turn the key and they come through",
             (0, .5, A4), (.5, .5, A4), (1, .5, F4), (1.5, .5, D4),
             (2, .25, E4), (2.25, .5, F4), (2.75, .95, A4)),
        sung(5, "oh select me take me apart",
             (0, .75, B4), (.75, .25, A4), (1, .5, B4), (1.5, .5, A4),
             (2, .5, C5), (2.5, .25, B4), (2.75, .25, A4), (3, .9, A4)),
        sung(6, "evry voice and evry heart",
             (0, .5, A4), (.5, .5, A4), (1, .5, D5), (1.5, .5, A4),
             (2, .5, B4), (2.5, .25, A4), (2.75, 1.0, F4)),
        sung(7, "oh commit me play me again",
             (0, .75, B4), (.75, .25, A4), (1, .5, B4), (1.5, .5, A4),
             (2, .5, C5), (2.5, .25, B4), (2.75, .25, A4), (3, .9, C5)),
        sung(8, "I'll be here until the end",
             (0, .5, D5), (.5, .5, C5), (1, .5, B4), (1.5, .5, A4),
             (2, .75, B4), (2.75, .75, C5), (3.5, 2.4, D5)),
    ]


def harmony():
    """A second voice under the hook: a third or a fourth below the lead."""
    below = {69: 66, 71: 67, 73: 69, 74: 69, 66: 62}
    return [Line(line.text, [n._replace(pitch=below[n.pitch]) for n in line.notes])
            for line in melody()[4:]]


def place(beat, rng, spread=0.008, push=0.0):
    """Where a player puts a beat: swung, pushed and a little unsure."""
    sixteenth = round(beat * 4)
    swing = SWING if abs(beat * 4 - sixteenth) < 1e-6 and sixteenth % 2 else 0.0
    return max(0.0, beat + swing + push + rng.normal(0.0, spread))


def touch(velocity, rng, spread=4.0):
    """A velocity as a hand would repeat it."""
    return int(np.clip(round(velocity + rng.normal(0.0, spread)), 1, 127))


def hit(name, beat, velocity, rng, push=0.0):
    return Note(place(beat, rng, 0.006, push), 0.2, DRUM[name], touch(velocity, rng))


def verse_groove(bar, rng):
    """Kick and snare with closed hats in eighths; ghosts around the backbeat."""
    b = 4 * bar
    out = [hit("kick", b, 104, rng), hit("kick", b + 1.75, 74, rng), hit("kick", b + 2.5, 98, rng),
           hit("snare", b + 1, 100, rng, 0.012), hit("snare", b + 3, 103, rng, 0.012)]
    out += [hit("hat", b + e / 2, 74 if e % 2 == 0 else 52, rng, -0.006) for e in range(8)]
    out += [hit("snare", b + g, v, rng, 0.015) for g, v in ((1.75, 26), (2.25, 32), (3.75, 24))]
    if bar % 2 == 0:
        out.append(hit("kick", b + 3.5, 80, rng))
    return out


def hook_groove(bar, rng):
    """Busier: driving kick, open hats on the off-beats, more ghosts."""
    b = 4 * bar
    kicks = ((0, 110), (.75, 72), (1.5, 90), (2.5, 104), (3.25, 70))
    out = [hit("kick", b + k, v, rng) for k, v in kicks]
    out += [hit("snare", b + s, 112, rng, 0.010) for s in (1, 3)]
    out += [hit("hat", b + e / 4, (80, 34, 60, 38)[e % 4], rng, -0.006)
            for e in range(16) if e not in (6, 14)]
    out += [hit("open", b + e, 62, rng) for e in (1.5, 3.5)]
    out += [hit("snare", b + g, v, rng, 0.015) for g, v in ((2.25, 34), (1.75, 26))]
    return out


def fill(start, rng, strokes):
    return [hit(name, start + beat, velocity, rng) for beat, name, velocity in strokes]


PICK_UP = [(2, "snare", 58), (2.5, "snare", 78), (2.75, "snare", 50), (3, "high_tom", 92),
           (3.25, "high_tom", 76), (3.5, "mid_tom", 96), (3.75, "low_tom", 100)]
TURN = [(2, "kick", 100), (2.5, "snare", 88), (2.75, "snare", 60), (3, "snare", 100),
        (3.25, "high_tom", 90), (3.5, "mid_tom", 100), (3.5, "kick", 90), (3.75, "low_tom", 108)]
CADENCE = [(2, "kick", 100), (2, "snare", 60), (2.25, "snare", 66), (2.5, "high_tom", 86),
           (2.75, "kick", 104), (2.75, "snare", 108), (3.5, "kick", 110), (3.5, "crash", 84)]


def before(notes, beat):
    return [n for n in notes if n.beat < beat - 0.05]


def drums(rng):
    """The whole drum part."""
    out = [hit("stick", e, 70, rng) for e in (0, 1)]
    out += [hit("hat", e / 2, 60 if e % 2 == 0 else 42, rng) for e in range(4)]
    out += fill(0, rng, PICK_UP)
    for bar in range(1, 5):
        groove = verse_groove(bar, rng)
        out += before(groove, 4 * bar + 2) + fill(4 * bar, rng, TURN) if bar == 4 else groove
    out.append(hit("crash", 20, 88, rng))
    for bar in range(5, 9):
        groove = hook_groove(bar, rng)
        out += before(groove, 4 * bar + 2) + fill(4 * bar, rng, CADENCE) if bar == 8 else groove
    return out


def bass(rng):
    """Roots that walk: each half bar ends on a step towards the next root."""
    roots = [BASS_ROOT[c] for pair in CHANGES for c in pair]
    out = []
    for i, root in enumerate(roots[2:-2], start=2):
        b, nxt = 2 * i, roots[i + 1]
        lead = nxt + (-2 if nxt > root else 2)
        lead = lead if lead in {28, 30, 31, 33, 35, 37, 38, 40} else nxt
        if b < 20:
            line = ((0, .7, root, 96), (.75, .2, root, 60), (1, .45, root + 7, 82), (1.5, .45, lead, 88))
        else:
            line = ((0, .45, root, 104), (.5, .4, root, 84), (.75, .2, root + 12, 72),
                    (1, .45, root + 12, 92), (1.5, .25, root, 86), (1.75, .22, lead, 80))
        out += [Note(place(b + t, rng, 0.006), n, p, touch(v, rng)) for t, n, p, v in line]
    out = before(out, 35.4)
    out += [Note(place(t, rng, 0.004), n, p, v)
            for t, n, p, v in ((2.5, .4, 33, 80), (3, .4, 33, 90), (3.5, .45, 37, 92), (35.5, 3.6, 38, 104))]
    return out


def strike(chord, beat, length, velocity, rng, roll=0.012):
    """One chord, rolled a little from the lowest note up."""
    start = place(beat, rng, 0.005)
    return [Note(start + i * roll, length, p, touch(velocity, rng)) for i, p in enumerate(chord)]


def piano(rng):
    """Electric piano: the chord and its echo on the push; the hook's tune as intro."""
    tune = ((0, .7, 71), (.75, .2, 69), (1, .45, 71), (1.5, .4, 69),
            (2, .45, 73), (2.5, .22, 71), (2.75, 1.1, 69))
    out = [Note(place(t, rng, 0.005), n, p, touch(86, rng)) for t, n, p in tune]
    out += strike(PIANO["D"], 0, 1.8, 62, rng) + strike(PIANO["A"], 2, 1.8, 62, rng)
    for i, name in enumerate(c for pair in CHANGES[1:BARS] for c in pair):
        b = 4 + 2 * i
        soft = 0 if b < 20 else 8
        out += strike(PIANO[name], b, 1.3, 72 + soft, rng)
        out += strike(PIANO[name][1:], b + 1.5, .4, 58 + soft, rng, 0.006)
    return before(out, 35.4) + strike((50,) + PIANO["D"], 35.5, 4.0, 84, rng, 0.02)


def guitar(rng):
    """Clean guitar: broken chords in the verse, off-beat strokes in the hook."""
    out = []
    order = (0, 2, 1, 3)
    for i, name in enumerate(c for pair in CHANGES[1:BARS] for c in pair):
        b, chord = 4 + 2 * i, GUITAR[name]
        if b < 20:
            out += [Note(place(b + e / 2, rng), .9, chord[order[e]], touch(74 - 8 * (e % 2), rng))
                    for e in range(4)]
        else:
            for t, n, v in ((.5, .3, 84), (1, .18, 56), (1.25, .2, 66), (1.5, .35, 86)):
                out += strike(chord[::-1] if t == 1.25 else chord, b + t, n, v, rng, 0.016)
    return before(out, 35.4) + strike(GUITAR["D"], 35.5, 4.0, 82, rng, 0.05)


def pad(rng):
    """Strings that enter half way through the verse and open up in the hook."""
    out = []
    for i, name in enumerate(c for pair in CHANGES[3:BARS] for c in pair):
        b = 12 + 2 * i
        out += [Note(b, 1.98, p, touch(58 if b < 20 else 78, rng, 2)) for p in PAD[name]]
    return before(out, 35.4) + [Note(35.5, 3.2, p, 80) for p in PAD["D"]]
