"""The face detectors that a preparation can use.

`mtcnn` is the one that scans; `dlib`, an extra, is that of DTN's and long_distance's papers. dlib's
HOG detector gives a square and no landmarks: they are put where a typical face has them, so that a
view aligned to dlib is the square itself, and one aligned to the eyes is not turned.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any, Literal

from unmask.clips.tensors import dlib_landmarks
from unmask.errors import MissingExtraError
from unmask.faces.detect import Detection, DetectorConfig, FaceDetector
from unmask.pipeline.ingest import FaceFinder
from unmask.types import Image

DetectorName = Literal["mtcnn", "dlib"]

UPSAMPLE = 1  # times a frame is doubled before the search: faces from 40 px on, as the field does
_SURE = 2.0  # HOG score of a face beyond doubt; at 0 one is just accepted


def open_detector(name: DetectorName) -> FaceFinder:
    """Open a detector that runs on one thread, so that its answers never depend on how many.

    Raises:
        MissingExtraError: dlib is not installed.
    """
    if name == "mtcnn":
        return FaceDetector(DetectorConfig(threads=1))
    try:
        return DlibDetector(importlib.import_module("dlib"))
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            "--detector dlib needs dlib; install it with: pip install 'unmask[dlib]'"
        ) from error


class DlibDetector:
    """dlib's frontal face detector."""

    def __init__(self, dlib: Any) -> None:
        self._search = dlib.get_frontal_face_detector()

    def detect(self, images: Sequence[Image]) -> list[tuple[Detection, ...]]:
        """Faces of every picture, best first."""
        return [
            tuple(map(_detection, *self._search.run(image, UPSAMPLE, 0.0)[:2])) for image in images
        ]


def _detection(box: Any, score: float) -> Detection:
    """From pixels, both ends included, to edges."""
    x0, y0, x1, y1 = (float(v) for v in (box.left(), box.top(), box.right() + 1, box.bottom() + 1))
    return Detection(
        box_xyxy_px=(x0, y0, x1, y1),
        landmarks_px=dlib_landmarks((x0 + x1) / 2, (y0 + y1) / 2, x1 - x0),
        confidence=min(1.0, 0.5 + 0.5 * score / _SURE),
    )
