"""Numbers from scores. Each refuses data it is undefined on; intervals resample by source video."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve

from unmask.errors import DataError

Floats = NDArray[np.float64]
Labels = NDArray[np.int8]
Metric = Callable[[Labels, Floats], float]

RESAMPLES = 1000
CALIBRATION_BINS = 15


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A number with its 95 % interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        """Format as `0.812 (0.795 to 0.829)`."""
        return f"{self.value:.3f} ({self.low:.3f} to {self.high:.3f})"


def both_classes(label: Labels) -> None:
    """Refuse labels of one class only, on which ranking numbers are undefined."""
    if len(set(label.tolist())) < 2:
        raise DataError(
            f"all {len(label)} examples are of one class, so AUC and its kin are undefined; "
            "give reals and fakes"
        )


def auc(label: Labels, score: Floats) -> float:
    """Area under the ROC curve: chance that a fake scores above a real, ties counting half."""
    both_classes(label)
    return float(roc_auc_score(label, score))


def average_precision(label: Labels, score: Floats) -> float:
    """Average precision of finding fakes."""
    both_classes(label)
    return float(average_precision_score(label, score))


def tpr_at_fpr(label: Labels, score: Floats, fpr: float) -> float:
    """Largest share of fakes found while at most `fpr` of the reals are called fake."""
    both_classes(label)
    rates_real, rates_fake, _ = roc_curve(label, score, drop_intermediate=False)
    return float(rates_fake[rates_real <= fpr].max())


def equal_error_rate(label: Labels, score: Floats) -> float:
    """Error at the threshold where misses and false alarms are equally frequent."""
    both_classes(label)
    rates_real, rates_fake, _ = roc_curve(label, score, drop_intermediate=False)
    gap = rates_real - (1 - rates_fake)
    after = int(np.argmax(gap >= 0))
    before = max(after - 1, 0)
    span = gap[after] - gap[before]
    share = 0.0 if span == 0 else -gap[before] / span
    return float(rates_real[before] + share * (rates_real[after] - rates_real[before]))


def accuracy(label: Labels, p_fake: Floats) -> float:
    """Share called right at 0.5."""
    return float(np.mean((p_fake >= 0.5) == (label == 1)))


def log_loss(label: Labels, p_fake: Floats) -> float:
    """Mean negative log likelihood, probabilities clipped to [1e-7, 1 - 1e-7]."""
    p = np.clip(p_fake, 1e-7, 1 - 1e-7)
    return float(-np.mean(np.where(label == 1, np.log(p), np.log1p(-p))))


def brier(label: Labels, p_fake: Floats) -> float:
    """Mean squared error of the probability."""
    return float(np.mean((p_fake - label) ** 2))


def calibration_error(label: Labels, p_fake: Floats, bins: int = CALIBRATION_BINS) -> float:
    """Mean gap between stated and observed frequency over equally filled bins."""
    order = np.argsort(p_fake, kind="stable")
    gaps = [
        abs(p_fake[part].mean() - label[part].mean()) * len(part)
        for part in np.array_split(order, bins)
        if len(part)
    ]
    return float(sum(gaps) / len(label))


def interval(
    metric: Metric, label: Labels, score: Floats, source: Sequence[str], *, seed: int = 0
) -> Estimate:
    """Bootstrap a metric by drawing whole source videos, since their examples are not independent.

    Draws without both classes are drawn again.
    """
    _, group = np.unique(np.asarray(source), return_inverse=True)
    members = np.split(np.argsort(group, kind="stable"), np.cumsum(np.bincount(group))[:-1])
    rng = np.random.default_rng(seed)
    values: list[float] = []
    while len(values) < RESAMPLES:
        drawn = np.concatenate([members[i] for i in rng.integers(len(members), size=len(members))])
        if len(set(label[drawn].tolist())) == 2:
            values.append(metric(label[drawn], score[drawn]))
    low, high = np.percentile(values, [2.5, 97.5])
    return Estimate(value=metric(label, score), low=float(low), high=float(high))
