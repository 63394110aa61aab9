"""Laws of systems that listen, that look at the whole picture, or that want whole clips."""

import json
import re
import weakref
from dataclasses import dataclass, field
from fractions import Fraction
from io import StringIO

import cv2
import numpy as np
import pytest
from rich.console import Console

import media
from face_clips import FPS, portrait, walk, write_walk
from unmask.errors import CheckpointError, UnreadableMediaError
from unmask.models.checkpoint import Checkpoint, read_checkpoint
from unmask.pipeline import detector as detector_module
from unmask.pipeline import ingest as ingest_module
from unmask.pipeline import sound as sound_module
from unmask.pipeline.detector import FRAMES_AT_ONCE, Detector
from unmask.pipeline.runtime import open_runtime
from unmask.pipeline.sound import Listener
from unmask.report.html import render
from unmask.report.schema import to_json
from unmask.report.terminal import print_report
from unmask.types import AudioSpec, Batch, Frame, InputSpec, Output
from unmask.video.audio import read_audio

RATE_HZ = 8000
RAW = AudioSpec(rate_hz=RATE_HZ, n_samples=1600)  # 0.2 s: as long as a frame of the walk
CLICKS_S = (0.55, 1.7)
FACE_AND_SOUND = InputSpec(size_px=32, alignment="dlib", audio=RAW)
WHOLE = InputSpec(size_px=48, width_px=80, view="frame", n_frames=4)
SOUND = InputSpec(size_px=16, view="none", audio=RAW)
CLIPS = InputSpec(size_px=32, alignment="dlib", n_frames=8)


@dataclass
class Recorder:
    """Takes the place of a network: keeps what it is given and answers with a certain fake."""

    name: str = "recorder"
    given: list[Batch] = field(default_factory=list)

    def __call__(self, batch):
        self.given.append(batch)
        return Output(logit=np.full(batch.size, 9.0))


@pytest.fixture
def detector_for(tiny_checkpoint):
    """A detector with thresholds and any input, whose network records."""

    def make(spec):
        checkpoint = read_checkpoint(tiny_checkpoint)
        meta = checkpoint.meta.model_copy(update={"input_spec": spec})
        return Detector(Checkpoint(folder=tiny_checkpoint, meta=meta), Recorder(), "")

    return make


@pytest.fixture(scope="module")
def talking(tmp_path_factory):
    """A face for 2.4 s whose picture and sound both begin late on the container's clock."""
    path = tmp_path_factory.mktemp("talking") / "talking.mkv"
    sound = media.Sound([1 + t for t in CLICKS_S], starts_s=1.0, lasts_s=2.5)
    return write_walk(path, starts_s=1.0, sound=sound)


@pytest.fixture(scope="module")
def faceless(tmp_path_factory):
    path = tmp_path_factory.mktemp("faceless") / "faceless.mp4"
    return media.write_clip(path, 30, sound=media.Sound((0.1,)))


def said(report):
    out = StringIO()
    print_report(report, Console(file=out, width=200))
    return out.getvalue() + render(report)


@pytest.mark.parametrize("spec", [FACE_AND_SOUND, SOUND], ids=["beside faces", "alone"])
def test_sound_begins_with_the_clips_first_frame(spec, detector_for, talking):
    detector = detector_for(spec)
    report = detector.scan(talking, n_frames=12)
    audio = np.concatenate([batch.audio for batch in detector._runtime.given])
    times = [score.t_s for score in report.tracks[0].scores]
    assert audio.shape == (12, 1, 1600)
    for t_s, (wave,) in zip(times, audio, strict=True):
        inside = [click - t_s for click in CLICKS_S if 0 <= click - t_s < 0.19]
        assert media.click_times(wave, RATE_HZ) == pytest.approx(inside, abs=0.003)
    assert report.verdict == "fake"


def test_a_clip_of_frames_hears_what_follows_its_first(detector_for, talking):
    spec = InputSpec(size_px=32, alignment="dlib", n_frames=8, audio=RAW)
    detector = detector_for(spec)
    detector.scan(talking, n_frames=8)
    waves = [wave for batch in detector._runtime.given for (wave,) in batch.audio]
    starts_s = (0.0, 0.8)  # two clips of eight in twelve frames
    wanted = [read_audio(talking, RATE_HZ, start_s, 0.2) for start_s in starts_s]
    np.testing.assert_allclose(waves, wanted, atol=0.02)


def test_sound_is_the_same_however_it_is_read(tmp_path):
    """Around the joint of two pieces, and where the second is asked for first."""
    clicks = (3.05, 9.95, 10.07, 20.1)
    sound = media.Sound(clicks, lasts_s=21.0, rate_hz=16_000, layout="mono")
    clip = media.write_clip(tmp_path / "long.mp4", 42, fps=Fraction(2), sound=sound)
    for starts_s in ((3.0, 9.9, 9.99, 10.0, 20.0), (20.0, 10.0, 9.99, 9.9, 3.0)):
        for start_s, (wave,) in zip(starts_s, Listener(clip, RAW).hear(starts_s), strict=True):
            inside = [click - start_s for click in clicks if 0 <= click - start_s < 0.19]
            assert media.click_times(wave, RATE_HZ) == pytest.approx(inside, abs=0.002)


def test_a_face_without_sound_is_scored_and_undecided(detector_for, face_clip):
    detector = detector_for(FACE_AND_SOUND)
    report = detector.scan(face_clip, n_frames=4)
    assert (report.verdict, report.reasons[0]) == ("undecided", "no_sound")
    assert report.p_fake > 0.9, "what the network made of the picture is still told"
    assert not any(batch.audio.any() for batch in detector._runtime.given)
    (warning,) = report.warnings
    assert "has no sound" in warning
    assert "was given silence" in warning


def test_what_only_listens_scores_nothing_where_there_is_nothing_to_hear(detector_for, face_clip):
    detector = detector_for(SOUND)
    report = detector.scan(face_clip, n_frames=4)
    assert (report.verdict, report.p_fake, report.reasons) == ("undecided", None, ("no_sound",))
    assert detector._runtime.given == []
    assert list(detector.batches(face_clip)) == []
    json.loads(to_json(report))
    assert "nothing to listen to" in said(report)


def test_sound_that_cannot_be_decoded_costs_the_verdict_and_not_the_scan(
    detector_for, talking, monkeypatch
):
    def broken(path, *_):
        raise UnreadableMediaError(f"{path}: none of its sound could be decoded.")

    monkeypatch.setattr(sound_module, "read_audio", broken)
    report = detector_for(FACE_AND_SOUND).scan(talking, n_frames=4)
    assert "no_sound" in report.reasons
    assert "none of its sound could be decoded; " in report.warnings[0]


def test_a_whole_frame_is_seen_as_it_is_squeezed_into_the_view(detector_for, tmp_path):
    clip = write_walk(tmp_path / "walk.mkv", 8, codec="ffv1", pixel_format="bgr0")
    detector = detector_for(WHOLE)
    report = detector.scan(clip, n_frames=8)
    frames = np.concatenate([batch.frames for batch in detector._runtime.given])
    assert frames.shape == (2, 4, 3, 48, 80)
    small = [cv2.resize(frame, (80, 48), interpolation=cv2.INTER_AREA) for frame in walk(8)]
    wanted = (np.array(small) / 255 - WHOLE.mean) / WHOLE.std
    np.testing.assert_allclose(
        frames.reshape(8, 3, 48, 80), wanted.transpose(0, 3, 1, 2), atol=1e-5
    )
    assert [score.t_s for score in report.tracks[0].scores] == pytest.approx([0.3, 1.1])
    assert {score.box_xyxy_px for score in report.tracks[0].scores} == {(0, 0, 320, 240)}


@pytest.mark.parametrize("spec", [WHOLE, SOUND], ids=["picture", "sound"])
def test_a_report_without_faces_claims_nothing_of_faces(spec, detector_for, faceless):
    report = detector_for(spec).scan(faceless, n_frames=8)
    assert (report.verdict, report.reasons) == ("fake", ("above_threshold",))
    document = json.loads(to_json(report))
    assert document["input"]["n_people"] is document["input"]["n_frames_with_face"] is None
    (track,) = document["tracks"]
    assert track["face_px"] is track["sharpness"] is None
    words = re.sub(r"<style>.*?</style>|<[^>]*>", " ", said(report), flags=re.DOTALL).lower()
    for claim in ("in at least one face", r"person \d", "face box", "a face in"):
        assert not re.search(claim, words), claim
    assert ("the whole picture" if spec is WHOLE else "the sound") in words


@pytest.mark.parametrize(
    ("spec", "found", "limit"),
    [
        (CLIPS, "sees traces of manipulation in at least one face.", "not the voice"),
        (
            FACE_AND_SOUND,
            "sees or hears traces of manipulation in at least one face or in the sound with it.",
            "Only faces and the sound were examined: not whose voice it is",
        ),
        (WHOLE, "sees traces of manipulation in the picture.", "says of no person"),
        (SOUND, "hears traces of manipulation in the sound.", "Only the sound was examined"),
    ],
    ids=["face", "face and sound", "picture", "sound"],
)
def test_the_page_says_what_was_examined_and_no_more(spec, found, limit, detector_for, talking):
    page = render(detector_for(spec).scan(talking, n_frames=12))
    assert found in page
    assert limit in page


def test_only_small_views_of_whole_frames_are_held(monkeypatch, face_clip):
    alive, most = weakref.WeakSet(), 0

    class Watched:
        lost = None

        def __init__(self, path):
            from unmask.video import open_media

            self.info = open_media(path).info

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def frames(self, times):
            nonlocal most
            for k in range(20):
                frame = Frame(t_s=float(k), rgb=np.zeros((240, 320, 3), np.uint8))
                alive.add(frame)
                most = max(most, len(alive))
                yield frame

    monkeypatch.setattr(ingest_module, "Reader", Watched)
    seen = ingest_module.ingest_scene(face_clip, WHOLE, n_frames=20)
    assert most <= 2
    assert {frame.rgb.shape for frame in seen.scene.frames} == {(48, 80, 3)}


def test_a_batch_holds_a_bounded_number_of_frames(detector_for, tmp_path):
    frames = [*walk(30), *reversed([*walk(30)])]
    clip = media.write_clip(tmp_path / "long.mp4", frames=frames, fps=FPS)
    detector = detector_for(CLIPS)
    detector.scan(clip, n_frames=64)
    assert sum(batch.size for batch in detector._runtime.given) == 8
    assert max(batch.size for batch in detector._runtime.given) == FRAMES_AT_ONCE // 8


@pytest.mark.parametrize(("n_frames", "is_too_short"), [(1, True), (3, True), (4, False)])
@pytest.mark.parametrize("spec", [CLIPS, InputSpec(size_px=48, view="frame", n_frames=8)])
def test_less_than_half_a_clip_decides_nothing(
    n_frames, is_too_short, spec, detector_for, tmp_path
):
    clip = write_walk(tmp_path / "short.mp4", n_frames)
    report = detector_for(spec).scan(clip)
    assert ("too_short" in report.reasons) == is_too_short
    assert report.verdict == ("undecided" if is_too_short else "fake")
    assert len(report.tracks[0].scores) == 1


def test_a_still_is_no_clip_and_has_no_sound(detector_for, tmp_path):
    still = media.write_still(tmp_path / "still.png", portrait())
    assert detector_for(CLIPS).scan(still).reasons == ("too_short",)
    assert detector_for(FACE_AND_SOUND).scan(still).reasons == ("no_sound",)
    assert detector_for(SOUND).scan(still).reasons == ("no_sound",)
    assert detector_for(WHOLE).scan(still).reasons == ("too_short",)


@pytest.mark.parametrize("spec", [CLIPS, FACE_AND_SOUND], ids=["clips", "faces and sound"])
def test_no_face_is_no_face_for_every_system_that_looks_for_one(spec, detector_for, faceless):
    report = detector_for(spec).scan(faceless)
    assert (report.verdict, report.p_fake, report.reasons) == ("undecided", None, ("no_face",))


def test_systems_that_look_for_no_face_start_no_face_detector(detector_for, faceless, monkeypatch):
    monkeypatch.setattr(detector_module, "FaceDetector", lambda: pytest.fail("not needed"))
    for spec in (WHOLE, SOUND):
        assert detector_for(spec).scan(faceless, n_frames=4).tracks


@pytest.mark.parametrize("backend", ["openvino", "torch"])
def test_an_input_that_the_network_does_not_take_is_the_checkpoints_fault(backend, tiny_checkpoint):
    checkpoint = read_checkpoint(tiny_checkpoint)
    for wrong in (InputSpec(size_px=32), InputSpec(size_px=64, audio=RAW)):
        meta = checkpoint.meta.model_copy(update={"input_spec": wrong})
        with pytest.raises(CheckpointError, match=r"takes .*'frames': \(1, 3, 64, 64\)"):
            open_runtime(Checkpoint(folder=tiny_checkpoint, meta=meta), backend)
