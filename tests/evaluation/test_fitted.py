"""Laws of what was fitted on: whoever reports on it is told so, under whatever name it comes."""

from __future__ import annotations

import shutil
from dataclasses import replace

import pytest
from exam_data import write_crops
from handmade_scores import HEADER

from unmask.errors import CheckpointError
from unmask.evaluation.calibrating import calibrate
from unmask.evaluation.card import card
from unmask.evaluation.caveats import known_of
from unmask.evaluation.cells import How
from unmask.evaluation.fitted import FITTED, count_fitted, keep_fitted
from unmask.evaluation.predict import predict
from unmask.evaluation.scores import Row, ScoresFile
from unmask.models.checkpoint import read_checkpoint
from unmask.models.weights import write_metadata
from unmask.types import Calibration

TOO_GOOD = "probabilities and thresholds were fitted on"


def row(video: str, **more) -> Row:
    return Row(video=video, label=0, **{"source": f"d/{video}", "dataset": "d", **more})


@pytest.fixture
def fitted(tiny_checkpoint, tmp_path):
    """A checkpoint calibrated on 100 recordings of crops, and the folder that they lie in."""
    best = shutil.copytree(tiny_checkpoint, tmp_path / "best")
    faces = tmp_path / "faces"
    write_crops(faces / "val.parquet", range(100))
    scores = predict(best, faces, tmp_path / "first.parquet", part="val")
    labels = scores.columns.numbers("label")
    told = replace(scores.header, data="faces val")
    rows = [
        replace(row, logit=4.0 * label + 0.01 * k)
        for k, (row, label) in enumerate(zip(scores.rows, labels, strict=True))
    ]
    calibrate(best, ScoresFile(header=told, rows=rows), kind="platt")
    return best, faces, tmp_path


def test_scores_of_what_was_fitted_on_say_so_under_any_name_and_in_any_part(fitted):
    best, _, folder = fitted
    write_crops(folder / "renamed" / "val.parquet", range(90, 110))  # 10 recordings of the 100
    write_crops(folder / "others" / "val.parquet", range(200, 205))
    counts = {}
    for name in ("faces", "renamed", "others"):
        scores = predict(best, folder / name, folder / f"{name}.parquet", part="val")
        counts[name] = scores.header.fitted
        said = [line for line in known_of(scores) if TOO_GOOD in line]
        assert len(said) == bool(counts[name])
        assert all(f"{counts[name]} videos" in line for line in said)
        text = card(read_checkpoint(best), [scores], how=How(resamples=100))
        assert (TOO_GOOD in text) == bool(counts[name])
    assert counts == {"faces": 200, "renamed": 20, "others": 0}


def test_a_person_fitted_on_is_found_in_other_recordings_of_the_same_data(fitted, tmp_path):
    checkpoint = read_checkpoint(fitted[0])
    (tmp_path / "p").mkdir()
    seen = row("a", identities=("id7",), logit=1.0)
    hashes = keep_fitted(tmp_path / "p", ScoresFile(header=HEADER, rows=[seen]))
    meta = checkpoint.meta.model_copy(update={"sha256": hashes})
    here = replace(checkpoint, folder=tmp_path / "p", meta=meta)
    assert count_fitted(here, [row("b", identities=("id8", "id7"))]) == 1
    assert count_fitted(here, [row("b", identities=("id7",), dataset="e")]) == 0
    assert b"id7" not in (tmp_path / "p" / FITTED).read_bytes()


def test_nobody_knows_where_a_checkpoint_keeps_no_record_and_the_table_says_so(fitted, tmp_path):
    best = fitted[0]
    meta = read_checkpoint(best).meta
    hashes = {name: digest for name, digest in meta.sha256.items() if name != FITTED}
    write_metadata(best, meta.model_copy(update={"sha256": hashes}))
    assert count_fitted(read_checkpoint(best), [row("a")]) is None
    header = replace(
        ScoresFile.read(tmp_path / "first.parquet").header,
        calibration=Calibration(measured_on="faces val"),
        fitted=None,
    )
    scores = ScoresFile(header=header, rows=[row("a", logit=0.0)])
    assert any("(faces val) is not recorded" in line for line in known_of(scores))
    bare = ScoresFile(header=replace(header, calibration=None, thresholds=None), rows=scores.rows)
    assert not any("fitted" in line for line in known_of(bare))


def test_a_changed_record_is_a_damaged_checkpoint(fitted):
    (fitted[0] / FITTED).write_text("nothing\n")
    with pytest.raises(CheckpointError, match=FITTED):
        read_checkpoint(fitted[0])
