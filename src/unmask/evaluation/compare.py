"""Two detectors on the same videos: is one better, or did it have luck?

Differences are paired: only videos that both have scored count, and how many that left out is said.

* `delong`: DeLong, DeLong and Clarke-Pearson (1988), the field's test for two AUCs, in the form of
  Obuchowski (1997), in which videos of one recording are not taken for independent. Where every
  video has a recording of its own, both are the same.
* `mcnemar`: the exact test on the videos that one calls right and the other wrong, recordings taken
  together.
* `holm`: what p-values are worth when there are several (Holm 1979).
* `difference`: any number, by the paired bootstrap over recordings.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import norm, rankdata

from unmask.errors import DataError
from unmask.evaluation.intervals import (
    CONFIDENCE,
    RESAMPLES,
    Estimate,
    percentiles,
    resampled,
    too_few,
)
from unmask.evaluation.metrics import EVEN, Metric
from unmask.evaluation.ranking import Floats, Indices, Labels, rank
from unmask.evaluation.scores import Scored


@dataclass(frozen=True, kw_only=True, eq=False)
class Pair:
    """The same items, scored by two detectors."""

    label: Labels
    first: Floats  # p_fake
    second: Floats
    source: Sequence[str]
    only_first: int  # items that the other has no score for
    only_second: int


@dataclass(frozen=True, kw_only=True)
class Difference:
    """Second minus first, with what chance would do."""

    first: float
    second: float
    difference: Estimate
    p_value: float | None  # two-sided; None where it cannot be told
    n: int


@dataclass(frozen=True, kw_only=True)
class Mcnemar:
    """Who is right where they disagree."""

    both_right: int
    only_first: int
    only_second: int
    both_wrong: int
    p_value: float  # two-sided, exact, recordings taken together


def paired(first: Scored, second: Scored) -> Pair:
    """Match what two detectors say of the same clips, people or videos.

    Raises:
        DataError: they have nothing in common, or disagree on what is fake.
    """
    if first.level != second.level:
        raise DataError(f"{first.level} scores cannot be paired with {second.level} scores")
    name = _names_of_items(first), _names_of_items(second)
    of_second = {item: place for place, item in enumerate(name[1])}
    rows = [(i, of_second[item]) for i, item in enumerate(name[0]) if item in of_second]
    if not rows:
        raise DataError(
            f"the two detectors have scored no {first.level} in common, so they cannot be compared"
        )
    one, two = np.array(rows).T
    if (odd := np.flatnonzero(first.label[one] != second.label[two])).size:
        raise DataError(
            f"{name[0][one[odd[0]]]} and {len(odd) - 1} more are fake in one scores file and real "
            "in the other: they are of different data, or of another target"
        )
    return Pair(
        label=first.label[one],
        first=first.p_fake[one],
        second=second.p_fake[two],
        source=[first.source[i] for i in one],
        only_first=len(first) - len(rows),
        only_second=len(second) - len(rows),
    )


def delong(pair: Pair) -> Difference:
    """Compare two AUCs, with the videos of one recording taken together.

    Raises:
        DataError: one class only.
    """
    rank(pair.label, pair.first)  # refuses what has no AUC
    group = np.unique(np.asarray(pair.source), return_inverse=True)[1].astype(np.int64)
    found = [_components(pair.label, score) for score in (pair.first, pair.second)]
    areas = [area for area, _ in found]
    spread = found[1][1] - found[0][1]  # of the difference: its own structural components
    error = float(np.sqrt(_variance(pair.label, group, spread)))
    difference = areas[1] - areas[0]
    reach = float(norm.ppf((1 + CONFIDENCE) / 2)) * error
    known = error > 0 and not too_few(pair.label, pair.source)
    return Difference(
        first=areas[0],
        second=areas[1],
        difference=Estimate(
            value=difference,
            low=difference - reach if known else None,
            high=difference + reach if known else None,
        ),
        p_value=float(2 * norm.sf(abs(difference) / error)) if known else None,
        n=len(pair.label),
    )


def mcnemar(pair: Pair, thresholds: tuple[float, float] = (EVEN, EVEN)) -> Mcnemar:
    """Compare what two detectors get right at a threshold each.

    Videos of one recording are not independent: were the detectors alike, whichever is ahead on a
    recording would be so by the toss of one coin, not of one for each video. The p-value is exact
    under these tosses. Where every video has a recording of its own, it is McNemar's (1947).
    """
    fake = pair.label == 1
    one, two = (
        (score >= threshold) == fake
        for score, threshold in zip((pair.first, pair.second), thresholds, strict=True)
    )
    only_first, only_second = int((one & ~two).sum()), int((two & ~one).sum())
    ahead = one.astype(np.int64) - two
    group = np.unique(np.asarray(pair.source), return_inverse=True)[1]
    leads = np.rint(np.bincount(group, ahead)).astype(np.int64)
    return Mcnemar(
        both_right=int((one & two).sum()),
        only_first=only_first,
        only_second=only_second,
        both_wrong=int((~one & ~two).sum()),
        p_value=_tossed(np.abs(leads[leads != 0]), abs(int(leads.sum()))),
    )


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Correct p-values for how many there are: each with the chance of one so small among them.

    None, where there was no test, counts for nothing.
    """
    told = sorted((p, k) for k, p in enumerate(p_values) if p is not None)
    corrected: list[float | None] = [None] * len(p_values)
    least = 0.0
    for rank_, (p, k) in enumerate(told):
        least = max(least, min(1.0, (len(told) - rank_) * p))
        corrected[k] = least
    return corrected


def _tossed(leads: Indices, total: int) -> float:
    """Chance that leads (k,) > 0, each with a sign by the toss of a coin, add up to so much."""
    if total == 0:
        return 1.0
    chance = np.ones(1)  # of every sum from -reach to reach, in steps of 2
    for lead in np.sort(leads).tolist():
        wider = np.zeros(len(chance) + lead)
        wider[lead:] = chance / 2
        wider[: len(chance)] += chance / 2
        chance = wider
    reach = int(leads.sum())
    sums = np.arange(-reach, reach + 1, 2)
    return min(1.0, float(chance[np.abs(sums) >= total].sum()))


def difference(
    pair: Pair, metric: Metric, *, seed: int = 0, resamples: int = RESAMPLES
) -> Difference:
    """Compare any number: both detectors are measured on the same draws of recordings.

    The p-value is twice the share of draws in which the worse one is no worse.
    """
    first, second = rank(pair.label, pair.first), rank(pair.label, pair.second)
    values = metric(first), metric(second)
    gap = values[1] - values[0]
    p_value, low, high = None, None, None
    if not too_few(pair.label, pair.source):
        draws = zip(
            resampled(first, pair.source, seed=seed, resamples=resamples),
            resampled(second, pair.source, seed=seed, resamples=resamples),
            strict=True,
        )
        gaps = np.array([metric(two) - metric(one) for one, two in draws])
        against = 1 + min((gaps <= 0).sum(), (gaps >= 0).sum())
        p_value = min(1.0, 2 * float(against) / (1 + resamples))
        low, high = percentiles(gaps.tolist())
    return Difference(
        first=values[0],
        second=values[1],
        difference=Estimate(value=gap, low=low, high=high),
        p_value=p_value,
        n=len(pair.label),
    )


def _names_of_items(scored: Scored) -> Sequence[str]:
    """What a score is of. At video level the file names the decisive person, who may differ."""
    return scored.video if scored.level == "video" else scored.id


def _components(label: Labels, score: Floats) -> tuple[float, Floats]:
    """AUC, and each item's structural component (n,) less the AUC.

    A fake's component is the share of reals that it scores above, a real's the share of fakes that
    score above it, ties counting half: both follow from ranks, without comparing all pairs.
    """
    fake = label == 1
    n_fake, n_real = int(fake.sum()), int((~fake).sum())
    everywhere = rankdata(score)
    above = np.empty(len(score))
    above[fake] = (everywhere[fake] - rankdata(score[fake])) / n_real
    above[~fake] = 1 - (everywhere[~fake] - rankdata(score[~fake])) / n_fake
    area = float(above[fake].mean())
    return area, above - area


def _variance(label: Labels, group: Indices, component: Floats) -> float:
    """Variance of an AUC, or of a difference, from its components (Obuchowski 1997, Eq. 3)."""
    total = 0.0
    sums = []
    for this in (0, 1):
        inside = label == this
        per_group = np.bincount(group, np.where(inside, component, 0.0))
        n_groups = len(np.unique(group[inside]))
        if n_groups < 2:
            return 0.0  # nothing to tell a variance from
        sums.append(per_group / inside.sum())
        total += float(per_group @ per_group) * n_groups / (n_groups - 1) / float(inside.sum()) ** 2
    n_all = len(sums[0])
    return max(0.0, total + 2 * float(sums[0] @ sums[1]) * n_all / (n_all - 1))
