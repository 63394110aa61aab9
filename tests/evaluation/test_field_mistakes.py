"""Mistakes found in the field's code (protocols.md), made impossible on the way of an evaluation.

One test for each, by its number; 3, 10 and 11 are in test_field_mistakes_b.py.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from exam_data import FATES, FPS, N_FRAMES

import trees
from unmask.clips.tensors import normalise
from unmask.datasets.learned import LEARNED, Learned
from unmask.datasets.readers import read_dataset
from unmask.errors import CheckpointError, DataError
from unmask.evaluation.exam import Wanted
from unmask.evaluation.leaks import find_kin, refuse_kin
from unmask.evaluation.open_exam import open_exam
from unmask.evaluation.predict import predict
from unmask.evaluation.scores import Header, Row, ScoresFile
from unmask.models.checkpoint import read_checkpoint
from unmask.pipeline.detector import load
from unmask.types import InputSpec

HEADER = Header(detector="d", model="dtn/small", sha256="", data="", data_digest="")


def made(exam):
    """Every clip of an exam: its row and its pixels."""
    return [
        (row, frames)
        for case in exam.cases
        for piece in case.pieces(case.facts)
        for views in [piece()]
        if views.frames is not None
        for row, frames in zip(views.rows, views.frames, strict=True)
    ]


def test_mistake_1_one_name_in_four_methods_stays_four_videos(tiny_checkpoint, tmp_path):
    trees.ffpp(tmp_path / "ff")
    scores = predict(
        tiny_checkpoint, tmp_path / "ff", tmp_path / "s.parquet", dataset="ffpp", n_frames=1
    )
    same_name = {row.video for row in scores.rows if Path(row.video).stem == "000_003"}
    assert len(same_name) == len(trees.FF_METHODS)
    assert scores.at("video").n_videos == 2 + 2 * len(trees.FF_METHODS)


def test_mistake_1_an_id_that_stands_for_two_videos_is_refused():
    rows = [
        Row(video="000_003", label=1, source="000", method=method, track=1, clip=k, logit=1.0)
        for k, method in enumerate(trees.FF_METHODS)
    ]
    with pytest.raises(DataError, match="two videos"):
        ScoresFile(header=HEADER, rows=rows).at("video")


def test_mistake_2_frames_are_spread_over_the_video_and_not_its_first_ones(
    raw_list, raw_prepared, tiny_checkpoint
):
    spec = read_checkpoint(tiny_checkpoint).meta.input_spec
    half = (N_FRAMES / 2) / FPS
    for data, options in ((raw_prepared, {"clips": 2}), (raw_list, {"n_frames": 2})):
        exam = open_exam(data, Wanted(spec=spec, **options))
        times = [row.t_s for row, _ in made(exam) if row.video.endswith("/ann.mp4")]
        assert len(times) == 2
        assert times[0] < half <= times[1]


def test_mistake_4_videos_akin_to_those_learned_from_are_refused(raw_prepared, tmp_path):
    learned = Learned.of_crops([]) | Learned.of_videos(
        read_dataset("folder", trees_of_ann(tmp_path)).manifest.videos
    )
    (tmp_path / LEARNED).write_bytes(learned.document())
    kin = find_kin(open_exam(raw_prepared, Wanted(spec=InputSpec(size_px=64))), tmp_path)
    with pytest.raises(DataError, match="2 of 6"):
        refuse_kin(kin, "a detector")


def trees_of_ann(folder):
    """A training list of the same name that holds another fake of Ann's recording."""
    listed = folder / "drawn.csv"
    listed.write_text("file,label,split,sources\nnew.mp4,fake,train,ann.mp4\n")
    return listed


def test_mistake_4_an_unlisted_video_is_on_no_side(tiny_checkpoint, tmp_path):
    root = trees.ffpp(tmp_path / "ff", methods=("Deepfakes",))
    trees.put(root / "manipulated_sequences/Deepfakes/c23/videos/555_556.mp4")
    spec = read_checkpoint(tiny_checkpoint).meta.input_spec
    sides = [
        {case.facts.video for case in open_exam(root, wanted, dataset="ffpp").cases}
        for wanted in (Wanted(spec=spec, part=part) for part in ("train", "val", "test"))
    ]
    assert not any("555_556" in video for side in sides for video in side)
    assert not sides[0] & sides[1] | sides[1] & sides[2] | sides[0] & sides[2]


def test_mistake_5_times_are_the_containers_and_do_not_drift(raw_list, tiny_checkpoint):
    spec = read_checkpoint(tiny_checkpoint).meta.input_spec
    exam = open_exam(raw_list, Wanted(spec=spec, n_frames=N_FRAMES))
    times = [row.t_s for row, _ in made(exam) if row.video.endswith("/ann.mp4")]
    wanted = [float(Fraction(k) / FPS) for k in range(N_FRAMES)]
    np.testing.assert_allclose(times, wanted, atol=1e-4)
    assert abs(times[-1] - (N_FRAMES - 1) / 29) > 1e-3  # what a rate cast to int would give


def test_mistake_6_what_cannot_be_judged_has_no_score_and_is_counted(
    raw_list, tiny_checkpoint, tmp_path
):
    scores = predict(tiny_checkpoint, raw_list, tmp_path / "s.parquet", n_frames=2)
    for row in scores.rows:
        if Path(row.video).name in FATES:
            assert (row.logit, row.outcome) == (None, FATES[Path(row.video).name])
            assert row.reason
    found = scores.at("video")
    assert found.missed == Counter(FATES.values())
    assert found.coverage == 0.5
    assert not np.isin(found.p_fake, (0.0, 0.5, 1.0)).any()


@pytest.mark.parametrize("gone", ["weights.safetensors", "model.onnx", "all"])
def test_mistake_7_without_weights_nothing_is_scored(gone, crops, tiny_checkpoint, tmp_path):
    import shutil

    folder = tmp_path / "checkpoint"
    shutil.copytree(tiny_checkpoint, folder)
    for name in ("weights.safetensors", "model.onnx"):
        if gone in (name, "all"):
            (folder / name).unlink()
    for checkpoint in (folder, "xception" if gone == "all" else folder):
        with pytest.raises(CheckpointError):
            predict(checkpoint, crops, tmp_path / "s.parquet", part="val")
    assert not (tmp_path / "s.parquet").exists()


def test_mistake_8_evaluation_sees_the_pixels_that_a_scan_sees(
    raw_list, raw_prepared, tiny_checkpoint
):
    detector = load(tiny_checkpoint)
    spec = detector.input_spec
    raw, prepared = (
        [frames for row, frames in made(exam) if row.video.endswith("/ann.mp4")]
        for exam in (
            open_exam(raw_list, Wanted(spec=spec, n_frames=N_FRAMES)),
            open_exam(raw_prepared, Wanted(spec=spec)),
        )
    )
    batches = detector.batches(raw_list.parent / "ann.mp4", n_frames=N_FRAMES)
    scanned = np.concatenate([batch.frames for batch in batches])
    for views in (raw, prepared):
        np.testing.assert_array_equal(normalise(np.stack(views), spec), scanned)


def test_mistake_9_the_exported_graph_and_the_trained_weights_say_the_same(
    crops, tiny_checkpoint, tmp_path
):
    by_graph, by_weights = (
        predict(
            tiny_checkpoint, crops, tmp_path / f"{backend}.parquet", part="val", backend=backend
        )
        for backend in ("openvino", "torch")
    )
    assert by_graph.header.runtime != by_weights.header.runtime
    assert by_graph.header.sha256 != by_weights.header.sha256
    pairs = zip(by_graph.rows, by_weights.rows, strict=True)
    assert all(
        replace(a, logit=None, outcome="") == replace(b, logit=None, outcome="") for a, b in pairs
    )
    logits = [[row.logit for row in scores.rows] for scores in (by_graph, by_weights)]
    np.testing.assert_allclose(*logits, atol=0.05)  # the graph may run in bf16
