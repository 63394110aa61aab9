"""Pixels that are not square, as of DV, DVD and much of television: pictures are widened.

Nothing is thrown away: where pixels are higher than wide, it is the rows that become more.
"""

from __future__ import annotations

from fractions import Fraction

import av
import cv2
import numpy as np

from unmask.types import Image

SQUARE = Fraction(1)
_MOST = 4  # a pixel this many times as wide as high, or the reverse, is a mistake of the header


def pixel_aspect(stream: av.VideoStream) -> Fraction:
    """Width of a stored pixel by its height; 1 where the file does not say, or nonsense.

    What the container does not say the stream may: that is known once a frame is decoded.
    """
    aspect = stream.sample_aspect_ratio or stream.codec_context.sample_aspect_ratio
    return aspect if aspect and Fraction(1, _MOST) <= aspect <= _MOST else SQUARE


def square_size(width_px: int, height_px: int, aspect: Fraction) -> tuple[int, int]:
    """Return (width, height) of a stored picture once its pixels are square.

    >>> square_size(720, 576, Fraction(64, 45))
    (1024, 576)
    """
    if aspect >= 1:
        return round(width_px * aspect), height_px
    return width_px, round(height_px / aspect)


def squared(picture: Image, aspect: Fraction) -> Image:
    """Make the pixels of a stored picture square."""
    if aspect == SQUARE:
        return picture
    size = square_size(picture.shape[1], picture.shape[0], aspect)
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_CUBIC), np.uint8)
