"""All numbers of a sample: each is there, or the reason why it is not."""

from __future__ import annotations

import numpy as np
import pytest

from unmask.errors import DataError
from unmask.evaluation.measure import NUMBERS, measure, numbers_at
from unmask.evaluation.scores import Header, Row, Scored, ScoresFile
from unmask.evaluation.tcr import tcr
from unmask.types import Thresholds


def scored(p_fake, label, *, missed=0, level="video") -> Scored:
    """Videos with a score each, and fakes without one."""
    header = Header(detector="d", model="m", sha256="s", data="t", data_digest="g")
    rows = [
        Row(video=f"v{i}", label=int(y), source=f"s{i}", track=0, logit=float(np.log(p / (1 - p))))
        for i, (p, y) in enumerate(zip(p_fake, label, strict=True))
    ]
    rows += [Row(video=f"m{i}", label=1, source=f"m{i}", outcome="no_face") for i in range(missed)]
    return ScoresFile(header=header, rows=rows).at(level)


def test_every_number_is_given_or_says_why_not():
    rng = np.random.default_rng(0)
    label = np.arange(60) % 2
    found = measure(scored(rng.uniform(0.1, 0.9, 60), label), resamples=20)
    assert {*found.numbers, *found.undefined} == {number.key for number in NUMBERS}
    assert set(found.undefined) == {"tpr_at_1pct_fpr"}
    assert "30 reals cannot show it; it needs 100" in found.undefined["tpr_at_1pct_fpr"]


def test_precision_of_a_detector_that_calls_nothing_fake_is_undefined_and_not_zero():
    label = np.arange(40) % 2
    found = measure(scored(np.linspace(0.1, 0.4, 40), label), resamples=5)
    assert "precision" in found.undefined
    assert "precision" not in found.numbers
    assert found.numbers["recall"].value == 0


@pytest.mark.parametrize("kind", ["reals", "fakes"])
def test_one_class_alone_has_its_own_shares_and_no_number_of_both(kind):
    p, label = np.linspace(0.05, 0.95, 40), [int(kind == "fakes")] * 40
    thresholds = Thresholds(fake=0.9, real=0.25, unit="video")
    found = measure(scored(p, label), (*NUMBERS, *numbers_at(thresholds)), resamples=200)
    assert found.numbers[f"{kind}_called_fake"].value == pytest.approx(np.mean(p >= 0.9))
    assert found.numbers[f"{kind}_called_real"].value == pytest.approx(np.mean(p < 0.25))
    undecided = found.numbers["undecided"]
    assert undecided.value == pytest.approx(np.mean((p >= 0.25) & (p < 0.9)))
    assert undecided.low < undecided.value < undecided.high
    other = "reals" if kind == "fakes" else "fakes"
    assert not [key for key in found.numbers if key.startswith(other)]
    for key in ("auc", "equal_error_rate", "f1", "tpr_at_5pct_fpr", "balanced_log_loss"):
        assert found.undefined[key].startswith(f"0 {other}")


def test_answers_at_two_thresholds_are_counted_one_by_one():
    p = [0.05, 0.3, 0.5, 0.95, 0.97, 0.02, 0.6, 0.9]
    label = [0, 0, 0, 0, 1, 1, 1, 1]
    thresholds = Thresholds(fake=0.9, real=0.25, unit="video")
    found = measure(scored(p, label), numbers_at(thresholds)).numbers
    assert found["fakes_called_fake"].value == pytest.approx(0.5)
    assert found["reals_called_fake"].value == pytest.approx(0.25)
    assert found["fakes_called_real"].value == pytest.approx(0.25)
    assert found["reals_called_real"].value == pytest.approx(0.25)
    assert found["undecided"].value == pytest.approx(3 / 8)
    assert found["error_of_answers"].value == pytest.approx(2 / 5)
    assert found["accuracy_at_threshold"].value == pytest.approx(5 / 8)


def test_no_answer_at_all_has_no_error_rate():
    thresholds = Thresholds(fake=0.9, real=0.1, unit="video")
    found = measure(scored([0.4, 0.6], [0, 1]), numbers_at(thresholds))
    assert "undecided between" in found.undefined["error_of_answers"]


def test_tcr_of_four_methods_counts_every_real_once_and_every_fake_once():
    p = [0.9] * 601 + [0.1] * 99  # spec 5.3: 85.85 = 601 / 700, one of 560 fakes and 140 reals
    label = [1] * 500 + [0] * 101 + [1] * 60 + [0] * 39
    found = tcr(scored(p, label))
    assert (found.fakes, found.reals, found.right) == (560, 140, 539)
    assert found.of_scored == pytest.approx(539 / 700)
    assert found.balanced == pytest.approx((500 / 560 + 39 / 140) / 2)
    assert found.with_reals(4) == pytest.approx((500 + 4 * 39) / (560 + 4 * 140))


def test_tcr_says_what_videos_without_a_score_would_change():
    found = tcr(scored([0.9, 0.1], [1, 0], missed=2))
    assert (found.of_scored, found.of_all, found.missed) == (1.0, 0.5, 2)


def test_tcr_counts_videos_only():
    with pytest.raises(DataError, match="scores of clips"):
        tcr(scored([0.9, 0.1], [1, 0], level="clip"))
