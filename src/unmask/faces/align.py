"""Keeps the pixels around a face: an exact piece of the frame, so that the frame can be let go.

Alignment itself (scaling, turning, margins) is `clips/tensors.py`'s, which must see the same pixels
in training and scanning; here the face is only cut out, at full resolution and unresized.
"""

import math

import numpy as np

from unmask.faces.detect import Detection
from unmask.faces.quality import measure_quality
from unmask.types import Face, Image

# Half-width of the crop in longer sides of the face box. The widest view there is, a box enlarged
# by a third on every side, needs .83; 1.0 leaves room for the corners of turned views.
REACH = 1.0


def cut_face(image: Image, detection: Detection, t_s: float) -> Face:
    """Cut a face with its surroundings out of a frame (H, W, 3).

    The crop is a copy of the frame's own pixels: a square twice the longer side of the box, less
    where the frame ends.
    """
    x0, y0, x1, y1 = detection.box_xyxy_px
    cx, cy, reach = (x0 + x1) / 2, (y0 + y1) / 2, REACH * detection.size_px
    height, width = image.shape[:2]
    left, top = max(0, math.floor(cx - reach)), max(0, math.floor(cy - reach))
    right, bottom = min(width, math.ceil(cx + reach)), min(height, math.ceil(cy + reach))
    return Face(
        t_s=t_s,
        box_xyxy_px=detection.box_xyxy_px,
        landmarks_px=np.array(detection.landmarks_px, np.float32),
        confidence=detection.confidence,
        crop=image[top:bottom, left:right].copy(),
        crop_origin_px=(left, top),
        quality=measure_quality(image, detection.box_xyxy_px, detection.landmarks_px),
    )
