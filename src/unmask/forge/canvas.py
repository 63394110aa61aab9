"""An upright square picture of a face, in face units: where forgeries are made.

Whatever is done to a face here is done in the same place on every frame, so that it is steady; and
at a bounded size, however large the frame is.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from unmask.forge import landmarks as lm
from unmask.types import Image

SPAN = 3.2  # side, face units: the whole face with some hair and background
ORIGIN = (1.6, 1.3)  # the point between the eyes, face units from the top left corner


@dataclass(frozen=True, kw_only=True)
class Canvas:
    """A square of `side_px` around a face."""

    side_px: int

    @property
    def px_per_unit(self) -> float:
        """Length of one face unit."""
        return self.side_px / SPAN

    @property
    def from_face(self) -> NDArray[np.float64]:
        """Face units to canvas pixels, (2, 3)."""
        scale = self.px_per_unit
        x, y = ORIGIN
        return np.array([[scale, 0.0, scale * x - 0.5], [0.0, scale, scale * y - 0.5]])

    def from_frame(self, landmarks_px: NDArray[np.floating]) -> NDArray[np.float64]:
        """Frame pixels to canvas pixels, (2, 3)."""
        return lm.compose(self.from_face, lm.invert_affine(lm.face_similarity(landmarks_px)))

    def cut(self, rgb: Image, landmarks_px: NDArray[np.floating]) -> Image:
        """The face, upright; beyond the frame its rim goes on."""
        return resampled(rgb, self.from_frame(landmarks_px), (self.side_px, self.side_px))

    def units(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Place of every pixel in face units: x and y, (side, side) each."""
        line = (np.arange(self.side_px) + 0.5) / self.px_per_unit
        x, y = np.meshgrid(line - ORIGIN[0], line - ORIGIN[1])
        return x.astype(np.float32), y.astype(np.float32)


def resampled(image: Image, matrix: NDArray[np.float64], size: tuple[int, int]) -> Image:
    """Warp by an affine map to `size` (width, height), averaging where the picture shrinks.

    A bare warp skips pixels of a large face, and its texture would sparkle from frame to frame.
    """
    shrink = 1 / float(np.hypot(matrix[0, 0], matrix[1, 0]))
    if shrink <= 1:
        return _warped(image, matrix, size)
    patch, left, top = _patch(image, matrix, size)
    small = (max(1, round(patch.shape[1] / shrink)), max(1, round(patch.shape[0] / shrink)))
    reduced = cv2.resize(patch, small, interpolation=cv2.INTER_AREA)
    sx, sy = patch.shape[1] / small[0], patch.shape[0] / small[1]
    # Pixel centres lie half a pixel inside on both sides of a change of scale.
    to_frame = np.array([[sx, 0.0, left + sx / 2 - 0.5], [0.0, sy, top + sy / 2 - 0.5]])
    return _warped(np.asarray(reduced, np.uint8), lm.compose(matrix, to_frame), size)


def _patch(
    image: Image, matrix: NDArray[np.float64], size: tuple[int, int]
) -> tuple[Image, int, int]:
    """The part of a picture that an affine map shows, with its left and top."""
    width, height = size
    corners = np.array([(0, 0), (width, 0), (0, height), (width, height)], np.float64)
    shown = lm.apply_affine(lm.invert_affine(matrix), corners)
    low, high = np.floor(shown.min(axis=0)) - 2, np.ceil(shown.max(axis=0)) + 2
    left, top = (int(np.clip(low[i], 0, image.shape[1 - i] - 1)) for i in (0, 1))
    right, bottom = (int(np.clip(high[i], 1, image.shape[1 - i])) for i in (0, 1))
    return image[top : max(bottom, top + 1), left : max(right, left + 1)], left, top


def _warped(image: Image, matrix: NDArray[np.float64], size: tuple[int, int]) -> Image:
    warped = cv2.warpAffine(
        image, matrix, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(warped, np.uint8)
