"""train/bands.py: the 512 bands that the 2049 bins of the transform are pooled into.

SPDX-License-Identifier: PostgreSQL
"""

import numpy as np

BINS = 2049
TABLE = ((192, 1), (160, 2), (96, 4), (64, 18))  # so many bands of so many bins
BANDS = sum(count for count, _ in TABLE)


def _starts():
    widths = np.repeat([w for _, w in TABLE], [c for c, _ in TABLE])
    return np.concatenate([[0], np.cumsum(widths)[:-1]])


STARTS = _starts()
WIDTHS = np.diff(np.append(STARTS, BINS))  # the last band has one bin more


def pooled(rows):
    """Sums [...][2049] over the bins of each band: [...][512]."""
    return np.add.reduceat(rows, STARTS, axis=-1)
