"""Moving the pixels of one face to the points of another.

Two ways. `triangulated`: affine inside each triangle of a Delaunay mesh over the points (as in
FaceSwap, the graphics-based method of FaceForensics++, and most swaps without a network). `smooth`:
a thin-plate spline through the points (Bookstein, "Principal Warps", 1989). The mesh is that of the
mean face and the same for all faces and frames, so that no edge jumps from one frame to the next.

Maps say for each pixel of a window of the target where to look in the source. They are drawn on a
coarse grid and enlarged: inside a triangle that changes nothing.
"""

from __future__ import annotations

from functools import cache
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from unmask.forge import landmarks as lm

Warp = Literal["triangulated", "smooth"]
Map = tuple[NDArray[np.float32], NDArray[np.float32]]  # where to look: x and y
Window = tuple[slice, slice]  # rows, columns

_GRID_PX: dict[Warp, int] = {"triangulated": 160, "smooth": 48}  # most of the grid's longer side
_RING = 1.6  # a ring of points around the face, so many times as far from its middle: pins the rim
_OUTLINE = lm.JAW + lm.FOREHEAD[::-1]
_SUBPIXEL_BITS = 4
_TENSION = 1e-3  # of the spline: points a thousandth of a face apart need not part the skin


def face_map(kind: Warp, target_px: lm.Points, source_px: lm.Points, window: Window) -> Map:
    """Where each pixel of a window of the target looks in the source; points are (81, 2)."""
    rows, columns = window
    height, width = rows.stop - rows.start, columns.stop - columns.start
    step = max(1, -(-max(height, width) // _GRID_PX[kind]))
    # One cell more on every side: enlarging does not go on beyond the middles of the outer cells.
    grid = (-(-width // step) + 2, -(-height // step) + 2)
    placed = (_with_ring(target_px) - (columns.start, rows.start) + 0.5) / step + 0.5
    draw = {"triangulated": _triangulated, "smooth": _smooth}[kind]
    coarse = draw(placed, _with_ring(source_px), grid)
    fine = cv2.resize(coarse, (grid[0] * step, grid[1] * step), interpolation=cv2.INTER_LINEAR)
    x, y = cv2.split(fine[step : step + height, step : step + width])
    return np.asarray(x, np.float32), np.asarray(y, np.float32)


@cache
def triangles() -> NDArray[np.int64]:
    """Delaunay mesh of the mean face and its ring: (M, 3) indices of points."""
    points = (_with_ring(lm.MEAN_FACE[:, :2]) + 4) * 100
    mesh = cv2.Subdiv2D((0, 0, 900, 900))
    for x, y in points:
        mesh.insert((float(x), float(y)))
    corners = np.asarray(mesh.getTriangleList()).reshape(-1, 3, 2)
    distance = np.linalg.norm(corners[:, :, None] - points, axis=3)
    found = distance.argmin(axis=2)
    return np.asarray(found[(distance.min(axis=2) < 1e-2).all(axis=1)], np.int64)


def _with_ring(points: lm.Points) -> NDArray[np.float64]:
    """(81, 2) points and a ring around them."""
    outline = points[list(_OUTLINE)].astype(np.float64)
    middle = outline.mean(axis=0)
    return np.concatenate([points, middle + _RING * (outline - middle)]).astype(np.float64)


def _triangulated(
    target: NDArray[np.float64], source: NDArray[np.float64], size: tuple[int, int]
) -> NDArray[np.float32]:
    mesh = triangles()
    which = np.zeros((size[1], size[0]), np.int32)  # 0 = beyond the ring
    corners = np.rint(target[mesh] * 2**_SUBPIXEL_BITS).astype(np.int32)
    for number, corner in enumerate(corners, start=1):
        cv2.fillConvexPoly(which, corner, number, cv2.LINE_8, _SUBPIXEL_BITS)
    # A triangle that the turn of the head has squeezed to a line has no affine map: the least
    # squares of all points stand in, as they do beyond the ring.
    overall = lm.fit_affine(target.astype(np.float32), source.astype(np.float32))
    maps = np.stack([overall, *(_affine(target[m], source[m], overall) for m in mesh)])
    columns, rows = np.meshgrid(np.arange(size[0]), np.arange(size[1]))
    places = np.stack([columns, rows, np.ones_like(rows)], axis=-1)  # (H, W, 3)
    return np.asarray(np.einsum("hwij,hwj->hwi", maps[which], places), np.float32)


def _affine(
    target: NDArray[np.float64], source: NDArray[np.float64], otherwise: NDArray[np.float64]
) -> NDArray[np.float64]:
    corners = np.column_stack([target, np.ones(3)])
    if abs(np.linalg.det(corners)) < 1e-3:
        return otherwise
    return np.asarray(np.linalg.solve(corners, source).T, np.float64)


def _smooth(
    target: NDArray[np.float64], source: NDArray[np.float64], size: tuple[int, int]
) -> NDArray[np.float32]:
    scale = max(size)
    known, n = target / scale, len(target)
    bend = _bending(known, known) + _TENSION * np.eye(n)
    plane = np.column_stack([known, np.ones(n)])
    system = np.block([[bend, plane], [plane.T, np.zeros((3, 3))]])
    weights = np.linalg.solve(system, np.concatenate([source, np.zeros((3, 2))]))
    columns, rows = np.meshgrid(np.arange(size[0]), np.arange(size[1]))
    places = np.column_stack([columns.ravel(), rows.ravel()]) / scale
    basis = np.column_stack([_bending(places, known), places, np.ones(len(places))])
    return np.asarray((basis @ weights).reshape(size[1], size[0], 2), np.float32)


def _bending(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """r^2 log r between points (N, 2) and (M, 2)."""
    square = ((a[:, None] - b[None]) ** 2).sum(axis=2)
    return np.asarray(0.5 * square * np.log(np.maximum(square, 1e-12)))
