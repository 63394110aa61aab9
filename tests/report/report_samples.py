"""Plausible reports on people who do not exist, for the tests of every kind of report."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

from unmask.types import (
    ClipScore,
    Evidence,
    ModelInfo,
    Report,
    Thresholds,
    TrackScore,
    VideoInfo,
)

THRESHOLDS = Thresholds(
    fake=0.912,
    real=0.640,
    unit="image",
    fake_fpr=0.0098,
    real_fpr=0.05,
    measured_on="DFDC train, part calib (2 040 reals)",
)
MODEL = ModelInfo(
    name="dtn/small",
    sha256="3f786850e387550fdab836ed7e6dc881de23001b9a1c2d3e4f5061728394a5b6",
    thresholds=THRESHOLDS,
    runtime="openvino bf16",
    licence="Research use only. Learned from DFDC face crops; see LICENSE-WEIGHTS.",
)
TIMING = {"decode": 0.412, "detect": 0.655, "model": 0.198, "total": 1.317}


def drawn_face(seed, size=224):
    """A face made of ellipses, light and noise, RGB (size, size, 3)."""
    rng = np.random.default_rng(seed)
    skin, hair = rng.integers((150, 105, 80), (225, 180, 150)), rng.integers(20, 90, 3)
    wall = rng.integers(90, 200, 3)
    image = np.empty((size, size, 3), np.float32)
    image[:] = wall

    def ellipse(x, y, w, h, *, colour, blur):
        mask = np.zeros((size, size), np.float32)
        centre, axes = (round(x * size), round(y * size)), (round(w * size), round(h * size))
        cv2.ellipse(mask, centre, axes, 0, 0, 360, 1.0, -1, cv2.LINE_AA)
        mask = cv2.GaussianBlur(mask, (0, 0), blur * size / 224)[..., None]
        image[:] = image * (1 - mask) + np.asarray(colour, np.float32) * mask

    ellipse(0.5, 0.42, 0.42, 0.46, colour=hair, blur=3)
    ellipse(0.5, 0.55, 0.34, 0.44, colour=skin, blur=2)
    for side in (0.34, 0.66):
        ellipse(side, 0.44, 0.085, 0.045, colour=(245, 245, 240), blur=1.2)
        ellipse(side, 0.44, 0.035, 0.04, colour=(60, 45, 35), blur=1)
        ellipse(side, 0.34, 0.1, 0.018, colour=hair, blur=2)
    ellipse(0.5, 0.6, 0.05, 0.1, colour=skin * 0.86, blur=6)
    ellipse(0.5, 0.76, 0.13, 0.035, colour=(165, 75, 75), blur=2)
    light = np.linspace(1.1, 0.75, size, dtype=np.float32)[None, :, None]
    noisy = image * light + rng.normal(0, 5, image.shape)
    return np.clip(noisy, 0, 255).astype(np.uint8)


def blob(cx, cy, strength, side=14):
    """An activation map with one hot place, on a slightly negative ground."""
    y, x = np.mgrid[0:side, 0:side] / (side - 1)
    hot = strength * np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / 0.035)
    return (hot - 0.25).astype(np.float32)


def track(number, times, p_fakes, verdict, reasons, *, x_px=300.0, face_px=184.0, sharpness=96.0):
    """A person with one score per time."""
    scores = tuple(
        ClipScore(
            track_id=number,
            t_s=float(t),
            logit=float(np.log(p / (1 - p))),
            p_fake=float(p),
            box_xyxy_px=(x_px + 8 * i, 210.0, x_px + 8 * i + face_px, 210.0 + 1.25 * face_px),
        )
        for i, (t, p) in enumerate(zip(times, p_fakes, strict=True))
    )
    return TrackScore(
        id=number,
        p_fake=float(np.mean(p_fakes)) if len(p_fakes) else None,
        verdict=verdict,
        reasons=reasons,
        first_s=float(times[0]) if len(times) else 1.0,
        last_s=float(times[-1]) if len(times) else 1.0,
        scores=scores,
        face_px=face_px,
        sharpness=sharpness,
    )


def evidence(of, *, hot=(0.5, 0.75)):
    """The most and the least suspicious moment of a person."""
    ranked = sorted(of.scores, key=lambda score: score.p_fake)
    return tuple(
        Evidence(
            track_id=of.id,
            t_s=score.t_s,
            p_fake=score.p_fake,
            view=drawn_face(of.id),
            activation=blob(*hot, 3.0 * score.p_fake) + min(score.logit, 0.0) / 4,
        )
        for score in (max(of.scores, key=lambda s: s.p_fake), ranked[0])
    )


def info(name="interview_cut3.mp4", kind="video", **changes):
    """A container's facts."""
    plain = VideoInfo(
        path=Path("incoming") / name,
        kind=kind,
        width_px=1920,
        height_px=1080,
        fps=Fraction(30000, 1001),
        duration_s=24.691,
        n_frames=740,
        codec="h264",
        pixel_format="yuv420p",
        has_audio=True,
    )
    return replace(plain, **changes)


def fake_video():
    """Two people, the first of them manipulated; person 2 leaves and comes back."""
    rng = np.random.default_rng(3)
    times = np.linspace(0.4, 24.2, 32)
    first = np.clip(0.965 + 0.03 * rng.standard_normal(32), 0.7, 0.9988)
    first[20:23] = (0.88, 0.81, 0.9)
    some = np.r_[times[6:14], times[20:30]]
    second = np.clip(0.2 + 0.14 * rng.standard_normal(some.size), 0.02, 0.7)
    tracks = (
        track(1, times, first, "fake", ("above_threshold",)),
        track(2, some, second, "real", ("below_threshold",), x_px=1180.0, face_px=131.0),
    )
    return Report(
        input=info(),
        verdict="fake",
        p_fake=tracks[0].p_fake,
        reasons=("above_threshold",),
        tracks=tracks,
        model=MODEL,
        timing_s=TIMING,
        n_frames_sampled=32,
        n_frames_with_face=32,
        warnings=("The file is encoded strongly; recompression hides traces of manipulation.",),
        evidence=(*evidence(tracks[0]), *evidence(tracks[1], hot=(0.3, 0.4))),
    )


def real_image():
    """A still picture of one untouched face."""
    one = track(1, [0.0], [0.073], "real", ("below_threshold",), x_px=800.0, face_px=412.0)
    still = {"fps": None, "duration_s": 0.0, "n_frames": None, "codec": "mjpeg"}
    return Report(
        input=info("portrait.jpg", "image", **still),
        verdict="real",
        p_fake=0.073,
        reasons=("below_threshold",),
        tracks=(one,),
        model=MODEL,
        timing_s={"decode": 0.021, "detect": 0.094, "model": 0.011, "total": 0.139},
        n_frames_sampled=1,
        n_frames_with_face=1,
        evidence=evidence(one)[:1],
    )


def no_face():
    """A clip that shows nobody."""
    return Report(
        input=info("drone_harbour.mov", codec="hevc", duration_s=61.4, variable_frame_rate=True),
        verdict="undecided",
        p_fake=None,
        reasons=("no_face",),
        tracks=(),
        model=MODEL,
        timing_s=TIMING,
        n_frames_sampled=32,
        n_frames_with_face=0,
    )


def damaged():
    """A cut-off file: what was left looks real, so that nothing can be said about the rest."""
    times = np.linspace(0.2, 3.6, 9)
    p_fakes = [0.31, 0.22, 0.4, 0.28, 0.35, 0.19, 0.24, 0.3, 0.27]
    one = track(1, times, p_fakes, "real", ("below_threshold",))
    return Report(
        input=info("phone_upload.mp4", duration_s=12.0, width_px=1080, height_px=1920),
        verdict="undecided",
        p_fake=one.p_fake,
        reasons=("damaged_file",),
        tracks=(one,),
        model=MODEL,
        timing_s=TIMING,
        n_frames_sampled=9,
        n_frames_with_face=9,
        warnings=("No frame could be decoded after 3.61 s of 12.00 s; the file looks truncated.",),
        evidence=evidence(one),
    )


def untrained():
    """A detector that has learned nothing answers nothing, and its pictures have no map."""
    report = fake_video()
    reasons = ("untrained", "uncalibrated")
    tracks = tuple(replace(one, verdict="undecided", reasons=reasons) for one in report.tracks)
    return replace(
        report,
        verdict="undecided",
        reasons=reasons,
        tracks=tracks,
        model=replace(MODEL, thresholds=None, trained=False, sha256="", licence=""),
        evidence=tuple(replace(one, activation=None) for one in report.evidence),
        warnings=(),
    )


ALL = {
    "fake video": fake_video,
    "real image": real_image,
    "no face": no_face,
    "damaged": damaged,
    "untrained": untrained,
}
