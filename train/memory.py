"""train/memory.py: an allocator that keeps what it has.

Freed arrays of megabytes go back to the system and come again as pages that
fault one by one: that was more than half of a training step, and a quarter of
a rendered reel.

SPDX-License-Identifier: PostgreSQL
"""

import ctypes

TRIM_THRESHOLD, MMAP_MAX, ARENA_MAX = -1, -4, -8  # of mallopt(3)


def keep():
    """To be called before there are threads; nothing happens without glibc."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt:
        mallopt(MMAP_MAX, 0)
        mallopt(TRIM_THRESHOLD, 2**31 - 1)
        mallopt(ARENA_MAX, 1)
