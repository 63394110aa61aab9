"""Data to examine a tiny detector on: raw videos with every fate, and drawn face crops."""

from __future__ import annotations

import os
import time
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from face_clips import scene, walk, wall
from media import write_clip
from unmask.evaluation import chunks, predict, scoring_pass

FPS = Fraction(30_000, 1001)
N_FRAMES = 6
LISTED = """file,label,split,method,original
ann.mp4,real,test,,
ann_fake.mp4,fake,test,swap,ann.mp4
both.mp4,real,test,,
wall.mp4,fake,test,swap,
empty.mp4,fake,test,swap,
gone.mp4,real,test,,
other.mp4,real,train,,
"""
SCORED = {"ann.mp4", "ann_fake.mp4", "both.mp4"}
FATES = {"wall.mp4": "no_face", "empty.mp4": "unreadable", "gone.mp4": "missing"}


def write_raw(folder: Path) -> Path:
    """A CSV list of videos; in `both.mp4` Bea passes by in the last two frames."""

    def clip(name, frames):
        write_clip(folder / name, frames=frames, fps=FPS, options={"crf": "10"})

    folder.mkdir(parents=True)
    clip("ann.mp4", walk(N_FRAMES))
    clip("ann_fake.mp4", (np.ascontiguousarray(frame[..., ::-1]) for frame in walk(N_FRAMES)))
    clip("both.mp4", _two_people())
    clip("wall.mp4", (wall(place=3) for _ in range(N_FRAMES)))
    clip("other.mp4", (wall(place=4) for _ in range(N_FRAMES)))
    (folder / "empty.mp4").write_bytes(b"")
    listed = folder / "drawn.csv"
    listed.write_text(LISTED)
    return listed


def _two_people():
    for k in range(N_FRAMES):
        people = {"ann": (10 + k, 5)} | ({"bea": (400, 5)} if k >= N_FRAMES - 2 else {})
        yield scene(people, size=(640, 240))


def write_crops(path: Path, recordings: range, *, prefix: str = "recording-") -> Path:
    """Noise pictures; of each recording a real and a fake, two pictures of either."""
    rng = np.random.default_rng(recordings.start)
    rows: dict[str, list] = {"image": [], "label": [], "video": [], "original": []}
    for k in recordings:
        for label in (0, 1, 0, 1):
            picture = rng.integers(0, 256, (72, 72, 3), np.uint8)
            rows["image"].append(cv2.imencode(".jpg", picture)[1].tobytes())
            rows["label"].append(label)
            rows["video"].append(f"{prefix}{k}" + ("-fake" if label else ""))
            rows["original"].append(f"{prefix}{k}")
    table = pa.table({**rows, "label": pa.array(rows["label"], pa.int8())})
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path)
    return path


def predict_slowly(checkpoint: Path, data: Path, file: Path) -> None:
    """Target of the process that gets killed: small chunks, and time to aim."""
    chunks.CLIPS_EACH = 4
    scored = scoring_pass.score_cases

    def slowly(*args, **options):
        time.sleep(0.05)
        return scored(*args, **options)

    predict.score_cases = slowly
    predict.predict(checkpoint, data, file, part="val")
    os._exit(0)
