"""How many processor cores this process may use."""

import os


def usable_cores() -> int:
    """Cores that the process is allowed to run on, at least 1; containers often allow a few."""
    own = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return own or 1
