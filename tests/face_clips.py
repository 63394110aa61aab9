"""Scenes whose people stand at known places: NASA's portrait on a wall, as it is or in disguise."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from functools import cache
from importlib import resources

import cv2
import numpy as np

from media import write_clip

HEAD = (125, 10, 325, 240)  # x0, y0, x1, y1 of the cut-out in the portrait
FACE_IN_HEAD = (100, 108)  # middle of the face in the cut-out, by eye
EYES_IN_HEAD = ((79, 91), (122, 93))
SIZE = (320, 240)
STEP_PX = 2  # the head moves right by so much from frame to frame
START = (30, 5)  # corner of the head in the first frame
FPS = Fraction(5)


@cache
def portrait():
    data = resources.files("unmask.assets").joinpath("astronaut.jpg").read_bytes()
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)


@cache
def head(who: str):
    """`ann` is the portrait; `bea` mirrored, paler and darker."""
    x0, y0, x1, y1 = HEAD
    cut = portrait()[y0:y1, x0:x1]
    if who == "ann":
        return cut
    hsv = cv2.cvtColor(np.ascontiguousarray(cut[:, ::-1]), cv2.COLOR_RGB2HSV)
    return cv2.cvtColor((hsv * np.float32((1, 0.3, 0.8))).astype(np.uint8), cv2.COLOR_HSV2RGB)


def wall(size=SIZE, place=0):
    """Soft blobs, nothing like a face; another place is another scene."""
    coarse = np.random.default_rng(place).integers(0, 256, (4, 6, 3), np.uint8)
    return cv2.resize(coarse, size, interpolation=cv2.INTER_LINEAR)


def scene(people: dict[str, tuple[int, int]], size=SIZE, place=0):
    """A frame with heads pasted at {who: (x, y) of the corner}."""
    frame = wall(size, place)
    for who, (x, y) in people.items():
        cut = head(who)
        frame[y : y + cut.shape[0], x : x + cut.shape[1]] = cut
    return frame


def walk(n_frames=12, who="ann", size=SIZE, place=0) -> Iterator[np.ndarray]:
    """One person who moves to the right."""
    x, y = START
    return (scene({who: (x + STEP_PX * k, y)}, size, place) for k in range(n_frames))


def face_centre(t_s: float, fps: Fraction = FPS) -> tuple[float, float]:
    """Where the face of a `walk` is at a time."""
    k = int(t_s * float(fps) + 1e-6)
    return START[0] + STEP_PX * k + FACE_IN_HEAD[0], START[1] + FACE_IN_HEAD[1]


def write_walk(path, n_frames=12, **options):
    """A clip of a `walk`; see `media.write_clip`."""
    size = options.pop("size", SIZE)
    return write_clip(path, frames=walk(n_frames, size=size), **{"fps": FPS, **options})
