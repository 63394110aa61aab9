"""Numbers of a reliability diagram: what is said beside what is so, with intervals by recording.

Bins are those of `metrics.reliability`, fixed on the sample; resampled are whole recordings, since
the frames of one are right or wrong together. An interval that took them for independent would be
several times too narrow. In a bin of fakes or of reals alone no draw says anything else; it has the
exact interval of as many trials as there are recordings.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np

from unmask.evaluation.intervals import (
    MIN_SOURCES,
    RESAMPLES,
    draws,
    exact_interval,
    percentiles,
)
from unmask.evaluation.metrics import CALIBRATION_BINS, reliability
from unmask.evaluation.ranking import Floats, Ranking


@dataclass(frozen=True, kw_only=True)
class Bin:
    """Scores of about one height."""

    stated: float  # mean p_fake
    observed: float  # share of fakes
    n: int
    n_sources: int
    low: float | None  # 95 % interval of `observed`; None: too few recordings
    high: float | None


def reliability_bins(
    ranking: Ranking,
    source: Sequence[str],
    *,
    bins: int = CALIBRATION_BINS,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> list[Bin]:
    """Bins of a diagram, falling; `source` is in the order the scores were given in."""
    found = reliability(ranking, bins)
    counts = np.rint(found.weight).astype(int)
    assert counts.sum() == len(source), "every score counts once"
    which = np.repeat(np.arange(len(counts)), counts)
    names, group = np.unique(np.asarray(source), return_inverse=True)
    group = group[ranking.ordered.order]
    shape = (len(names), len(counts))
    n, fakes = np.zeros(shape), np.zeros(shape)
    np.add.at(n, (group, which), 1)
    np.add.at(fakes, (group, which), ranking.ordered.fake)
    drawn = np.array(list(islice(draws(len(names), seed=seed), resamples)))  # (R, sources)
    with np.errstate(invalid="ignore"):
        shares = (drawn @ fakes) / (drawn @ n)  # (R, bins); NaN where none of the bin was drawn
    return [
        Bin(
            stated=float(found.stated[k]),
            observed=float(found.observed[k]),
            n=int(counts[k]),
            n_sources=int((n[:, k] > 0).sum()),
            **_interval(shares[:, k], float(found.observed[k]), int((n[:, k] > 0).sum())),
        )
        for k in range(len(counts))
    ]


def _interval(shares: Floats, observed: float, n_sources: int) -> dict[str, float | None]:
    if n_sources < MIN_SOURCES:
        return {"low": None, "high": None}
    if observed in (0.0, 1.0):
        low, high = map(float, exact_interval(observed * n_sources, n_sources))
    else:
        low, high = percentiles(shares[np.isfinite(shares)].tolist())
    return {"low": low, "high": high}
