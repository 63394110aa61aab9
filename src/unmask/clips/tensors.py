"""Faces or whole frames -> Batch: the only preprocessing there is.

`view_region` says which square of the frame a system looks at, `cut_view` cuts it out of the
face's full-resolution crop, `frame_view` brings a whole frame to the size wanted, `normalise`
scales the pixels, `make_batch` does it all. Numpy and OpenCV only: a scan has no torch. Every step
is a function of one clip (or one pixel), so a view does not depend on what else is in its batch,
and training equals scanning bit for bit.

Positions are continuous: pixel i of a picture covers [i, i + 1).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from unmask.errors import UsageError
from unmask.types import Batch, Face, Frame, Image, InputSpec

# Where the five landmarks of `faces/` lie in a box of dlib's HOG face detector, as shares of its
# side. Measured over the dlib boxes of 2 300 DFDC faces, made symmetric: eye distance .40, eyes at
# 29 %, mouth at 74 % of the height. Around it one box scatters by 4 % (x), 5 % (y), 9 % (side).
DLIB_LAYOUT: NDArray[np.float64] = np.array(
    [(0.298, 0.291), (0.702, 0.291), (0.5, 0.498), (0.332, 0.741), (0.668, 0.741)]
)

_METHODS = cv2.INTER_AREA, cv2.INTER_CUBIC  # OpenCV's, to shrink and to enlarge; every scan's


@dataclass(frozen=True, kw_only=True)
class Region:
    """A square of the frame, in frame pixels; may reach beyond the frame."""

    cx: float
    cy: float
    side: float
    roll_deg: float = 0.0  # clockwise turn of the square as seen on the screen


@dataclass(frozen=True, kw_only=True)
class ViewJitter:
    """How training moves the square it looks at, so that a scan's own errors find it prepared."""

    scale: float = 1.0  # of the side: above 1 the face is smaller in the view
    shift_x: float = 0.0  # shares of the side before scaling, along the square's own axes
    shift_y: float = 0.0
    roll_deg: float = 0.0
    methods: tuple[int, int] = _METHODS

    def apply(self, region: Region) -> Region:
        """Return the moved square."""
        across, down = _axes(region)
        move = region.side * (self.shift_x * across + self.shift_y * down)
        return Region(
            cx=region.cx + float(move[0]),
            cy=region.cy + float(move[1]),
            side=region.side * self.scale,
            roll_deg=region.roll_deg + self.roll_deg,
        )


def view_region(face: Face, spec: InputSpec) -> Region:
    """Return the square of the frame that a system sees of a face.

    `box`: square on the detector's box, as wide as its longer side. `dlib`: the upright box dlib's
    HOG detector would have drawn, by the landmarks. `eyes`: that box turned and scaled by the two
    eyes alone. `spec.margin` is added on every side.
    """
    if spec.view != "face":
        looks = "whole frames" if spec.view == "frame" else "nothing"
        raise UsageError(f"the system looks at {looks} (view '{spec.view}'), not at faces")
    region = {"box": _box_region, "dlib": _dlib_region, "eyes": _eyes_region}[spec.alignment](face)
    return replace(region, side=region.side * (1 + 2 * spec.margin))


def clip_regions(faces: Sequence[Face], spec: InputSpec) -> list[Region]:
    """Return the square that a system sees of every face of a clip.

    With `spec.region` "clip" there is one for all: the median of their middles, sides and turns, so
    that what moves in the views moved in the video, and no single misplaced box counts. A head that
    moves out of it is not followed; where it reaches beyond a face's own crop, which ends half a
    face from the box, the crop's border repeats.
    """
    regions = [view_region(face, spec) for face in faces]
    if spec.region == "frame":
        return regions
    cx, cy, side, roll = np.median([(r.cx, r.cy, r.side, r.roll_deg) for r in regions], axis=0)
    fixed = Region(cx=float(cx), cy=float(cy), side=float(side), roll_deg=float(roll))
    return [fixed] * len(regions)


def cut_view(face: Face, spec: InputSpec, jitter: ViewJitter | None = None) -> Image:
    """Cut what a system sees of a face by itself: (size_px, size_px, 3) uint8 RGB.

    What lies outside the crop is filled by repeating its border.
    """
    return _cut_region(face, view_region(face, spec), spec, jitter)


def frame_view(frame: Frame, spec: InputSpec) -> Image:
    """Bring a whole frame to the view's size, whatever its shape: (H, W, 3) uint8 RGB.

    Of a system that looks at nothing the view is black.
    """
    height, width = spec.shape_px
    if spec.view == "none":
        return np.zeros((height, width, 3), np.uint8)
    return _resize(frame.rgb, height, width)


def normalise(views: NDArray[np.uint8], spec: InputSpec) -> NDArray[np.float32]:
    """Scale views (..., H, W, 3) uint8 to what the network takes: (..., 3, H, W) float32."""
    scale = np.float32(1) / (np.float32(255) * np.asarray(spec.std, np.float32))
    offset = np.asarray(spec.mean, np.float32) / np.asarray(spec.std, np.float32)
    out = np.empty((*views.shape[:-3], 3, *views.shape[-3:-1]), np.float32)
    for channel in range(3):
        plane = out[..., channel, :, :]
        np.multiply(views[..., channel], scale[channel], out=plane, dtype=np.float32)
        plane -= offset[channel]
    return out


def cut_views(
    sights: Sequence[Face] | Sequence[Frame], spec: InputSpec, jitter: ViewJitter | None = None
) -> NDArray[np.uint8]:
    """Cut the views of one clip of faces or of whole frames: (T, H, W, 3) uint8.

    A system that looks at nothing gets black views of either.
    """
    if spec.view == "none":
        return np.zeros((len(sights), *spec.shape_px, 3), np.uint8)
    if spec.view == "frame":
        frames = [sight for sight in sights if isinstance(sight, Frame)]
        if len(frames) < len(sights):
            raise UsageError("the system looks at whole frames, and was given faces")
        return np.stack([frame_view(frame, spec) for frame in frames])
    faces = [sight for sight in sights if isinstance(sight, Face)]
    if len(faces) < len(sights):
        raise UsageError("the system looks at faces, and was given whole frames")
    regions = clip_regions(faces, spec)
    cuts = zip(faces, regions, strict=True)
    return np.stack([_cut_region(face, region, spec, jitter) for face, region in cuts])


def make_batch(
    clips: Sequence[Sequence[Face] | Sequence[Frame]],
    spec: InputSpec,
    *,
    label: NDArray[np.float32] | None = None,
    audio: NDArray[np.float32] | None = None,
) -> Batch:
    """Turn clips of `spec.n_frames` faces or frames each into model input.

    Returns frames (B, T, 3, H, W); `audio` (B, F, S) is what `mel.sound_view` makes of each clip.
    """
    wrong = {len(clip) for clip in clips} - {spec.n_frames}
    if wrong or not clips:
        raise ValueError(f"clips: expected {spec.n_frames} faces each, got {sorted(wrong)}")
    views = np.stack([cut_views(clip, spec) for clip in clips])  # (B, T, H, W, 3)
    return Batch(frames=normalise(views, spec), audio=audio, label=label)


def dlib_landmarks(cx: float, cy: float, side: float) -> NDArray[np.float32]:
    """Return the five landmarks (5, 2) of a typical face in a dlib box: `view_region` inverted."""
    return ((DLIB_LAYOUT - 0.5) * side + (cx, cy)).astype(np.float32)


def _cut_region(face: Face, region: Region, spec: InputSpec, jitter: ViewJitter | None) -> Image:
    """Cut a square of the frame out of a face's crop."""
    if jitter is not None:
        region = jitter.apply(region)
    methods = _METHODS if jitter is None else jitter.methods
    left, top = face.crop_origin_px
    inside = replace(region, cx=region.cx - left, cy=region.cy - top)
    if inside.roll_deg == 0.0:
        return _cut_upright(face.crop, inside, spec.size_px, methods)
    return _cut_rolled(face.crop, inside, spec.size_px, methods)


def _box_region(face: Face) -> Region:
    x0, y0, x1, y1 = face.box_xyxy_px
    return Region(cx=(x0 + x1) / 2, cy=(y0 + y1) / 2, side=max(x1 - x0, y1 - y0))


def _dlib_region(face: Face) -> Region:
    # dlib's box stays upright when the head tilts, so the turn of the fit is dropped.
    return replace(_layout_region(face.landmarks_px, DLIB_LAYOUT), roll_deg=0.0)


def _eyes_region(face: Face) -> Region:
    return _layout_region(face.landmarks_px[:2], DLIB_LAYOUT[:2])


def _layout_region(points: NDArray[np.float32], layout: NDArray[np.float64]) -> Region:
    """Fit `layout` to points by a similarity (least squares); return where its unit square lands.

    As complex numbers a similarity is q = a p + b, whose least-squares solution is one line.
    """
    p, q = layout @ (1, 1j), points.astype(np.float64) @ (1, 1j)
    a = np.vdot(p - p.mean(), q - q.mean()) / np.vdot(p - p.mean(), p - p.mean()).real
    centre = q.mean() + a * (0.5 + 0.5j - p.mean())
    turn = math.degrees(math.atan2(a.imag, a.real))
    return Region(cx=float(centre.real), cy=float(centre.imag), side=float(abs(a)), roll_deg=turn)


def _axes(region: Region) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the unit vectors across and down a region, as (x, y)."""
    turn = math.radians(region.roll_deg)
    cos, sin = math.cos(turn), math.sin(turn)
    return np.array((cos, sin)), np.array((-sin, cos))


def _cut_upright(picture: Image, region: Region, size_px: int, methods: tuple[int, int]) -> Image:
    """Cut whole pixels, then resize: by area when shrinking, so that no detail aliases."""
    side = max(round(region.side), 1)
    cut = _cut_pixels(picture, round(region.cx - side / 2), round(region.cy - side / 2), side)
    return _resize(cut, size_px, size_px, methods)


def _resize(picture: Image, height: int, width: int, methods: tuple[int, int] = _METHODS) -> Image:
    """Shrink by area what is too large, then enlarge what is too small; always a copy."""
    small = min(picture.shape[1], width), min(picture.shape[0], height)
    view = np.asarray(cv2.resize(picture, small, interpolation=methods[0]), np.uint8)
    if small == (width, height):
        return view
    return np.asarray(cv2.resize(view, (width, height), interpolation=methods[1]), np.uint8)


def _cut_rolled(picture: Image, region: Region, size_px: int, methods: tuple[int, int]) -> Image:
    """Shrink by area first, then turn: a turn alone samples too few pixels to shrink well."""
    across, down = _axes(region)
    reach = region.side / 2 * float(np.abs(across).sum()) + 2  # half the upright square around it
    side = math.ceil(2 * reach)
    x0, y0 = round(region.cx - side / 2), round(region.cy - side / 2)
    cut = _cut_pixels(picture, x0, y0, side)
    small = min(side, math.ceil(side * size_px / region.side))
    if small < side:
        shrunk = cv2.resize(cut, (small, small), interpolation=methods[0])
        cut = np.asarray(shrunk, np.uint8)
    factor = small / side
    step = region.side / size_px * factor  # pixels of `cut` per pixel of the view
    centre = (np.array((region.cx, region.cy)) - (x0, y0)) * factor
    # OpenCV counts from pixel centres: (view + .5 - size / 2) * step + centre - .5.
    first = centre + (0.5 - size_px / 2) * step * (across + down) - 0.5
    matrix = np.column_stack([step * across, step * down, first])
    flags = methods[1] | cv2.WARP_INVERSE_MAP
    turned = cv2.warpAffine(
        cut, matrix, (size_px, size_px), flags=flags, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(turned, np.uint8)


def _cut_pixels(picture: Image, x0: int, y0: int, side: int) -> Image:
    """Cut a square of whole pixels; outside the picture its border repeats."""
    height, width = picture.shape[:2]
    x, columns, left = _overlap(x0, side, width)
    y, rows, top = _overlap(y0, side, height)
    cut = picture[y : y + rows, x : x + columns]
    if rows == side and columns == side:
        return cut
    right, bottom = side - left - columns, side - top - rows
    return np.asarray(
        cv2.copyMakeBorder(cut, top, bottom, left, right, cv2.BORDER_REPLICATE), np.uint8
    )


def _overlap(start: int, length: int, available: int) -> tuple[int, int, int]:
    """Return first pixel and count of [start, start + length) that exist, and how many lack before.

    At least one pixel is kept, so that there is a border to repeat.
    """
    first = min(max(start, 0), available - 1)
    end = max(min(start + length, available), first + 1)
    before = min(max(first - start, 0), length - 1)
    return first, end - first, before
