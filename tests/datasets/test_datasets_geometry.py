"""Do scanned faces lie in their views where faces lie in the training crops? On real media."""

import cv2
import numpy as np
import pytest

from unmask.clips.tensors import DLIB_LAYOUT, cut_view
from unmask.datasets.faces import read_parquet
from unmask.faces.detect import DetectorConfig, FaceDetector
from unmask.types import Face, FaceQuality, InputSpec

pytestmark = pytest.mark.slow

PAD_PX = 80  # MTCNN wants to see more than a tight crop shows
VIEW_PX = 224
SPEC = InputSpec(size_px=VIEW_PX, alignment="dlib")


@pytest.fixture(scope="module")
def detector():
    return FaceDetector(DetectorConfig(min_face=0.2))


def landmarks_in(views, detector):
    """Landmarks of clearly found faces as shares of the view's side, (N, 5, 2)."""
    wide = [cv2.copyMakeBorder(view, *[PAD_PX] * 4, cv2.BORDER_REPLICATE) for view in views]
    found = [max(faces, key=lambda f: f.size_px) for faces in detector.detect(wide) if faces]
    sure = [face.landmarks_px for face in found if face.confidence > 0.95]
    return (np.array(sure) - PAD_PX) / VIEW_PX


def training_crops(shared_data, n):
    table = read_parquet([shared_data / "dfdc_faces"])
    rows = np.random.default_rng(1).choice(len(table), n, replace=False)
    return [table.image(int(row)) for row in rows]


def scanned_views(shared_data, detector, n):
    """Views of the largest face of real portraits, cut as a scan does."""
    views = []
    for file in sorted((shared_data / "stills").glob("*.jpg"))[:n]:
        frame = cv2.imdecode(np.frombuffer(file.read_bytes(), np.uint8), cv2.IMREAD_COLOR_RGB)
        for found in detector.detect([frame])[0][:1]:
            face = Face(
                t_s=0.0,
                box_xyxy_px=found.box_xyxy_px,
                landmarks_px=found.landmarks_px,
                confidence=found.confidence,
                crop=frame,
                crop_origin_px=(0, 0),
                quality=FaceQuality(size_px=found.size_px, sharpness=1.0, yaw=0.0, roll_deg=0.0),
            )
            views.append(cut_view(face, SPEC))
    return views


def test_the_layout_is_that_of_the_training_crops(shared_data, detector):
    marks = landmarks_in(training_crops(shared_data, 300), detector)
    assert len(marks) > 250
    np.testing.assert_allclose(np.median(marks, axis=0), DLIB_LAYOUT, atol=0.02)


def test_scanned_faces_lie_where_training_faces_lie(shared_data, detector):
    trained_on = landmarks_in(training_crops(shared_data, 300), detector)
    scanned = landmarks_in(scanned_views(shared_data, detector, 80), detector)
    assert len(scanned) > 60
    apart = np.median(scanned, axis=0) - np.median(trained_on, axis=0)
    assert np.abs(apart[:2]).max() < 0.03, "eyes"
    assert np.abs(apart).max() < 0.06, "nose and mouth, which differ with the expression"
