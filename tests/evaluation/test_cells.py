"""Cells: numbers with counts, coverage and comparison, or the reason why there are none."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from handmade_scores import METHODS, made
from sklearn.metrics import roc_auc_score

from unmask.evaluation.cell_words import number
from unmask.evaluation.cells import How, cells_of
from unmask.evaluation.grids import grids_of
from unmask.evaluation.intervals import Estimate
from unmask.evaluation.runs import Learned, Run
from unmask.evaluation.scores import ScoresFile
from unmask.types import Calibration, Thresholds

QUICK = How(resamples=20)


def runs(*files) -> list[Run]:
    return [Run(scores=scores, learned=Learned(datasets=("made",))) for scores in files]


def test_a_cell_counts_its_videos_and_says_how_many_have_no_score():
    (cell,) = cells_of(runs(made(20, missed=5)), ["overall"], QUICK)
    assert (cell.n_real, cell.n_fake, cell.n_videos, cell.n_sources) == (20, 75, 100, 20)
    assert cell.coverage == pytest.approx(0.95)
    assert cell.missed == {"no_face": 5}
    assert cell.tcr.missed == 5
    assert cell.leaks == 0


def test_a_cell_has_the_auc_of_its_own_videos():
    scores = made(20)
    cells = cells_of(runs(scores), ["manipulation"], QUICK)
    assert [cell.slice for cell in cells] == sorted(METHODS)
    at = scores.where(lambda row: row.method in ("original", "FaceSwap")).at("video")
    swapped = next(cell for cell in cells if cell.slice == "FaceSwap")
    assert swapped.numbers["auc"].value == pytest.approx(roc_auc_score(at.label, at.p_fake))


@pytest.mark.parametrize(("level", "n"), [("clip", 200), ("track", 100), ("video", 100)])
def test_every_level_counts_its_own_items_and_videos_for_coverage(level, n):
    (cell,) = cells_of(runs(made(20)), ["overall"], How(level=level, resamples=5))
    assert cell.n_fake + cell.n_real == n
    assert cell.n_videos == 100
    assert (cell.tcr is None) == (level != "video")


def test_a_slice_of_one_class_has_the_shares_of_that_class_alone():
    scores = made(20)
    only_reals = scores.where(lambda row: row.label == 0)
    (cell,) = cells_of(runs(only_reals), ["overall"], QUICK)
    assert (cell.n_real, cell.n_fake, cell.why_not) == (20, 0, "")
    at = only_reals.at("video")
    assert cell.numbers["false_positive_rate"].value == np.mean(at.p_fake >= 0.5)
    assert "auc" not in cell.numbers
    assert "0 fakes" in cell.undefined["auc"]


def test_a_table_of_reals_alone_shows_how_many_are_called_fake():
    own = {
        "calibration": Calibration(slope=1.0, measured_on="x"),
        "thresholds": Thresholds(fake=0.9, real=0.1, unit="video"),
    }
    only_reals = made(20, **own).where(lambda row: row.label == 0)
    (grid, *_) = grids_of(cells_of(runs(only_reals), ["overall"], QUICK), {})
    assert grid.title.endswith("reals alone")
    assert [head.split()[-1] for head in grid.head[-3:]] == ["fake", "real", "undecided"]
    assert not any("always" in note for note in grid.notes)


def test_detectors_are_compared_with_the_first_on_the_same_slice():
    first, second = made(30), made(30, skill=4.0, seed=1, detector="second")
    cells = cells_of(runs(first, second), ["overall", "compression"], QUICK)
    assert [cell.against is None for cell in cells if cell.detector == "first"] == [True] * 3
    for cell in (cell for cell in cells if cell.detector == "second"):
        assert cell.against.detector == "first"
        its = next(c for c in cells if c.detector == "first" and c.slice == cell.slice)
        assert cell.against.auc.first == pytest.approx(its.numbers["auc"].value)
        assert cell.against.auc.second == pytest.approx(cell.numbers["auc"].value)


def test_detectors_of_other_videos_are_not_compared_and_the_cell_says_why():
    cells = cells_of(runs(made(5), made(5, prefix="q", detector="second")), ["overall"], QUICK)
    assert cells[1].against is None
    assert "no video in common" in cells[1].why_not_against


def test_the_gap_between_groups_is_that_of_their_false_positives():
    scores = made(90)
    cells = cells_of(runs(scores), ["group"], How(resamples=100))
    gap = cells[-1].numbers
    reals = scores.where(lambda row: row.label == 0)
    at = reals.at("video")
    group = np.array([reals.rows[int(i)].group for i in at.first_row])
    rates = {name: (at.p_fake[group == name] >= 0.5).mean() for name in set(group)}
    for name, rate in rates.items():
        assert gap[f"false_positive_rate[{name}]"].value == pytest.approx(rate)
    assert gap["false_positive_gap"].value == pytest.approx(
        max(rates.values()) - min(rates.values())
    )
    assert gap["false_positive_gap"].low <= gap["false_positive_gap"].value


def test_groups_with_too_few_reals_show_no_gap():
    cell = cells_of(runs(made(15)), ["group"], QUICK)[-1]
    assert "a gap needs two" in cell.undefined["false_positive_gap"]


def test_numbers_at_thresholds_are_there_where_there_are_thresholds():
    own = {
        "calibration": Calibration(slope=1.0, measured_on="x"),
        "thresholds": Thresholds(fake=0.9, real=0.1, unit="video"),
    }
    without, with_ = cells_of(runs(made(15), made(15, **own)), ["overall"], QUICK)
    assert "undecided" not in without.numbers
    assert "undecided" in with_.numbers


def test_every_number_of_a_table_that_has_an_interval_shows_it():
    cells = cells_of(runs(made(40)), ["overall"], How(resamples=100))
    whole, answers = grids_of(cells, {})
    shown = dict(zip(whole.head, whole.rows[0], strict=True)) | dict(
        zip(answers.head, answers.rows[0], strict=True)
    )
    for head, key in {
        "\nEER": "equal_error_rate",
        "right\nat 0.5": "accuracy",
        "found at\n5 % FPR": "tpr_at_5pct_fpr",
        "\nAP": "average_precision",
        "log\nloss": "log_loss",
        "calibration\nerror": "calibration_error",
    }.items():
        found = cells[0].numbers[key]
        value, low, high = map(float, re.findall(r"[\d.]+", shown[head]))
        assert (value, low, high) == pytest.approx((found.value, found.low, found.high), abs=0.006)
    surest = cells[0].numbers["error_of_surest_80"]
    low, high = map(float, re.findall(r"[\d.]+", shown["wrong in\nsurest 80 %"].split("\n")[1]))
    assert (low, high) == pytest.approx((100 * surest.low, 100 * surest.high), abs=0.11)


def test_a_log_loss_of_ten_keeps_its_digits():
    cell = cells_of(runs(made(10)), ["overall"], QUICK)[0]
    numbers = {"log_loss": Estimate(value=10.2, low=10.05, high=20.0)}
    assert number("log_loss")(replace(cell, numbers=numbers)) == "10.200\n(10.05-20.00)"


def test_a_corruption_that_loses_faces_is_held_against_the_same_videos_clean():
    """The hard half is lost and nothing else changes: every AUC differs, and there is no fall."""
    clean = made(40)
    hard = {row.video for row in clean.rows if (row.logit > 0) == (row.label == 0)}
    header = replace(clean.header, corruption="blur:3", applied_to="frame")
    lost = [
        replace(row, logit=None, outcome="no_face") if row.video in hard else row
        for row in clean.rows
        if row.video not in hard or row.clip == 0
    ]
    cells = cells_of(runs(ScoresFile(header=header, rows=lost), clean), ["corruption"], QUICK)
    corrupted, whole = cells
    assert whole.beside_clean is None
    assert corrupted.numbers["auc"].value > whole.numbers["auc"].value + 0.02
    assert corrupted.beside_clean.difference.value == 0
    assert corrupted.beside_clean.n == 200 - len(hard)
    (grid, *_) = grids_of(cells, {})
    assert dict(zip(grid.head, grid.rows[0], strict=True))["mean\nfall"].lstrip("-") == "0.000"
    assert grid.rows[0][-1] == f"{100 * (1 - len(hard) / 200):.1f} %".replace(".0 %", " %")


def test_the_same_seed_gives_the_same_intervals():
    once = cells_of(runs(made(12)), ["overall"], QUICK)
    assert once == cells_of(runs(made(12)), ["overall"], QUICK)
    assert once != cells_of(runs(made(12)), ["overall"], How(resamples=20, seed=1))
