"""How well an explanation finds what is forged, where a mask says what is.

The papers show heat maps over forged faces and let the eye judge. Here a map is laid over the mask
of its own example, in the network's view, and measured three ways, each beside what is had for
nothing: chance, and `usual_place`, which knows where the *other* recordings are forged and has not
looked at this one. Faces are forged in the middle of their crops; a map that always points there
beats chance by far and has found nothing.

* `iou_at_area`: as many pixels as are forged are taken, highest first. Nothing is tuned.
* `best_iou`: at the threshold that suits the mask best, chosen with the mask at hand: a limit.
* `points_at`: whether the highest place is forged (the pointing game of Zhang et al., ECCV 2016).

Ties are broken evenly: of places that a map rates alike, each counts with the same share.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from unmask.errors import DataError
from unmask.evaluation.map_numbers import Mean, mean_of

Map = NDArray[np.floating]  # (H, W)
Mask = NDArray[np.bool_]  # (H, W)
Number = Callable[[Map, Mask], float]

FORGED_FROM = 0.5  # of a soft mask; blended borders count from their middle


def iou_at_area(heat: Map, mask: Mask) -> float:
    """Overlap of a mask with as many places as it has, highest first: |A & B| / |A | B|."""
    _refuse_trivial(mask)
    taken = _highest(heat.ravel(), int(mask.sum()))
    common = float(taken[mask.ravel()].sum())
    return common / (2 * int(mask.sum()) - common)


def best_iou(heat: Map, mask: Mask) -> float:
    """Largest overlap over all thresholds."""
    _refuse_trivial(mask)
    order = np.argsort(-heat.ravel(), kind="stable")
    values, forged = heat.ravel()[order], mask.ravel()[order]
    common = np.cumsum(forged)
    taken = np.arange(1, len(forged) + 1)
    ends = np.append(values[1:] != values[:-1], [True])  # a threshold never parts ties
    return float((common / (taken + mask.sum() - common))[ends].max())


def points_at(heat: Map, mask: Mask) -> float:
    """1 where the highest place is forged, 0 where not; of several highest, their share."""
    _refuse_trivial(mask)
    return float(mask[heat == heat.max()].mean())


NUMBERS: dict[str, Number] = {
    "iou_at_area": iou_at_area,
    "best_iou": best_iou,
    "points_at": points_at,
}


def chance(mask: Mask) -> dict[str, float]:
    """What a map scores that knows nothing: of `best_iou` by calling everything forged."""
    area = float(mask.mean())
    return {"iou_at_area": area / (2 - area), "best_iou": area, "points_at": area}


def forged_places(mask: NDArray[np.float32]) -> Mask:
    """Binary mask (H, W) of a soft one."""
    return np.asarray(mask >= FORGED_FROM)


def can_be_found(mask: Mask) -> bool:
    """Whether something is forged and something is not."""
    return bool(mask.any() and not mask.all())


def enlarged(heat: Map, shape: tuple[int, int]) -> NDArray[np.float32]:
    """A map (h, w) at the size of a view (H, W), as pictures show it."""
    size = (shape[1], shape[0])
    return np.asarray(
        cv2.resize(heat.astype(np.float32), size, interpolation=cv2.INTER_LINEAR), np.float32
    )


def usual_place(masks: Sequence[Mask], source: Sequence[str]) -> list[Map]:
    """For every example where the others are forged: the mean mask of all other recordings.

    Raises:
        DataError: there is only one recording.
    """
    if len(set(source)) < 2:
        raise DataError("one recording alone does not say where others are forged; give several")
    stack = np.stack(masks).astype(np.float32)
    names = np.asarray(source)
    return [stack[names != name].mean(0) for name in source]


@dataclass(frozen=True, kw_only=True)
class Found:
    """How well maps find masks, beside what is had for nothing."""

    numbers: dict[str, Mean]
    chance: dict[str, float]
    usual: dict[str, Mean]
    area: float  # forged share of a view, mean


def localise(heats: Sequence[Map], masks: Sequence[Mask], source: Sequence[str]) -> Found:
    """Measure maps of any size against masks in the pixels of the views.

    Raises:
        DataError: some mask is empty or full; leave those examples out (`can_be_found`).
    """
    large = [enlarged(heat, mask.shape) for heat, mask in zip(heats, masks, strict=True)]
    usual = usual_place(masks, source)

    def means(maps: Sequence[Map]) -> dict[str, Mean]:
        pairs = list(zip(maps, masks, strict=True))
        return {
            name: mean_of([number(heat, mask) for heat, mask in pairs], source)
            for name, number in NUMBERS.items()
        }

    of_chance = [chance(mask) for mask in masks]
    return Found(
        numbers=means(large),
        chance={name: float(np.mean([c[name] for c in of_chance])) for name in NUMBERS},
        usual=means(usual),
        area=float(np.mean([mask.mean() for mask in masks])),
    )


def _highest(values: Map, count: int) -> NDArray[np.float64]:
    """How much of each place is among the `count` highest; ties share what is left."""
    border = np.partition(values, len(values) - count)[len(values) - count]
    above, tied = values > border, values == border
    taken: NDArray[np.float64] = above.astype(np.float64)
    taken[tied] = (count - above.sum()) / tied.sum()
    return taken


def _refuse_trivial(mask: Mask) -> None:
    if not can_be_found(mask):
        what = "everything" if mask.any() else "nothing"
        raise DataError(f"{what} is forged in this view, so there is no place to find")
