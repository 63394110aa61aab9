"""What a training process frees it keeps for the next step."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

LOOP = """
import resource, sys
import numpy as np
from unmask.training.memory import keep_freed_memory
changed = keep_freed_memory() if sys.argv[1] == "kept" else None
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for step in range(4):  # every step touches 200 MB
    before = faults()
    np.ones(50_000_000, np.float32)
print(changed, faults() - before)
"""


def last_step(how: str, **environment: str) -> tuple[str, int]:
    """Say whether anything was changed, and the page faults of the last of four equal steps."""
    surroundings = {k: v for k, v in os.environ.items() if not k.startswith(("MALLOC", "GLIBC"))}
    done = subprocess.run(
        [sys.executable, "-c", LOOP, how],
        env={**surroundings, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    changed, faults = done.stdout.split()
    return changed, int(faults)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")
def test_a_later_step_asks_the_kernel_for_nothing():
    plain, kept = last_step("plain"), last_step("kept")
    assert kept[0] == "True"
    assert plain[1] >= 95, "200 MB are at least 95 pages, were they of 2 MB each"
    assert kept[1] <= 0.1 * plain[1]


def test_what_a_user_has_set_stays():
    assert last_step("kept", MALLOC_TRIM_THRESHOLD_="1000000")[0] == "False"
