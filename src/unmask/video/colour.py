"""Between a video's YCbCr and our RGB, obeying the matrix and the range its stream is tagged with.

Untagged streams are taken as BT.601, limited range, at every size: that is what FFmpeg and OpenCV
write when they are given RGB and told nothing, and so how most research data were made. High
dynamic range is not tone mapped.

FFmpeg's default conversion rounds down and repeats chroma: 1 to 2 levels too dark on average,
errors of 10 at coloured edges. Forgeries live in such differences, so accurate rounding and
interpolated chroma are asked for. For the kind of frame that nearly every video has, 8-bit 4:2:0,
OpenCV does the same to within two levels in half the time. Where chroma stands PyAV does not tell:
FFmpeg, which knows, converts the first frames, until only one place explains what it made of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias, cast

import av
import cv2
import numpy as np
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter
from numpy.typing import NDArray

from unmask.types import Image
from unmask.video.memory import Memory

Taps: TypeAlias = NDArray[np.float32]
Matrix: TypeAlias = NDArray[np.float64]
Place: TypeAlias = tuple[Taps, Taps]

_ACCURATE = Interpolation.BILINEAR | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT
_HALVED_CHROMA = {"yuv420p": False, "yuvj420p": True}  # with full range?
_BT601 = (0.299, 0.114)  # weights of red and blue in luma (ITU-R BT.601-7, BT.709-6, BT.2020-2)
_LUMA = {1: (0.2126, 0.0722), 2: _BT601, 5: _BT601, 6: _BT601, 9: (0.2627, 0.0593)}  # by tag
_LEAST_PX = 32  # height of a frame with a band to compare
_SAME = 2  # levels that two ways to convert may differ by
# Weights of three neighbours in chroma that is interpolated to two pixels, where it stands at the
# first of them, and where it stands in the middle between both.
_FIRST: Taps = np.array([(0, 1, 0), (0, 0.5, 0.5)], np.float32)
_MIDDLE: Taps = np.array([(0.25, 0.75, 0), (0, 0.75, 0.25)], np.float32)
_PLACES = ((_MIDDLE, _FIRST), (_MIDDLE, _MIDDLE), (_FIRST, _FIRST))  # down, across: H.273, 8.7


class RgbConverter:
    """Converts the decoded frames of one stream to RGB. Not for several threads at once."""

    def __init__(self) -> None:
        self._scaler = VideoReformatter()
        self._memory = Memory()
        self._kind: tuple[object, ...] = ()
        self._places: Sequence[Place] = ()  # where chroma may stand, as far as is known

    def __call__(self, frame: av.VideoFrame) -> Image:
        """Convert a frame to RGB (H, W, 3) as stored, not yet upright."""
        kind = frame.format.name, frame.colorspace, frame.color_range, frame.width, frame.height
        if kind != self._kind:
            known = frame.format.name in _HALVED_CHROMA and frame.colorspace in _LUMA
            is_ours = known and frame.height >= _LEAST_PX
            self._kind, self._places = kind, _PLACES if is_ours else ()
        rgb = None
        if len(self._places) > 1:
            rgb = self._scaled(frame)
            self._places = [place for place in self._places if self._explains(place, frame, rgb)]
        if len(self._places) == 1:
            return self._converted(_planes(frame), _matrix(frame), self._places[0])
        return self._scaled(frame) if rgb is None else rgb

    def _explains(self, place: Place, frame: av.VideoFrame, rgb: Image) -> bool:
        """Whether chroma at a place gives what FFmpeg made of a frame, in a band across it."""
        luma, cb, cr = _planes(frame)
        top, bottom = len(cb) * 3 // 8, len(cb) * 5 // 8
        band = [luma[2 * top : 2 * bottom], cb[top:bottom], cr[top:bottom]]
        ours = self._converted(band, _matrix(frame), place)
        inside = slice(2, -2)  # rows beyond the band have a say in its first and last
        errors = cv2.absdiff(ours[inside], rgb[2 * top : 2 * bottom][inside])
        return int(errors.max()) <= _SAME

    def _converted(self, planes: Sequence[Image], matrix: Matrix, place: Place) -> Image:
        """Convert planes of 8-bit 4:2:0."""
        luma, *chroma = planes
        height, width = luma.shape
        full_size = [self._enlarged(plane, place)[:height, :width] for plane in chroma]
        ycbcr = cv2.merge((luma, *full_size), dst=self._memory.take((height, width, 3)))
        return cast(Image, cv2.transform(ycbcr, matrix, dst=self._memory.take(ycbcr.shape)))

    def _enlarged(self, plane: Image, place: Place) -> Image:
        """Interpolate chroma (h, w) to (2h, 2w)."""
        height, width = plane.shape
        enlarged = self._memory.take((2 * height, 2 * width))
        pixels = enlarged.reshape(height, 2, width, 2)
        columns = [self._memory.take((height, width)) for _ in range(2)]
        for row, down in enumerate(place[0]):
            for across, column in zip(place[1], columns, strict=True):
                kernel = np.outer(down, across)
                cv2.filter2D(plane, -1, kernel, dst=column, borderType=cv2.BORDER_REPLICATE)
            cv2.merge(columns, dst=pixels[:, row])
        return enlarged

    def _scaled(self, frame: av.VideoFrame) -> Image:
        """Let FFmpeg convert it; to planes, which takes half as long as to pixels."""
        planar = self._scaler.reformat(
            frame,
            format="gbrp",
            interpolation=_ACCURATE,
            dst_color_range=ColorRange.JPEG,
            threads=1,
        )
        green, blue, red = _planes(planar)
        rgb = self._memory.take((*green.shape, 3))
        return cast(Image, cv2.merge((red, green, blue), dst=rgb))


def _planes(frame: av.VideoFrame) -> list[Image]:
    """Views of a frame's planes (H, W), valid as long as the frame."""
    return [
        np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)[
            : plane.height, : plane.width
        ]
        for plane in frame.planes
    ]


def _matrix(frame: av.VideoFrame) -> Matrix:
    """Return the matrix (3, 4) that makes [Y, Cb, Cr, 1], 0 to 255, red, green and blue."""
    is_full = _HALVED_CHROMA[frame.format.name] or frame.color_range == ColorRange.JPEG
    red, blue = _LUMA[frame.colorspace]
    green = 1 - red - blue
    from_y, from_c, black = (1, 2, 0) if is_full else (255 / 219, 2 * 255 / 224, 16)
    by_cb = from_c * (1 - blue) * np.array([0, -blue / green, 1])
    by_cr = from_c * (1 - red) * np.array([1, -red / green, 0])
    weights = np.stack([np.full(3, from_y), by_cb, by_cr], axis=1)
    return np.column_stack([weights, -weights @ (black, 128, 128)])


def from_rgb(rgb: Image, pixel_format: str, converter: VideoReformatter) -> av.VideoFrame:
    """Convert RGB to a frame of BT.709, limited range, tagged as such."""
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(rgb), format="rgb24")
    return converter.reformat(
        frame,
        format=pixel_format,
        interpolation=_ACCURATE,
        dst_colorspace=Colorspace.ITU709,
        dst_color_range=ColorRange.MPEG,
        threads=1,
    )
