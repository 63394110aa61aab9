"""Between a video's YCbCr and our RGB, obeying the matrix and the range its stream is tagged with.

Untagged streams are taken as BT.601, limited range, at every size: that is what FFmpeg and OpenCV
write when they are given RGB and told nothing, and so how most research data were made. High
dynamic range is not tone mapped.

FFmpeg's default conversion rounds down and repeats chroma: 1 to 2 levels too dark on average,
errors of 10 at coloured edges. Forgeries live in such differences, so accurate rounding and
interpolated chroma are asked for. For the kind of frame that nearly every video has, 8-bit 4:2:0,
OpenCV does the same to within two levels in half the time, once it is known where chroma stands.
PyAV does not tell; FFmpeg shows it, by what it makes of noise in a frame with the same tags.
"""

from __future__ import annotations

from typing import TypeAlias, cast

import av
import cv2
import numpy as np
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter
from numpy.typing import NDArray

from unmask.types import Image

Taps: TypeAlias = NDArray[np.float32]
Matrix: TypeAlias = NDArray[np.float64]
Place: TypeAlias = tuple[Taps, Taps]

_ACCURATE = Interpolation.BILINEAR | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT
_HALVED_CHROMA = {"yuv420p": False, "yuvj420p": True}  # with full range?
_BT601 = (0.299, 0.114)  # weights of red and blue in luma (ITU-R BT.601-7, BT.709-6, BT.2020-2)
_LUMA = {1: (0.2126, 0.0722), 2: _BT601, 5: _BT601, 6: _BT601, 9: (0.2627, 0.0593)}  # by tag
_SAME = 2  # levels that two ways to convert may differ by
_TRIAL_PX = 64
# Weights of three neighbours in chroma that is interpolated to two pixels, where it stands at the
# first of them, and where it stands in the middle between both.
_FIRST: Taps = np.array([(0, 1, 0), (0, 0.5, 0.5)], np.float32)
_MIDDLE: Taps = np.array([(0.25, 0.75, 0), (0, 0.75, 0.25)], np.float32)
_PLACES = ((_MIDDLE, _FIRST), (_MIDDLE, _MIDDLE), (_FIRST, _FIRST))  # down, across: H.273, 8.7


class RgbConverter:
    """Converts the decoded frames of one stream to RGB. Not for several threads at once."""

    def __init__(self) -> None:
        self._scaler = VideoReformatter()
        self._kind: tuple[object, ...] = ()
        self._quick: _Quick | None = None  # where FFmpeg is not needed

    def __call__(self, frame: av.VideoFrame) -> Image:
        """Convert a frame to RGB (H, W, 3) as stored, not yet upright."""
        kind = (
            *(frame.format.name, frame.colorspace, frame.color_range, frame.interlaced_frame),
            *(frame.width, frame.height, *(plane.line_size for plane in frame.planes)),
        )
        if kind != self._kind:
            self._kind, self._quick = kind, self._find_quick(frame)
        return self._scaled(frame) if self._quick is None else self._quick(frame)

    def _find_quick(self, frame: av.VideoFrame) -> _Quick | None:
        """Find where chroma stands, so that what comes out is what FFmpeg makes of such frames.

        None where no place does (frames of two fields), or the kind of frame is not ours.
        """
        known = frame.format.name in _HALVED_CHROMA and frame.colorspace in _LUMA
        is_even = frame.width % 2 == frame.height % 2 == 0  # else FFmpeg stretches by a little less
        if not (known and is_even and min(plane.line_size for plane in frame.planes) > 0):
            return None
        side = 2 * _TRIAL_PX if frame.width == _TRIAL_PX else _TRIAL_PX  # a frame of its own
        trial = VideoReformatter().reformat(frame, width=side, height=side, threads=1)
        luma, *chroma = _planes(trial)
        luma[:] = 128
        noise = np.random.default_rng(0)
        for plane in chroma:
            plane[:] = noise.integers(96, 160, plane.shape)
        ways = [_Quick(place, luma.shape) for place in _PLACES]
        wanted = self._scaled(trial)
        errors = [int(cv2.absdiff(way(trial), wanted).max()) for way in ways]
        best = int(np.argmin(errors))
        shape = (frame.height, frame.width)
        return _Quick(_PLACES[best], shape) if errors[best] <= _SAME else None

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
        return cast(Image, cv2.merge((red, green, blue)))


class _Quick:
    """Converts frames of 8-bit 4:2:0, of even sides and one size.

    What lies between planes and pixels is kept and written again. New memory for it, which the
    system would have to clear, takes a tenth longer.
    """

    def __init__(self, place: Place, luma_shape: tuple[int, ...]) -> None:
        height, width = luma_shape
        self._place = place
        self._columns = np.empty((2, height // 2, width // 2), np.uint8)
        self._chroma = np.empty((2, height, width), np.uint8)
        self._merged = np.empty((height, width, 3), np.uint8)

    def __call__(self, frame: av.VideoFrame) -> Image:
        luma, *chroma = _planes(frame)
        for plane, enlarged in zip(chroma, self._chroma, strict=True):
            self._enlarge(plane, enlarged)
        cv2.merge((luma, *self._chroma), dst=self._merged)
        return cast(Image, cv2.transform(self._merged, _matrix(frame)))

    def _enlarge(self, plane: Image, enlarged: Image) -> None:
        """Interpolate chroma (h, w) to (2h, 2w)."""
        height, width = plane.shape
        rows = enlarged.reshape(height, 2, width, 2)
        for row, down in enumerate(self._place[0]):
            for column, across in zip(self._columns, self._place[1], strict=True):
                weights = np.outer(down, across)
                cv2.filter2D(plane, -1, weights, dst=column, borderType=cv2.BORDER_REPLICATE)
            cv2.merge(list(self._columns), dst=rows[:, row])


def _planes(frame: av.VideoFrame) -> list[Image]:
    """Views of a frame's planes (H, W)."""
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
