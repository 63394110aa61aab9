"""Every number against an independent definition of it, and on data where it must refuse."""

from __future__ import annotations

import itertools
from functools import partial

import numpy as np
import pytest
import sklearn.metrics as reference

from unmask.errors import DataError
from unmask.evaluation import metrics
from unmask.evaluation.ranking import rank

CASES = {
    "smooth": (200, None),
    "ties": (200, 1),  # rounded to one digit
    "two": (2, None),
    "tiny": (4, None),
    "few_reals": (60, 2),
    "constant": (30, 0),  # rounded to no digit, then all made equal
}


@pytest.fixture(params=list(CASES))
def scored(request) -> tuple[np.ndarray, np.ndarray]:
    """Labels and probabilities, in no order."""
    n, digits = CASES[request.param]
    rng = np.random.default_rng(3)
    label = (np.arange(n) % (2 if request.param != "few_reals" else 20) != 0).astype(np.int8)
    label = rng.permutation(label)
    p = np.clip(rng.normal(0.4 + 0.2 * label, 0.25), 0, 1)
    if request.param == "constant":
        return label, np.full(n, 0.5)
    return label, p if digits is None else np.round(p, digits)


def thresholds_of(p: np.ndarray) -> list[float]:
    return [*np.unique(p), np.inf]


def test_auc_is_the_chance_that_a_fake_scores_above_a_real(scored):
    label, p = scored
    pairs = list(itertools.product(p[label == 1], p[label == 0]))
    wins = sum(1.0 if fake > real else 0.5 if fake == real else 0.0 for fake, real in pairs)
    assert metrics.auc(rank(label, p)) == pytest.approx(wins / len(pairs))
    assert metrics.auc(rank(label, p)) == pytest.approx(reference.roc_auc_score(label, p))


SCIKIT_LEARN = {
    "average_precision": reference.average_precision_score,
    "accuracy": lambda y, p: reference.accuracy_score(y, p >= 0.5),
    "balanced_accuracy": lambda y, p: reference.balanced_accuracy_score(y, p >= 0.5),
    "recall": lambda y, p: reference.recall_score(y, p >= 0.5),
    "f1": lambda y, p: reference.f1_score(y, p >= 0.5, zero_division=0),
    "brier": reference.brier_score_loss,
    "log_loss": lambda y, p: reference.log_loss(y, np.clip(p, 1e-7, 1 - 1e-7)),
    "partial_auc": partial(reference.roc_auc_score, max_fpr=0.1),
    "balanced_log_loss": lambda y, p: np.mean(
        [
            reference.log_loss(y[y == k], np.clip(p[y == k], 1e-7, 1 - 1e-7), labels=[0, 1])
            for k in (0, 1)
        ]
    ),
}


@pytest.mark.parametrize("name", SCIKIT_LEARN)
def test_a_number_equals_scikit_learns(name, scored):
    label, p = scored
    assert getattr(metrics, name)(rank(label, p)) == pytest.approx(SCIKIT_LEARN[name](label, p))


def test_precision_equals_scikit_learns_and_is_refused_where_nothing_is_called_fake(scored):
    label, p = scored
    assert metrics.precision(rank(label, p), p.max()) == pytest.approx(
        reference.precision_score(label, p >= p.max())
    )
    with pytest.raises(DataError, match="precision there is undefined"):
        metrics.precision(rank(label, p), 1.5)


def test_confusion_counts_every_example_once(scored):
    label, p = scored
    at = metrics.confusion(rank(label, p), 0.4)
    (tn, fp), (fn, tp) = reference.confusion_matrix(label, p >= 0.4, labels=[0, 1])
    assert (at.reals_called_real, at.reals_called_fake) == (tn, fp)
    assert (at.fakes_missed, at.fakes_found) == (fn, tp)


@pytest.mark.parametrize("fpr", [0.0, 0.01, 0.05, 0.5])
def test_tpr_at_fpr_is_the_best_of_all_thresholds(scored, fpr):
    label, p = scored
    reals, fakes = p[label == 0], p[label == 1]
    allowed = [(fakes >= t).mean() for t in thresholds_of(p) if (reals >= t).mean() <= fpr]
    assert metrics.tpr_at_fpr(rank(label, p), fpr) == pytest.approx(max(allowed))


@pytest.mark.parametrize("recall", [0.5, 0.95, 0.98, 0.99, 1.0])
def test_precision_at_recall_is_the_best_of_all_thresholds_that_find_so_many(scored, recall):
    label, p = scored
    fakes = p[label == 1]
    precisions = [
        label[p >= t].mean() for t in np.unique(p) if (fakes >= t).mean() >= recall - 1e-12
    ]
    assert metrics.precision_at_recall(rank(label, p), recall) == pytest.approx(max(precisions))


def test_equal_error_rate_lies_on_the_roc_curve_where_it_meets_the_diagonal(scored):
    label, p = scored
    fpr, tpr, _ = reference.roc_curve(label, p, drop_intermediate=False)
    rate = metrics.equal_error_rate(rank(label, p))
    along = np.linspace(0, 1, 20001)  # walk along the curve, corner by corner
    x = np.interp(along * (len(fpr) - 1), np.arange(len(fpr)), fpr)
    y = np.interp(along * (len(fpr) - 1), np.arange(len(fpr)), tpr)
    nearest = np.abs(x - (1 - y)).argmin()
    assert rate == pytest.approx(x[nearest], abs=0.02)


def test_calibration_error_is_zero_for_observed_frequencies_and_the_gap_otherwise():
    label = np.array([0, 1] * 150, np.int8)
    assert metrics.calibration_error(rank(label, np.full(300, 0.5))) == pytest.approx(0.0)
    assert metrics.calibration_error(rank(label, np.full(300, 0.8))) == pytest.approx(0.3)


def test_calibration_error_of_equal_probabilities_does_not_depend_on_their_order():
    sorted_label = np.repeat([0, 1], 150).astype(np.int8)
    assert metrics.calibration_error(rank(sorted_label, np.full(300, 0.5))) == pytest.approx(0.0)


@pytest.mark.parametrize(("n", "shape"), [(60, (2, 2)), (500, (1, 4)), (300, (0.2, 0.2))])
def test_the_error_by_chance_is_that_of_labels_drawn_from_the_probabilities_themselves(n, shape):
    rng = np.random.default_rng(0)
    p = rng.beta(*shape, n)
    drawn = [rank((rng.random(n) < p).astype(int), p) for _ in range(400)]
    simulated = np.mean([metrics.calibration_error(ranking) for ranking in drawn])
    assert metrics.calibration_floor(drawn[0]) == pytest.approx(simulated, rel=0.05)


def test_certain_and_true_probabilities_have_no_error_by_chance():
    assert metrics.calibration_floor(rank([0, 1] * 20, [0.0, 1.0] * 20)) == 0.0


def test_calibration_error_equals_a_slow_definition_on_distinct_scores():
    rng = np.random.default_rng(0)
    label, p = rng.integers(0, 2, 300).astype(np.int8), rng.permutation(np.linspace(0, 1, 300))
    order = np.argsort(-p)
    bins = np.array_split(order, 15)  # 20 each
    slow = sum(len(b) * abs(p[b].mean() - label[b].mean()) for b in bins) / 300
    assert metrics.calibration_error(rank(label, p)) == pytest.approx(slow)


def test_error_of_the_surest_equals_a_walk_through_them(scored):
    label, p = scored
    sure = np.abs(p - 0.5)
    for share in (0.3, 0.8, 1.0):
        answered = next(
            p_sure for p_sure in sorted(set(sure), reverse=True) if (sure >= p_sure).mean() >= share
        )
        those = sure >= answered
        slow = ((p >= 0.5) != (label == 1))[those].mean()
        assert metrics.error_of_surest(rank(label, p), share) == pytest.approx(slow)


EVERY = {
    **{name: getattr(metrics, name) for name in SCIKIT_LEARN},
    "auc": metrics.auc,
    "equal_error_rate": metrics.equal_error_rate,
    "calibration_error": metrics.calibration_error,
    "tpr_at_5pct": partial(metrics.tpr_at_fpr, fpr=0.05),
    "precision_at_recall": partial(metrics.precision_at_recall, recall=0.95),
    "false_positive_rate": metrics.false_positive_rate,
    "error_of_surest": partial(metrics.error_of_surest, share=0.7),
}


@pytest.mark.parametrize("name", EVERY)
def test_a_weight_of_k_is_the_same_as_k_copies(name):
    rng = np.random.default_rng(1)
    label = rng.integers(0, 2, 80)
    p = np.round(np.clip(rng.normal(0.4 + 0.2 * label, 0.3), 0, 1), 1)
    weight = rng.integers(0, 4, 80)
    copies = rank(np.repeat(label, weight), np.repeat(p, weight))
    assert EVERY[name](rank(label, p, weight)) == pytest.approx(EVERY[name](copies))


@pytest.mark.parametrize("name", EVERY)
def test_the_order_of_rows_changes_nothing(name, scored):
    label, p = scored
    shuffled = np.random.default_rng(5).permutation(len(p))
    again = EVERY[name](rank(label[shuffled], p[shuffled]))
    assert EVERY[name](rank(label, p)) == pytest.approx(again)


@pytest.mark.parametrize(("only", "wanted"), [(0, "real"), (1, "fake")])
def test_one_class_is_refused_and_named(only, wanted):
    with pytest.raises(DataError, match=f"all 5 examples are {wanted}"):
        rank(np.full(5, only), np.linspace(0, 1, 5))


@pytest.mark.parametrize("bad", [np.inf, -np.inf, np.nan])
def test_scores_that_are_no_numbers_are_refused(bad):
    with pytest.raises(DataError, match="1 of 3 scores"):
        rank([0, 1, 1], [0.1, 0.9, bad])


def test_nothing_and_odd_labels_are_refused():
    with pytest.raises(DataError, match="no scores"):
        rank([], [])
    with pytest.raises(DataError, match=r"0 .real. and 1 .fake."):
        rank([0, 1, 2], [0.1, 0.2, 0.3])


def test_probabilities_are_demanded_where_a_number_needs_them_and_only_there():
    logits = rank([0, 1, 1], [-2.0, 3.0, 0.5])
    assert metrics.auc(logits) == 1.0
    for metric in (metrics.log_loss, metrics.brier, metrics.calibration_error):
        with pytest.raises(DataError, match="no probabilities"):
            metric(logits)
