"""train/native.py: the core's C for training: levels of the sources as classical sees them.

    /usr/bin/python3 -m train.native SONG...    # levels of files, and how long they take

The library is built on first use, and again when its sources are newer:
needs a C compiler (CC) and FFTW's header (libfftw3-dev), no PostgreSQL.

SPDX-License-Identifier: PostgreSQL
"""

import ctypes
import fcntl
import functools
import os
import pathlib
import subprocess
import sys
import threading
import time

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parent.parent
LIBRARY = ROOT / "build" / "train" / "libcues.so"
SOURCES = [ROOT / "train" / "cues.c", ROOT / "src/core/sp_base.c"]
SOURCES += [ROOT / "src/core/dsp" / f"{name}.c" for name in ("stft", "median")]
SOURCES += [ROOT / "src/core/stems" / f"{name}.c" for name in ("cues", "repet", "voice", "pitch", "layers")]
# As the extension's own core is built, see Makefile.
FLAGS = "-std=gnu11 -Wall -Wextra -Werror -O3 -fno-math-errno -fno-trapping-math -fPIC -shared".split()
STATUS = ("ok", "bad argument", "bad data", "unsupported", "too large", "no memory", "input/output", "canceled")

SIZE, HOP, BINS = 4096, 1024, 2049
NAMES = ("vocals", "drums", "bass", "other")
planning = threading.Lock()  # FFTW's planner is not for two threads


def newest(paths):
    return max(path.stat().st_mtime for path in paths)


def build():
    """Replaced in one step, behind a lock: several processes may want it at once."""
    headers = [*ROOT.glob("src/core/*.h"), *ROOT.glob("src/core/dsp/*.h"), *ROOT.glob("src/core/stems/*.h")]
    LIBRARY.parent.mkdir(parents=True, exist_ok=True)
    with open(LIBRARY.with_suffix(".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if LIBRARY.exists() and LIBRARY.stat().st_mtime >= newest(SOURCES + headers):
            return
        made = LIBRARY.with_suffix(".new")
        command = [os.environ.get("CC", "cc"), *FLAGS, f"-I{ROOT / 'src'}", "-o", made, *SOURCES, "-lfftw3f", "-lm"]
        subprocess.run(command, check=True)
        made.replace(LIBRARY)


@functools.cache
def library():
    build()
    made = ctypes.CDLL(LIBRARY)
    made.train_cues.argtypes = [ctypes.c_void_p, ctypes.c_long, ctypes.c_void_p]
    made.train_cues.restype = ctypes.c_int
    return made


def frames_of(samples):
    """Frames of the transform within so many samples; nothing is padded."""
    return (samples - SIZE) // HOP + 1 if samples >= SIZE else 0


def levels(x):
    """44.1 kHz float32 [n][2] -> float32 [4][T][2049], in the order of NAMES.

    Frame t covers x[1024 t : 1024 t + 4096].  The four add up to the root of
    the channels' mean power, scaled so that a sine of amplitude a has level a.
    """
    x = np.ascontiguousarray(x, dtype=np.float32)
    if x.ndim != 2 or x.shape[1] != 2 or len(x) < SIZE:
        raise ValueError(f"levels of {x.shape}: stereo of at least {SIZE} samples is wanted")
    out = np.empty((len(NAMES), frames_of(len(x)), BINS), dtype=np.float32)
    with planning:
        status = library().train_cues(x.ctypes.data, len(x), out.ctypes.data)
    if status != 0:
        raise RuntimeError(f"levels: {STATUS[status]}")
    return out


def main():
    import soundfile

    for name in sys.argv[1:]:
        x, rate = soundfile.read(name, dtype="float32", always_2d=True)
        if rate != 44100:
            raise SystemExit(f"{name}: {rate} Hz, 44100 are wanted")
        x = np.repeat(x, 2, axis=1) if x.shape[1] == 1 else x[:, :2]
        library()
        start = time.process_time()
        found = levels(x)
        seconds = time.process_time() - start
        energy = (found.astype(np.float64) ** 2).sum(axis=(1, 2))
        shares = " ".join(f"{n} {e / energy.sum():.3f}" for n, e in zip(NAMES, energy))
        print(f"{name}: {found.shape[1]} frames in {seconds:.2f} s ({len(x) / rate / seconds:.0f}x); energy {shares}")


if __name__ == "__main__":
    main()
