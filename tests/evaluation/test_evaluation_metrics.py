"""Every metric against a slow definition of it, and on data where it must refuse."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from sklearn.metrics import brier_score_loss, log_loss

from unmask.errors import DataError
from unmask.evaluation import metrics


@pytest.fixture(params=["smooth", "ties", "tiny"])
def scored(request) -> tuple[np.ndarray, np.ndarray]:
    """Labels and probabilities; with many equal scores, and with four examples only."""
    rng = np.random.default_rng(3)
    n = 4 if request.param == "tiny" else 200
    label = (np.arange(n) % 2).astype(np.int8)
    p = np.clip(rng.normal(0.4 + 0.2 * label, 0.25), 0, 1)
    return label, np.round(p, 1) if request.param == "ties" else p


def test_auc_is_the_chance_that_a_fake_scores_above_a_real(scored):
    label, p = scored
    pairs = list(itertools.product(p[label == 1], p[label == 0]))
    wins = sum(1.0 if fake > real else 0.5 if fake == real else 0.0 for fake, real in pairs)
    assert metrics.auc(label, p) == pytest.approx(wins / len(pairs))


@pytest.mark.parametrize("fpr", [0.0, 0.01, 0.05, 0.5])
def test_tpr_at_fpr_is_the_best_of_all_thresholds(scored, fpr):
    label, p = scored
    reals, fakes = p[label == 0], p[label == 1]
    allowed = [(fakes >= t).mean() for t in [*np.unique(p), np.inf] if (reals >= t).mean() <= fpr]
    assert metrics.tpr_at_fpr(label, p, fpr) == pytest.approx(max(allowed))


def test_equal_error_rate_lies_between_the_two_errors_that_enclose_it(scored):
    label, p = scored
    reals, fakes = p[label == 0], p[label == 1]
    rows = [((reals >= t).mean(), (fakes < t).mean()) for t in [*np.unique(p), np.inf]]
    rate = metrics.equal_error_rate(label, p)
    crossing = min(rows, key=lambda row: abs(row[0] - row[1]))
    gap = abs(crossing[0] - crossing[1]) + 1e-9
    assert min(crossing) - gap <= rate <= max(crossing) + gap


def test_proper_scores_equal_scikit_learns(scored):
    label, p = scored
    assert metrics.brier(label, p) == pytest.approx(brier_score_loss(label, p))
    assert metrics.log_loss(label, p) == pytest.approx(log_loss(label, np.clip(p, 1e-7, 1 - 1e-7)))


def test_calibration_error_is_zero_for_observed_frequencies_and_the_gap_otherwise():
    label = np.array([0, 1] * 150, np.int8)
    assert metrics.calibration_error(label, np.full(300, 0.5)) == pytest.approx(0.0)
    assert metrics.calibration_error(label, np.full(300, 0.8)) == pytest.approx(0.3)


@pytest.mark.parametrize(
    "metric", [metrics.auc, metrics.average_precision, metrics.equal_error_rate]
)
@pytest.mark.parametrize("only", [0, 1])
def test_one_class_is_refused_and_never_scored(metric, only):
    with pytest.raises(DataError, match="one class"):
        metric(np.full(5, only, np.int8), np.linspace(0, 1, 5))


def test_an_interval_contains_its_value_and_is_wider_when_examples_come_from_few_videos():
    rng = np.random.default_rng(0)
    label = np.repeat(np.arange(40) % 2, 25).astype(np.int8)
    of_video = np.repeat(rng.normal(0, 1, 40), 25)  # all frames of a video err together
    score = label + of_video + rng.normal(0, 0.2, 1000)
    videos = [f"v{i // 25}" for i in range(1000)]
    by_video = metrics.interval(metrics.auc, label, score, videos)
    by_frame = metrics.interval(metrics.auc, label, score, [str(i) for i in range(1000)])
    assert by_video.low <= by_video.value <= by_video.high
    assert by_video.value == by_frame.value
    assert by_video.high - by_video.low > 2 * (by_frame.high - by_frame.low)
