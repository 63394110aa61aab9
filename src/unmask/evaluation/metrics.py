"""The numbers, each a function of a `Ranking`: pure, weighted, refusing what it is undefined on.

Fakes are the class to be found. A score at or above a threshold is called fake. Where a number has
more than one definition in the field, its docstring says which one this is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.stats import binom

from unmask.errors import DataError
from unmask.evaluation.ranking import Floats, Ranking

Metric = Callable[[Ranking], float]

CALIBRATION_BINS = 15
EVEN = 0.5  # the threshold of every "accuracy" in the papers


def auc(ranking: Ranking) -> float:
    """Area under the ROC curve: chance that a fake scores above a real, ties counting half."""
    rates_real, rates_fake = _roc(ranking)
    return float(np.trapezoid(rates_fake, rates_real))


def partial_auc(ranking: Ranking, max_fpr: float = 0.1) -> float:
    """Area left of a false-positive rate, on McClish's scale (1989): .5 is chance, 1 perfect."""
    rates_real, rates_fake = _roc(ranking)
    inside = int(np.searchsorted(rates_real, max_fpr, side="right"))
    edge = np.interp(max_fpr, rates_real, rates_fake)
    area = np.trapezoid(
        np.append(rates_fake[:inside], edge), np.append(rates_real[:inside], max_fpr)
    )
    least, most = max_fpr**2 / 2, max_fpr
    return float((1 + (area - least) / (most - least)) / 2)


def average_precision(ranking: Ranking) -> float:
    """Mean precision over the fakes, each at its own score; nothing is interpolated."""
    gained = np.diff(ranking.found, prepend=0.0)
    return float(gained @ _precisions(ranking) / ranking.n_fake)


def equal_error_rate(ranking: Ranking) -> float:
    """Error where misses and false alarms are equally frequent, on the line between thresholds."""
    rates_real, rates_fake = _roc(ranking)
    gap = rates_real - (1 - rates_fake)  # rises from -1 to 1
    after = int(np.searchsorted(gap, 0.0))
    share = -gap[after - 1] / (gap[after] - gap[after - 1])
    return float(rates_real[after - 1] + share * (rates_real[after] - rates_real[after - 1]))


def tpr_at_fpr(ranking: Ranking, fpr: float) -> float:
    """Largest share of fakes found while at most `fpr` of the reals are called fake."""
    allowed = int(np.searchsorted(ranking.alarms, fpr * ranking.n_real + 1e-9, side="right"))
    return float(ranking.found[allowed - 1] / ranking.n_fake) if allowed else 0.0


def precision_at_recall(ranking: Ranking, recall: float) -> float:
    """Best precision of all thresholds that find at least this share of the fakes."""
    first = int(np.searchsorted(ranking.found, recall * ranking.n_fake - 1e-9))
    return float(_precisions(ranking)[first:].max())


@dataclass(frozen=True, kw_only=True)
class Confusion:
    """How many of each class are called what."""

    fakes_found: float
    fakes_missed: float
    reals_called_fake: float
    reals_called_real: float


def confusion(ranking: Ranking, threshold: float = EVEN) -> Confusion:
    """Count calls at a threshold."""
    found, alarms = ranking.called_fake(threshold)
    return Confusion(
        fakes_found=found,
        fakes_missed=ranking.n_fake - found,
        reals_called_fake=alarms,
        reals_called_real=ranking.n_real - alarms,
    )


def accuracy(ranking: Ranking, threshold: float = EVEN) -> float:
    """Share called right."""
    at = confusion(ranking, threshold)
    return (at.fakes_found + at.reals_called_real) / ranking.n


def balanced_accuracy(ranking: Ranking, threshold: float = EVEN) -> float:
    """Mean of the shares called right among fakes and among reals."""
    at = confusion(ranking, threshold)
    return (at.fakes_found / ranking.n_fake + at.reals_called_real / ranking.n_real) / 2


def recall(ranking: Ranking, threshold: float = EVEN) -> float:
    """Share of the fakes called fake."""
    return ranking.called_fake(threshold)[0] / ranking.n_fake


def false_positive_rate(ranking: Ranking, threshold: float = EVEN) -> float:
    """Share of the reals called fake."""
    return ranking.called_fake(threshold)[1] / ranking.n_real


def precision(ranking: Ranking, threshold: float = EVEN) -> float:
    """Share of fakes among what is called fake.

    Raises:
        DataError: nothing is called fake.
    """
    found, alarms = ranking.called_fake(threshold)
    if found + alarms == 0:
        raise DataError(f"nothing scores {threshold:.3g} or more, so precision there is undefined")
    return found / (found + alarms)


def f1(ranking: Ranking, threshold: float = EVEN) -> float:
    """Harmonic mean of precision and recall; 0 where no fake is found."""
    found, alarms = ranking.called_fake(threshold)
    return 2 * found / (found + alarms + ranking.n_fake)


def log_loss(ranking: Ranking) -> float:
    """Mean negative log likelihood, probabilities clipped to [1e-7, 1 - 1e-7]."""
    return float(ranking.weight @ ranking.ordered.surprise) / ranking.n


def balanced_log_loss(ranking: Ranking) -> float:
    """Mean of the log loss of the fakes and that of the reals, however many there are of each."""
    losses = ranking.weight * ranking.ordered.surprise
    of_fakes = float(losses @ ranking.ordered.fake)
    return (of_fakes / ranking.n_fake + (float(losses.sum()) - of_fakes) / ranking.n_real) / 2


def brier(ranking: Ranking) -> float:
    """Mean squared error of the probability."""
    return float(ranking.weight @ ranking.ordered.squared_error) / ranking.n


@dataclass(frozen=True, kw_only=True, eq=False)
class Reliability:
    """Stated and observed frequency in bins of about equal weight, falling; empty ones left out."""

    stated: Floats  # mean p_fake
    observed: Floats  # share of fakes
    weight: Floats


def reliability(ranking: Ranking, bins: int = CALIBRATION_BINS) -> Reliability:
    """Set what is said beside what is so. Equal probabilities always lie in one bin."""
    reached = ranking.found + ranking.alarms
    middle = (reached + np.append(0.0, reached[:-1])) / 2
    edges = np.searchsorted(middle, np.arange(1, bins) * ranking.n / bins)
    ends = np.unique(np.append(edges, len(middle))) - 1
    ends = ends[ends >= 0]
    said = np.cumsum(ranking.weight * ranking.ordered.probability)[ranking.ordered.last]
    weight = np.diff(reached[ends], prepend=0.0)
    filled = weight > 0
    return Reliability(
        stated=np.diff(said[ends], prepend=0.0)[filled] / weight[filled],
        observed=np.diff(ranking.found[ends], prepend=0.0)[filled] / weight[filled],
        weight=weight[filled],
    )


def calibration_error(ranking: Ranking, bins: int = CALIBRATION_BINS) -> float:
    """Mean gap between stated and observed frequency over bins of equal weight (not of width)."""
    found = reliability(ranking, bins)
    return float(found.weight @ np.abs(found.stated - found.observed)) / ranking.n


def calibration_floor(ranking: Ranking, bins: int = CALIBRATION_BINS) -> float:
    """Calibration error to expect of these probabilities if every one of them were true.

    Small samples have one by chance alone. In a bin of n at mean p it is the mean deviation of a
    binomial count (De Moivre 1730), 2 k (1 - p) P(count = k) with k = floor(n p) + 1. Examples are
    taken for independent; frames of one video are not, so of those it is a lower bound.
    """
    found = reliability(ranking, bins)
    n, p = found.weight, np.clip(found.stated, 0.0, 1.0)
    k = np.floor(n * p) + 1
    return float((2 * k * (1 - p) * binom.pmf(k, n, p)).sum()) / ranking.n


def error_of_surest(ranking: Ranking, share: float) -> float:
    """Share of wrong answers at 0.5 when only this share, the surest, is answered.

    Sure is who is far from one half; those who are equally sure are answered together.
    """
    order, last = ranking.ordered.surest
    wrong = (ranking.ordered.probability >= EVEN) != ranking.ordered.fake
    answered = np.cumsum(ranking.weight[order])[last]
    first = int(np.searchsorted(answered, share * ranking.n - 1e-9))
    of_these = np.cumsum((ranking.weight * wrong)[order])[last]
    return float(of_these[first] / answered[first])


def _roc(ranking: Ranking) -> tuple[Floats, Floats]:
    """False- and true-positive rates (k + 1,), from (0, 0) to (1, 1)."""
    return (
        np.append(0.0, ranking.alarms / ranking.n_real),
        np.append(0.0, ranking.found / ranking.n_fake),
    )


def _precisions(ranking: Ranking) -> Floats:
    """Precision (k,) at each threshold; 0 where a resample has drawn nothing so far."""
    reached = ranking.found + ranking.alarms
    return np.divide(ranking.found, reached, out=np.zeros_like(reached), where=reached > 0)
