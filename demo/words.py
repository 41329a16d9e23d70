# demo/words.py
#   From a line of words and its notes to the shapes of a voice.
#
# festival reads the words (phones, syllables, context), we lay the phones on
# the notes, and hts_engine answers for that timing the spectral envelope of
# the voice "slt", every 5 ms as a mel-cepstrum.  Only the envelope is taken:
# pitch and excitation are sung by voice.py.
#
# Words used here: a *phone* is a speech sound, the *vowel* of a syllable
# begins on the note; the consonants before it borrow time from the note before.
#
# SPDX-License-Identifier: PostgreSQL

import os
import subprocess
from collections import namedtuple

import numpy as np

import score

VOICE = "/usr/share/festival/voices/us/cmu_us_slt_arctic_hts/hts/cmu_us_slt_arctic_hts.htsvoice"
FRAME = 0.005               # seconds; 160 samples at the voice's 32 kHz
STATES = 5                  # of a phone's model, each lasts a frame at least
ORDER = 45                  # coefficients of a mel-cepstrum, from the voice's header

VOWELS = set("aa ae ah ao aw ax ay eh er ey ih iy ow oy uh uw".split())
UNVOICED = set("p t k ch f s sh th hh pau".split())
SHORTEST, LONGEST = 0.035, 0.110    # seconds of a sung consonant
CONSONANT_SHARE = 0.55      # at most this share of a note may be consonants
SILENCE = 0.25              # seconds before the first and after the last phone

Phone = namedtuple("Phone", "name start end")
Sung = namedtuple("Sung", "start phones spectrum")

READER = """
(voice_cmu_us_slt_arctic_hts)
(lex.add.entry '("evry" nil (((eh v) 1) ((r iy) 0))))
(define (say text)
  (let ((u (SynthText text)))
    (mapcar
      (lambda (s label)
        (format t "%s %s %f %f %s\\n" (item.name s) (item.feat s "R:SylStructure.parent.id")
                (item.feat s "segment_start") (item.feat s "segment_end") label))
      (utt.relation.items u 'Segment)
      (hts_dump_feats_string_list u hts_feats_list))))
(say "WORDS")
"""


def read(text, folder):
    """(phone, syllable id, spoken seconds, context label) of each sound."""
    script = os.path.join(folder, "say.scm")
    with open(script, "w") as f:
        f.write(READER.replace("WORDS", text))
    answer = subprocess.run(["festival", "-b", script], check=True, capture_output=True, text=True)
    rows = []
    for line in answer.stdout.splitlines():
        if line.strip():
            name, syllable, start, end, _, _, label = line.split()
            rows.append((name, syllable, float(end) - float(start), label))
    return rows


def syllables(rows):
    """Splits the rows between the two silences into syllables of row numbers."""
    groups, last = [], None
    for i, (name, syllable, _, _) in enumerate(rows):
        if name == "pau":
            continue
        if syllable != last:
            groups.append([])
            last = syllable
        groups[-1].append(i)
    return groups


def lay(rows, notes, rng):
    """Start and end of each row in seconds; the vowels begin on their notes."""
    groups = syllables(rows)
    if len(groups) != len(notes):
        raise SystemExit(f"{len(notes)} notes for {len(groups)} syllables: {[r[0] for r in rows]}")
    nucleus = [next(i for i in g if rows[i][0] in VOWELS) for g in groups]
    onset = [score.seconds(n.beat) + rng.normal(0.0, 0.006) for n in notes]
    onset.append(score.seconds(notes[-1].beat + notes[-1].length))
    length = np.array([np.clip(r[2], SHORTEST, LONGEST) for r in rows])
    start = np.zeros(len(rows) + 1)
    # before the first vowel, then from vowel to vowel, the last span up to the final silence
    first = nucleus[0]
    start[1:first + 1] = onset[0] - np.append(np.cumsum(length[1:first][::-1])[::-1], 0.0)
    for k, vowel in enumerate(nucleus):
        stop = nucleus[k + 1] if k + 1 < len(nucleus) else len(rows) - 1
        span = onset[k + 1] - onset[k]
        tail = length[vowel + 1:stop]
        tail = tail * min(1.0, CONSONANT_SHARE * span / max(tail.sum(), 1e-9))
        start[vowel + 1:stop + 1] = onset[k] + (span - tail.sum()) + np.append(0.0, np.cumsum(tail))
    start[0] = start[1] - SILENCE
    start[-1] = start[-2] + SILENCE
    return start


def envelope(rows, start, folder):
    """The voice's mel-cepstra for the given timing, float64[frames, ORDER]."""
    label, spectrum = (os.path.join(folder, n) for n in ("line.lab", "line.mgc"))
    frames = np.round((start - start[0]) / FRAME).astype(int)
    if np.min(np.diff(frames)) < STATES:
        raise SystemExit(f"no room for all sounds of {[r[0] for r in rows]}")
    with open(label, "w") as f:
        for i, row in enumerate(rows):
            # label times count 100 ns
            f.write("%d %d %s\n" % (frames[i] * FRAME * 1e7, frames[i + 1] * FRAME * 1e7, row[3]))
    subprocess.run(["hts_engine", "-m", VOICE, "-vp", "-om", spectrum, label], check=True)
    return np.fromfile(spectrum, np.float32).reshape(-1, ORDER).astype(float)


def shape(line, folder, rng):
    """Everything of a sung line but its pitch."""
    rows = read(line.text, folder)
    start = lay(rows, line.notes, rng)
    phones = [Phone(r[0], start[i], start[i + 1]) for i, r in enumerate(rows)]
    return Sung(start[0], phones, envelope(rows, start, folder))
