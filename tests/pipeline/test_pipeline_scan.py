"""Laws of scanning one file and many: threads, failures, memory, the Python interface."""

import json
import logging
import os
import shutil
import threading
import time
import weakref
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import unmask
from face_clips import FPS, scene, write_walk
from media import write_clip
from unmask.errors import UnreadableMediaError, UsageError
from unmask.faces.detect import FaceDetector
from unmask.faces.follow import STEP
from unmask.pipeline import detector as detector_module
from unmask.pipeline import ingest as ingest_module
from unmask.pipeline.batch import Failure, find_media, scan_all, usual_workers
from unmask.pipeline.detector import SHOWN_FACES
from unmask.pipeline.ingest import FRAMES_AHEAD, sample_times
from unmask.report.schema import to_json
from unmask.types import Frame, InputSpec, Report
from unmask.video import open_media


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Clips that differ, with a bad file among them."""
    folder = tmp_path_factory.mktemp("many")
    for k in range(4):
        write_walk(folder / f"{k}.mp4", 6 + k)
    (folder / "2b.mp4").write_text("not a video")
    return sorted(folder.iterdir())


def told(answer):
    """All of an answer but the time it took."""
    if isinstance(answer, Failure):
        return str(answer.error)
    return json.loads(to_json(answer)) | {"timing_s": None}


def test_several_workers_give_the_answers_of_one_in_the_same_order(tiny_detector, files):
    one, two = (list(scan_all(tiny_detector, files, n_frames=3, workers=n)) for n in (1, 2))
    assert [told(answer) for answer in two] == [told(answer) for answer in one]
    assert [isinstance(answer, Failure) for answer in one] == [False, False, False, True, False]


def test_no_more_files_are_scanned_at_once_than_there_are_files_or_cores():
    assert usual_workers(1) == 1
    assert all(1 <= usual_workers(n) <= min(n, os.cpu_count()) for n in range(1, 20))


def test_no_face_detector_is_used_by_two_threads(tiny_checkpoint, files, monkeypatch):
    class OneThreads(FaceDetector):
        def detect(self, images):
            vars(self).setdefault("thread", threading.get_ident())
            assert vars(self)["thread"] == threading.get_ident(), "shared between threads"
            return super().detect(images)

    monkeypatch.setattr(detector_module, "FaceDetector", OneThreads)
    detector = unmask.load(tiny_checkpoint)
    answers = list(scan_all(detector, [f for f in files if f.stem != "2b"], n_frames=2, workers=3))
    assert all(isinstance(answer, Report) for answer in answers), answers


def test_a_reader_who_stops_early_ends_the_work(tiny_detector, files):
    answers = scan_all(tiny_detector, files * 50, n_frames=1, workers=2)
    next(answers)
    answers.close()
    names = [thread.name for thread in threading.enumerate()]
    assert not any(name.startswith("unmask-scan") for name in names)


def test_scans_under_way_end_within_a_few_frames_once_nobody_waits(
    tiny_checkpoint, tmp_path, monkeypatch
):
    """As when a person presses Ctrl-C: the others would go on for 200 frames each."""
    searched = []

    class Slow(FaceDetector):
        def detect(self, images):
            searched.append(time.sleep(0.02))
            return super().detect(images)

    monkeypatch.setattr(detector_module, "FaceDetector", Slow)
    short = write_walk(tmp_path / "short.mp4", 4)
    long = write_clip(tmp_path / "long.mp4", 200, size=(160, 96))
    answers = scan_all(unmask.load(tiny_checkpoint), [short, long, long], n_frames=200, workers=3)
    next(answers)
    answers.close()
    assert len(searched) < 150
    assert not [t for t in threading.enumerate() if t.name.startswith("unmask")]


def test_a_failure_of_ours_costs_one_file_and_is_told_without_a_traceback(
    tiny_detector, files, monkeypatch, caplog
):
    scan = tiny_detector.scan

    def broken(path, **options):
        if path == files[1]:
            raise ZeroDivisionError("by nought")
        return scan(path, **options)

    monkeypatch.setattr(tiny_detector, "scan", broken)
    answers = list(scan_all(tiny_detector, files[:3], n_frames=1))
    assert [isinstance(answer, Failure) for answer in answers] == [False, True, False]
    assert "could not be analysed (ZeroDivisionError: by nought)" in str(answers[1].error)
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


def test_only_a_few_frames_are_held(face_clip, monkeypatch):
    """What is kept are crops; a frame of any length of video is let go."""
    alive, most = weakref.WeakSet(), 0
    rgb = scene({"ann": (30, 5)})

    class LongVideo:
        lost = None

        def __init__(self, path):
            self.info = open_media(face_clip).info

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def frames(self, times):
            nonlocal most
            for k in range(40):
                frame = Frame(t_s=float(k), rgb=rgb.copy())
                alive.add(frame)
                most = max(most, len(alive))
                yield frame

    monkeypatch.setattr(ingest_module, "Reader", LongVideo)
    spec = InputSpec(size_px=64, alignment="dlib")
    seen = ingest_module.ingest(face_clip, spec, n_frames=1, faces=FaceDetector())
    assert seen.n_frames_sampled == 40
    assert most <= FRAMES_AHEAD + STEP + 4


def test_clip_systems_get_runs_of_frames_and_image_systems_single_ones(face_clip):
    with open_media(face_clip) as reader:
        minute = replace(reader.info, duration_s=60.0)
    single = sample_times(minute, InputSpec(size_px=64), 4)
    runs = sample_times(minute, InputSpec(size_px=64, n_frames=3, stride=2), 6)
    np.testing.assert_allclose(single, [7.5, 22.5, 37.5, 52.5])
    np.testing.assert_allclose(np.diff(runs), [0.4, 0.4, runs[3] - runs[2], 0.4, 0.4])
    assert runs[3] - runs[2] > 20


@pytest.mark.parametrize("seconds", [0.4, 1, 3, 6, 7, 7.6, 8, 20])
def test_the_frames_of_a_clip_are_one_stride_apart_however_short_the_video(seconds, face_clip):
    """5 frames a second, clips of 4, stride 2: clips that overlap must not mix their frames."""
    with open_media(face_clip) as reader:
        info = replace(reader.info, duration_s=seconds)
    times = sample_times(info, InputSpec(size_px=64, n_frames=4, stride=2), 16)
    steps = np.diff(times)
    n_short = np.count_nonzero(steps < 0.4 - 1e-9)
    assert n_short <= (seconds < 1.4), "only a video shorter than a clip ends with its last frame"
    assert np.count_nonzero(steps > 0.4 + 1e-9) <= 3, "four clips, three gaps"
    assert 1 <= len(times) <= 20


@pytest.mark.parametrize(("n_total", "frames"), [(1, [0]), (20, [0, 19]), (90, [0, 32, 64, 89])])
def test_a_clip_of_a_long_stride_ends_with_the_last_frame_of_a_short_video(
    n_total, frames, face_clip
):
    """As the published protocol clamps indices: eight frames, 32 apart."""
    with open_media(face_clip) as reader:
        info = replace(reader.info, duration_s=n_total / 5)
    times = sample_times(info, InputSpec(size_px=64, n_frames=8, stride=32), 32)
    np.testing.assert_allclose(times, (np.array(frames) + 0.5) / 5)


def test_the_python_interface_is_the_documented_one(tiny_checkpoint, face_clip):
    report = unmask.scan(face_clip, model=tiny_checkpoint, n_frames=4)
    assert isinstance(report, unmask.Report)
    assert report.verdict in ("fake", "real", "undecided")
    assert 0 <= report.p_fake <= 1
    (track,) = report.tracks
    assert len(track.scores) == 4
    assert report.p_fake == pytest.approx(np.mean([score.p_fake for score in track.scores]))
    assert set(report.timing_s) == {"decode", "detect", "model", "total"}
    for stage in ("decode", "detect", "model"):  # they overlap, so their sum may be more
        assert 0 <= report.timing_s[stage] <= report.timing_s["total"]
    again = unmask.load(str(tiny_checkpoint)).scan(str(face_clip), n_frames=4)
    assert told(again) == told(report)
    assert "dtn" in unmask.list_models()


def test_evidence_is_the_most_and_least_suspicious_views_with_their_maps(tiny_detector, face_clip):
    report = tiny_detector.scan(face_clip, n_frames=12)
    shown = [evidence.p_fake for evidence in report.evidence]
    every = sorted((score.p_fake for score in report.tracks[0].scores), reverse=True)
    assert shown == every[:SHOWN_FACES] + every[-SHOWN_FACES:]
    for evidence in report.evidence:
        assert evidence.view.shape == (64, 64, 3)
        assert evidence.activation.shape == (4, 4)


def test_at_least_one_frame_must_be_looked_at(tiny_detector, face_clip):
    with pytest.raises(UsageError, match="at least one"):
        tiny_detector.scan(face_clip, n_frames=0)
    with pytest.raises(UsageError, match="at least one"):
        next(tiny_detector.batches(face_clip, n_frames=0))


def test_a_name_that_no_file_can_have_is_a_file_that_cannot_be_read(tiny_detector):
    (path,) = find_media([Path("a" * 300)])
    (answer,) = scan_all(tiny_detector, [path], n_frames=1)
    assert "cannot be read" in str(answer.error)


def test_an_unreadable_file_is_an_error_in_python(tiny_detector, tmp_path):
    with pytest.raises(UnreadableMediaError, match="only files on this machine"):
        tiny_detector.scan("https://example.org/a.mp4")
    with pytest.raises(UnreadableMediaError, match=r"gone\.mp4: there is no such file"):
        tiny_detector.scan(tmp_path / "gone.mp4")


def test_folders_give_their_media_by_name_and_leave_other_programs_files(tmp_path):
    for name in ("b/2.MP4", "b/1.webp", "a.mov", "._a.mov", ".trash/x.mp4", "notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "folder.mp4").mkdir()
    named = tmp_path / "notes.txt"
    found = find_media([named, tmp_path])
    assert [str(path.relative_to(tmp_path)) for path in found] == [
        *("notes.txt", "a.mov", "b/1.webp", "b/2.MP4")
    ]
    shutil.rmtree(tmp_path / "b")
    (tmp_path / "a.mov").unlink()
    with pytest.raises(UsageError, match="no video or image in this folder"):
        find_media([tmp_path])
    assert find_media([named, tmp_path]) == [named, tmp_path], "one empty folder costs itself alone"


def test_a_person_who_cannot_be_judged_is_still_scored(tiny_detector, tmp_path):
    """One frame with the face, among many without."""
    frames = [scene({"ann": (30, 5)} if k == 3 else {}) for k in range(8)]
    clip = write_clip(tmp_path / "glimpse.mp4", frames=frames, fps=FPS)
    report = tiny_detector.scan(clip, n_frames=8)
    assert (report.verdict, report.n_frames_with_face) == ("undecided", 1)
    assert "too_few_faces" in report.reasons
    assert len(report.tracks[0].scores) == 1
