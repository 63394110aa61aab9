"""Faces -> Batch: the only preprocessing there is.

`view_region` says which square of the frame a system looks at, `cut_view` cuts it out of the
face's full-resolution crop, `normalise` scales the pixels, `make_batch` does all three. Numpy and
OpenCV only: a scan has no torch. Every step is a function of one face (or one pixel), so a view
does not depend on what else is in its batch, and training equals scanning bit for bit.

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
from unmask.types import Batch, Face, Image, InputSpec

# Where the five landmarks of `faces/` lie in a box of dlib's HOG face detector, as shares of its
# side. Measured over the dlib boxes of 2 300 DFDC faces, made symmetric: eye distance .40, eyes at
# 29 %, mouth at 74 % of the height. Around it one box scatters by 4 % (x), 5 % (y), 9 % (side).
DLIB_LAYOUT: NDArray[np.float64] = np.array(
    [(0.298, 0.291), (0.702, 0.291), (0.5, 0.498), (0.332, 0.741), (0.668, 0.741)]
)


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
        raise UsageError(f"the system looks at whole frames (view '{spec.view}'), not at faces")
    region = {"box": _box_region, "dlib": _dlib_region, "eyes": _eyes_region}[spec.alignment](face)
    return replace(region, side=region.side * (1 + 2 * spec.margin))


def cut_view(face: Face, spec: InputSpec, jitter: ViewJitter | None = None) -> Image:
    """Cut what a system sees of a face: (size_px, size_px, 3) uint8 RGB.

    What lies outside the crop is filled by repeating its border.
    """
    region = view_region(face, spec)
    if jitter is not None:
        region = jitter.apply(region)
    left, top = face.crop_origin_px
    inside = replace(region, cx=region.cx - left, cy=region.cy - top)
    if inside.roll_deg == 0.0:
        return _cut_upright(face.crop, inside, spec.size_px)
    return _cut_rolled(face.crop, inside, spec.size_px)


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


def cut_views(faces: Sequence[Face], spec: InputSpec) -> NDArray[np.uint8]:
    """Cut the views of one clip: (T, H, W, 3) uint8."""
    return np.stack([cut_view(face, spec) for face in faces])


def make_batch(
    clips: Sequence[Sequence[Face]],
    spec: InputSpec,
    *,
    label: NDArray[np.float32] | None = None,
    audio: NDArray[np.float32] | None = None,
) -> Batch:
    """Turn clips of `spec.n_frames` faces each into model input: frames (B, T, 3, H, W)."""
    wrong = {len(clip) for clip in clips} - {spec.n_frames}
    if wrong or not clips:
        raise ValueError(f"clips: expected {spec.n_frames} faces each, got {sorted(wrong)}")
    views = np.stack([cut_views(clip, spec) for clip in clips])  # (B, T, H, W, 3)
    return Batch(frames=normalise(views, spec), audio=audio, label=label)


def dlib_landmarks(cx: float, cy: float, side: float) -> NDArray[np.float32]:
    """Return the five landmarks (5, 2) of a typical face in a dlib box: `view_region` inverted."""
    return ((DLIB_LAYOUT - 0.5) * side + (cx, cy)).astype(np.float32)


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


def _cut_upright(picture: Image, region: Region, size_px: int) -> Image:
    """Cut whole pixels, then resize: by area when shrinking, so that no detail aliases."""
    side = max(round(region.side), 1)
    cut = _cut_pixels(picture, round(region.cx - side / 2), round(region.cy - side / 2), side)
    if side == size_px:
        return cut.copy()
    method = cv2.INTER_AREA if side > size_px else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(cut, (size_px, size_px), interpolation=method), np.uint8)


def _cut_rolled(picture: Image, region: Region, size_px: int) -> Image:
    """Shrink by area first, then turn: a turn alone samples too few pixels to shrink well."""
    across, down = _axes(region)
    reach = region.side / 2 * float(np.abs(across).sum()) + 2  # half the upright square around it
    side = math.ceil(2 * reach)
    x0, y0 = round(region.cx - side / 2), round(region.cy - side / 2)
    cut = _cut_pixels(picture, x0, y0, side)
    small = min(side, math.ceil(side * size_px / region.side))
    if small < side:
        shrunk = cv2.resize(cut, (small, small), interpolation=cv2.INTER_AREA)
        cut = np.asarray(shrunk, np.uint8)
    factor = small / side
    step = region.side / size_px * factor  # pixels of `cut` per pixel of the view
    centre = (np.array((region.cx, region.cy)) - (x0, y0)) * factor
    # OpenCV counts from pixel centres: (view + .5 - size / 2) * step + centre - .5.
    first = centre + (0.5 - size_px / 2) * step * (across + down) - 0.5
    matrix = np.column_stack([step * across, step * down, first])
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
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
