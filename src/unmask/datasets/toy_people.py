"""People who do not exist, drawn: skin, hair, eyes and clothes of their own, moving and speaking.

For data to try things out on: no photograph is needed, everything follows from a seed, and where
eyes, nose and mouth are is known, so that nobody has to be searched for. A head is drawn upright on
a canvas, with its mouth as open as its voice is loud, and laid into the frame under a moving
camera, in its own light, with the grain of a sensor.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from unmask.faces.detect import Detection
from unmask.types import Frame

Colour = tuple[float, float, float]

FPS = 25
SIZE_PX = (256, 144)  # width, height of a frame: 16:9, as the systems of whole frames want it
HEAD_PX = 112.0  # side of the canvas in the frame

_CANVAS_PX = 160
_BITS = 4  # of a pixel, to which ellipses are placed
# Places on the canvas, shares of its side; in proportion as the forge's mean face has them.
_EYES = ((0.36, 0.42), (0.64, 0.42))
_NOSE = (0.5, 0.59)
_MOUTH = ((0.41, 0.715), (0.59, 0.715))
_BOX = (0.23, 0.2, 0.77, 0.92)
_GRAIN = 2.0  # standard deviation, of 255
_FREEZING = 1e-3  # below it a voice is silent


@dataclass(frozen=True, kw_only=True)
class Person:
    """What somebody looks like; colours are of 255."""

    skin: Colour
    hair: Colour
    eyes: Colour
    lips: Colour
    shirt: Colour
    width: float  # of the face, relative
    hairline: float  # height of the hair above the eyes, share of the canvas
    brows: float  # thickness, share of the canvas
    texture_seed: int

    @cached_property
    def texture(self) -> NDArray[np.float32]:
        """Freckles and pores: factors on the skin, (side, side, 1)."""
        rng = np.random.default_rng(self.texture_seed)
        fine = rng.normal(0, 0.05, (_CANVAS_PX, _CANVAS_PX)).astype(np.float32)
        coarse = rng.normal(0, 0.06, (12, 12)).astype(np.float32)
        side = (_CANVAS_PX, _CANVAS_PX)
        spots = 1 + fine + np.asarray(cv2.resize(coarse, side, interpolation=cv2.INTER_CUBIC))
        return np.asarray(spots[..., None], np.float32)


def draw_person(rng: np.random.Generator) -> Person:
    """Make somebody up."""
    tone = rng.uniform(0.35, 1.0)
    skin = np.array((236, 190, 160)) * tone + rng.uniform(-12, 12, 3)
    return Person(
        skin=_colour(skin),
        hair=_colour(rng.uniform(15, 190) * np.array((1.0, 0.8, 0.6))),
        eyes=_colour(rng.uniform(20, 140, 3)),
        lips=_colour(skin * np.array((0.85, 0.5, 0.55))),
        shirt=_colour(rng.uniform(30, 225, 3)),
        width=rng.uniform(0.9, 1.12),
        hairline=rng.uniform(0.1, 0.2),
        brows=rng.uniform(0.008, 0.022),
        texture_seed=int(rng.integers(2**31)),
    )


def _colour(levels: NDArray[np.floating]) -> Colour:
    red, green, blue = np.clip(levels, 0, 255).tolist()
    return red, green, blue


class Take:
    """A person in front of a camera for a moment: place, light and movement of one recording."""

    def __init__(self, person: Person, rng: np.random.Generator) -> None:
        self.person = person
        self._phases = rng.uniform(0, 2 * np.pi, 6)
        self._periods_s = rng.uniform(0.8, 2.5, 6)
        self._corner = rng.uniform((60, 4), (84, 20))
        self._zoom = rng.uniform(0.92, 1.08)
        self._exposure = rng.uniform(0.8, 1.15)
        self._cast = rng.uniform(0.94, 1.06, 3).astype(np.float32)
        self._grain_seed = int(rng.integers(2**31))
        blobs = rng.integers(50, 200, (3, 5, 3), np.uint8)
        self._ground = np.asarray(cv2.resize(blobs, SIZE_PX, interpolation=cv2.INTER_CUBIC))

    def frames(self, loudness: Sequence[float]) -> list[tuple[Frame, Detection]]:
        """Film one frame for every loudness (0 silent .. 1), with where the face is."""
        return [self._frame(k, level) for k, level in enumerate(loudness)]

    def _frame(self, k: int, loudness: float) -> tuple[Frame, Detection]:
        t_s = k / FPS
        sway = np.sin(2 * np.pi * t_s / self._periods_s + self._phases)
        matrix = self._to_frame(sway)
        head = _draw_head(self.person, mouth=loudness, lids=max(0.0, 3 * sway[5] - 2))
        picture = self._ground.astype(np.float32)
        _draw_shoulders(picture, self.person.shirt, matrix)
        lit = _laid_over(picture, head, matrix) * self._cast * (self._exposure + 0.03 * sway[4])
        rgb = np.clip(np.rint(lit + _grain(self._grain_seed + k)), 0, 255).astype(np.uint8)
        return Frame(t_s=t_s, rgb=rgb), _detection(matrix)

    def _to_frame(self, sway: NDArray[np.float64]) -> NDArray[np.float64]:
        """Where the canvas lies at one moment, as a map to the frame."""
        scale = HEAD_PX / _CANVAS_PX * self._zoom * (1 + 0.03 * sway[0])
        middle = (_CANVAS_PX / 2, _CANVAS_PX / 2)
        matrix = np.asarray(cv2.getRotationMatrix2D(middle, 4.0 * sway[1], scale), np.float64)
        matrix[:, 2] += self._corner + HEAD_PX / 2 - middle + 4.0 * sway[2:4]
        return matrix


@cache
def _noise() -> NDArray[np.float32]:
    """More noise than a frame needs: drawing it anew would take longer than all the rest."""
    shape = (2 * SIZE_PX[1], 2 * SIZE_PX[0], 3)
    return _GRAIN * np.random.default_rng(0).standard_normal(shape, np.float32)


def _grain(seed: int) -> NDArray[np.float32]:
    """Noise of one frame: a piece of all there is."""
    width, height = SIZE_PX
    x, y = np.random.default_rng(seed).integers(0, (width, height)).tolist()
    return _noise()[y : y + height, x : x + width]


def _draw_head(person: Person, *, mouth: float, lids: float) -> NDArray[np.float32]:
    """Head on its canvas, (side, side, 4): colour and how solid it is, 0 .. 255."""
    head = np.zeros((_CANVAS_PX, _CANVAS_PX, 4), np.uint8)
    wide = person.width

    def oval(x: float, y: float, w: float, h: float, colour: Colour) -> None:
        """Fill an ellipse given by its middle and half axes, shares of the side."""
        unit = _CANVAS_PX * 2**_BITS
        middle, axes = (round(x * unit), round(y * unit)), (round(w * unit), round(h * unit))
        cv2.ellipse(head, middle, axes, 0, 0, 360, (*colour, 255), -1, cv2.LINE_AA, _BITS)

    dark = _colour(np.array(person.skin) * 0.72)
    oval(0.5, 0.5, 0.3 * wide, 0.38, person.hair)
    oval(0.5, 0.56, 0.265 * wide, 0.355, person.skin)
    fringe = _EYES[0][1] - person.hairline
    oval(0.5, (0.12 + fringe) / 2, 0.25 * wide, (fringe - 0.12) / 2, person.hair)
    for x, y in _EYES:
        oval(x, y - 0.075, 0.07, person.brows, person.hair)
        oval(x, y, 0.062, 0.03, (235.0, 235.0, 235.0))
        oval(x, y, 0.027, 0.027, person.eyes)
        oval(x, y, 0.012, 0.012, (10.0, 10.0, 10.0))
        if lids > 0:
            oval(x, y - 0.03 * (1 - lids), 0.068, 0.034 * min(lids, 1.0), person.skin)
    oval(_NOSE[0], _NOSE[1] - 0.04, 0.018, 0.07, dark)
    oval(*_NOSE, 0.045, 0.02, dark)
    y_mouth = _MOUTH[0][1]
    oval(0.5, y_mouth + 0.02 * mouth, 0.095, 0.022 + 0.035 * mouth, person.lips)
    if mouth > _FREEZING:
        oval(0.5, y_mouth + 0.02 * mouth, 0.07, 0.004 + 0.03 * mouth, (45.0, 12.0, 18.0))
    solid = head.astype(np.float32)
    solid[..., :3] *= person.texture
    return solid


def _draw_shoulders(
    picture: NDArray[np.float32], shirt: Colour, matrix: NDArray[np.float64]
) -> None:
    x, y = matrix @ (_CANVAS_PX * 0.5, _CANVAS_PX * 1.3, 1.0)
    size = float(np.hypot(*matrix[:, 0])) * _CANVAS_PX
    middle, axes = (round(x), round(y)), (round(0.62 * size), round(0.48 * size))
    cv2.ellipse(picture, middle, axes, 0, 0, 360, shirt, -1, cv2.LINE_AA)


def _laid_over(
    picture: NDArray[np.float32], head: NDArray[np.float32], matrix: NDArray[np.float64]
) -> NDArray[np.float32]:
    laid = np.asarray(cv2.warpAffine(head, matrix, SIZE_PX, flags=cv2.INTER_AREA), np.float32)
    weight = laid[..., 3:] / 255
    return np.asarray(laid[..., :3] + picture * (1 - weight), np.float32)


def _detection(matrix: NDArray[np.float64]) -> Detection:
    """What a face detector would find."""

    def placed(points: Sequence[tuple[float, float]]) -> NDArray[np.float64]:
        on_canvas = np.array([(x * _CANVAS_PX, y * _CANVAS_PX, 1.0) for x, y in points])
        return on_canvas @ matrix.T

    x0, y0, x1, y1 = _BOX
    corners = placed([(x0, y0), (x1, y0), (x1, y1), (x0, y1)])
    (left, top), (right, bottom) = corners.min(axis=0), corners.max(axis=0)
    landmarks = placed([*_EYES, _NOSE, *_MOUTH]).astype(np.float32)
    box = (float(left), float(top), float(right), float(bottom))
    return Detection(box_xyxy_px=box, landmarks_px=landmarks, confidence=1.0)
