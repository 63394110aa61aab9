"""Numbers for what maps leave to the eye: how peaked, how alike, how much of a change lies where.

Pure functions of arrays. What is undefined (a map of zeros has no entropy, a flat one no
correlation) is NaN, and `mean_of` counts it; it never becomes a zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unmask.errors import DataError
from unmask.evaluation.intervals import MIN_SOURCES, RESAMPLES, Estimate, draws, percentiles

Map = NDArray[np.floating]
Floats = NDArray[np.float64]


def entropy(maps: Map) -> Floats:
    """Entropy of maps (..., N) as shares of their sum, over its largest value log N: 0 .. 1.

    1 = even, 0 = all in one cell; NaN for a map of one cell, which is both. Of values below zero
    nothing is a share: they count as zero.

    >>> entropy(np.array([[1.0, 1.0, 1.0, 1.0], [0.0, 5.0, 0.0, 0.0]])).round(3).tolist()
    [1.0, 0.0]
    """
    shares = _shares(maps)
    logs = np.log(shares, out=np.zeros_like(shares), where=shares > 0)
    most = np.log(shares.shape[-1]) or np.nan
    return np.asarray(np.abs((shares * logs).sum(-1)) / most)


def gini(maps: Map) -> Floats:
    """Gini coefficient of maps (..., N): 0 = even, (N - 1) / N = all in one cell.

    >>> gini(np.array([[1.0, 1.0, 1.0, 1.0], [0.0, 0.0, 0.0, 2.0]])).tolist()
    [0.0, 0.75]
    """
    shares = np.sort(_shares(maps), axis=-1)
    n = shares.shape[-1]
    rank = np.arange(1, n + 1)
    return np.asarray((2 * rank - n - 1) @ shares[..., None] / n)[..., 0]


def head_likeness(maps: Map) -> Floats:
    """Mean cosine similarity of all pairs of heads' maps (..., h, N, M): 1 = all heads are one."""
    flat = np.asarray(maps, np.float64).reshape(*maps.shape[:-2], -1)  # (..., h, NM)
    h = flat.shape[-2]
    if h < 2:
        raise DataError("one head alone is like no other; give a network of several heads")
    unit = flat / np.linalg.norm(flat, axis=-1, keepdims=True)
    alike = unit @ np.swapaxes(unit, -1, -2)
    others = alike.sum((-1, -2)) - np.trace(alike, axis1=-2, axis2=-1)
    return np.asarray(others / (h * (h - 1)))


def correlation(first: Map, second: Map) -> Floats:
    """Pearson correlation of maps (..., N) with others; NaN where one of them is flat."""
    a, b = (np.asarray(m, np.float64) - np.mean(m, -1, keepdims=True) for m in (first, second))
    norms = np.linalg.norm(a, axis=-1) * np.linalg.norm(b, axis=-1)
    scale = np.abs(first).max(-1) * np.abs(second).max(-1)
    defined = norms > 1e-9 * np.maximum(scale, 1e-300)
    dots = (a * b).sum(-1)
    return _divided(dots, norms, defined)


def share_of_rise(before: Map, after: Map, inside: Map) -> Floats:
    """Share of what maps (..., N) gained that was gained where something was done.

    `inside` says how much of every cell was edited, 0 .. 1. A rise that is the same everywhere
    gives the edited share of the area; NaN where nothing rose.
    """
    rise = np.clip(np.asarray(after, np.float64) - before, 0, None)
    total = rise.sum(-1)
    within = (rise * inside).sum(-1)
    return _divided(within, total, total > 0)


def spread_between(features: Map) -> Floats:
    """Share of the spread of tokens (..., N, D) that lies between tokens: 0 = all are one.

    The spread about the mean over all tokens and channels, of which the rest lies between
    channels. Where it is near zero, attention has nothing to tell apart, whatever its scales are.
    """
    x = np.asarray(features, np.float64)
    whole = ((x - x.mean((-1, -2), keepdims=True)) ** 2).sum((-1, -2))
    between = ((x - x.mean(-2, keepdims=True)) ** 2).sum((-1, -2))
    return _divided(between, whole, whole > 0)


@dataclass(frozen=True, kw_only=True)
class Mean:
    """A mean over examples with its interval, and what it is of."""

    estimate: Estimate
    n: int
    undefined: int  # examples left out, since the number does not exist for them

    def __str__(self) -> str:
        return str(self.estimate)

    @property
    def numbers(self) -> dict[str, Any]:
        """Plain values for a figure's JSON."""
        return {**asdict(self.estimate), "n": self.n, "undefined": self.undefined}


def mean_of(values: Sequence[float] | Floats, source: Sequence[str], *, seed: int = 0) -> Mean:
    """Mean of numbers, whole recordings drawn for its interval; NaN counts as undefined.

    Raises:
        DataError: it is undefined for all examples.
    """
    x = np.asarray(values, np.float64)
    known = np.isfinite(x)
    if not known.any():
        raise DataError(f"undefined for all {len(x)} examples, so there is no mean of it")
    names, group = np.unique(np.asarray(source)[known], return_inverse=True)
    total = np.bincount(group, x[known])
    count = np.bincount(group).astype(np.float64)
    value = float(x[known].mean())
    mean = Mean(estimate=Estimate(value=value), n=int(known.sum()), undefined=int((~known).sum()))
    if len(names) < MIN_SOURCES:
        return mean
    drawn = [
        float(often @ total / (often @ count))
        for often in islice(draws(len(names), seed=seed), RESAMPLES)
    ]
    low, high = percentiles(drawn)
    estimate = Estimate(value=value, low=low, high=high)
    return Mean(estimate=estimate, n=mean.n, undefined=mean.undefined)


def mean_if_any(values: Floats, source: Sequence[str]) -> Mean | None:
    """Mean of numbers as `mean_of` has it; None where it is undefined for all of them."""
    return mean_of(values, source) if np.isfinite(values).any() else None


def numbers_of(mean: Mean | None) -> dict[str, Any]:
    """Plain values of a mean, or that it was undefined for all."""
    return {"value": None, "n": 0} if mean is None else mean.numbers


def _shares(maps: Map) -> Floats:
    positive = np.clip(np.asarray(maps, np.float64), 0, None)
    total = positive.sum(-1, keepdims=True)
    return _divided(positive, total, total > 0)


def _divided(above: Floats, below: Floats, defined: NDArray[np.bool_]) -> Floats:
    """Quotients, NaN where they are not defined."""
    out = np.full(np.broadcast_shapes(np.shape(above), np.shape(below)), np.nan)
    return np.asarray(np.divide(above, below, out=out, where=defined))
