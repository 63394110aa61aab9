"""A model card says what is known, computes its numbers, and calls the rest unmeasured."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from unmask.errors import DataError
from unmask.evaluation.card import card
from unmask.evaluation.cells import How
from unmask.evaluation.scores import Header, Row, ScoresFile
from unmask.models.checkpoint import GRAPH, packaged, read_checkpoint
from unmask.models.weights import write_metadata
from unmask.types import Calibration, Thresholds

QUICK = How(resamples=100)
DOCS = Path(__file__).resolve().parents[2] / "docs"


@pytest.fixture
def checkpoint(tiny_checkpoint):
    return read_checkpoint(tiny_checkpoint)


def scores(checkpoint, n=60, **said):
    """Two frames of n recordings and of a fake of each; two groups, two methods, three sizes."""
    rng = np.random.default_rng(0)
    rows = [
        Row(
            video=f"d/{'fake' if label else 'real'}/{k}", label=label, source=f"d/{k}",
            dataset="d", method=("swap", "blend")[k % 2] if label else "original",
            group=("young", "old")[k % 2], split="test", track=1, clip=clip,
            face_px=(60.0, 100.0, 300.0)[k % 3], logit=float(rng.normal() + 2 * label),
        )
        for k in range(n) for label in (0, 1) for clip in (0, 1)
    ]  # fmt: skip
    rows.append(Row(video="d/real/lost", label=0, source="d/lost", dataset="d", outcome="no_face"))
    about = {"detector": "d", "model": "dtn/tiny", "data": "d test", "data_digest": "abc"}
    known = {"sha256": checkpoint.meta.sha256[GRAPH], "part": "test", "leaks": 0, **said}
    return ScoresFile(header=Header(**about, **known), rows=rows)


def test_a_checkpoint_that_nothing_was_measured_of_says_so_of_everything(checkpoint):
    bare = checkpoint.meta.model_copy(update={"thresholds": None, "calibration": None})
    text = card(replace(checkpoint, meta=bare))
    assert "no scores were given: **unmeasured**" in text
    assert "**unmeasured**" in text.split("## Probabilities")[1].split("##")[0]
    assert all(digest in text for digest in checkpoint.meta.sha256.values())
    assert not re.search(r"AUC \|", text)


def test_numbers_of_a_card_are_those_of_the_scores_with_interval_and_coverage(checkpoint):
    from sklearn.metrics import roc_auc_score

    file = scores(checkpoint)
    text = card(checkpoint, [file], how=QUICK)
    scored = [row for row in file.rows if row.logit is not None]
    by_frame = roc_auc_score([r.label for r in scored], [r.logit for r in scored])
    (line,) = re.findall(r"(?m)^\| AUC \|.*$", text.split("## On d test")[1].split("###")[0])
    assert f"{by_frame:.3f} (" in line
    assert line.count(" to ") == 2  # frames and videos, each with its interval
    assert "Coverage: 120 of 121 videos (1 no_face)" in text
    assert "unmask evaluate CHECKPOINT --data DIR --part test" in text


def test_parts_are_shown_where_scores_know_them_and_unmeasured_where_not(checkpoint):
    file = scores(checkpoint)
    text = card(checkpoint, [file, replace_header(file, corruption="blur:3")], how=QUICK)
    for name in ("swap", "blend", "young", "old", "256 px and more"):
        assert re.search(rf"(?m)^\| [^|]*{name}", text), name
    assert "| blur:3 |" in text
    assert "single methods" not in text
    plain = ScoresFile(
        header=file.header,
        rows=[replace(row, group=None, face_px=None) for row in file.rows],
    )
    gaps = card(checkpoint, [plain], how=QUICK).split("## Unmeasured")[1]
    for words in ("sizes of faces", "groups of people", "corruptions", "did not learn from"):
        assert f"{words}" in gaps


def replace_header(file, **said):
    return ScoresFile(header=replace(file.header, **said), rows=file.rows)


def test_false_positives_are_told_by_recording(checkpoint):
    file = scores(checkpoint)
    reals = {}
    for row in file.rows:
        if row.label == 0 and row.logit is not None:
            reals.setdefault(row.source, []).append(row.logit >= 0)
    some = sum(any(calls) for calls in reals.values())
    half = sum(np.mean(calls) >= 0.5 for calls in reals.values())
    text = card(checkpoint, [file], how=QUICK)
    assert f": {some} of {len(reals)}; with half of theirs or more: {half}." in text


def test_scores_of_other_weights_are_refused(checkpoint):
    with pytest.raises(DataError, match="other weights"):
        card(checkpoint, [scores(checkpoint, sha256="0" * 64)])


def test_thresholds_name_their_unit_and_the_units_that_are_unmeasured(tiny_checkpoint, tmp_path):
    for file in tiny_checkpoint.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    meta = read_checkpoint(tmp_path).meta
    calibration = Calibration(kind="temperature", slope=0.5, measured_on="toy val")
    thresholds = Thresholds(fake=0.9, real=0.2, unit="person", fake_fpr=0.01, measured_on="toy val")
    updated = {"calibration": calibration, "thresholds": thresholds}
    write_metadata(tmp_path, meta.model_copy(update=updated))
    text = card(read_checkpoint(tmp_path))
    assert "Calibrated (temperature) on toy val" in text
    assert "reals at or above `fake`: 1.0%" in text
    assert "reals at or above `real`: unmeasured" in text
    assert "**Per image and per video these rates are unmeasured**" in text


def test_a_run_folder_tells_steps_time_and_what_computed(checkpoint, tmp_path):
    events = [
        {"event": "start", "step": 0, "device": "cpu", "precision": "32-true", "total_steps": 40},
        {"event": "train", "step": 20, "img_per_s": 4.0, "loss": 1.0},
        {"event": "train", "step": 40, "img_per_s": 2.0, "loss": 0.5},
        {"event": "valid", "step": 40, "auc": 0.75, "n": 10, "n_fake": 5},
        {"event": "end", "stopped": "finished", "step": 40, "best_step": 40},
    ]
    (tmp_path / "log.jsonl").write_text("\n".join(map(json.dumps, events)))
    record = {"recipe": {"train": {"batch": 360}}, "data_digest": "xyz", "versions": {"torch": "9"}}
    (tmp_path / "config.json").write_text(json.dumps(record))
    text = card(checkpoint, run=tmp_path)
    assert "40 of 40, finished" in text
    assert "1.50 h" in text  # 20 x 360 / 4 s and 20 x 360 / 2 s
    assert "step 40: AUC 0.750, 10 examples, 5 fake" in text
    assert "torch 9" in text
    with pytest.raises(DataError, match="no run folder"):
        card(checkpoint, run=tmp_path / "nowhere")


def test_the_card_of_the_default_detector_is_what_its_checkpoint_says():
    """docs/model-card.md is made by a command; a number that was edited would differ.

    It was made with scores and a run, which are not in the repository: what they add stands between
    what the checkpoint says of itself.
    """
    found = packaged("default")
    if found is None:
        pytest.skip("no detector is packaged")
    text, _, rest = card(read_checkpoint(found), title="The default detector").partition(
        "## Unmeasured"
    )
    said = iter((DOCS / "model-card.md").read_text(encoding="utf-8").splitlines())
    for line in (text + rest[rest.index("## What it cannot do") :]).splitlines():
        assert line in said, f"in this order: {line}"


def test_the_graph_that_ships_does_not_tell_where_it_was_made():
    found = packaged("default")
    if found is None:
        pytest.skip("no detector is packaged")
    data = (found / "model.onnx").read_bytes()
    assert b".py" not in data
