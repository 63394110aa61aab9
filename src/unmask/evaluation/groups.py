"""Are some people called fake more often than others? False positives by group, and their gap.

The gap is between the group with most and the one with fewest false positives. With several groups
it is above 0 by chance alone, and its interval says so only in part: look at each group's rate too.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from unmask.errors import DataError
from unmask.evaluation import metrics
from unmask.evaluation.measure import Number
from unmask.evaluation.ranking import Indices, Ranking
from unmask.evaluation.scores import Scored, ScoresFile

MIN_REALS = 20  # ours: fewer show no rate that could be set beside another group's


def gap_numbers(scores: ScoresFile) -> Callable[[Scored], tuple[Number, ...]]:
    """Numbers of a file that names groups: the gap, and the rate of each group with enough reals.

    Called fake is what reaches the detector's threshold for fake; 0.5 where it has none.
    """
    thresholds = scores.header.thresholds
    threshold = thresholds.fake if thresholds else metrics.EVEN
    places, words = scores.columns.codes("group")

    def numbers(scored: Scored) -> tuple[Number, ...]:
        of_item = places[scored.first_row]
        real = np.asarray(scored.label) == 0
        counts = {k: int((real & (of_item == k)).sum()) for k in range(len(words))}
        large = [k for k, count in counts.items() if words[k] and count >= MIN_REALS]
        rates = {
            words[k]: partial(_rate, of_item=of_item, group=k, threshold=threshold) for k in large
        }
        widest = Number(
            key="false_positive_gap",
            words=f"gap in reals called fake at {threshold:.3g}",
            metric=partial(_gap, rates=tuple(rates.values())),
            higher=False,
            fakes=0,
        )
        each = (
            Number(
                key=f"false_positive_rate[{name}]",
                words=f"reals of {name} called fake",
                metric=rate,
                higher=False,
                fakes=0,
            )
            for name, rate in rates.items()
        )
        return (widest, *each)

    return numbers


def _rate(ranking: Ranking, *, of_item: Indices, group: int, threshold: float) -> float:
    """False-positive rate of one group; `of_item` is in the order the scores were given in."""
    inside = of_item[ranking.ordered.order] == group
    reals = ranking.weight * ~ranking.ordered.fake * inside
    if not reals.any():
        raise DataError("a group has no reals, so it has no false-positive rate")
    return float(reals @ (ranking.ordered.score >= threshold) / reals.sum())


def _gap(ranking: Ranking, *, rates: tuple[metrics.Metric, ...]) -> float:
    if len(rates) < 2:
        raise DataError(
            f"{len(rates)} of the groups have {MIN_REALS} reals or more; a gap needs two"
        )
    found = [rate(ranking) for rate in rates]
    return max(found) - min(found)
