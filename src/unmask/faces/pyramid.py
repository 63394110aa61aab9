"""A frame at falling sizes, for a network that knows faces of one size only.

From one size to the next is a factor of sqrt(1/2), so that every size is half of the one before the
last: two are shrunk with a proper filter, and halving, ten times as fast, makes the others.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from unmask.faces.halvings import Halvings, halved
from unmask.types import Image

FACTOR = sqrt(0.5)


@dataclass(frozen=True, kw_only=True, eq=False)
class Level:
    """One size of a frame."""

    picture: Image
    to_frame: NDArray[np.float64]  # pixels of the frame per pixel of the picture, (x, y)


def pyramid(frame: Halvings, *, smallest_px: float, cell_px: int) -> Iterator[Level]:
    """Sizes from the one where a face of `smallest_px` fills a cell to the last that holds a cell.

    Args:
        frame: what is searched.
        smallest_px: side of the smallest square sought, in pixels of the frame.
        cell_px: side of the square that the network looks at.
    """
    scale = cell_px / smallest_px
    last: list[Level] = []
    while True:
        if len(last) < 2:
            picture = frame.shrunk(scale * FACTOR ** len(last))
            to_frame = np.divide(frame.rgb.shape[1::-1], picture.shape[1::-1])
        else:
            source = last.pop(0)
            picture, to_frame = halved(source.picture), 2 * source.to_frame
        if min(picture.shape[:2]) < cell_px:
            return
        last.append(Level(picture=picture, to_frame=to_frame))
        yield last[-1]
