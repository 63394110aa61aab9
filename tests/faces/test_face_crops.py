"""Laws of the pixels kept around a face, and of what is measured on them."""

import cv2
import numpy as np
import pytest
from pasted_people import detection, scene

from unmask.faces.align import cut_face
from unmask.faces.detect import Detection
from unmask.faces.quality import measure_quality, roll_deg, sharpness, yaw

# Middle of the frame, hanging over each border, odd size.
PLACES = [(200, 60, 1.0), (0, 0, 1.0), (410, 130, 1.0), (-40, 20, 1.0), (300, 200, 0.37)]


def noise(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def marks(*, turn=0.0, nose=0.0):
    """Landmarks with the eyes 40 px apart, turned clockwise, the nose shifted along them."""
    points = np.array([(-20, 0), (20, 0), (20 * nose, 20), (-15, 40), (15, 40)])
    angle = np.radians(turn)
    rotation = np.array([(np.cos(angle), -np.sin(angle)), (np.sin(angle), np.cos(angle))])
    return np.float32(points @ rotation.T + 100)


@pytest.mark.parametrize(("x", "y", "scale"), PLACES)
def test_a_crop_is_the_frames_own_pixels_at_its_origin(x, y, scale):
    frame = noise(361, 641)
    face = cut_face(frame, detection("ann", x, y, scale), t_s=1.5)
    left, top = face.crop_origin_px
    height, width = face.crop.shape[:2]
    np.testing.assert_array_equal(face.crop, frame[top : top + height, left : left + width])
    assert face.t_s == 1.5


@pytest.mark.parametrize(("x", "y", "scale"), PLACES)
def test_a_crop_holds_every_view_as_far_as_the_frame_goes(x, y, scale):
    """The widest view: a square on the longer side, enlarged by a third on every side."""
    frame = noise(361, 641)
    found = detection("ann", x, y, scale)
    face = cut_face(frame, found, t_s=0)
    x0, y0, x1, y1 = found.box_xyxy_px
    half = (1 / 2 + 1 / 3) * max(x1 - x0, y1 - y0)
    cx, cy = (x0 + x1) / 2, (y0 + y1) / 2
    (left, top), (height, width) = face.crop_origin_px, face.crop.shape[:2]
    assert left <= max(0, cx - half)
    assert top <= max(0, cy - half)
    assert left + width >= min(641, cx + half)
    assert top + height >= min(361, cy + half)


def test_a_crop_outlives_its_frame():
    frame = noise(361, 641)
    face = cut_face(frame, detection("ann", 200, 60), t_s=0)
    before = face.crop.copy()
    frame[:] = 0
    np.testing.assert_array_equal(face.crop, before)
    assert face.crop.flags.c_contiguous
    assert face.crop.base is None, "a view would keep the whole frame in memory"


def test_a_face_keeps_what_was_detected():
    frame, (found,) = scene({"bea": (200, 60)})
    face = cut_face(frame, found, t_s=0)
    assert face.box_xyxy_px == found.box_xyxy_px
    assert face.confidence == found.confidence
    np.testing.assert_array_equal(face.landmarks_px, found.landmarks_px)
    assert face.quality == measure_quality(frame, found.box_xyxy_px, found.landmarks_px)


def test_a_box_outside_the_frame_is_refused():
    far = Detection(box_xyxy_px=(900, 900, 950, 950), landmarks_px=marks(), confidence=0.9)
    with pytest.raises(ValueError, match="outside the picture of 641 x 361 px"):
        cut_face(noise(361, 641), far, t_s=0)


@pytest.mark.parametrize("turn", [-60, -10, 0, 25, 90])
def test_roll_is_the_turn_of_the_eyes_and_yaw_does_not_see_it(turn):
    assert roll_deg(marks(turn=turn)) == pytest.approx(turn, abs=1e-3)
    assert yaw(marks(turn=turn, nose=0.5)) == pytest.approx(0.5, abs=1e-5)


@pytest.mark.parametrize(("nose", "expected"), [(0, 0), (-0.5, -0.5), (1, 1), (3, 1), (-3, -1)])
def test_yaw_follows_the_nose_from_eye_to_eye_and_no_further(nose, expected):
    assert yaw(marks(nose=nose)) == pytest.approx(expected, abs=1e-6)


def test_yaw_of_a_profile_with_both_eyes_on_one_spot_is_full():
    points = marks()
    points[1] = points[0]
    assert yaw(points) == 1
    points[2, 0] = points[0, 0] - 5
    assert yaw(points) == -1


def test_sharpness_falls_with_blur():
    frame, (found,) = scene({"ann": (200, 60)})
    blurred = [cv2.GaussianBlur(frame, (0, 0), sigma) for sigma in (1, 2, 4)]
    values = [sharpness(picture, found.box_xyxy_px) for picture in (frame, *blurred)]
    assert values == sorted(values, reverse=True)
    assert values[0] > 5 * values[-1]


def test_sharpness_of_one_picture_hardly_depends_on_its_size():
    frame, (found,) = scene({"ann": (200, 60)})
    smooth = cv2.GaussianBlur(frame, (0, 0), 3)
    double = cv2.resize(smooth, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
    box = found.box_xyxy_px
    once, twice = sharpness(smooth, box), sharpness(double, tuple(2 * edge for edge in box))
    assert once == pytest.approx(twice, rel=0.3)


def test_a_flat_face_has_no_sharpness_and_size_is_the_shorter_side():
    quality = measure_quality(np.full((90, 90, 3), 77, np.uint8), (10, 10, 40, 60), marks())
    assert quality.sharpness == 0
    assert quality.size_px == 30
