"""A few drawn people as prepared data, made once for all tests of a session."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import mkdtemp

from unmask.datasets.toy import ToyConfig, make_toy


@cache
def small_toy() -> Path:
    """Ten people, two fakes each, long enough for clips of four frames."""
    folder = Path(mkdtemp(prefix="unmask-toy-"))
    make_toy(folder, ToyConfig(people=10, fakes_each=2, n_frames=4))
    return folder
