"""Lets a training process keep the memory that it frees.

A step asks for the same hundreds of megabytes as the one before it. The C library of most Linux
systems hands large blocks back to the kernel when they are freed, and the kernel clears every page
again when the next step asks for them: on a CPU this costs up to half of the time
(benchmarks/README.md). The settings here are those of its environment variables
MALLOC_MMAP_THRESHOLD_ and MALLOC_TRIM_THRESHOLD_, where the user has set neither.
"""

from __future__ import annotations

import ctypes
import os
import platform

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h
_LARGEST = 2**31 - 1
_SET_BY_USER = ("MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_", "GLIBC_TUNABLES")


def keep_freed_memory() -> bool:
    """Keep freed memory for the next step.

    Returns:
        Whether something was changed: not where the C library is another one, or a user has chosen.
    """
    if platform.libc_ver()[0] != "glibc" or any(name in os.environ for name in _SET_BY_USER):
        return False
    mallopt = ctypes.CDLL(None).mallopt
    # Older versions refuse more than half of their heap's size, 32 MB, by returning 0. A trim
    # threshold alone would do harm: it ends the library's own adjustment of the other one.
    kept = any(mallopt(_M_MMAP_THRESHOLD, size) for size in (2**30, 2**25))
    return kept and bool(mallopt(_M_TRIM_THRESHOLD, _LARGEST))
