"""Laws of what becomes of every video that is prepared."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from prepared_clips import N_FRAMES, contents, only, prepared

from unmask.datasets.manifest import read_manifest
from unmask.datasets.sound import decode_flac
from unmask.errors import DataError, MissingExtraError, OutputError, UsageError
from unmask.faces.detect import FaceDetector
from unmask.pipeline.ingest import ingest
from unmask.types import InputSpec


@pytest.fixture
def manifest(drawn_set):
    return drawn_set


@pytest.fixture
def out(drawn_out):
    return drawn_out


def rows_of(out, kind, video=None):
    files = sorted((out / kind).glob("*.parquet"))
    rows = [row for file in files for row in pq.read_table(file).to_pylist()]
    return [row for row in rows if video is None or row["video"].endswith(f"/{video}")]


def test_every_video_is_in_the_manifest_with_its_fate(manifest, out):
    read = read_manifest(out / "manifest.parquet")
    assert [video.id for video in read.videos] == [video.id for video in manifest.videos]
    fates = {
        video.path.removesuffix(".mp4"): (video.outcome, video.reason) for video in read.videos
    }
    for name in ("ann", "both", "ann_fake", "ann_short", "ann_small", "ann_slow"):
        assert fates[name] == ("prepared", "")
    assert fates["wall"] == ("no_face", "no face was found")
    assert fates["gone"] == fates["stray"] == ("missing", "there is no such file")
    assert fates["empty"][0] == fates["torn"][0] == "unreadable"
    assert "empty (0 bytes)" in fates["empty"][1]
    for _, reason in fates.values():  # files may lie elsewhere tomorrow
        assert manifest.root not in reason


def test_coverage_counts_what_the_tables_hold(manifest, out):
    record = json.loads((out / "prepare.json").read_text())
    coverage = record["coverage"]
    assert record["complete"]
    assert coverage["outcomes"] == {"prepared": 6, "missing": 2, "unreadable": 2, "no_face": 1}
    assert coverage["n_videos"] == len(manifest)
    assert coverage["n_faces"] == len(rows_of(out, "faces"))
    assert coverage["n_borrowed"] == 2  # ann_fake and ann_short
    assert sum(coverage["reasons"]["unreadable"].values()) == 2


def test_a_failure_nobody_foresaw_costs_one_video(manifest, tmp_path, monkeypatch):
    from unmask.datasets import extract

    def strange(*args, **kwargs):
        raise ZeroDivisionError("no such thing")

    monkeypatch.setattr(extract, "ingest_at", strange)
    result = prepared(manifest, tmp_path / "out")
    assert result.coverage.outcomes == {"unreadable": 9, "missing": 2}
    reason = "could not be analysed (ZeroDivisionError: no such thing)"
    assert result.coverage.reasons["unreadable"] == {reason: 9}


def test_faces_are_those_of_a_scan(manifest, tmp_path):
    prepared(only(manifest, "both"), tmp_path, sampling="evenly5", lossless=True)
    spec = InputSpec(size_px=64)
    path = Path(manifest.root, "both.mp4")
    tracks = ingest(path, spec, n_frames=5, faces=FaceDetector()).tracks
    scanned = [(track.id, face) for track in tracks for face in track.faces]
    kept = rows_of(tmp_path, "faces", "both")
    assert len(kept) == len(scanned) > 5
    for row, (track, face) in zip(kept, scanned, strict=True):
        assert (row["track"], row["t_s"]) == (track, face.t_s)
        assert (row["crop_x"], row["crop_y"]) == face.crop_origin_px
        assert (row["crop_h"], row["crop_w"]) == face.crop.shape[:2]
        assert {k: row[k] for k in vars(face.quality)} == pytest.approx(vars(face.quality))
        np.testing.assert_allclose(row["box"], face.box_xyxy_px, atol=1e-3)  # threads: rounding


def test_the_main_person_is_the_one_seen_most(manifest, out, tmp_path):
    assert {row["track"] for row in rows_of(out, "faces", "both")} == {1, 2}
    both = only(manifest, "both")
    prepared(both, tmp_path, sampling="every", people="main", lossless=True)
    (main,) = {row["track"] for row in rows_of(tmp_path, "faces", "both")}
    kept = rows_of(tmp_path, "faces", "both")
    assert main == 1
    assert kept == [row for row in rows_of(out, "faces", "both") if row["track"] == 1]
    assert len(kept) == N_FRAMES


def test_a_fake_takes_the_faces_of_its_real_where_they_fit(out):
    real = {row["frame"]: row for row in rows_of(out, "faces", "ann")}
    assert all(row["boxes_from"] is None for row in real.values())
    for name, length in (("ann_fake", N_FRAMES), ("ann_short", N_FRAMES // 2)):
        rows = rows_of(out, "faces", name)
        assert [row["frame"] for row in rows] == list(range(length))
        for row in rows:
            assert row["boxes_from"] == "drawn/original/ann"
            twin = real[row["frame"]]
            for same in ("track", "t_s", "box", "landmarks", "crop_x", "crop_y", "confidence"):
                assert row[same] == twin[same]
            assert row["image"] != twin["image"]
    for name in ("ann_small", "ann_slow"):  # other size, other rate
        assert {row["boxes_from"] for row in rows_of(out, "faces", name)} == {None}


def test_a_fake_may_be_searched_for_itself(manifest, tmp_path):
    result = prepared(only(manifest, "ann", "ann_fake"), tmp_path, boxes="own")
    assert result.coverage.n_borrowed == 0
    assert {row["boxes_from"] for row in rows_of(tmp_path, "faces")} == {None}


def test_masks_are_cut_like_the_faces_they_belong_to(out):
    import cv2

    with_mask = [row for row in rows_of(out, "faces") if row["mask"] is not None]
    assert {row["video"].rpartition("/")[2] for row in with_mask} == {"ann_fake"}
    assert len(with_mask) == N_FRAMES
    for row in with_mask:
        kept = cv2.imdecode(np.frombuffer(row["mask"], np.uint8), cv2.IMREAD_GRAYSCALE)
        drawn = np.zeros((240, 320), bool)
        drawn[130:160, 100:200] = True
        x, y = row["crop_x"], row["crop_y"]
        inside = drawn[y : y + row["crop_h"], x : x + row["crop_w"]]
        assert kept.shape == inside.shape
        assert ((kept > 127) == inside).mean() > 0.99  # the mask was encoded as video


def test_sound_is_kept_whole_at_its_own_rate(manifest, out):
    from unmask.video.audio import read_audio

    (row,) = rows_of(out, "audio", "ann")
    heard = read_audio(Path(manifest.root, "ann.mp4"), 48_000)
    assert row["rate_hz"] == 48_000
    assert row["n_samples"] == len(heard)
    np.testing.assert_allclose(decode_flac(row["sound"]), heard, atol=2**-15)
    assert not rows_of(out, "audio", "wall")


def test_whole_frames_are_kept_of_all_that_can_be_seen(out):
    from collections import Counter

    counts = Counter(row["video"].rpartition("/")[2] for row in rows_of(out, "frames"))
    assert counts["wall"] == counts["ann"] == counts["ann_fake"] == N_FRAMES
    assert not counts["torn"]


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"sampling": "evenly5"}, "settings.sampling.name"),
        ({"people": "main"}, "settings.people"),
        ({"lossless": False}, "settings.lossless"),
        ({"boxes": "own"}, "settings.boxes"),
    ],
)
def test_other_settings_are_refused_by_name(manifest, out, change, named):
    before = contents(out)
    settings = {"sampling": "every", "lossless": True, "whole_frames": True} | change
    with pytest.raises(UsageError, match=named):
        prepared(manifest, out, **settings)
    assert contents(out) == before


def test_other_videos_are_refused(manifest, out):
    fewer = replace(manifest, videos=manifest.videos[1:])
    with pytest.raises(UsageError, match=r"videos\.count: 11 -> 10"):
        prepared(fewer, out, sampling="every", lossless=True, whole_frames=True)


def test_other_sides_are_refused_in_words(manifest, out):
    moved = replace(manifest.videos[0], split="test", split_reason="")
    other = replace(manifest, videos=(moved, *manifest.videos[1:]))
    with pytest.raises(UsageError, match="the list of videos: other files, sides, labels"):
        prepared(other, out, sampling="every", lossless=True, whole_frames=True)


def test_a_file_in_the_place_of_the_result_is_refused(manifest, tmp_path):
    (tmp_path / "out").write_bytes(b"mine")
    with pytest.raises(OutputError, match="is a file; name a folder"):
        prepared(manifest, tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == b"mine"


def test_work_begun_with_other_versions_is_not_gone_on_with(manifest, out, tmp_path):
    for name, data in contents(out).items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(data)
    record = json.loads((tmp_path / "prepare.json").read_text())
    record["versions"]["av"] = "1.0"
    (tmp_path / "prepare.json").write_text(json.dumps(record))
    settings = {"sampling": "every", "lossless": True, "whole_frames": True}
    assert prepared(manifest, tmp_path, **settings).n_earlier == len(manifest)  # nothing to do
    (tmp_path / "journal" / "00003.json").unlink()
    with pytest.raises(DataError, match=r"av 1\.0 ->"):
        prepared(manifest, tmp_path, **settings)


def test_dlib_says_what_to_install(manifest, tmp_path, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "dlib", None)
    with pytest.raises(MissingExtraError, match=r"unmask\[dlib\]"):
        prepared(manifest, tmp_path, detector="dlib")


class Hog:
    """dlib's detector: rectangles with both ends included, and scores."""

    class Rectangle:
        left, top, right, bottom = (lambda self, v=v: v for v in (10, 20, 109, 119))

    def run(self, image, upsample, threshold):
        assert image.shape == (240, 320, 3)
        assert threshold == 0
        return [self.Rectangle(), self.Rectangle()], [2.5, 0.4], [0, 0]


def test_a_box_of_dlib_is_seen_again_as_it_was_drawn():
    from unmask.clips.tensors import view_region
    from unmask.datasets.detectors import DlibDetector
    from unmask.faces.align import cut_face

    hog = Hog()
    hog.get_frontal_face_detector = lambda: hog
    image = np.zeros((240, 320, 3), np.uint8)
    ((sure, doubtful),) = DlibDetector(hog).detect([image])
    assert sure.box_xyxy_px == (10, 20, 110, 120)
    assert (sure.confidence, doubtful.confidence) == (1.0, 0.6)
    seen = view_region(cut_face(image, sure, 0.0), InputSpec(size_px=64, alignment="dlib"))
    assert (seen.cx, seen.cy, seen.side) == pytest.approx((60, 70, 100), abs=1e-4)


def test_dlib_finds_the_drawn_face():
    pytest.importorskip("dlib")
    from face_clips import face_centre, walk
    from unmask.datasets.detectors import open_detector

    ((found, *_),) = open_detector("dlib").detect([next(walk(1))])
    x0, y0, x1, y1 = found.box_xyxy_px
    assert ((x0 + x1) / 2, (y0 + y1) / 2) == pytest.approx(face_centre(0.0), abs=20)
