"""Laws of following faces between searches: nothing is lost that a search of every frame finds."""

import weakref

import numpy as np
import pytest
from pasted_people import portrait, scene

from unmask.faces.follow import STEP, follow
from unmask.types import Frame


class Counting:
    """A finder that remembers how many frames it searched, and how many places it looked at."""

    def __init__(self, finder):
        self.finder, self.searched, self.looked_at = finder, 0, 0

    def detect(self, images):
        self.searched += len(images)
        return self.finder.detect(images)

    def detect_near(self, images, places):
        self.looked_at += sum(map(len, places))
        return self.finder.detect_near(images, places)


@pytest.fixture
def finder(detector):
    return Counting(detector)


def frames_of(places, step_s=0.25):
    """Frames, `step_s` apart, of people at `places`: one {who: corner} a frame."""
    return [
        Frame(t_s=k * step_s, rgb=np.ascontiguousarray(scene(people)[0]))
        for k, people in enumerate(places)
    ]


def walk(n, who="ann", start=20):
    return [{who: (start + 6 * k, 60 + 2 * k)} for k in range(n)]


def iou(a, b):
    sides = np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])
    inner = sides.clip(0).prod()
    return inner / (np.prod(np.subtract(a[2:], a[:2])) + np.prod(np.subtract(b[2:], b[:2])) - inner)


def compare_with_searches(followed, detector):
    """Every face that a search finds is there, at the place where it is."""
    for frame, found in followed:
        (wanted,) = detector.detect([frame.rgb])
        assert len(found) == len(wanted), frame.t_s
        for face in wanted:
            best = max(found, key=lambda other: iou(face.box_xyxy_px, other.box_xyxy_px))
            assert iou(face.box_xyxy_px, best.box_xyxy_px) > 0.85
            eyes_px = np.linalg.norm(np.subtract(*face.landmarks_px[:2]))
            assert np.abs(face.landmarks_px - best.landmarks_px).max() < 0.12 * eyes_px


def test_who_walks_is_found_in_every_frame_and_most_are_not_searched(finder):
    frames = frames_of(walk(17))
    followed = list(follow(frames, finder))
    assert [frame.t_s for frame, _ in followed] == [frame.t_s for frame in frames]
    assert finder.searched == 1 + 16 // STEP
    compare_with_searches(followed, finder.finder)


def test_two_people_are_followed_at_once(finder):
    places = [{"ann": (10 + 5 * k, 60), "bea": (350 - 5 * k, 90)} for k in range(9)]
    followed = list(follow(frames_of(places), finder))
    assert finder.searched == 3
    compare_with_searches(followed, finder.finder)


@pytest.mark.parametrize("comes", [1, 2, 3, 4])
def test_who_comes_and_stays_is_found_from_the_first_frame_on(finder, comes):
    places = [
        {"ann": (20, 60)} | ({"bea": (350, 90)} if k >= comes else {}) for k in range(2 * STEP)
    ]
    compare_with_searches(follow(frames_of(places), finder), finder.finder)


@pytest.mark.parametrize("first", [1, 2, 3])
def test_a_cut_away_between_two_searches_is_searched(finder, first):
    """Another person, elsewhere, while the searches before and after see one at the same place."""
    frames = frames_of([{"ann": (20, 60)}] * (STEP + 1))
    away = np.roll(portrait()[:, ::-1], 90, axis=1)
    away = np.kron(away, np.ones((2, 2, 1), np.uint8))[: frames[0].rgb.shape[0]]
    frames[first] = Frame(t_s=frames[first].t_s, rgb=np.ascontiguousarray(away))
    compare_with_searches(follow(frames, finder), finder.finder)


def test_who_moves_too_far_between_two_searches_is_searched_for(finder):
    places = [{"ann": (20 if k < 2 else 330, 60)} for k in range(2 * STEP)]
    compare_with_searches(follow(frames_of(places), finder), finder.finder)


def test_where_no_face_is_found_every_frame_is_searched(finder):
    followed = list(follow(frames_of([{}] * 9), finder))
    assert finder.searched == len(followed) == 9


def test_frames_seconds_apart_are_all_searched(finder):
    list(follow(frames_of([{"ann": (20, 60)}] * 5, step_s=2.1), finder))
    assert finder.searched == 5


@pytest.mark.parametrize("n", [0, 1, 2, STEP, STEP + 1])
def test_any_number_of_frames_is_answered_in_order(finder, n):
    frames = frames_of(walk(n))
    followed = list(follow(iter(frames), finder))
    assert [frame for frame, _ in followed] == frames
    assert all(len(found) == 1 for _, found in followed)


def test_only_a_few_frames_are_held(finder):
    alive, most = weakref.WeakSet(), 0
    picture = frames_of(walk(1))[0].rgb

    def many():
        nonlocal most
        for k in range(6 * STEP):
            frame = Frame(t_s=k / 8, rgb=picture)
            alive.add(frame)
            most = max(most, len(alive))
            yield frame

    for _ in follow(many(), finder):
        pass
    assert most <= STEP + 2


def test_a_place_without_a_face_gives_none(detector):
    (frame,) = frames_of([{"ann": (20, 60)}])
    (box,) = (face.box_xyxy_px for face in detector.detect([frame.rgb])[0])
    beside = (400.0, 20.0, 480.0, 120.0)
    assert detector.detect_near([frame.rgb], [[beside]]) == [()]
    assert detector.detect_near([frame.rgb, frame.rgb], [[], []]) == [(), ()]
    assert detector.detect_near([], []) == []
    nothing, one = detector.detect_near([frame.rgb, frame.rgb], [[], [box, beside]])
    assert nothing == ()
    assert iou(one[0].box_xyxy_px, box) > 0.9
