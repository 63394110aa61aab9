"""Covering parts of a face in black, so that a network does not learn to look at one place only.

Source: Heo et al. 2021 ("cutout and dropout of image parts"), whose base is the code of the
DFDC winner (Seferbekov 2020): a strip over eyes, mouth or nose; else half of the face's outline;
else half of the picture, or two opposite quarters. A cover is drawn once per clip and follows the
face from frame to frame.

Strips use the five landmarks of the face detector, as there. Differs: (1) the outline there is of
68 points that dlib finds in each picture; here it is the mean face of `forge/landmarks.py` fitted
to the five, so it follows the head and not the person's own jaw. (2) There a half is only blackened
where enough of the forged region, known from the original video, stays visible; here it always is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from unmask.datasets.steps import Dice, check_probabilities
from unmask.forge.landmarks import BROWS, JAW, dense_points
from unmask.types import Face, Image

Part = Literal["eyes", "mouth", "nose"]
Side = Literal["top", "bottom", "left", "right", "falling", "rising"]  # the last two: diagonals
Mask = NDArray[np.bool_]

_HALVES: tuple[Side, ...] = ("top", "bottom", "left", "right")
_SIDES: tuple[Side, ...] = (*_HALVES, "falling", "rising")
_OUTLINE = (*JAW, *BROWS[::-1])


@dataclass(frozen=True, kw_only=True)
class CoverConfig:
    """How often what is covered; the values are Seferbekov's (code, classifier_dataset.py)."""

    p_strip: float = 0.7
    p_outline: float = 0.2  # where no strip was drawn
    p_half: float = 0.1  # where neither was drawn
    p_eyes: float = 0.5  # of strips
    p_mouth: float = 0.5  # where not the eyes
    p_nose: float = 0.5  # where neither; else the strip is left out

    def __post_init__(self) -> None:
        check_probabilities(self, "cover")


@dataclass(frozen=True, kw_only=True)
class Cover:
    """What is covered: a strip, half of the outline, or half of the picture."""

    strip: Part | None = None
    outline: Side | None = None
    half: Side | None = None


def draw_cover(config: CoverConfig, dice: Dice) -> Cover | None:
    """Decide what is covered throughout a clip."""
    if dice.happens(config.p_strip):
        part = _draw_part(config, dice)
        return Cover(strip=part) if part else None
    if dice.happens(config.p_outline):
        return Cover(outline=dice.one_of(_HALVES))
    if dice.happens(config.p_half):
        return Cover(half=dice.one_of(_SIDES))
    return None


def covered(face: Face, cover: Cover) -> Image:
    """Return a face's crop with a part in black."""
    crop = face.crop.copy()
    crop[cover_mask(face, cover)] = 0
    return crop


def cover_mask(face: Face, cover: Cover) -> Mask:
    """Say which pixels (H, W) of a face's crop are covered."""
    points = face.landmarks_px - np.asarray(face.crop_origin_px, np.float32)
    shape = face.crop.shape[0], face.crop.shape[1]
    if cover.strip:
        return _strip(shape, points, cover.strip)
    if cover.outline:
        inside = _inside_outline(shape, points)
        if not inside.any():
            return inside  # the landmarks lie outside the crop
        rows, columns = np.nonzero(inside)
        return inside & _side(shape, columns.mean(), rows.mean(), cover.outline)
    assert cover.half, "a cover covers something"
    x0, y0, x1, y1 = face.box_xyxy_px
    left, top = face.crop_origin_px
    return _side(shape, (x0 + x1) / 2 - left, (y0 + y1) / 2 - top, cover.half)


def _draw_part(config: CoverConfig, dice: Dice) -> Part | None:
    if dice.happens(config.p_eyes):
        return "eyes"
    if dice.happens(config.p_mouth):
        return "mouth"
    return "nose" if dice.happens(config.p_nose) else None


def _strip(shape: tuple[int, int], points: NDArray[np.float32], part: Part) -> Mask:
    """All within a quarter (mouth: a third) of the line's own length, in steps along the axes.

    The nose strip runs from between the eyes to its tip and is as wide as that of the eyes.
    """
    eye_left, eye_right, nose, mouth_left, mouth_right = points
    ends = {
        "eyes": (eye_left, eye_right),
        "mouth": (mouth_left, mouth_right),
        "nose": (nose, (eye_left + eye_right) / 2),
    }[part]
    ruler = (mouth_left, mouth_right) if part == "mouth" else (eye_left, eye_right)
    reach = float(np.linalg.norm(ruler[1] - ruler[0])) // (3 if part == "mouth" else 4)
    free = np.ones(shape, np.uint8)
    start, end = (tuple(int(v) for v in np.rint(point)) for point in ends)
    cv2.line(free, start, end, 0, 2)
    return np.asarray(cv2.distanceTransform(free, cv2.DIST_L1, 3) <= reach)


def _inside_outline(shape: tuple[int, int], points: NDArray[np.float32]) -> Mask:
    outline = dense_points(points)[list(_OUTLINE)]
    filled = np.zeros(shape, np.uint8)
    cv2.fillPoly(filled, [np.rint(outline).astype(np.int32)], 1)
    return filled.astype(bool)


def _side(shape: tuple[int, int], x: float, y: float, side: Side) -> Mask:
    """One side of a point; `falling` is the quarters at the top left and the bottom right."""
    above = np.arange(shape[0])[:, None] < y
    before = np.arange(shape[1])[None] < x
    sides = {
        "top": above,
        "bottom": ~above,
        "left": before,
        "right": ~before,
        "falling": above == before,
        "rising": above != before,
    }
    return np.broadcast_to(sides[side], shape)
