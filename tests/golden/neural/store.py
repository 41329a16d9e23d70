"""tests/golden/neural/store.py: writes .golden files; tests/golden_read.h reads them.

SPDX-License-Identifier: PostgreSQL
"""

import numpy as np

from . import seeded


class Golden:
    """Arrays of up to three dimensions, whole figures and a few values of each."""

    def __init__(self, made_by, *notes):
        self.head = ["# made by " + made_by] + ["# " + note for note in notes]
        self.head.append("# array NAME FIRST STORED MEAN RMS D0 D1 D2; tests/golden_read.h")
        self.lines = []
        self.values = []

    def _add(self, name, array, first, values):
        shape = (list(array.shape) + [1, 1, 1])[:3]
        x = array.astype(np.float64)
        self.lines.append(
            "array %s %d %d %.9g %.9g %d %d %d"
            % (name, first, len(values), x.mean(), np.sqrt((x * x).mean()), *shape)
        )
        self.values.append(values.astype("<f4"))

    def sample(self, name, array, count):
        """count values where the hash of the name says."""
        self._add(name, array, -1, array.ravel()[seeded.positions(name, count, array.size)])

    def run(self, name, array, first, count):
        """count values from index first of the flat array on."""
        self._add(name, array, first, array.ravel()[first : first + count])

    def note(self, text):
        """A line at the head of the file."""
        self.head.append("# " + text)

    def write(self, path):
        with open(path, "wb") as f:
            f.write("\n".join(self.head + self.lines + ["data", ""]).encode())
            for values in self.values:
                f.write(values.tobytes())
