"""What is fixed before measuring, and from where."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from handmade_scores import made

from unmask.evaluation.fixing import fix
from unmask.evaluation.scores import ScoresFile
from unmask.types import Calibration, Thresholds


def validation(n: int = 120, **header):
    return made(n, prefix="val", seed=5, data="made val", part="val", **header)


def test_what_the_checkpoint_brings_is_kept_and_its_unit_named():
    own = {
        "calibration": Calibration(slope=2.0, measured_on="elsewhere"),
        "thresholds": Thresholds(fake=0.9, real=0.1, unit="image", measured_on="elsewhere"),
    }
    found = fix(made(10, **own), validation(), level="video")
    assert found.scores.header.thresholds == own["thresholds"]
    assert found.scores.header.calibration == own["calibration"]
    assert "measured on elsewhere for single images" in found.thresholds


def test_what_is_lacking_comes_from_validation_and_is_said():
    test, val = made(30), validation()
    found = fix(test, val, level="video")
    header = found.scores.header
    assert header.thresholds.measured_on == header.calibration.measured_on == "made val"
    assert header.thresholds.unit == "video"
    assert "fixed on made val" in found.thresholds
    at = type(val)(header=header, rows=val.rows).at("video")
    reals = at.p_fake[at.label == 0]
    assert (reals >= header.thresholds.fake).mean() == pytest.approx(header.thresholds.fake_fpr)
    assert header.thresholds.fake_fpr <= 0.01


def test_fixing_depends_on_validation_scores_alone():
    val = validation()
    one = fix(made(30), val, level="video").scores.header
    other = fix(made(30, seed=99, skill=-3.0), val, level="video").scores.header
    assert one.thresholds == other.thresholds
    assert one.calibration == other.calibration


def test_too_few_validation_reals_give_a_calibration_and_no_thresholds_and_the_reason():
    found = fix(made(10), validation(12), level="video")
    assert found.scores.header.calibration is not None
    assert found.scores.header.thresholds is None
    assert "12 real scores cannot show" in found.thresholds


def test_without_validation_scores_the_sigmoid_stays_as_it_is():
    found = fix(made(10), None, level="video")
    assert found.scores.header.calibration is None
    assert "uncalibrated" in found.calibration
    assert np.array_equal(found.scores.at("clip").p_fake, made(10).at("clip").p_fake)


def test_a_detector_that_is_the_wrong_way_round_is_not_turned_round():
    found = fix(made(30), validation(skill=-3.0), level="video")
    assert found.scores.header.calibration is None
    assert "uncalibrated" in found.calibration


def named(scores, name):
    """Say who is in each video: real and fakes of person k show them."""
    rows = [replace(row, identities=(name(int(row.source.lstrip("pval"))),)) for row in scores.rows]
    return ScoresFile(header=scores.header, rows=rows)


def test_people_on_both_sides_are_counted_and_named_though_no_recording_is_shared():
    test = named(made(30), lambda k: f"id{k}")
    strangers = named(validation(), lambda k: f"id{k + 100}")
    akin = named(validation(), lambda k: f"id{k + 28}")
    elsewhere = replace(strangers, rows=[replace(r, dataset="other") for r in akin.rows])
    assert fix(test, strangers, level="video").people == ""
    assert fix(test, elsewhere, level="video").people == ""
    (line,) = fix(test, akin, level="video").lines[2:]
    assert line.startswith("2 people, such as made/id28, are in 10 videos here and in made val")


def test_a_handful_of_recordings_calibrates_nothing_and_says_so():
    found = fix(made(10), validation(5), level="video")
    assert found.scores.header.calibration is None
    assert "of 5 recordings are too few to calibrate on" in found.calibration
