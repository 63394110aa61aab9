"""Making one face's colours fit another's.

`matching`: means and spreads of the skin in Lab (Reinhard et al., "Color transfer between images",
2001). `membrane`: what Poisson blending adds (Perez et al., "Poisson image editing", 2003): the
difference along the seam, continued into the face as smoothly as can be. Inside the seam the
source's gradients stay; its colours follow the target's. Solved on a small canvas, because the
membrane is smooth: the answer of a full-size solver, up to what the eye can see.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from unmask.forge import landmarks as lm
from unmask.types import Image

Field = NDArray[np.float32]  # (side, side, C)

_LEAST_SPREAD, _MOST_SPREAD = 0.75, 1.25  # how much the transfer may change the contrast
_SWEEPS = 24  # of relaxation on each level; the coarser levels carry what is far
_COARSEST_PX = 8
_CROSS = np.array([[0, 0.25, 0], [0.25, 0, 0.25], [0, 0.25, 0]], np.float32)


@dataclass(frozen=True, kw_only=True)
class Skin:
    """Mean and spread of a face's colours in Lab."""

    mean: NDArray[np.float64]  # (3,)
    spread: NDArray[np.float64]  # (3,)

    def towards(self, other: Skin, share: float) -> Skin:
        """Colours a share of the way to others."""
        return Skin(
            mean=self.mean + share * (other.mean - self.mean),
            spread=self.spread + share * (other.spread - self.spread),
        )


def skin_of(rgb: Image, points_px: lm.Points) -> Skin:
    """Colours between brows, cheeks and mouth: little hair and no background."""
    hull = cv2.convexHull(points_px[list(lm.NOSE + lm.EYES + lm.MOUTH)])
    x0, y0, width, height = cv2.boundingRect(hull)
    left, top = max(x0, 0), max(y0, 0)
    window = np.ascontiguousarray(rgb[top : max(y0 + height, 1), left : max(x0 + width, 1)])
    if not window.size:
        window = rgb
    inside = np.zeros(window.shape[:2], np.uint8)
    cv2.fillConvexPoly(inside, np.rint(hull - (left, top)).astype(np.int32), 1)
    if not inside.any():
        inside[:] = 1
    mean, spread = cv2.meanStdDev(cv2.cvtColor(window, cv2.COLOR_RGB2LAB), mask=inside)
    return Skin(mean=np.ravel(mean), spread=np.ravel(spread))


def matching(rgb: Image, skin: Skin, wanted: Skin) -> Image:
    """A picture in other colours, so that `skin` in it becomes `wanted`."""
    lab = cv2.cvtColor(rgb, cv2.COLOR_RGB2LAB)
    gain = np.clip(wanted.spread / np.maximum(skin.spread, 1.0), _LEAST_SPREAD, _MOST_SPREAD)
    offset = wanted.mean - gain * skin.mean
    matched = cv2.transform(lab, np.column_stack([np.diag(gain), offset]))
    return np.asarray(cv2.cvtColor(matched, cv2.COLOR_LAB2RGB), np.uint8)


def membrane(difference: Field, inside: NDArray[np.bool_]) -> Field:
    """Continue a field from outside a region into it as smoothly as can be (Laplace's equation).

    `difference` (side, side, C) is only read outside; where there is no outside, it is 0.
    """
    known = ~inside
    if not known.any():
        return np.zeros_like(difference)
    side = len(difference)
    filled = difference * known[..., None]
    if side <= _COARSEST_PX:
        guess = np.broadcast_to(filled.sum(axis=(0, 1)) / known.sum(), difference.shape)
    else:
        half = (side // 2, side // 2)
        weight = cv2.resize(known.astype(np.float32), half, interpolation=cv2.INTER_AREA)
        total = cv2.resize(filled, half, interpolation=cv2.INTER_AREA)
        mean = (total / np.maximum(weight, 1e-6)[..., None]).astype(np.float32)
        guess = cv2.resize(membrane(mean, weight == 0), (side, side))
    field = np.where(inside[..., None], guess, difference).astype(np.float32)
    for _ in range(_SWEEPS):
        around = cv2.filter2D(field, -1, _CROSS, borderType=cv2.BORDER_REPLICATE)
        field = np.where(inside[..., None], around, difference).astype(np.float32)
    return field
