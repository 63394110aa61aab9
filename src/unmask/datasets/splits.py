"""Dividing rows by the recording they come from, never by row.

A fake and its original show the same scene; on two sides of a split they would give each other
away. The side is a hash of the recording's id: it does not depend on order, on other rows or on a
random state, so more data never moves a recording to the other side.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from unmask.errors import DataError


def position(original: str, salt: str = "calib") -> float:
    """Return where a recording falls in [0, 1)."""
    digest = hashlib.sha256(f"{salt}/{original}".encode()).digest()
    return int.from_bytes(digest[:8]) / 2**64


def split_rows(
    originals: Sequence[str], calib_share: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the rows to learn from and those to choose on (early stop, calibration, thresholds).

    `calib_share` is the share of recordings, in [0, 1).

    Raises:
        DataError: one side is left without rows although both are wanted.
    """
    chosen = np.array([position(original) < calib_share for original in originals], bool)
    train, calib = np.flatnonzero(~chosen), np.flatnonzero(chosen)
    if not len(train) or (calib_share > 0 and not len(calib)):
        raise DataError(
            f"{len(set(originals))} recordings are too few to set {calib_share:.0%} of them aside"
        )
    return train, calib


def limit_rows(originals: Sequence[str], n_rows: int) -> NDArray[np.int64]:
    """Return about `n_rows` rows, whole recordings chosen by hash, in their old order."""
    places = np.array([position(original, "limit") for original in originals])
    cut = np.sort(places)[min(n_rows, len(places)) - 1]
    return np.flatnonzero(places <= cut)
