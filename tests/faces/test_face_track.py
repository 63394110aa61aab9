"""Laws of following people: who is who through motion, gaps, cuts and returns."""

import itertools

import av
import numpy as np
import pytest
from pasted_people import detection, head, portrait, room, scene

from unmask.faces.detect import Detection
from unmask.faces.track import Tracker

EMPTY = room(0)


def track(steps, **kwargs):
    """Run a tracker over (t_s, frame, detections) and return its tracks."""
    tracker = Tracker()
    for t_s, frame, detections in steps:
        tracker.update(t_s, frame, detections)
    return tracker.tracks(**kwargs)


def walk(paths, times, *, place=0):
    """Frames of people on straight paths {who: ((x, y) at the start, (x, y) at the end)}."""
    for t_s in times:
        share = (t_s - times[0]) / (times[-1] - times[0])
        at = {
            who: tuple(round(a + share * (b - a)) for a, b in zip(start, end, strict=True))
            for who, (start, end) in paths.items()
        }
        yield (t_s, *scene(at, place=place))


def who_is(track_):
    """Name the person a track shows, by comparing its middle pixels with the pasted heads."""
    names = set()
    for face in track_.faces:
        x0, y0, x1, y1 = (round(v) for v in face.box_xyxy_px)
        left, top = face.crop_origin_px
        colour = face.crop[y0 - top : y1 - top, x0 - left : x1 - left].mean(axis=(0, 1))
        distance = {
            who: np.abs(colour - head(who)[52:164, 71:159].mean(axis=(0, 1))).sum()
            for who in ("ann", "bea")
        }
        names.add(min(distance, key=distance.get))
    return names


def spans(tracks):
    return [[face.t_s for face in track_.faces] for track_ in tracks]


CROSSING = {"ann": ((10, 20), (400, 30)), "bea": ((400, 120), (10, 110))}


@pytest.mark.parametrize("gap_s", [0.04, 0.2, 1.0, 5.0, 60.0])
def test_two_people_who_cross_keep_their_numbers(gap_s):
    """Heads hide one another in the middle; only frames that show both are given.

    Nobody is faster than two seconds from side to side.
    """
    times = gap_s * np.arange(max(14, round(2 / gap_s)))
    steps = [step for step in walk(CROSSING, times) if _apart(step[2])]
    tracks = track(steps)
    assert [len(track_.faces) for track_ in tracks] == [len(steps)] * 2
    assert sorted(who_is(track_).pop() for track_ in tracks) == ["ann", "bea"]
    assert all(len(who_is(track_)) == 1 for track_ in tracks)


def _apart(detections):
    (a, b) = (found.box_xyxy_px for found in detections)
    return abs(a[0] - b[0]) > 230 or abs(a[1] - b[1]) > 230


def test_twins_side_by_side_are_told_apart_by_their_places():
    frame = room(0)
    frame[60:290, 10:240] = frame[60:290, 380:610] = head("ann")
    found = [detection("ann", 10, 60), detection("ann", 380, 60)]
    steps = [(0.1 * i, frame, found if i % 2 else found[::-1]) for i in range(10)]
    tracks = track(steps)
    assert [len(track_.faces) for track_ in tracks] == [10, 10]
    for track_ in tracks:
        assert len({face.box_xyxy_px for face in track_.faces}) == 1


def test_missing_frames_are_gaps_and_not_new_people():
    steps = list(walk({"ann": ((10, 20), (390, 100))}, np.arange(20) * 0.5))
    blinking = [(t, frame, found if i % 4 else []) for i, (t, frame, found) in enumerate(steps)]
    assert spans(track(blinking)) == [[t for t, _, found in blinking if found]]


def test_who_leaves_and_returns_is_known_again():
    here = [(t, *scene({"ann": (200, 60)})) for t in (0.0, 0.5, 1.0)]
    away = [(t, *scene({"bea": (200, 60)})) for t in (1.5, 2.0)] + [(20.0, EMPTY, [])]
    back = [(t, *scene({"ann": (30, 90)})) for t in (40.0, 40.5)]
    tracks = track(here + away + back)
    assert spans(tracks) == [[0.0, 0.5, 1.0, 40.0, 40.5], [1.5, 2.0]]
    assert [who_is(track_) for track_ in tracks] == [{"ann"}, {"bea"}]


@pytest.mark.parametrize("gap_s", [0.04, 1.0])
def test_a_cut_to_someone_else_at_the_same_place_starts_a_track(gap_s):
    first = [(gap_s * i, *scene({"ann": (200, 60)})) for i in range(5)]
    second = [(gap_s * i, *scene({"bea": (200, 60)}, place=7)) for i in range(5, 9)]
    tracks = track(first + second)
    assert [len(track_.faces) for track_ in tracks] == [5, 4]
    assert tracks[0].last_s < tracks[1].first_s


def test_a_cut_does_not_make_two_of_one_person():
    first = [(0.5 * i, *scene({"ann": (30, 20)})) for i in range(5)]
    second = [(0.5 * i, *scene({"ann": (380, 120)}, place=7)) for i in range(5, 9)]
    assert [len(track_.faces) for track_ in track(first + second)] == [9]


def test_shot_and_reverse_shot_are_two_people():
    """The grammar of every interview: A, B, A, B, each at the middle of the frame."""
    steps = [
        (2.0 * i, *scene({"ann" if i % 2 == 0 else "bea": (200, 60)}, place=i % 2))
        for i in range(12)
    ]
    tracks = track(steps)
    assert spans(tracks) == [[4.0 * i for i in range(6)], [4.0 * i + 2 for i in range(6)]]


def test_a_face_that_comes_closer_is_one_person():
    frames = [scene({"ann": (100, 10)}, scale=0.4 * 1.08**i) for i in range(13)]
    tracks = track([(0.25 * i, *frame) for i, frame in enumerate(frames)])
    assert [len(track_.faces) for track_ in tracks] == [13]


def test_the_order_of_detections_does_not_matter():
    steps = list(walk(CROSSING, 0.5 * np.arange(8)))
    turned = [(t, frame, found[::-1]) for t, frame, found in steps]
    for one, other in zip(track(steps), track(turned), strict=True):
        assert [f.box_xyxy_px for f in one.faces] == [f.box_xyxy_px for f in other.faces]


def test_tracks_are_numbered_by_presence_and_ordered_in_time():
    steps = [
        (0.1 * i, *scene({"bea": (390, 60)} | ({"ann": (10, 60)} if i > 4 else {})))
        for i in range(10)
    ]
    tracks = track(steps)
    assert [track_.id for track_ in tracks] == [1, 2]
    assert [len(track_.faces) for track_ in tracks] == [10, 5]
    assert [who_is(track_) for track_ in tracks] == [{"bea"}, {"ann"}]
    for times in spans(tracks):
        assert times == sorted(set(times)), "no two faces of a person in one frame"


def one_off(confidence):
    """A detection on the bare wall."""
    marks = np.float32([(560, 310), (580, 310), (570, 320), (562, 330), (578, 330)])
    box = (545.0, 295.0, 595.0, 345.0)
    return Detection(box_xyxy_px=box, landmarks_px=marks, confidence=confidence)


@pytest.mark.parametrize(
    ("frames", "confidence", "expected"),
    [
        (30, 0.75, [30]),  # once in thirty frames and doubtful: no face
        (30, 0.97, [30, 1]),  # once, but certain
        (8, 0.75, [8, 1]),  # few frames: one of eight is no exception
    ],
)
def test_a_doubtful_one_off_in_a_long_video_is_no_person(frames, confidence, expected):
    steps = [(0.5 * i, *scene({"ann": (100, 60)})) for i in range(frames)]
    t_s, frame, found = steps[3]
    steps[3] = (t_s, frame, [*found, one_off(confidence)])
    assert [len(track_.faces) for track_ in track(steps)] == expected


def test_the_only_face_stays_however_doubtful():
    steps = [(0.5 * i, EMPTY, [one_off(0.71)] if i == 3 else []) for i in range(50)]
    assert spans(track(steps)) == [[1.5]]


def test_too_short_tracks_are_left_out_on_request():
    steps = [(0.1 * i, *scene({"bea": (390, 60)})) for i in range(3)]
    assert track(steps, min_faces=4) == ()
    assert len(track(steps, min_faces=3)) == 1


def test_nothing_seen_is_no_track():
    assert Tracker().tracks() == ()
    assert track([(0.0, EMPTY, []), (1.0, EMPTY, [])]) == ()


def test_frames_out_of_order_are_refused():
    tracker = Tracker()
    tracker.update(2.0, EMPTY, [])
    with pytest.raises(ValueError, match=r"1\.000 s comes after one at 2\.000 s"):
        tracker.update(1.0, EMPTY, [])


def test_grey_film_is_followed_too():
    def grey(frame):
        return np.repeat(frame.mean(axis=2, keepdims=True), 3, axis=2).astype(np.uint8)

    steps = [
        (t, grey(frame), found)
        for t, frame, found in walk(CROSSING, 0.3 * np.arange(14))
        if _apart(found)
    ]
    first, second = track(steps)
    assert len(first.faces) == len(second.faces) == len(steps)
    for track_ in (first, second):
        rows = [face.box_xyxy_px[1] for face in track_.faces]
        assert all(abs(a - b) < 20 for a, b in itertools.pairwise(rows))


def test_detector_and_tracker_together_follow_a_moving_camera(detector):
    """The portrait seen through a window that moves over it: one person in all frames."""
    tracker = Tracker()
    frames = [portrait()[3 * i : 3 * i + 400, 5 * i : 5 * i + 400] for i in range(8)]
    for i, found in enumerate(detector.detect(frames)):
        tracker.update(0.2 * i, frames[i], found)
    (only,) = tracker.tracks()
    assert len(only.faces) == 8
    corners = np.array([face.box_xyxy_px[:2] for face in only.faces])
    np.testing.assert_allclose(np.diff(corners, axis=0), [(-5, -3)] * 7, atol=2.5)


@pytest.mark.slow
def test_every_talking_head_is_one_person_in_every_frame(detector, shared_data):
    """Real clips of one person each, at eight frames spread over their length."""
    clips = sorted((shared_data / "reals").glob("*.mp4"))
    assert clips
    for clip in clips:
        with av.open(str(clip)) as container:
            frames = list(container.decode(video=0))[
                :: max(1, container.streams.video[0].frames // 8)
            ]
        tracker = Tracker()
        for frame in frames:
            image = frame.to_ndarray(format="rgb24")
            tracker.update(frame.time, image, detector.detect([image])[0])
        assert [len(track_.faces) for track_ in tracker.tracks()] == [len(frames)], clip.name
