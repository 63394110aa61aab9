"""Does a scan show a face as the training crops did? Measured in the views themselves."""

import cv2
import numpy as np
import pytest

from face_clips import portrait
from media import write_still
from unmask.clips.tensors import DLIB_LAYOUT, cut_view
from unmask.faces.detect import DetectorConfig, FaceDetector
from unmask.pipeline.ingest import ingest
from unmask.types import InputSpec

VIEW_PX = 224
PAD_PX = 80  # MTCNN wants to see more than a tight crop shows
SPEC = InputSpec(size_px=VIEW_PX, alignment="dlib")
FACE_WIDTHS_PX = (40, 64, 88, 130, 200, 330)  # 88 in the portrait


@pytest.fixture(scope="module")
def landmarks(tmp_path_factory):
    """Landmarks as shares of the view's side, for every size of the face: (sizes, 5, 2)."""
    folder = tmp_path_factory.mktemp("sizes")
    detector = FaceDetector(DetectorConfig(min_face=0.2))
    views = [scanned_view(folder / f"{width}.png", width / 88) for width in FACE_WIDTHS_PX]
    wide = [cv2.copyMakeBorder(view, *[PAD_PX] * 4, cv2.BORDER_REPLICATE) for view in views]
    found = [max(faces, key=lambda face: face.size_px) for faces in detector.detect(wide)]
    return (np.array([face.landmarks_px for face in found]) - PAD_PX) / VIEW_PX


def scanned_view(file, scale):
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    write_still(file, cv2.resize(portrait(), None, fx=scale, fy=scale, interpolation=method))
    (track,) = ingest(file, SPEC, n_frames=1, faces=FaceDetector()).tracks
    return cut_view(track.faces[0], SPEC)


def test_scanned_eyes_lie_where_those_of_the_training_crops_lie(landmarks):
    """One face differs from the mean face, by .04 across and .05 down in a deviation."""
    apart = landmarks[:, :2] - DLIB_LAYOUT[:2]
    assert np.abs(apart).max() < 0.06


def test_a_face_is_seen_alike_whatever_its_size(landmarks):
    assert np.ptp(landmarks[:, :2], axis=0).max() < 0.02
