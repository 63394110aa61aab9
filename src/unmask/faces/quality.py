"""How much a face can tell: its size, its sharpness and how far it is turned."""

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from unmask.types import Box, FaceQuality, Image

SHARPNESS_SIDE_PX = 112  # faces are compared at this size, so that sharpness is one scale


def measure_quality(image: Image, box: Box, landmarks_px: NDArray[np.float32]) -> FaceQuality:
    """Measure a face in the frame it was found in, at full resolution."""
    x0, y0, x1, y1 = box
    return FaceQuality(
        size_px=min(x1 - x0, y1 - y0),
        sharpness=sharpness(image, box),
        yaw=yaw(landmarks_px),
        roll_deg=roll_deg(landmarks_px),
    )


def sharpness(image: Image, box: Box) -> float:
    """Variance of the Laplacian of the grey face, brought to 112 px a side.

    Small faces are enlarged and count as blurred, which for a detector's purposes they are.
    """
    height, width = image.shape[:2]
    x0, y0 = (max(0, math.floor(edge)) for edge in box[:2])
    x1, y1 = min(width, math.ceil(box[2])), min(height, math.ceil(box[3]))
    face = image[y0:y1, x0:x1]
    if not face.size:
        raise ValueError(f"box {box} lies outside the picture of {width} x {height} px")
    grey = cv2.cvtColor(np.ascontiguousarray(face), cv2.COLOR_RGB2GRAY)
    shrinks = min(grey.shape) >= SHARPNESS_SIDE_PX
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    grey = cv2.resize(grey, (SHARPNESS_SIDE_PX, SHARPNESS_SIDE_PX), interpolation=method)
    return float(cv2.Laplacian(grey, cv2.CV_32F).var())


def yaw(landmarks_px: NDArray[np.float32]) -> float:
    """Where the nose lies between the eyes: -1 under the left one, 0 midway, 1 under the right.

    Left and right as seen in the picture; the tilt of the head does not count.
    """
    left, right, nose = landmarks_px[:3].astype(np.float64)
    across = right - left
    length2 = float(across @ across)
    if length2 == 0:  # both eyes on one spot: a full profile
        return math.copysign(1.0, nose[0] - left[0])
    return float(np.clip(2 * ((nose - left) @ across) / length2 - 1, -1, 1))


def roll_deg(landmarks_px: NDArray[np.float32]) -> float:
    """Tilt of the line between the eyes, clockwise as seen in the picture."""
    across = landmarks_px[1] - landmarks_px[0]
    return math.degrees(math.atan2(float(across[1]), float(across[0])))
