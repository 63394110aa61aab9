"""Metrics as cells of published tables name them; numbers that stand in logs, sizes of networks."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path

from unmask.evaluation import metrics
from unmask.evaluation.ranking import Ranking
from unmask.models.catalogue import catalogue

LOG = "log.jsonl"  # of a run folder


def metric_of(name: str) -> metrics.Metric:
    """Return a metric by name; `f1@0.55` is one at a threshold, which is 0.5 otherwise.

    >>> metric_of("f1@0.55").keywords
    {'threshold': 0.55}
    """
    kind, _, at = name.partition("@")
    if kind == "auc":
        return metrics.auc
    return partial(_AT_THRESHOLD[kind], threshold=float(at) if at else metrics.EVEN)


def number_of_run(folder: Path, metric: str) -> float | None:
    """Return a number of a run's log; None where there is none.

    `train_*` is the loss of the last logged steps, `test_*` the lowest one of its validations.
    """
    path = folder / LOG
    if not path.is_file():
        return None
    events = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    kind = "train" if metric.startswith("train") else "valid"
    losses = [float(event["loss"]) for event in events if event["event"] == kind]
    if not losses:
        return None
    return losses[-1] if kind == "train" else min(losses)


@cache
def sizes() -> dict[str, tuple[float, float]]:
    """True parameters in M and multiply-accumulates in G of every network by name."""
    return {row.name: (row.parameters / 1e6, row.macs / 1e9) for row in catalogue()}


def _error(ranking: Ranking, threshold: float) -> float:
    return 1 - metrics.accuracy(ranking, threshold)


def _missed(ranking: Ranking, threshold: float) -> float:
    return metrics.confusion(ranking, threshold).fakes_missed


def _found(ranking: Ranking, threshold: float) -> float:
    return metrics.confusion(ranking, threshold).fakes_found


def _alarms(ranking: Ranking, threshold: float) -> float:
    return metrics.confusion(ranking, threshold).reals_called_fake


_AT_THRESHOLD: dict[str, Callable[..., float]] = {
    "acc": metrics.accuracy,
    "tcr": metrics.accuracy,  # of videos
    "error": _error,
    "f1": metrics.f1,
    "missed": _missed,
    "found": _found,
    "alarms": _alarms,
}
