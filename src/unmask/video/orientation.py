"""Upright pictures: the eight ways a camera can be held, numbered as EXIF numbers them.

Containers say it with a display matrix, still images with EXIF tag 0x0112; decoders hand out the
stored picture. Both become one number here, 1 = already upright, so that faces stand on their
necks whatever the file came from.
"""

from __future__ import annotations

import math
import struct
from typing import cast

import av
import numpy as np
from av.sidedata.sidedata import SideData, SideDataContainer
from numpy.typing import NDArray

UPRIGHT = 1

# EXIF orientation -> what to do to the stored picture, in this order:
# swap rows and columns, reverse the columns, reverse the rows.
_MOVES: dict[int, tuple[bool, bool, bool]] = {
    1: (False, False, False),
    2: (False, True, False),
    3: (False, True, True),
    4: (False, False, True),
    5: (True, False, False),
    6: (True, True, False),
    7: (True, True, True),
    8: (True, False, True),
}
_ORIENTATION = {moves: number for number, moves in _MOVES.items()}
_CLOCKWISE_DEG = {1: 0, 2: 0, 3: 180, 4: 180, 5: 270, 6: 90, 7: 90, 8: 270}
_EXIF_TAG = 0x0112


def upright(picture: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """Turn a stored picture (H, W) or (H, W, C) upright; the result is contiguous."""
    swap, mirror, flip = _MOVES[orientation]
    if swap:
        picture = picture.swapaxes(0, 1)
    if mirror:
        picture = picture[:, ::-1]
    if flip:
        picture = picture[::-1]
    return np.ascontiguousarray(picture)


def clockwise_deg(orientation: int) -> int:
    """Clockwise turn that makes the stored picture upright (after mirroring, where it has one)."""
    return _CLOCKWISE_DEG[orientation]


def swaps_sides(orientation: int) -> bool:
    """Whether the upright picture is as wide as the stored one is high."""
    return _MOVES[orientation][0]


def of_frame(frame: av.VideoFrame) -> int:
    """How a decoded frame is held; FFmpeg hands it out as stored.

    FFmpeg's own number of degrees does not tell a picture turned upside down as in a mirror from
    one that is upright. The side data are read apart from the frame: those that it keeps hold on to
    it in a cycle, and with it to 3 MB of 1080p.
    """
    found = SideDataContainer(frame)  # type: ignore[call-arg]  # PyAV's stub lacks the argument
    matrix = cast(SideData | None, found.get("DISPLAYMATRIX"))
    return from_display_matrix(bytes(matrix)) if matrix else UPRIGHT


def from_display_matrix(matrix: bytes) -> int:
    """Read the matrix (a b u, c d v, x y w; 32-bit integers) that a container gives a frame.

    It shows the stored pixel (x, y) at (a x + c y, b x + d y) (ISO/IEC 14496-12, 6.2.2). Turns
    that are no multiple of 90 degrees are rounded to the nearest one.
    """
    a, b, _, c, d = struct.unpack("=5i", matrix[:20])
    if math.hypot(b, c) > math.hypot(a, d):
        return _ORIENTATION[True, c < 0, b < 0]
    return _ORIENTATION[False, a < 0, d < 0]


def from_exif(exif: bytes) -> int:
    """Find the orientation in EXIF data (TIFF structure); 1 where it says nothing usable."""
    tiff = exif.removeprefix(b"Exif\0\0")
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    if order is None:
        return UPRIGHT
    try:
        (first_directory,) = struct.unpack_from(order + "I", tiff, 4)
        (n_entries,) = struct.unpack_from(order + "H", tiff, first_directory)
        for i in range(n_entries):
            tag, _, _, value = struct.unpack_from(
                order + "HHIH", tiff, first_directory + 2 + 12 * i
            )
            if tag == _EXIF_TAG:
                return value if value in _MOVES else UPRIGHT
    except struct.error:  # a cut or garbled block says nothing about the picture
        return UPRIGHT
    return UPRIGHT
