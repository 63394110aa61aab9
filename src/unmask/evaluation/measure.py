"""All numbers of one sample at once: which there are, what each needs, and those it cannot have.

A number that is undefined here is left out with the reason, beside the others. Of reals alone, or
fakes alone, there are the shares of them that are called this or that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from unmask.errors import DataError
from unmask.evaluation import metrics
from unmask.evaluation.intervals import RESAMPLES, Class, Estimate, intervals
from unmask.evaluation.metrics import Metric
from unmask.evaluation.ranking import Ranking, rank_any
from unmask.evaluation.scores import Scored
from unmask.types import Thresholds


@dataclass(frozen=True, kw_only=True)
class Number:
    """A metric under the name that files call it by, and what people call it."""

    key: str
    words: str
    metric: Metric
    higher: bool | None = True  # is better; None = neither
    reals: int = 1  # that are needed to show it, unless it is a share of others
    fakes: int = 1
    share_of: Class | None = None  # a share of these at a fixed threshold; None = something else


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What could be measured of a sample, and what could not."""

    numbers: dict[str, Estimate]
    undefined: dict[str, str]  # and why


def _number(key: str, words: str, metric: Metric, **more: bool | int | str | None) -> Number:
    return Number(key=key, words=words, metric=metric, **more)  # type: ignore[arg-type]


NUMBERS: tuple[Number, ...] = (
    _number("auc", "AUC", metrics.auc),
    _number("partial_auc", "AUC up to 10 % false positives (McClish)", metrics.partial_auc),
    _number("average_precision", "average precision", metrics.average_precision),
    _number("equal_error_rate", "equal error rate", metrics.equal_error_rate, higher=False),
    _number("accuracy", "accuracy at 0.5", metrics.accuracy, share_of="all"),
    _number("balanced_accuracy", "balanced accuracy at 0.5", metrics.balanced_accuracy),
    _number("precision", "precision at 0.5", metrics.precision),
    _number("recall", "recall at 0.5", metrics.recall, share_of="fakes"),
    _number("f1", "F1 at 0.5", metrics.f1),
    _number(
        "false_positive_rate",
        "reals called fake at 0.5",
        metrics.false_positive_rate,
        higher=False,
        share_of="reals",
    ),
    _number("log_loss", "log loss", metrics.log_loss, higher=False),
    _number(
        "balanced_log_loss",
        "log loss, mean of fakes' and reals'",
        metrics.balanced_log_loss,
        higher=False,
    ),
    _number("brier", "Brier score", metrics.brier, higher=False),
    _number("calibration_error", "calibration error", metrics.calibration_error, higher=False),
    _number(
        "calibration_floor",
        "calibration error by chance alone, were every probability true",
        metrics.calibration_floor,
        higher=None,
    ),
    _number(
        "tpr_at_1pct_fpr",
        "fakes found at 1 % false positives",
        partial(metrics.tpr_at_fpr, fpr=0.01),
        reals=100,
    ),
    _number(
        "tpr_at_5pct_fpr",
        "fakes found at 5 % false positives",
        partial(metrics.tpr_at_fpr, fpr=0.05),
        reals=20,
    ),
    *(
        _number(
            f"precision_at_recall_{percent}",
            f"precision at recall .{percent}",
            partial(metrics.precision_at_recall, recall=percent / 100),
        )
        for percent in (95, 98, 99)
    ),
    *(
        _number(
            f"error_of_surest_{percent}",
            f"wrong among the surest {percent} %",
            partial(metrics.error_of_surest, share=percent / 100),
            higher=False,
        )
        for percent in (50, 80, 90)
    ),
)


def numbers_at(thresholds: Thresholds) -> tuple[Number, ...]:
    """Numbers of the answers fake, real and undecided that two thresholds give."""
    fake, real = thresholds.fake, thresholds.real

    def undecided(ranking: Ranking) -> float:
        answers = _answers(ranking, thresholds)
        return 1 - sum(answers) / ranking.n

    def error_of_answers(ranking: Ranking) -> float:
        right_fake, wrong_real, right_real, wrong_fake = _answers(ranking, thresholds)
        answered = right_fake + wrong_real + right_real + wrong_fake
        if not answered:
            raise DataError("all are undecided between the thresholds, so no answer can be wrong")
        return (wrong_real + wrong_fake) / answered

    return (
        _number(
            "accuracy_at_threshold",
            "accuracy at the threshold for fake",
            partial(metrics.accuracy, threshold=fake),
            share_of="all",
        ),
        _number(
            "fakes_called_fake",
            "fakes called fake",
            partial(metrics.recall, threshold=fake),
            share_of="fakes",
        ),
        _number(
            "reals_called_fake",
            "reals called fake",
            partial(metrics.false_positive_rate, threshold=fake),
            higher=False,
            share_of="reals",
        ),
        _number(
            "fakes_called_real",
            "fakes called real",
            lambda ranking: 1 - metrics.recall(ranking, threshold=real),
            higher=False,
            share_of="fakes",
        ),
        _number(
            "reals_called_real",
            "reals called real",
            lambda ranking: 1 - metrics.false_positive_rate(ranking, threshold=real),
            share_of="reals",
        ),
        _number(
            "undecided",
            "undecided between the thresholds",
            undecided,
            higher=None,
            share_of="all",
        ),
        _number(
            "error_of_answers", "wrong among fake and real answers", error_of_answers, higher=False
        ),
    )


def measure(
    scored: Scored,
    numbers: Sequence[Number] = NUMBERS,
    *,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> Measured:
    """Measure scores of one level, with intervals over their recordings.

    Raises:
        DataError: no score, or scores that are not finite.
    """
    ranking = rank_any(scored.label, scored.p_fake)
    reasons = {number.key: _why_undefined(number, ranking) for number in numbers}
    undefined = {key: why for key, why in reasons.items() if why is not None}
    wanted = {number.key: number.metric for number in numbers if number.key not in undefined}
    shares = {n.key: n.share_of for n in numbers if n.share_of and n.key in wanted}
    found = intervals(ranking, scored.source, wanted, shares=shares, seed=seed, resamples=resamples)
    return Measured(numbers=found, undefined=undefined)


def _why_undefined(number: Number, ranking: Ranking) -> str | None:
    counts = {"reals": (ranking.n_real, number.reals), "fakes": (ranking.n_fake, number.fakes)}
    for name, (there_are, needed) in counts.items():
        if there_are < needed and number.share_of in (None, name):
            return f"{there_are:.0f} {name} cannot show it; it needs {needed} or more"
    try:
        number.metric(ranking)
    except DataError as error:
        return str(error)
    return None


def _answers(ranking: Ranking, thresholds: Thresholds) -> tuple[float, float, float, float]:
    """Weights: fakes and reals called fake, reals and fakes called real."""
    right_fake, wrong_real = ranking.called_fake(thresholds.fake)
    fakes, reals = ranking.called_fake(thresholds.real)
    return right_fake, wrong_real, ranking.n_real - reals, ranking.n_fake - fakes
