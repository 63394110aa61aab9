"""Labelled scores in falling order, each counted with a weight: what every number is made from.

A number of n scores needs their order, and a bootstrap asks for it a thousand times. So the order,
and whatever depends on a single score only, is worked out once (`Ordered`); a resample is nothing
but other weights on the same rows (`Ranking.weighted`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unmask.errors import DataError

Floats = NDArray[np.float64]
Labels = NDArray[np.int8]
Indices = NDArray[np.int64]

SMALLEST = 1e-7  # log loss clips probabilities to [SMALLEST, 1 - SMALLEST]


@dataclass(frozen=True, kw_only=True, eq=False)
class Ordered:
    """Scores in falling order; equal ones share one threshold."""

    order: Indices  # (n,) which of the scores as given stands here
    fake: NDArray[np.bool_]  # (n,)
    score: Floats  # (n,)
    last: Indices  # (k,) where each run of equal scores ends

    @cached_property
    def thresholds(self) -> Floats:
        """The k different scores, falling: at or above one of them is called fake."""
        return self.score[self.last]

    @cached_property
    def probability(self) -> Floats:
        """The scores, where they are probabilities.

        Raises:
            DataError: they are not.
        """
        if self.score[0] > 1 or self.score[-1] < 0:
            raise DataError(
                f"scores from {self.score[-1]:.3g} to {self.score[0]:.3g} are no probabilities; "
                "this number needs p_fake in [0, 1]"
            )
        return self.score

    @cached_property
    def surprise(self) -> Floats:
        """Negative log likelihood of each label."""
        p = np.clip(self.probability, SMALLEST, 1 - SMALLEST)
        return np.where(self.fake, -np.log(p), -np.log1p(-p))

    @cached_property
    def squared_error(self) -> Floats:
        """Squared distance of each probability from its label."""
        return (self.probability - self.fake) ** 2

    @cached_property
    def surest(self) -> tuple[Indices, Indices]:
        """Places (n,) of the scores, those farthest from one half first, and where runs end."""
        sure = np.abs(self.probability - 0.5)
        order = np.argsort(-sure, kind="stable")
        return order, np.append(np.flatnonzero(np.diff(sure[order])), len(order) - 1)


@dataclass(frozen=True, kw_only=True, eq=False)
class Ranking:
    """Ordered scores and how often each counts: once, or as often as a resample drew it."""

    ordered: Ordered
    weight: Floats  # (n,), in falling order of the scores

    def weighted(self, weight: Floats) -> Ranking:
        """Return the same scores with other weights, given in falling order of the scores."""
        return Ranking(ordered=self.ordered, weight=weight)

    @cached_property
    def found(self) -> Floats:
        """Weight (k,) of the fakes at or above each threshold."""
        return np.cumsum(self.weight * self.ordered.fake)[self.ordered.last]

    @cached_property
    def alarms(self) -> Floats:
        """Weight (k,) of the reals at or above each threshold."""
        return np.cumsum(self.weight * ~self.ordered.fake)[self.ordered.last]

    @property
    def n_fake(self) -> float:
        """Weight of all fakes."""
        return float(self.found[-1])

    @property
    def n_real(self) -> float:
        """Weight of all reals."""
        return float(self.alarms[-1])

    @property
    def n(self) -> float:
        """Weight of everything."""
        return self.n_fake + self.n_real

    def called_fake(self, threshold: float) -> tuple[float, float]:
        """Weight of the fakes and of the reals at or above a threshold."""
        reached = int(np.searchsorted(-self.ordered.thresholds, -threshold, side="right"))
        if reached == 0:
            return 0.0, 0.0
        return float(self.found[reached - 1]), float(self.alarms[reached - 1])


def rank(
    label: Sequence[int] | NDArray[Any],
    score: Sequence[float] | NDArray[Any],
    weight: Sequence[float] | NDArray[Any] | None = None,
) -> Ranking:
    """Put labelled scores of both classes in order.

    Raises:
        DataError: as `rank_any`, or there is one class only, for which AUC and its kin are
            undefined.
    """
    ranking = rank_any(label, score, weight)
    _refuse_one_class(np.asarray(label))
    return ranking


def rank_any(
    label: Sequence[int] | NDArray[Any],
    score: Sequence[float] | NDArray[Any],
    weight: Sequence[float] | NDArray[Any] | None = None,
) -> Ranking:
    """Put labelled scores in order; they may be of reals alone, or of fakes alone.

    Raises:
        DataError: no scores, one that is not finite, or a label that is neither 0 nor 1.
    """
    fake, scores = np.asarray(label), np.asarray(score, np.float64)
    assert fake.shape == scores.shape == (len(fake),), f"{fake.shape} labels, {scores.shape} scores"
    _refuse(fake, scores)
    weights = np.ones(len(fake)) if weight is None else np.asarray(weight, np.float64)
    order = np.argsort(-scores, kind="stable")
    scores = scores[order]
    ordered = Ordered(
        order=order,
        fake=fake[order] == 1,
        score=scores,
        last=np.append(np.flatnonzero(np.diff(scores)), len(scores) - 1),
    )
    return Ranking(ordered=ordered, weight=weights[order])


def _refuse(label: NDArray[Any], score: Floats) -> None:
    if not len(label):
        raise DataError("no scores at all, so there is nothing to measure")
    if not np.isfinite(score).all():
        bad = int((~np.isfinite(score)).sum())
        raise DataError(f"{bad} of {len(score)} scores are infinite or not a number")
    if not np.isin(label, (0, 1)).all():
        raise DataError("labels are 0 (real) and 1 (fake) only")


def _refuse_one_class(label: NDArray[Any]) -> None:
    if label.min() == label.max():
        name, other = ("fake", "reals") if label[0] == 1 else ("real", "fakes")
        raise DataError(
            f"all {len(label)} examples are {name}: with one class only, AUC and its kin are "
            f"undefined. Give {other} too"
        )
