"""Laws of calibration and thresholds, against scikit-learn, scipy and brute force."""

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from unmask.errors import DataError
from unmask.scoring import apply, decision_thresholds, fit_platt, sigmoid, thresholds_at_fpr
from unmask.types import Calibration


def overlapping(n=400, seed=0, scale=1.0, shift=0.0):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, n)
    return scale * (rng.normal(size=n) + 1.5 * labels) + shift, labels


def platt_by_scipy(logits, labels):
    """Independent solver of the same problem, without derivatives of ours."""
    n_fake, n_real = (labels == 1).sum(), (labels == 0).sum()
    target = np.where(labels == 1, (n_fake + 1) / (n_fake + 2), 1 / (n_real + 2))

    def loss(weights):
        p = np.clip(expit(weights[0] * logits + weights[1]), 1e-300, 1 - 1e-16)
        return -(target * np.log(p) + (1 - target) * np.log(1 - p)).sum()

    options = {"xatol": 1e-10, "fatol": 1e-12, "maxiter": 20000, "maxfev": 20000}
    return minimize(loss, np.zeros(2), method="Nelder-Mead", options=options).x


@pytest.mark.parametrize(("n", "scale", "shift"), [(400, 1.0, 0.0), (60, 8.0, 5.0), (50, 0.01, 3)])
def test_platt_equals_an_independent_solver(n, scale, shift):
    logits, labels = overlapping(n=n, scale=scale, shift=shift)
    fitted = fit_platt(logits, labels, measured_on="toy")
    expected = platt_by_scipy(logits, labels)
    ours = sigmoid(fitted.slope * logits + fitted.intercept)
    assert np.abs(ours - expit(expected[0] * logits + expected[1])).max() < 1e-4
    assert fitted.measured_on == "toy"


def test_platt_nears_plain_logistic_regression_as_data_grow():
    logits, labels = overlapping(n=20000)
    fitted = fit_platt(logits, labels, measured_on="toy")
    plain = LogisticRegression(C=np.inf).fit(logits[:, None], labels)
    assert fitted.slope == pytest.approx(plain.coef_[0, 0], rel=2e-3)
    assert fitted.intercept == pytest.approx(plain.intercept_[0], rel=2e-3)


def test_calibrated_mean_equals_the_smoothed_share_of_fakes():
    logits, labels = overlapping(n=300)
    fitted = fit_platt(logits, labels, measured_on="toy")
    n_fake = labels.sum()
    n_real = labels.size - n_fake
    share = n_fake * (n_fake + 1) / (n_fake + 2) + n_real / (n_real + 2)
    p = [apply(fitted, z) for z in logits]
    assert sum(p) == pytest.approx(share, abs=1e-6)


def test_separable_scores_end_in_finite_slopes():
    fitted = fit_platt([-2.0, -1.0, 1.0, 2.0], [0, 0, 1, 1], measured_on="toy")
    assert np.isfinite([fitted.slope, fitted.intercept]).all()
    assert 0.5 < apply(fitted, 2.0) < 1.0


@pytest.mark.parametrize(
    ("logits", "labels", "word"),
    [
        ([1.0, 2.0], [1, 1], "one class"),
        ([1.0, 1.0], [0, 1], "all logits are equal"),
        ([1.0, -1.0], [0, 1], "no higher than reals"),
        ([np.nan, 1.0], [0, 1], "finite"),
        ([0.0, 1.0], [0, 2], "labels 0"),
    ],
)
def test_scores_that_cannot_be_calibrated_are_refused_in_words(logits, labels, word):
    with pytest.raises(DataError, match=word):
        fit_platt(logits, labels, measured_on="toy")


def test_unequal_rows_are_refused():
    with pytest.raises(ValueError, match="two equal rows"):
        fit_platt([1.0], [0, 1], measured_on="toy")


@pytest.mark.parametrize("logit", [-1e9, -800.0, -5.0, 0.0, 5.0, 800.0, 1e9])
def test_sigmoid_neither_overflows_nor_loses_small_values(logit):
    with np.errstate(all="raise", under="ignore"):
        assert sigmoid(logit) == pytest.approx(expit(logit), rel=1e-12)


def test_default_calibration_is_the_plain_sigmoid():
    assert apply(Calibration(), 1.3) == pytest.approx(expit(1.3))


def lowest_by_brute_force(scores, target):
    """Smallest candidate that keeps the rate: every midpoint between neighbours, and the ends."""
    values = np.unique(scores)
    candidates = [*(values[:-1] + values[1:]) / 2, np.nextafter(values[-1], 2)]
    return min(t for t in candidates if (scores >= t).mean() <= target)


@pytest.mark.parametrize("decimals", [None, 2, 1], ids=["distinct", "some ties", "many ties"])
@pytest.mark.parametrize("n", [100, 101, 257, 1000])
def test_measured_rate_never_exceeds_its_target_and_no_lower_threshold_would_do(n, decimals):
    scores = np.random.default_rng(n).beta(1, 3, n)
    if decimals is not None:
        scores = scores.round(decimals)
    found = thresholds_at_fpr(scores, unit="image", measured_on="toy")
    for threshold, rate, target in [
        (found.fake, found.fake_fpr, 0.01),
        (found.real, found.real_fpr, 0.05),
    ]:
        assert rate == (scores >= threshold).mean()
        assert rate <= target
        assert threshold == lowest_by_brute_force(scores, target)
    assert found.real <= found.fake


def test_target_rate_is_used_up_where_scores_are_distinct():
    found = thresholds_at_fpr(np.arange(700) / 700, unit="video", measured_on="toy")
    assert (found.fake_fpr, found.real_fpr) == (0.01, 0.05)  # 0.07 * 100 style rounding included
    assert found.unit == "video"


def test_equal_scores_of_all_reals_end_above_them():
    found = thresholds_at_fpr([1.0] * 100, unit="image", measured_on="toy")
    assert found.fake > 1.0
    assert found.fake_fpr == 0.0


def test_neighbouring_floats_keep_the_rate():
    low = 0.7
    scores = [low] * 99 + [np.nextafter(low, 1)]
    found = thresholds_at_fpr(scores, unit="image", measured_on="toy")
    assert found.fake_fpr == 0.01


def test_too_few_reals_to_show_the_rate_are_refused():
    with pytest.raises(DataError, match="at least 100"):
        thresholds_at_fpr([0.1] * 99, unit="image", measured_on="toy")


def test_scores_that_are_no_probabilities_get_no_threshold():
    with pytest.raises(DataError, match="probabilities"):
        thresholds_at_fpr([0.1] * 99 + [np.nan], unit="image", measured_on="toy")


def test_a_weak_detector_does_not_call_most_fakes_real():
    rng = np.random.default_rng(0)
    reals, fakes = rng.beta(4, 5, 2000), rng.beta(5, 4, 2000)  # much overlap: AUC about .7
    found = decision_thresholds(reals, fakes, unit="image", measured_on="toy")
    plain = thresholds_at_fpr(reals, unit="image", measured_on="toy")
    assert (fakes < plain.real).mean() > 0.5  # what the bound is there to prevent
    assert (fakes < found.real).mean() <= 0.05
    assert found.real_fnr == (fakes < found.real).mean()
    assert found.real_fpr == (reals >= found.real).mean()
    assert found.fake == plain.fake


def test_a_strong_detector_keeps_the_threshold_of_false_positives():
    reals, fakes = np.linspace(0.0, 0.3, 500), np.linspace(0.7, 1.0, 500)
    found = decision_thresholds(reals, fakes, unit="image", measured_on="toy")
    plain = thresholds_at_fpr(reals, unit="image", measured_on="toy")
    assert found.real == plain.real
    assert found.real_fnr == 0.0
