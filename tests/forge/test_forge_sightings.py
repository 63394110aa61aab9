"""Laws of finding the main person, with a detector that reads the answer from a list."""

from dataclasses import dataclass

import numpy as np
import pytest

from unmask.forge.facepath import FacePath
from unmask.forge.landmarks import DETECTED
from unmask.forge.sightings import follow_main_face
from unmask.types import Frame

FPS = 10


@dataclass(frozen=True)
class Seen:
    landmarks_px: np.ndarray
    size_px: float


def face(x_px: float, y_px: float = 60, eyes_px: float = 20) -> Seen:
    return Seen((DETECTED[:, :2] * eyes_px + (x_px, y_px)).astype(np.float32), eyes_px * 2.5)


class Oracle:
    """Answers frame by frame from a script, whatever the batches."""

    def __init__(self, script: list[list[Seen]]):
        self.script = iter(script)
        self.largest_batch = 0

    def detect(self, images):
        self.largest_batch = max(self.largest_batch, len(images))
        return [next(self.script) for _ in images]


def follow(script: list[list[Seen]]) -> FacePath | None:
    blank = np.zeros((120, 160, 3), np.uint8)
    frames = (Frame(t_s=i / FPS, rgb=blank) for i in range(len(script)))
    return follow_main_face(frames, Oracle(script))


def test_no_face_at_all_is_none():
    assert follow([[], [], []]) is None
    assert follow([]) is None


def test_the_larger_and_longer_seen_person_is_followed_whatever_the_order():
    small, large = face(30, eyes_px=10), face(110)
    script = [[small, large], [large, small]] * 10
    path = follow(script)
    assert path.at(0.9).landmarks_px[:2, 0].mean() == pytest.approx(110, abs=0.1)
    short = follow([[small, large]] * 3 + [[small]] * 30)
    assert short.at(2.0).landmarks_px[:2, 0].mean() == pytest.approx(30, abs=0.1)


def test_a_moving_face_stays_one_person_and_a_jump_makes_another():
    path = follow([[face(30 + 3 * i)] for i in range(20)])
    assert len(path.spans_s) == 1
    assert path.at(1.0).landmarks_px[:2, 0].mean() == pytest.approx(60, abs=0.5)
    path = follow([[face(30)]] * 5 + [[face(130)]] * 15)
    assert path.at(0.2) is None
    assert path.at(1.0).landmarks_px[:2, 0].mean() == pytest.approx(130, abs=0.1)


def test_frames_are_detected_a_few_at_a_time():
    blank = np.zeros((8, 8, 3), np.uint8)
    oracle = Oracle([[face(30)]] * 100)
    follow_main_face((Frame(t_s=i / FPS, rgb=blank) for i in range(100)), oracle)
    assert oracle.largest_batch <= 8
