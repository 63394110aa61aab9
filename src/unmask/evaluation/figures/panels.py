"""Pictures in a grid: faces, and faces under heat maps, with one range wherever maps are compared.

Signed maps (towards fake, towards real) have the report's two colours; maps without a sign have a
third, so that neither is taken for the other.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from numpy.typing import NDArray

from unmask.evaluation.figures import canvas
from unmask.evaluation.localisation import enlarged
from unmask.report.html.pictures import overlay
from unmask.types import Image

Map = NDArray[np.floating]
Grid = NDArray[np.object_]  # of Axes

WHERE = (0, 140, 105)  # attention, which has no sign
OUTLINE = "#ffe14d"
_OPACITY = 0.8
_GAP_IN = 0.02

SIGNED_KEY = "Orange: towards fake; blue: towards real"
UNSIGNED_KEY = "Green: attended to more than an even share"


def grid_of(
    figure: Figure | SubFigure, rows: int, columns: int, *, widths: Sequence[float] | None = None
) -> Grid:
    """Axes for pictures, close together, without ticks."""
    axes = figure.subplots(rows, columns, squeeze=False, width_ratios=widths)
    for one in axes.flat:
        one.set_xticks([])
        one.set_yticks([])
        one.grid(visible=False)
        for spine in one.spines.values():
            spine.set_visible(False)
    return np.asarray(axes)


def above_and_below(figure: Figure, heights: tuple[float, float]) -> tuple[SubFigure, SubFigure]:
    """Two parts of a figure, one above the other."""
    above, below = np.asarray(figure.subfigures(2, 1, height_ratios=heights)).tolist()
    return above, below


def side_by_side(figure: Figure, widths: tuple[float, float]) -> tuple[SubFigure, SubFigure]:
    """Two parts of a figure, one beside the other."""
    left, right = np.asarray(figure.subfigures(1, 2, width_ratios=widths)).tolist()
    return left, right


def close_together(figure: Figure) -> None:
    """Leave little room between pictures."""
    engine = figure.get_layout_engine()
    assert engine is not None, "figures are laid out by constrained layout"
    engine.set(w_pad=_GAP_IN, h_pad=_GAP_IN, wspace=0.0, hspace=0.0)  # type: ignore[call-arg]


def show(axes: Axes, picture: Image) -> None:
    """Lay a picture into its place."""
    axes.imshow(picture, interpolation="nearest", aspect="equal")


def largest_of(maps: Map) -> float:
    """One range for maps that are compared: nearly their largest size; one cell rules nothing."""
    return float(np.nanquantile(np.abs(maps), 0.995)) or 1.0


def signed_heat(view: Image, heat: Map, largest: float) -> Image:
    """The grey face under a map of + towards fake, - towards real."""
    return overlay(view, heat.astype(np.float32), largest)


def unsigned_heat(view: Image, heat: Map, largest: float, even: float = 0.0) -> Image:
    """The grey face under a map that says where and not which way; `even` shows no colour."""
    share = np.clip((enlarged(heat, view.shape[:2]) - even) / (largest - even or 1.0), 0, 1)
    grey = np.repeat(cv2.cvtColor(view, cv2.COLOR_RGB2GRAY)[..., None], 3, 2).astype(np.float32)
    alpha = _OPACITY * share[..., None]
    return np.asarray(((1 - alpha) * grey + alpha * np.array(WHERE)).round(), np.uint8)


def ranged_heat(view: Image, heat: Map, low: float, high: float) -> Image:
    """The grey face under a map from `low` (dark blue) to `high` (yellow), all of it tinted."""
    share = np.clip((enlarged(heat, view.shape[:2]) - low) / (high - low or 1.0), 0, 1)
    colours = np.asarray(colormaps[canvas.SEQUENTIAL](share))[..., :3] * 255
    grey = cv2.cvtColor(view, cv2.COLOR_RGB2GRAY)[..., None].astype(np.float32)
    return np.asarray((0.4 * grey + 0.6 * colours).round(), np.uint8)


def outline(axes: Axes, mask: NDArray[np.float32]) -> None:
    """Draw the border of what is forged, where something is and something is not."""
    if mask.min() < 0.5 <= mask.max():
        axes.contour(mask, levels=[0.5], colors=[OUTLINE], linewidths=1.0)


def column_heads(axes: Grid, names: Sequence[str], size: float = 8.5) -> None:
    """Name the columns."""
    for one, name in zip(axes[0], names, strict=True):
        one.set_title(name, fontsize=size, fontweight="normal", loc="center", pad=3)


def row_heads(axes: Grid, names: Sequence[str], size: float = 8.5) -> None:
    """Name the rows."""
    for one, name in zip(axes[:, 0], names, strict=True):
        one.set_ylabel(name, fontsize=size, rotation=90, labelpad=3)


def below(axes: Axes, text: str) -> None:
    """Write a number under a picture."""
    axes.set_xlabel(text, fontsize=7.5, color=canvas.QUIET, labelpad=1.5)
