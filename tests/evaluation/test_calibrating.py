"""Calibration into a checkpoint, and the numbers of a reliability diagram."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit

from unmask.errors import DataError
from unmask.evaluation.calibrating import calibrate
from unmask.evaluation.ranking import rank
from unmask.evaluation.reliability import reliability_bins
from unmask.evaluation.scores import Header, Row, ScoresFile
from unmask.models.checkpoint import GRAPH, read_checkpoint
from unmask.scoring.calibrate import calibrated


@pytest.fixture
def checkpoint(tiny_checkpoint, tmp_path):
    for file in tiny_checkpoint.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    return tmp_path


def scores(checkpoint, part="val", sha256=None, n=800, corruption="none"):
    """Logits that are four times too sure."""
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 1.5, n)
    labels = rng.random(n) < expit(logits)
    rows = [
        Row(video=f"v{k}", label=int(labels[k]), source=f"v{k}", track=1, logit=4 * logits[k])
        for k in range(n)
    ]
    known = sha256 or read_checkpoint(checkpoint).meta.sha256[GRAPH]
    header = Header(
        detector="d", model="dtn", sha256=known, data="toy val", data_digest="", part=part,
        corruption=corruption,
    )  # fmt: skip
    return ScoresFile(header=header, rows=rows)


@pytest.mark.parametrize("kind", ["auto", "platt", "temperature", "isotonic"])
def test_a_checkpoint_keeps_what_was_fitted_and_says_on_what(checkpoint, kind):
    calibrate(checkpoint, scores(checkpoint), kind=kind)
    meta = read_checkpoint(checkpoint).meta
    assert meta.calibration.measured_on == meta.thresholds.measured_on == "toy val"
    assert kind in ("auto", meta.calibration.kind)
    assert meta.thresholds.unit == "person"
    assert calibrated(meta.calibration, 4.0) == pytest.approx(expit(1.0), abs=0.08)


def test_thresholds_keep_their_rates_on_the_calibrated_scores(checkpoint):
    validation = scores(checkpoint)
    calibrate(checkpoint, validation, kind="isotonic", level="video")
    meta = read_checkpoint(checkpoint).meta
    p = calibrated(meta.calibration, [row.logit for row in validation.rows])
    real = np.array([row.label == 0 for row in validation.rows])
    assert (p[real] >= meta.thresholds.fake).mean() == meta.thresholds.fake_fpr <= 0.01
    assert (p[~real] < meta.thresholds.real).mean() == meta.thresholds.real_fnr <= 0.05


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"part": "test"}, "reported on"),
        ({"part": "train"}, "learned from"),
        ({"part": "all"}, "all sides together"),
        ({"corruption": "blur:3"}, "seen through blur:3"),
        ({"sha256": "0" * 64}, "other weights"),
    ],
)
def test_nothing_is_fitted_on_what_it_must_not_be(checkpoint, said, words):
    before = (checkpoint / "checkpoint.json").read_bytes()
    with pytest.raises(DataError, match=words):
        calibrate(checkpoint, scores(checkpoint, **said))
    assert (checkpoint / "checkpoint.json").read_bytes() == before


def test_bins_say_what_counting_by_hand_says():
    p = np.linspace(0.01, 0.99, 300)
    label = (np.random.default_rng(0).random(300) < p).astype(int)
    found = reliability_bins(rank(label, p), [str(n) for n in range(300)], bins=10, resamples=200)
    assert [b.n for b in found] == [30] * 10
    for k, one in enumerate(reversed(found)):
        part = slice(30 * k, 30 * (k + 1))
        assert one.stated == pytest.approx(p[part].mean())
        assert one.observed == pytest.approx(label[part].mean())
        assert one.low <= one.observed <= one.high


def test_frames_of_one_recording_do_not_narrow_an_interval():
    """The same 60 recordings, each seen once or twenty times: what is known of them is the same."""
    rng = np.random.default_rng(1)
    p = rng.random(60)
    label = (rng.random(60) < p).astype(int)
    label[:2] = 0, 1
    names = [f"v{n}" for n in range(60)]
    once = reliability_bins(rank(label, p), names, bins=3, resamples=400)
    often = reliability_bins(
        rank(np.repeat(label, 20), np.repeat(p, 20)), np.repeat(names, 20).tolist(), bins=3,
        resamples=400,
    )  # fmt: skip
    for a, b in zip(once, often, strict=True):
        assert (b.low, b.high) == pytest.approx((a.low, a.high))
        assert b.n == 20 * a.n
        assert b.n_sources == a.n_sources


def test_a_bin_of_fakes_alone_is_not_certain():
    """40 recordings of 5 frames, half of them above: 20 of 20 fakes may be 83 % of many."""
    p, label = np.repeat([0.2, 0.9], 100), np.repeat([0, 1], 100)
    high, low = reliability_bins(
        rank(label, p), [f"v{n // 5}" for n in range(200)], bins=2, resamples=50
    )
    assert (low.low, low.high) == pytest.approx((0, 1 - 0.025 ** (1 / 20)))
    assert (high.low, high.high) == pytest.approx((0.025 ** (1 / 20), 1))


def test_a_handful_of_recordings_has_bins_and_no_intervals():
    p = [0.1, 0.2, 0.8, 0.9]
    found = reliability_bins(rank([0, 1, 0, 1], p), ["a", "b", "a", "b"], bins=2, resamples=100)
    assert [(b.low, b.high) for b in found] == [(None, None)] * 2
