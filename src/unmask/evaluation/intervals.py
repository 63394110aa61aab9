"""Intervals by the bootstrap: whole source recordings are drawn, since their videos are not apart.

A fake and its original, or forty frames of one face, err together. Drawing single rows would take
them for independent witnesses and give intervals several times too narrow. One set of draws serves
all numbers of a sample; it depends on the seed and on the names of the recordings, and neither on
the order of rows nor on what is measured, so that two detectors on the same videos meet the same
draws.

Where draws can tell nothing there is no interval: of fewer than `MIN_SOURCES` recordings, and where
all draws say the same (AUC = 1), which is no proof of certainty. A share at a fixed threshold that
is 0 or 1 in all draws (no real called fake) has the exact interval of as many trials as there are
recordings, as if all videos of one were one witness.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import beta

from unmask.errors import DataError
from unmask.evaluation.metrics import Metric
from unmask.evaluation.ranking import Floats, Indices, Ranking, rank

RESAMPLES = 1000
CONFIDENCE = 0.95
MIN_SOURCES = 10  # ours: a handful of recordings shows little of how others would vary
# A number that is undefined in more resamples than this (precision where hardly anything is called
# fake) has an interval of the others only, and would be shown surer than it is.
_MAX_UNDEFINED = 0.05

Class = Literal["fakes", "reals", "all"]


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A number with its 95 % interval, where there were enough recordings for one."""

    value: float
    low: float | None = None
    high: float | None = None

    def __str__(self) -> str:
        """Format as `0.812 (0.795 to 0.829)`."""
        if self.low is None or self.high is None:
            return f"{self.value:.3f} (no interval)"
        return f"{self.value:.3f} ({self.low:.3f} to {self.high:.3f})"


def interval(
    metric: Metric,
    label: Sequence[int] | Floats,
    score: Sequence[float] | Floats,
    source: Sequence[str],
    *,
    seed: int = 0,
) -> Estimate:
    """Estimate one number of labelled scores."""
    return intervals(rank(label, score), source, {"": metric}, seed=seed)[""]


def intervals(
    ranking: Ranking,
    source: Sequence[str],
    metrics: Mapping[str, Metric],
    *,
    shares: Mapping[str, Class] | None = None,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> dict[str, Estimate]:
    """Estimate several numbers of one sample; `source` is in the order the scores were given in.

    `shares` names the numbers that are shares of a class at a fixed threshold, and of which.

    Raises:
        DataError: a metric is undefined on the sample itself.
    """
    values = {name: metric(ranking) for name, metric in metrics.items()}
    named = np.asarray(source)[ranking.ordered.order]
    if too_few(ranking.ordered.fake, named):
        return {name: Estimate(value=value) for name, value in values.items()}
    drawn: dict[str, list[float]] = {name: [] for name in metrics}
    for resample in resampled(ranking, source, seed=seed, resamples=resamples):
        for name, metric in metrics.items():
            try:
                drawn[name].append(metric(resample))
            except DataError:
                continue  # undefined on this draw; counted below
    found = {name: _estimate(value, drawn[name], resamples) for name, value in values.items()}
    for name, kind in (shares or {}).items():
        if found[name].low is None and found[name].value in (0.0, 1.0):
            found[name] = _of_recordings(found[name].value, named[_of(kind, ranking)])
    return found


def exact_interval(hits: ArrayLike, n: ArrayLike) -> tuple[Floats, Floats]:
    """95 % interval of a share by Clopper and Pearson (1934), which keeps its promise at 0 and 1.

    It takes the n trials for independent.
    """
    hits, n = np.asarray(hits, np.float64), np.asarray(n, np.float64)
    tail = (1 - CONFIDENCE) / 2
    with np.errstate(invalid="ignore"):
        low = np.where(hits > 0, beta.ppf(tail, hits, n - hits + 1), 0.0)
        high = np.where(hits < n, beta.ppf(1 - tail, hits + 1, n - hits), 1.0)
    return low, high


def too_few(label: NDArray[Any], source: ArrayLike) -> bool:
    """Whether reals or fakes, if there are any, come from too few recordings.

    These could not show how others would vary.
    """
    names, fake = np.asarray(source), np.asarray(label) == 1
    return any(len(np.unique(names[kind])) < MIN_SOURCES for kind in (fake, ~fake) if kind.any())


def resampled(
    ranking: Ranking, source: Sequence[str], *, seed: int = 0, resamples: int = RESAMPLES
) -> Iterator[Ranking]:
    """Draw recordings with replacement, again and again; a draw that misses a class does not count.

    Yields the sample with each row weighted by how often its recording was drawn.
    """
    group = _groups(source)[ranking.ordered.order]
    for counts in draws(int(group.max()) + 1, seed=seed):
        resample = ranking.weighted(counts[group] * ranking.weight)
        if (resample.n_fake or not ranking.n_fake) and (resample.n_real or not ranking.n_real):
            yield resample
            resamples -= 1
        if resamples == 0:
            return


def draws(n_sources: int, *, seed: int = 0) -> Iterator[Floats]:
    """How often each of n recordings is drawn, in one resample after another, without end."""
    rng = np.random.default_rng(seed)
    while True:
        drawn = rng.integers(n_sources, size=n_sources)
        yield np.bincount(drawn, minlength=n_sources).astype(np.float64)


def percentiles(values: Sequence[float]) -> tuple[float, float]:
    """Both ends of the interval that holds 95 % of the values."""
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(values, [tail, 1 - tail])
    return float(low), float(high)


def _groups(source: Sequence[str]) -> Indices:
    """Number of each row's recording, by the order of names."""
    return np.unique(np.asarray(source), return_inverse=True)[1].astype(np.int64)


def _of(kind: Class, ranking: Ranking) -> NDArray[np.bool_]:
    fake = ranking.ordered.fake
    return {"fakes": fake, "reals": ~fake, "all": np.ones_like(fake)}[kind]


def _of_recordings(value: float, source: NDArray[Any]) -> Estimate:
    """Interval of a share that is 0 or 1, of as many trials as there are recordings."""
    n = len(np.unique(source))
    low, high = exact_interval(value * n, n)
    return Estimate(value=value, low=float(low), high=float(high))


def _estimate(value: float, drawn: Sequence[float], resamples: int) -> Estimate:
    if len(drawn) < (1 - _MAX_UNDEFINED) * resamples:
        return Estimate(value=value)
    low, high = percentiles(drawn)
    return Estimate(value=value, low=low, high=high) if low < high else Estimate(value=value)
