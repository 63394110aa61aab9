"""The tamper probe of Lu et al. (2021, Fig. 8): edit one place of a real face; where do maps rise?

They blur the mouth, paint the right pupil red and distort the mouth, and show the attention before
and after. Here each edit also says where it was made, in the pixels of the crop, so that the share
of the rise that lies inside can be measured. Where features lie comes from the five landmarks, to
which a mean face is fitted. "Right" is right in the picture.

Ours, as the paper gives none of it: how strong the edits are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from unmask.evaluation.examples import Example
from unmask.forge.landmarks import MOUTH, dense_points, eyes_px, face_similarity
from unmask.types import Face, Image

Inside = NDArray[np.uint8]  # (H, W) of the crop, 255 = edited
Edit = Callable[[Face], tuple[Image, Inside]]

BLUR = 0.16  # standard deviation, of the distance between the eyes
PUPIL = 0.11  # radius of the painted pupil, of the same
WAVE = 0.09  # how far the mouth is bent, of the same
AROUND = 1.5  # the box of the mouth over the mouth itself
RED = (215, 25, 30)


def blur_mouth(face: Face) -> tuple[Image, Inside]:
    """Gaussian blur of the mouth."""
    inside = _mouth(face)
    soft = np.asarray(cv2.GaussianBlur(face.crop, (0, 0), BLUR * _eyes(face)), np.uint8)
    return _laid_in(face.crop, soft, inside), inside


def redden_pupil(face: Face) -> tuple[Image, Inside]:
    """Paint the pupil on the right of the picture red."""
    x, y = (_points(face)[1] * 16).round().astype(int).tolist()
    inside = np.zeros(face.crop.shape[:2], np.uint8)
    radius = round(max(1.0, PUPIL * _eyes(face)) * 16)
    cv2.circle(inside, (x, y), radius, 255, -1, cv2.LINE_AA, 4)
    painted = np.full_like(face.crop, RED)
    return _laid_in(face.crop, painted, inside), inside


def distort_mouth(face: Face) -> tuple[Image, Inside]:
    """Bend the mouth into a wave: smooth, nothing is cut, and the border stays where it is."""
    inside = _mouth(face)
    height, width = inside.shape
    weight = cv2.GaussianBlur(inside.astype(np.float32) / 255, (0, 0), 0.08 * _eyes(face))
    weight = np.maximum(0, weight - 0.02)  # a Gaussian never ends; this one does
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    bend = WAVE * _eyes(face) * np.sin(2 * np.pi * x / (0.6 * _eyes(face)))
    down = (y + weight * bend).astype(np.float32)
    bent = cv2.remap(face.crop, x, down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    changed = ((weight > 0) * 255).astype(np.uint8)
    return np.asarray(bent, np.uint8), changed


EDITS: dict[str, tuple[Edit, str]] = {
    "blur_mouth": (blur_mouth, "mouth blurred"),
    "redden_pupil": (redden_pupil, "right pupil red"),
    "distort_mouth": (distort_mouth, "mouth bent"),
}


def tampered(example: Example, edit: Edit) -> Example:
    """The same clip with every face edited; what is forged is the edit."""
    done = [(face, *edit(face)) for face in example.faces]
    return replace(
        example,
        sights=[replace(face, crop=crop) for face, crop, _ in done],
        forged=tuple(inside for _, _, inside in done),
    )


def _mouth(face: Face) -> Inside:
    """An ellipse about the mouth, somewhat larger than it."""
    lips = dense_points(_points(face))[list(MOUTH)]
    middle = lips.mean(axis=0)
    around = cv2.convexHull((middle + AROUND * (lips - middle)).astype(np.float32))
    inside = np.zeros(face.crop.shape[:2], np.uint8)
    cv2.fillConvexPoly(inside, (around * 16).round().astype(np.int32), 255, cv2.LINE_AA, 4)
    return inside


def _points(face: Face) -> NDArray[np.float32]:
    """Landmarks in the pixels of the crop."""
    return np.asarray(face.landmarks_px - np.array(face.crop_origin_px, np.float32), np.float32)


def _eyes(face: Face) -> float:
    """Distance between the eyes as the fitted face has it, pixels."""
    return eyes_px(face_similarity(face.landmarks_px))


def _laid_in(crop: Image, other: Image, inside: Inside) -> Image:
    weight = inside[..., None].astype(np.float32) / 255
    return np.asarray(np.rint(crop + weight * (other.astype(np.float32) - crop)), np.uint8)
