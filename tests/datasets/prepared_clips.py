"""A small data set of drawn clips with every fate a video can have, and what it was prepared to."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

from face_clips import scene, walk, wall
from media import Sound, cut, write_clip
from unmask.datasets.extract import Settings
from unmask.datasets.manifest import ORIGINAL, Manifest, Video
from unmask.datasets.prepare import prepare

FPS = Fraction(10)
N_FRAMES = 12
SOUND = Sound(clicks_s=[k / 50 for k in range(60)], lasts_s=1.2)  # a beep, half of the time


def forged(frame: np.ndarray) -> np.ndarray:
    """The same picture with a band of noise over the face's lower half."""
    fake = frame.copy()
    fake[130:160, 100:200] = np.random.default_rng(0).integers(0, 256, (30, 100, 3), np.uint8)
    return fake


def mask() -> np.ndarray:
    picture = np.zeros((240, 320, 3), np.uint8)
    picture[130:160, 100:200] = 255
    return picture


def write_data_set(root: Path) -> Manifest:
    """Reals with sound, fakes of them in all sorts, and files that nothing can be read from."""
    sharp = {"fps": FPS, "options": {"crf": "10"}}

    def clip(name: str, frames, **options) -> Path:
        return write_clip(root / f"{name}.mp4", frames=frames, **sharp | options)

    clip("ann", walk(N_FRAMES), sound=SOUND)
    clip("ann_fake", (forged(frame) for frame in walk(N_FRAMES)), sound=SOUND)
    clip("ann_mask", (mask() for _ in range(N_FRAMES)))
    clip("ann_short", (forged(frame) for frame in walk(N_FRAMES // 2)))
    clip("ann_small", (cv2.resize(frame, (256, 192)) for frame in walk(N_FRAMES)))
    clip("ann_slow", walk(N_FRAMES), fps=FPS / 2)
    clip("both", _two_people(), sound=SOUND)
    clip("wall", (wall() for _ in range(N_FRAMES)))
    cut(clip("torn", walk(N_FRAMES)), 0.5)
    (root / "empty.mp4").write_bytes(b"")
    names = ["ann", "both", "wall", "torn", "empty", "gone"]
    videos = [_video(name, ORIGINAL, None) for name in names]
    for name in ("ann_fake", "ann_short", "ann_small", "ann_slow"):
        videos.append(_video(name, "swap", "ann"))
    videos.append(_video("stray", "swap", "ann"))  # a fake that is not there
    return Manifest(dataset="drawn", root=str(root), videos=tuple(videos))


def _two_people():
    """Ann all the time, Bea in the last frames only."""
    for k in range(N_FRAMES):
        people = {"ann": (10 + k, 5)} | ({"bea": (400, 5)} if k >= 8 else {})
        yield scene(people, size=(640, 240))


def _video(name: str, method: str, original: str | None) -> Video:
    return Video(
        id=f"drawn/{method}/{name}",
        path=f"{name}.mp4",
        dataset="drawn",
        method=method,
        label=int(method != ORIGINAL),
        split="train",
        original=original and f"drawn/{ORIGINAL}/{original}",
        sources=(original or name,),
        picture_label=int(method != ORIGINAL),
        audio_label=0,
        mask="ann_mask.mp4" if name == "ann_fake" else None,
    )


def only(manifest: Manifest, *names: str) -> Manifest:
    """The same data set with some of its videos."""
    kept = [video for video in manifest.videos if video.path.removesuffix(".mp4") in names]
    return replace(manifest, videos=tuple(kept))


def prepared(manifest: Manifest, out: Path | str, n_workers: int = 0, **settings):
    return prepare(manifest, str(out), Settings(**settings), n_workers=n_workers)


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a folder, hidden ones too."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}
