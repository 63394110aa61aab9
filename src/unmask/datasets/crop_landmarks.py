"""Where the landmarks lie in a face crop that comes without its frame.

O-Net alone looks, at where a crop's face must be: faces cut close to their edge are widened by
their mirror image first, or it would miss a fourth of them.
"""

from __future__ import annotations

from functools import lru_cache
from threading import Lock

import cv2
import numpy as np
from numpy.typing import NDArray

from unmask.faces.detect import FaceDetector
from unmask.types import Image

_AROUND = 0.25  # of a crop's side, mirrored on every side
_FACE = (1.0, 1.2)  # (w, h) of an MTCNN box, shares of a crop that dlib would have cut
_ONE_AT_A_TIME = Lock()  # a graph holds what it computes; the threads of a loader share it


def crop_landmarks(crop: Image) -> NDArray[np.float32] | None:
    """Return the five landmarks (5, 2) in a crop's pixels; None where no face is seen."""
    height, width = crop.shape[:2]
    around = round(_AROUND * min(height, width))
    wide = cv2.copyMakeBorder(crop, around, around, around, around, cv2.BORDER_REFLECT_101)
    half_w, half_h = _FACE[0] * width / 2, _FACE[1] * height / 2
    x, y = around + width / 2, around + height / 2
    box = (x - half_w, y - half_h, x + half_w, y + half_h)
    with _ONE_AT_A_TIME:
        (seen,) = _detector().detect_near([np.asarray(wide, np.uint8)], [[box]])
    return seen[0].landmarks_px - np.float32(around) if seen else None


@lru_cache(maxsize=1)
def _detector() -> FaceDetector:
    """One for a process: its graphs are read at the first face."""
    return FaceDetector()
