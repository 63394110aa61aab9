"""Geometry of many boxes at once: arrays (N, 4) of x0, y0, x1, y1 in pixels, edges not centres."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

Boxes = NDArray[np.float32]  # (N, 4)
Overlap = Literal["union", "smaller"]  # what the intersection is divided by


def overlaps(boxes: Boxes, others: Boxes, by: Overlap = "union") -> NDArray[np.float32]:
    """Intersection of every box with every other, as a share: (N, 4), (M, 4) -> (N, M).

    >>> overlaps(np.float32([[0, 0, 2, 2]]), np.float32([[1, 0, 3, 2], [5, 5, 6, 6]]))
    array([[0.33333334, 0.        ]], dtype=float32)
    """
    corner = np.maximum(boxes[:, None, :2], others[None, :, :2])  # (N, M, 2)
    size = np.minimum(boxes[:, None, 2:], others[None, :, 2:]) - corner
    inner = size.clip(min=0).prod(axis=2)  # (N, M)
    area, other_area = areas(boxes)[:, None], areas(others)[None, :]
    whole = np.minimum(area, other_area) if by == "smaller" else area + other_area - inner
    shares: NDArray[np.float32] = inner / np.maximum(whole, np.finfo(np.float32).tiny)
    return shares


def areas(boxes: Boxes) -> NDArray[np.float32]:
    """Area of every box, (N,); turned-over boxes have none."""
    size = (boxes[:, 2:] - boxes[:, :2]).clip(min=0)
    area: NDArray[np.float32] = size[:, 0] * size[:, 1]
    return area


def nms(
    boxes: Boxes, scores: NDArray[np.float32], threshold: float, by: Overlap = "union"
) -> NDArray[np.intp]:
    """Non-maximum suppression: indices of the boxes to keep, best score first.

    A box goes when it overlaps a better, kept one by more than `threshold`. That rule names
    itself; it is solved by repeating it from "all are kept" until nothing changes. After n rounds
    the n best boxes are settled, so it ends, and in practice after three or four rounds.
    """
    order = np.argsort(-scores, kind="stable")
    beats = np.triu(overlaps(boxes[order], boxes[order], by) > threshold, k=1)  # (N, N)
    keep = np.ones(len(order), dtype=np.bool_)
    while not np.array_equal(kept := np.logical_not(beats[keep].any(axis=0)), keep):
        keep = np.asarray(kept)
    return order[keep]


def shifted(boxes: Boxes, offsets: NDArray[np.float32]) -> Boxes:
    """Boxes with each edge moved by `offsets` (N, 4), shares of the box's width or height."""
    size = boxes[:, 2:] - boxes[:, :2]  # (N, 2)
    moved: Boxes = boxes + offsets * np.concatenate([size, size], axis=1)
    return moved


def squared(boxes: Boxes) -> Boxes:
    """Squares around the same centres, as large as the longer side."""
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2
    half = (boxes[:, 2:] - boxes[:, :2]).max(axis=1, keepdims=True) / 2
    return np.concatenate([centre - half, centre + half], axis=1)


def scaled(boxes: Boxes, factor: float) -> Boxes:
    """Boxes around the same centres, `factor` times as wide and high."""
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2
    half = (boxes[:, 2:] - boxes[:, :2]) / 2 * np.float32(factor)
    return np.concatenate([centre - half, centre + half], axis=1)
