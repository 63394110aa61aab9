"""A frame at full, half, quarter, ... size, to take small pictures from at little cost.

Shrinking a 1080p frame to an arbitrary size with a proper filter takes ten times as long as
halving it, and a detector wants a dozen sizes of every frame. Each picture is taken from the
halving that is just large enough.
"""

from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from unmask.types import Image


@dataclass(frozen=True)
class Halvings:
    """The pictures, made when first asked for. Positions are in pixels of the full frame."""

    rgb: Image
    _levels: list[Image] = field(default_factory=list, init=False)

    def shrunk(self, scale: float) -> Image:
        """The whole frame at `scale` <= 1, at least one pixel on each side."""
        height, width = (max(1, round(side * scale)) for side in self.rgb.shape[:2])
        _, source = self._at_least(scale)
        if source.shape[:2] == (height, width):
            return source
        shrunk = cv2.resize(source, (width, height), interpolation=cv2.INTER_AREA)
        return np.asarray(shrunk, np.uint8)

    def cuts(self, boxes: NDArray[np.float32], side_px: int) -> Image:
        """The contents of square boxes (N, 4), each at `side_px`; black outside the frame.

        Cut with sub-pixel precision: (N, side_px, side_px, 3).
        """
        pictures = np.empty((len(boxes), side_px, side_px, 3), np.uint8)
        for box, picture in zip(boxes.astype(float), pictures, strict=True):
            k, source = self._at_least(side_px / max(box[2] - box[0], 1e-6))
            step = (box[2] - box[0]) / 2**k / side_px  # source pixels per pixel of the cut
            x, y = box[:2] / 2**k + (step - 1) / 2  # centre of the first pixel
            cv2.warpAffine(
                source,
                np.array([[step, 0, x], [0, step, y]]),
                (side_px, side_px),
                dst=picture,
                flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
                borderMode=cv2.BORDER_CONSTANT,
            )
        return pictures

    def _at_least(self, scale: float) -> tuple[int, Image]:
        """The smallest halving, and how often it was halved, that is not below `scale`."""
        if not self._levels:
            self._levels.append(np.ascontiguousarray(self.rgb))
        k = 0
        while scale <= 0.5 ** (k + 1) and min(self._levels[k].shape[:2]) >= 2:
            k += 1
            if k == len(self._levels):
                self._levels.append(halved(self._levels[-1]))
        return k, self._levels[k]


def halved(rgb: Image) -> Image:
    """Mean of 2 x 2 pixels; an odd last row or column is left out, so that positions stay exact."""
    height, width = (side // 2 for side in rgb.shape[:2])
    even = rgb[: 2 * height, : 2 * width]
    return np.asarray(cv2.resize(even, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
