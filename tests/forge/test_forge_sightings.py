"""Laws of finding the main person, with a detector that reads the answer from a list."""

from dataclasses import dataclass

import numpy as np
import pytest

from unmask.forge.facepath import FacePath
from unmask.forge.landmarks import DETECTED, MEAN_FACE
from unmask.forge.selfblend import SelfBlendConfig, draw_plan
from unmask.forge.sightings import follow_main_face
from unmask.forge.swap import MAX_FACES, Swapper, collect_donor
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


def drawn_face(x_px: float, skin: tuple[int, int, int]) -> np.ndarray:
    """A flat face of one colour with a gradient, on grey."""
    rgb = np.full((120, 160, 3), 128, np.uint8)
    points = MEAN_FACE[:, :2] * 20 + (x_px, 60)
    rows, columns = np.mgrid[:120, :160]
    inside = np.hypot((columns - x_px) / 24, (rows - points[:, 1].mean()) / 34) < 1
    rgb[inside] = skin
    rgb[inside, 0] += (rows[inside] // 4).astype(np.uint8)
    return rgb


def still_path(x_px: float) -> FacePath:
    return FacePath(np.array([0.0]), face(x_px).landmarks_px[None], looked_s=(0.0, 0.0))


def swapper(skin, n: int = 4) -> Swapper:
    frames = (Frame(t_s=i / FPS, rgb=drawn_face(60, skin)) for i in range(n))
    donor = collect_donor(frames, still_path(60))
    config = SelfBlendConfig(regions=(("face", 1.0),), ratios=(1.0,))
    return Swapper(donor, draw_plan(np.random.default_rng(0), config), start=0)


def test_a_swap_changes_the_face_only_and_matches_its_colour():
    target = drawn_face(90, (190, 140, 120))
    fake, mask = swapper((100, 70, 60))(target, still_path(90).at(0.0))
    np.testing.assert_array_equal(fake[mask == 0], target[mask == 0])
    core = mask > 0.99
    assert core.sum() > 300
    assert (fake[core] != target[core]).any()
    assert np.abs(fake[core].mean(axis=0) - target[core].mean(axis=0)).max() < 12


def test_a_donor_is_bounded_and_plays_to_and_fro():
    frames = (Frame(t_s=i / FPS, rgb=drawn_face(60, (150, 110, 90))) for i in range(MAX_FACES + 50))
    donor = collect_donor(frames, still_path(60))
    assert len(donor.cuts) == MAX_FACES
    assert donor.at(MAX_FACES - 1) is donor.cuts[-1]
    assert donor.at(MAX_FACES) is donor.cuts[-2]
    assert donor.at(2 * MAX_FACES - 2) is donor.cuts[0]


def test_a_donor_without_a_sighting_is_none():
    assert collect_donor(iter(()), still_path(60)) is None
