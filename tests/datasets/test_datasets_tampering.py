"""Picture and sound of a fake are told apart, on files that were really encoded twice."""

from dataclasses import replace
from fractions import Fraction

import av
import cv2
import numpy as np
import pytest

from face_clips import FACE_IN_HEAD, START, STEP_PX, walk
from unmask.datasets.extract import Settings
from unmask.datasets.manifest import ORIGINAL, Manifest, Video, read_manifest
from unmask.datasets.prepare import prepare
from unmask.datasets.tampering import TamperedParts, compare
from unmask.errors import UnreadableMediaError

RATE_HZ = 16_000
FPS = 10
N_FRAMES = 30


def speech(seed, n_s=3.0):
    """Harmonics of a gliding pitch in syllables, with pauses: as uneven as a voice."""
    rng = np.random.default_rng(seed)
    t = np.arange(round(n_s * RATE_HZ)) / RATE_HZ
    knots = np.linspace(0, n_s, 12)
    pitch = np.interp(t, knots, rng.uniform(90, 220, 12))
    phase = 2 * np.pi * np.cumsum(pitch) / RATE_HZ
    voice = sum(rng.uniform(0.2, 1) / k * np.sin(k * phase) for k in range(1, 15))
    syllables = np.interp(t, np.linspace(0, n_s, 30), rng.choice([0, 0.4, 1], 30))
    return (0.2 * syllables * voice).astype(np.float32)


def frames(change=None):
    for k, rgb in enumerate(walk(N_FRAMES)):
        yield change(rgb, k) if change else rgb


def other_face(rgb, k, strength=0.5, radii=(32, 42)):
    """The face mirrored and paler, blended in where the face is."""
    x, y = START[0] + STEP_PX * k + FACE_IN_HEAD[0], START[1] + FACE_IN_HEAD[1]
    mask = np.zeros(rgb.shape[:2], np.float32)
    cv2.ellipse(mask, (x, y), radii, 0, 0, 360, 1.0, -1)
    mask = cv2.GaussianBlur(mask, (0, 0), 4)[..., None] * strength
    left, right = x - 60, x + 60
    donor = rgb.copy()
    donor[:, left:right] = np.clip(rgb[:, left:right][:, ::-1] * 0.9 + 20, 0, 255)
    return (rgb * (1 - mask) + donor * mask).astype(np.uint8)


def write(path, *, change=None, sound=None, crf=23, codec="aac", bit_rate=64_000):
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=FPS, options={"crf": str(crf)})
        video.pix_fmt = "yuv420p"
        heard = None
        if sound is not None:
            heard = container.add_stream(codec, rate=RATE_HZ, layout="mono")
            heard.codec_context.bit_rate = bit_rate
        for k, rgb in enumerate(frames(change)):
            if k == 0:
                video.height, video.width = rgb.shape[:2]
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(rgb), format="rgb24")
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        if heard is not None:
            mux_sound(container, heard, sound)
    return path


def mux_sound(container, stream, sound):
    size = stream.codec_context.frame_size or 1024
    resampler = av.AudioResampler(format=stream.codec_context.format.name, layout="mono")
    for first in range(0, len(sound), size):
        frame = av.AudioFrame.from_ndarray(sound[None, first : first + size], "fltp", "mono")
        frame.sample_rate, frame.time_base, frame.pts = RATE_HZ, Fraction(1, RATE_HZ), first
        for converted in resampler.resample(frame):
            container.mux(stream.encode(converted))
    container.mux(stream.encode(None))


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    return write(tmp_path_factory.mktemp("tampering") / "original.mp4", sound=speech(1))


def spliced():
    """One second of another voice in the middle."""
    sound = speech(1)
    sound[RATE_HZ : 2 * RATE_HZ] = speech(2)[RATE_HZ : 2 * RATE_HZ]
    return sound


@pytest.mark.parametrize(
    "how",
    [
        {"crf": 23},
        {"crf": 38},
        {"bit_rate": 24_000},
        {"codec": "mp3", "bit_rate": 32_000},
    ],
)
def test_what_was_only_encoded_again_is_real_in_both_parts(original, tmp_path, how):
    again = write(tmp_path / "again.mp4", sound=speech(1), **how)
    parts = compare(again, original)
    assert (parts.picture_label, parts.audio_label) == (0, 0), parts
    assert parts.reason == ""


def test_a_file_is_like_itself(original):
    parts = compare(original, original)
    assert parts.change_levels == 0
    assert parts.sound_likeness == pytest.approx(1)


def test_sound_that_was_moved_a_little_is_the_same_sound(original, tmp_path):
    for name, moved in (
        ("late", np.r_[np.zeros(1600, np.float32), speech(1)]),
        ("early", speech(1)[1600:]),
    ):
        parts = compare(write(tmp_path / f"{name}.mp4", sound=moved), original)
        assert parts.audio_label == 0, (name, parts)


@pytest.mark.parametrize("sound", [speech(2), spliced(), speech(1)[::-1].copy()])
def test_another_sound_is_forged_in_the_sound_alone(original, tmp_path, sound):
    parts = compare(write(tmp_path / "voice.mp4", sound=sound, crf=28), original)
    assert (parts.picture_label, parts.audio_label) == (0, 1), parts


@pytest.mark.parametrize("crf", [20, 28, 34])
def test_another_face_is_forged_in_the_picture_alone(original, tmp_path, crf):
    forged = write(tmp_path / "face.mp4", change=other_face, sound=speech(1), crf=crf)
    parts = compare(forged, original)
    assert (parts.picture_label, parts.audio_label) == (1, 0), parts


def test_both_may_be_forged(original, tmp_path):
    both = write(tmp_path / "both.mp4", change=other_face, sound=speech(3))
    parts = compare(both, original)
    assert (parts.picture_label, parts.audio_label) == (1, 1), parts


def test_a_change_of_light_in_the_whole_picture_is_no_forged_face(original, tmp_path):
    brighter = write(
        tmp_path / "light.mp4",
        change=lambda rgb, _: np.clip(rgb.astype(np.int16) + 12, 0, 255).astype(np.uint8),
        sound=speech(1),
    )
    assert compare(brighter, original).picture_label != 1


def test_what_cannot_be_told_is_not_known_and_says_why(original, tmp_path):
    faint = write(
        tmp_path / "faint.mp4",
        change=lambda rgb, k: other_face(rgb, k, strength=0.09),
        sound=speech(1),
    )
    parts = compare(faint, original)
    assert parts.picture_label is None, parts
    assert "a place changed by" in parts.reason


def test_without_sound_only_the_picture_is_told(original, tmp_path):
    silent = write(tmp_path / "silent.mp4")
    assert compare(silent, original).reason == "the fake has no sound"
    assert compare(original, silent).reason == "the original has no sound to compare with"
    assert compare(silent, original).audio_label is None
    assert compare(silent, original).picture_label == 0
    nothing = np.zeros(3 * RATE_HZ, np.float32)
    quiet = [write(tmp_path / f"q{k}.mp4", sound=nothing) for k in (0, 1)]
    assert compare(*quiet).reason == "both are silent"


def test_a_file_that_cannot_be_read_is_an_error(original, tmp_path):
    with pytest.raises(UnreadableMediaError):
        compare(tmp_path / "none.mp4", original)


def test_the_answer_is_the_same_each_time(original, tmp_path):
    again = write(tmp_path / "again.mp4", sound=speech(1), crf=30)
    assert isinstance(compare(again, original), TamperedParts)
    assert compare(again, original) == compare(again, original)


def test_preparation_finds_out_which_part_is_forged(original, tmp_path):
    root = original.parent
    write(root / "dubbed.mp4", sound=speech(2))
    write(root / "swapped.mp4", change=other_face, sound=speech(1))
    common = {"dataset": "drawn", "sources": ("original",), "split": "train"}
    real = Video(id="real", path="original.mp4", method=ORIGINAL, label=0, **common)
    dubbed = Video(
        id="dubbed", path="dubbed.mp4", method="voice", label=1, original="real", **common
    )
    swapped = replace(dubbed, id="swapped", path="swapped.mp4", method="swap")
    given = replace(swapped, id="given", audio_label=1)  # what the data set says is not overruled
    stray = replace(swapped, id="stray", original=None)
    manifest = Manifest(
        dataset="drawn", root=str(root), videos=(dubbed, given, stray, swapped, real)
    )
    labels = {}
    for boxes in ("original", "own"):
        out = tmp_path / boxes
        settings = Settings(n_frames=4, boxes=boxes, parts="compared")
        prepare(manifest, str(out), settings, n_workers=0)
        labels[boxes] = {
            video.id: (video.picture_label, video.audio_label)
            for video in read_manifest(out / "manifest.parquet").videos
        }
    assert labels["own"] == labels["original"]
    assert labels["own"] == {
        "real": (None, None),
        "dubbed": (0, 1),
        "swapped": (1, 0),
        "given": (1, 1),
        "stray": (None, None),
    }
