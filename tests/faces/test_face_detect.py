"""Laws of face detection, on a real face of known place."""

import cv2
import numpy as np
import pytest
from pasted_people import PORTRAIT_BOX, PORTRAIT_MARKS, scene

from unmask.faces.detect import DetectorConfig, FaceDetector

EYES_PX = 43  # eye distance in the portrait


def iou(a, b):
    width, height = (min(a[i + 2], b[i + 2]) - max(a[i], b[i]) for i in (0, 1))
    inner = max(0, width) * max(0, height)
    areas = [(c[2] - c[0]) * (c[3] - c[1]) for c in (a, b)]
    return inner / (sum(areas) - inner)


def resized(image, scale):
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return cv2.resize(image, None, fx=scale, fy=scale, interpolation=method)


def degraded(image, quality):
    _, jpeg = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return cv2.imdecode(jpeg, cv2.IMREAD_COLOR)


@pytest.mark.parametrize("scale", [0.4, 0.5, 0.77, 1, 1.6, 2, 3])
def test_the_face_is_found_where_it_is_at_every_scale(detector, astronaut, scale):
    (face,) = detector.detect([resized(astronaut, scale)])[0]
    assert iou(np.array(face.box_xyxy_px) / scale, PORTRAIT_BOX) > 0.8
    error = np.linalg.norm(face.landmarks_px / scale - PORTRAIT_MARKS, axis=1)
    assert error.max() < 0.12 * EYES_PX
    assert 0.9 < face.confidence <= 1


@pytest.mark.parametrize(("dx", "dy"), [(3, 5), (16, 0), (41, 7)])
def test_a_moved_frame_moves_the_face_and_nothing_else(detector, astronaut, dx, dy):
    (face,) = detector.detect([astronaut])[0]
    (moved,) = detector.detect([astronaut[dy:, dx:]])[0]
    jitter = np.linalg.norm(moved.landmarks_px - face.landmarks_px + np.float32([dx, dy]), axis=1)
    assert jitter.mean() < 0.03 * EYES_PX


def test_a_mirror_mirrors_the_landmarks_and_keeps_their_names(detector, astronaut):
    (face,) = detector.detect([astronaut])[0]
    (mirrored,) = detector.detect([astronaut[:, ::-1]])[0]
    expected = (face.landmarks_px * (-1, 1) + (512, 0))[[1, 0, 2, 4, 3]]
    assert np.linalg.norm(mirrored.landmarks_px - expected, axis=1).max() < 0.05 * EYES_PX


def test_landmarks_are_in_the_order_of_a_face(detector, astronaut):
    (face,) = detector.detect([astronaut])[0]
    left, right, nose, mouth_left, mouth_right = face.landmarks_px
    assert left[0] < nose[0] < right[0]
    assert mouth_left[0] < nose[0] < mouth_right[0]
    assert max(left[1], right[1]) < nose[1] < min(mouth_left[1], mouth_right[1])
    assert face.landmarks_px.shape == (5, 2)
    assert face.landmarks_px.dtype == np.float32


def test_two_people_are_two_faces_each_where_it_was_put(detector):
    frame, truth = scene({"ann": (20, 60), "bea": (350, 90)})
    found = sorted(detector.detect([frame])[0], key=lambda face: face.box_xyxy_px[0])
    assert len(found) == 2
    for face, true in zip(found, truth, strict=True):
        assert iou(face.box_xyxy_px, true.box_xyxy_px) > 0.75


@pytest.mark.parametrize("quality", [10, 30])
def test_strong_compression_does_not_hide_a_face(detector, astronaut, quality):
    (face,) = detector.detect([degraded(astronaut, quality)])[0]
    assert iou(face.box_xyxy_px, PORTRAIT_BOX) > 0.75


def test_a_grey_and_a_dark_face_are_found(detector, astronaut):
    grey = np.repeat(cv2.cvtColor(astronaut, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2)
    assert [len(found) for found in detector.detect([grey, astronaut // 4])] == [1, 1]


def test_a_face_at_the_border_is_found(detector, astronaut):
    """The cut leaves the forehead out of the frame; nothing is asked beyond finding it."""
    (face,) = detector.detect([astronaut[85:, 190:]])[0]
    x0, y0, x1, y1 = face.box_xyxy_px
    assert iou((x0 + 190, y0 + 85, x1 + 190, y1 + 85), PORTRAIT_BOX) > 0.6


CHECKS = np.kron(np.indices((24, 32)).sum(axis=0) % 2, np.full((10, 10), 255))
BLANK = {
    "black": np.zeros((240, 320, 3), np.uint8),
    "white": np.full((240, 320, 3), 255, np.uint8),
    "noise": np.random.default_rng(0).integers(0, 256, (240, 320, 3), dtype=np.uint8),
    "blobs": cv2.GaussianBlur(
        np.random.default_rng(1).integers(0, 256, (240, 320, 3), dtype=np.uint8), (0, 0), 3
    ),
    "checks": np.repeat(CHECKS[..., None], 3, axis=2).astype(np.uint8),
}


@pytest.mark.parametrize("name", BLANK)
def test_nothing_is_found_where_nothing_is(detector, name):
    assert detector.detect([BLANK[name]]) == [()]


@pytest.mark.parametrize(
    "shape", [(0, 0), (0, 40), (1, 1), (11, 11), (12, 12), (3, 500), (24, 24), (25, 31), (97, 63)]
)
def test_any_size_is_answered(detector, shape):
    noise = np.random.default_rng(2).integers(0, 256, (*shape, 3), dtype=np.uint8)
    assert detector.detect([noise]) == [()]


def test_no_images_no_answers(detector):
    assert detector.detect([]) == []


def test_a_batch_equals_its_images_one_by_one(detector, astronaut):
    images = [
        astronaut,
        BLANK["noise"],
        scene({"ann": (20, 60), "bea": (350, 90)})[0],
        astronaut[:, ::-1],
        resized(astronaut, 0.5),
        astronaut[1::2, ::2],
    ]
    together = detector.detect(images)
    assert [len(found) for found in together] == [1, 0, 2, 1, 1, 1]
    for image, found in zip(images, together, strict=True):
        for one, many in zip(detector.detect([image])[0], found, strict=True):
            np.testing.assert_allclose(one.box_xyxy_px, many.box_xyxy_px, atol=0.05)
            np.testing.assert_allclose(one.landmarks_px, many.landmarks_px, atol=0.05)
            assert one.confidence == pytest.approx(many.confidence, abs=1e-4)


def test_memory_layout_does_not_matter(detector, astronaut):
    strided = np.asfortranarray(astronaut)
    bgr_view = np.ascontiguousarray(astronaut[..., ::-1])[..., ::-1]
    (plain,) = detector.detect([astronaut])[0]
    for found in detector.detect([strided, bgr_view]):
        assert found[0].box_xyxy_px == pytest.approx(plain.box_xyxy_px, abs=0.05)


def test_the_image_is_left_as_it_was(detector, astronaut):
    before = astronaut.copy()
    detector.detect([astronaut])
    np.testing.assert_array_equal(astronaut, before)


def test_faces_far_below_the_smallest_size_are_not_sought(detector, astronaut, tmp_path):
    """Sought are 40 px here; a face of 28 px is still found, one of 20 px is not."""
    small = np.full((1000, 1000, 3), 90, np.uint8)
    small[400:492, 400:492] = resized(astronaut, 0.18)
    thorough = FaceDetector(DetectorConfig(min_face=0.02, min_face_px=16), cache=tmp_path)
    assert detector.detect([small]) == [()]
    assert len(thorough.detect([small])[0]) == 1


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((20, 20), np.uint8), r"expected \(H, W, 3\), got \(20, 20\)"),
        (np.zeros((20, 20, 4), np.uint8), r"expected \(H, W, 3\)"),
        (np.zeros((20, 20, 3), np.float32), "expected uint8 RGB, got float32"),
    ],
)
def test_what_is_no_image_is_refused_with_a_sentence(detector, image, message):
    with pytest.raises(ValueError, match=message):
        detector.detect([image])
