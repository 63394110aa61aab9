"""Intervals draw recordings, not rows, and say nothing where there are too few."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn.metrics import roc_auc_score

from unmask.evaluation import metrics
from unmask.evaluation.intervals import Estimate, draws, interval, intervals
from unmask.evaluation.ranking import rank


def of_videos(n_videos: int = 40, each: int = 25, seed: int = 0):
    """Frames of videos; all frames of a video err together."""
    rng = np.random.default_rng(seed)
    label = np.repeat(np.arange(n_videos) % 2, each).astype(np.int8)
    of_video = np.repeat(rng.normal(0, 1, n_videos), each)
    score = label + of_video + rng.normal(0, 0.2, len(label))
    return label, score, [f"v{i // each}" for i in range(len(label))]


def test_an_interval_is_wider_when_examples_come_from_few_videos():
    label, score, videos = of_videos()
    by_video = interval(metrics.auc, label, score, videos)
    by_frame = interval(metrics.auc, label, score, [str(i) for i in range(1000)])
    assert by_video.low <= by_video.value <= by_video.high
    assert by_video.value == by_frame.value
    assert by_video.high - by_video.low > 2 * (by_frame.high - by_frame.low)


def test_an_interval_equals_the_slow_bootstrap_that_copies_rows():
    label, score, videos = of_videos(20, 5)
    names = np.unique(videos)
    values = []
    for counts in draws(len(names)):
        rows = np.concatenate(
            [
                np.repeat(np.flatnonzero(np.asarray(videos) == name), int(times))
                for name, times in zip(names, counts, strict=True)
            ]
        )
        if len(set(label[rows])) == 2:
            values.append(roc_auc_score(label[rows], score[rows]))
        if len(values) == 200:
            break
    fast = intervals(rank(label, score), videos, {"auc": metrics.auc}, resamples=200)["auc"]
    assert (fast.low, fast.high) == pytest.approx(tuple(np.quantile(values, [0.025, 0.975])))


def test_an_interval_depends_neither_on_the_order_of_rows_nor_on_other_numbers():
    label, score, videos = of_videos(20, 3)
    shuffled = np.random.default_rng(1).permutation(len(label))
    alone = intervals(rank(label, score), videos, {"auc": metrics.auc})["auc"]
    beside = intervals(
        rank(label[shuffled], score[shuffled]),
        [videos[i] for i in shuffled],
        {"recall": metrics.recall, "auc": metrics.auc},
    )["auc"]
    assert alone == beside


def test_the_interval_of_a_mean_covers_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(0)
    held = []
    for _ in range(150):
        label = np.arange(100) % 2
        right = rng.random(100) < 0.7
        p = np.where(right == (label == 1), 0.9, 0.1)
        found = intervals(
            rank(label, p), [str(i) for i in range(100)], {"": metrics.accuracy}, resamples=100
        )[""]
        held.append(found.low <= 0.7 <= found.high)
    assert 0.88 < np.mean(held) < 0.99


def test_too_few_recordings_give_a_number_without_an_interval():
    label, score, videos = of_videos(8)
    found = interval(metrics.auc, label, score, videos)
    assert found == Estimate(value=metrics.auc(rank(label, score)))
    assert str(found).endswith("(no interval)")


def test_draws_that_all_say_the_same_are_no_proof_of_certainty():
    label = np.arange(40) % 2
    found = interval(metrics.auc, label, label.astype(float), [str(i) for i in range(40)])
    assert found == Estimate(value=1.0)


@pytest.mark.parametrize(("each", "value"), [(1, 1.0), (7, 1.0), (7, 0.0)])
def test_a_share_of_all_or_none_has_the_exact_interval_of_its_recordings(each, value):
    """However many frames each of 30 recordings has: a tenth may be wrong."""
    label = np.repeat(np.arange(30) % 2, each)
    called = label if value else 1 - label
    found = intervals(
        rank(label, called.astype(float)),
        [f"v{k // each}" for k in range(30 * each)],
        {"accuracy": metrics.accuracy, "recall": metrics.recall, "auc": metrics.auc},
        shares={"accuracy": "all", "recall": "fakes"},
    )
    for name, n in (("accuracy", 30), ("recall", 15)):
        exact = binomtest(int(value * n), n).proportion_ci(0.95, "exact")
        assert (found[name].low, found[name].high) == pytest.approx((exact.low, exact.high))
    assert found["auc"] == Estimate(value=value)


def test_a_number_that_most_draws_leave_undefined_has_no_interval():
    label = np.arange(40) % 2
    p = np.where(np.arange(40) == 1, 0.9, 0.1)  # one fake is called fake; a third of draws lack it
    found = interval(
        partial(metrics.precision, threshold=0.5), label, p, [str(i) for i in range(40)]
    )
    assert found.value == 1.0
    assert found.low is None


def test_two_reals_among_many_fakes_have_no_interval():
    label = np.array([0, 0, *[1] * 60])
    score = np.linspace(0, 1, 62)
    found = interval(metrics.auc, label, score, [str(i) for i in range(62)])
    assert found == Estimate(value=1.0)
    assert interval(metrics.auc, np.arange(62) % 2, score, [str(i) for i in range(62)]).low
