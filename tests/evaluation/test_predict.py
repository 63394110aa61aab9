"""Laws of scoring a side of some data: what a scan would say, failures as rows, nothing mixed."""

from __future__ import annotations

import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from exam_data import FATES, N_FRAMES, SCORED, write_crops

from unmask.datasets.prepared import open_prepared
from unmask.errors import DataError, UsageError
from unmask.evaluation.caveats import known_of
from unmask.evaluation.exam import Wanted, seen_often, spread
from unmask.evaluation.open_exam import open_exam
from unmask.evaluation.predict import predict
from unmask.evaluation.raw_exam import shown_at
from unmask.evaluation.scores import ScoresFile
from unmask.evaluation.scoring_pass import score_cases
from unmask.models.checkpoint import read_checkpoint
from unmask.pipeline.detector import load
from unmask.types import InputSpec, Output
from unmask.video.corrupt import KINDS, Corruption, corrupt_faces
from unmask.video.decode import open_media


@pytest.fixture(scope="module")
def by_raw(raw_list, tiny_checkpoint, tmp_path_factory):
    file = tmp_path_factory.mktemp("raw-scores") / "scores.parquet"
    return predict(tiny_checkpoint, raw_list, file, n_frames=N_FRAMES)


@pytest.fixture(scope="module")
def by_prepared(raw_prepared, tiny_checkpoint, tmp_path_factory):
    file = tmp_path_factory.mktemp("prepared-scores") / "scores.parquet"
    return predict(tiny_checkpoint, raw_prepared, file)


def names(scores):
    return {Path(row.video).name: row.outcome for row in scores.rows}


@pytest.mark.parametrize("which", ["by_raw", "by_prepared"])
def test_every_video_of_the_side_is_there_scored_or_with_a_reason(which, request):
    scores = request.getfixturevalue(which)
    assert names(scores) == FATES | dict.fromkeys(SCORED, "scored")
    assert all(row.reason for row in scores.rows if row.outcome != "scored")
    videos = scores.at("video")
    assert videos.missed == Counter(FATES.values())
    assert videos.coverage == 0.5
    assert {row.split for row in scores.rows} == {"test"}


def test_a_videos_score_is_the_one_that_a_scan_reports(by_raw, raw_list, tiny_checkpoint):
    detector = load(tiny_checkpoint)
    scored = by_raw.at("video")
    for name in SCORED:
        report = detector.scan(raw_list.parent / name, n_frames=N_FRAMES)
        (place,) = (i for i, video in enumerate(scored.video) if video.endswith(f"/{name}"))
        assert scored.p_fake[place] == pytest.approx(report.p_fake, abs=2e-3)


def test_a_passer_by_is_no_part_of_a_videos_score(by_raw):
    tracks = {row.track for row in by_raw.rows if row.video.endswith("both.mp4")}
    assert len(tracks) == 1
    assert seen_often([2, 3], int, 32) == [2, 3]
    assert seen_often([2, 9], int, 32) == [9]
    assert seen_often([1, 2], int, 2) == [2]


def test_prepared_without_loss_and_raw_give_the_same_rows(by_raw, by_prepared):
    def known(scores):
        return [replace(row, logit=None, reason="") for row in scores.rows]

    assert known(by_raw) == known(by_prepared)
    logits = [scores.columns.numbers("logit") for scores in (by_raw, by_prepared)]
    np.testing.assert_allclose(*logits, atol=2e-3)


def test_a_header_says_who_scored_what(by_prepared, tiny_checkpoint):
    header, meta = by_prepared.header, read_checkpoint(tiny_checkpoint).meta
    assert (header.model, header.data, header.part) == ("dtn/small", "drawn test", "test")
    assert header.sha256 == meta.sha256["model.onnx"]
    assert (header.calibration, header.thresholds) == (meta.calibration, meta.thresholds)
    assert header.runtime.startswith("openvino")
    assert (header.leaks, header.trained_on) == (None, ())


def test_the_file_holds_what_was_returned_and_no_parts_are_left(crops, tiny_checkpoint, tmp_path):
    scores = predict(tiny_checkpoint, crops, tmp_path / "s.parquet", part="val")
    again = ScoresFile.read(tmp_path / "s.parquet")
    assert (again.header, again.rows) == (scores.header, scores.rows)
    assert [path.name for path in tmp_path.iterdir()] == ["s.parquet"]


def test_every_crop_is_a_clip_of_its_video(crops, tiny_checkpoint, tmp_path):
    scores = predict(tiny_checkpoint, crops, tmp_path / "s.parquet", part="val")
    assert len(scores.rows) == 40
    assert Counter(scores.at("video").label.tolist()) == {0: 10, 1: 10}
    one = predict(tiny_checkpoint, crops, tmp_path / "one.parquet", part="val", clips=1)
    assert len(one.rows) == 20
    wanted = {(row.video, row.clip): row.logit for row in scores.rows}
    for row in one.rows:
        assert row.logit == pytest.approx(wanted[row.video, row.clip], abs=2e-3)


def test_a_limit_that_leaves_videos_out_stays_with_the_scores(crops, tiny_checkpoint, tmp_path):
    part = predict(tiny_checkpoint, crops, tmp_path / "part.parquet", part="val", limit=7)
    whole = predict(tiny_checkpoint, crops, tmp_path / "all.parquet", part="val", limit=500)
    assert ScoresFile.read(tmp_path / "part.parquet").header.limited_from == 20
    assert whole.header.limited_from is None
    assert sum("--limit" in line for line in known_of(part)) == 1
    assert not any("--limit" in line for line in known_of(whole))


def test_a_limit_keeps_whole_recordings(crops, tiny_checkpoint, tmp_path):
    scores = predict(tiny_checkpoint, crops, tmp_path / "s.parquet", part="val", limit=7)
    labels = Counter((row.source, row.label) for row in scores.rows)
    assert set(labels.values()) == {2}
    assert len(labels) in {6, 8}


def test_threads_and_backends_change_no_row(crops, tiny_checkpoint, tmp_path):
    one = predict(tiny_checkpoint, crops, tmp_path / "1.parquet", part="val")
    many = predict(tiny_checkpoint, crops, tmp_path / "3.parquet", part="val", workers=3)
    assert one.rows == many.rows
    torch = predict(tiny_checkpoint, crops, tmp_path / "t.parquet", part="val", backend="torch")
    logits = [[row.logit for row in scores.rows] for scores in (one, torch)]
    np.testing.assert_allclose(*logits, atol=0.05)  # the graph may run in bf16


def test_a_damaged_crop_is_a_row_and_stops_nothing(crops, tiny_checkpoint, tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pq.read_table(crops / "val.parquet")
    images = table["image"].to_pylist()
    images[0] = b"no picture"
    folder = tmp_path / "noise_faces"
    folder.mkdir()
    pq.write_table(table.set_column(0, "image", pa.array(images)), folder / "val.parquet")
    scores = predict(tiny_checkpoint, folder, tmp_path / "s.parquet", part="val")
    assert Counter(row.outcome for row in scores.rows) == {"scored": 39, "unreadable": 1}


def test_folders_of_pictures_are_crops_and_of_videos_are_raw(raw_list, tmp_path):
    spec = InputSpec(size_px=64)
    for kind in ("real", "fake"):
        (tmp_path / "pictures/val" / kind).mkdir(parents=True)
        cv2.imwrite(str(tmp_path / f"pictures/val/{kind}/a.png"), np.zeros((70, 70, 3), np.uint8))
        (tmp_path / "videos" / kind).mkdir(parents=True)
        shutil.copy(raw_list.parent / "ann.mp4", tmp_path / "videos" / kind / f"{kind}.mp4")
    crops = open_exam(tmp_path / "pictures", Wanted(spec=spec, part="val"))
    raw = open_exam(tmp_path / "videos", Wanted(spec=spec, part="all"))
    assert (crops.applied_to, raw.applied_to) == ("crop", "frame")
    assert [len(exam.cases) for exam in (crops, raw)] == [2, 2]


@pytest.mark.parametrize(
    ("spec", "part", "error", "said"),
    [
        (InputSpec(size_px=64), "test", UsageError, "train and val"),
        (InputSpec(size_px=64, n_frames=8), "val", UsageError, "single pictures"),
    ],
)
def test_crops_are_refused_for_what_they_cannot_answer(crops, spec, part, error, said):
    with pytest.raises(error, match=said):
        open_exam(crops, Wanted(spec=spec, part=part))


def test_a_place_without_data_says_what_could_be_there(tmp_path):
    with pytest.raises(DataError, match="--dataset"):
        open_exam(tmp_path, Wanted(spec=InputSpec(size_px=64)))


def test_a_side_without_videos_is_an_error(raw_prepared):
    with pytest.raises(DataError, match="side val"):
        open_exam(raw_prepared, Wanted(spec=InputSpec(size_px=64), part="val"))


def test_one_name_for_two_crops_videos_is_refused(crops, tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pq.read_table(crops / "val.parquet")
    same = table.set_column(2, "video", pa.array(table["original"].to_pylist()))
    pq.write_table(same, tmp_path / "val.parquet")
    with pytest.raises(DataError, match="stands for two videos"):
        open_exam(tmp_path, Wanted(spec=InputSpec(size_px=64), part="val"))


def test_a_network_that_answers_no_number_is_a_failure(crops):
    class Broken:
        name = "broken"

        def __call__(self, batch):
            logit = np.arange(batch.size, dtype=np.float32)
            return Output(logit=np.where(logit == 3, np.nan, logit))

    spec = InputSpec(size_px=64)
    cases = open_exam(crops, Wanted(spec=spec, part="val")).cases
    rows = score_cases(cases, Broken(), spec)
    assert [row.outcome for row in rows].count("not_finite") == 1


@pytest.mark.parametrize("kind", ["blur", "noise", "video"])
def test_stored_crops_are_corrupted_before_the_cut_and_by_the_video_alone(
    kind, raw_prepared, tiny_checkpoint
):
    spec = read_checkpoint(tiny_checkpoint).meta.input_spec
    corruption = Corruption(kind=kind, level=4)
    clean, changed, again, some = (
        {
            row.video + str(row.t_s): views
            for case in open_exam(raw_prepared, Wanted(spec=spec, **options)).cases
            for piece in case.pieces(case.facts)
            for made in [piece()]
            if made.frames is not None
            for row, views in zip(made.rows, made.frames, strict=True)
        }
        for options in (
            {},
            *[{"corruption": corruption}] * 2,
            {"corruption": corruption, "clips": 2},
        )
    )
    assert all((changed[key] != clean[key]).any() for key in clean)
    assert all((changed[key] == again[key]).all() for key in clean)
    assert len(some) < len(changed)
    assert all((changed[key] == views).all() for key, views in some.items())
    from unmask.clips.tensors import cut_views

    track = open_prepared([str(raw_prepared)], part="test").track(0)
    video = open_prepared([str(raw_prepared)], part="test").rows[0].video.id
    for face in corrupt_faces(track.faces, corruption, video=video):
        assert (cut_views([face], spec) == changed[video + str(face.t_s)]).all()


def test_raw_frames_are_corrupted_before_faces_are_looked_for(raw_list, tiny_checkpoint, tmp_path):
    grey = Corruption(kind="contrast", level=5)
    scores = predict(tiny_checkpoint, raw_list, tmp_path / "s.parquet", corruption=grey, n_frames=2)
    assert (scores.header.corruption, scores.header.applied_to) == ("contrast:5", "frame")
    clean = predict(
        tiny_checkpoint,
        raw_list,
        tmp_path / "clean.parquet",
        corruption=replace(grey, level=0),
        n_frames=2,
    )
    assert (clean.header.corruption, clean.header.applied_to) == ("none", "")
    assert [row.logit for row in clean.rows] != [row.logit for row in scores.rows]


@pytest.mark.parametrize("times", [(0.0,), (0.05, 0.06, 0.1), (-1.0, 0.08, 9.0), ()])
def test_frames_shown_at_some_times_are_those_that_a_reader_shows(raw_list, times):
    with open_media(raw_list.parent / "ann.mp4") as reader:
        wanted = [frame.t_s for frame in reader.frames(times)]
        found = [frame.t_s for frame in shown_at(reader.all_frames(), times)]
    assert found == wanted


def test_h264_is_shown_every_frame_and_sampled_after(raw_list, tiny_checkpoint):
    from unmask.evaluation.raw_exam import _corrupted
    from unmask.video.corrupt import corrupt_frames

    assert "video" in KINDS
    corruption = Corruption(kind="video", level=3)
    with open_media(raw_list.parent / "ann.mp4") as reader:
        whole = list(corrupt_frames(reader.all_frames(), corruption, video="v"))
        (shown,) = _corrupted(corruption, "v")(reader, [whole[3].t_s + 0.01])
    assert shown.t_s == whole[3].t_s
    assert (shown.rgb == whole[3].rgb).all()


def test_clips_are_spread_over_all_there_are():
    assert spread("abc", None) == spread("abc", 5) == [(0, "a"), (1, "b"), (2, "c")]
    assert [place for place, _ in spread(range(32), 4)] == [4, 12, 20, 28]


def test_a_side_set_aside_by_the_recipe_is_scored_by_name(crops, tmp_path, tiny_checkpoint):
    from unmask.config import plain
    from unmask.datasets.dataconfig import DataConfig

    recipe = {"data": plain(DataConfig(calib_share=0.5))}
    wanted = Wanted(spec=InputSpec(size_px=64), part="calib")
    calib = open_exam(crops, wanted, recipe=recipe)
    everything = open_exam(crops, replace(wanted, part="train"))
    sources = {case.facts.source for case in calib.cases}
    assert 0 < len(sources) < len({case.facts.source for case in everything.cases})
    with pytest.raises(UsageError, match="no recipe"):
        predict(tiny_checkpoint, crops, tmp_path / "s.parquet", part="calib")


def test_data_prepared_for_stills_are_refused_for_clips(raw_prepared):
    with pytest.raises(DataError, match="clips16"):
        open_exam(raw_prepared, Wanted(spec=InputSpec(size_px=64, n_frames=16)))


def test_raw_videos_too_short_for_a_clip_are_rows(raw_list):
    spec = InputSpec(size_px=64, n_frames=16)
    exam = open_exam(raw_list, Wanted(spec=spec, n_frames=16))
    (ann,) = (case for case in exam.cases if case.facts.video.endswith("ann.mp4"))
    (row,) = ann.pieces(ann.facts)[0]().rows
    assert row.outcome == "too_short"


def test_crops_of_other_recordings_give_another_digest(crops, tmp_path):
    wanted = Wanted(spec=InputSpec(size_px=64), part="val")
    other = write_crops(tmp_path / "noise_faces" / "val.parquet", range(1, 11))
    digests = {open_exam(path, wanted).data_digest() for path in (crops, other.parent)}
    assert len(digests) == 2
