"""The one look of all figures, and the one way to keep one: PNG, SVG, and its numbers as JSON.

A picture in a paper leaves its numbers to the eye; here they are written beside it, with the
command that made it and what it was made from. The same numbers give the same bytes: nothing in a
file tells the time, the machine or a version.

Draw inside `with style():`, on `figure_of(...)`; end with `save`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from textwrap import wrap
from typing import Any

import matplotlib as mpl
import numpy as np
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray
from PIL import Image

from unmask.errors import OutputError
from unmask.evaluation.intervals import Estimate

Floats = NDArray[np.float64]

WIDTH_IN = 7.5  # 900 px at DPI: as wide as a README shows a picture
DPI = 120
NOTE_PER_IN = 17  # letters of a note
KEY_ACROSS = 3  # entries of a key in a row, at most
KEY_PER_IN = 12.0  # letters of a key in an inch
KEY_MARK = 6  # letters that a mark takes
CHART_COLOURS = 4096  # a picture with more is a photograph and keeps them all

INK = "#1f2430"  # text, and whatever is neither fake nor real
QUIET = "#6b7280"  # what explains: ticks, notes, chance
FAINT = "#e3e5e9"  # grid
FAKE, REAL = "#c8541b", "#1f6fb2"  # a label always has this colour, as in the report
# Detectors, in this order; none is a label's colour, and they stay apart without red or green cones
# (tests/evaluation/test_figures_canvas.py).
SERIES = ("#1f2430", "#009e73", "#cc79a7", "#e0a100", "#6a3fb5", "#56b4e9", "#5a606b")
MARKERS = ("o", "s", "D", "^", "v", "P", "X")
SEQUENTIAL, DIVERGING = "cividis", "PuOr_r"  # maps of a heat map; DIVERGING: orange is towards fake

STYLE: dict[Any, Any] = {
    "axes.axisbelow": True,
    "axes.edgecolor": QUIET,
    "axes.grid": True,
    "axes.labelcolor": INK,
    "axes.labelsize": 10,
    "axes.linewidth": 0.8,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlecolor": INK,
    "axes.titlelocation": "left",
    "axes.titlesize": 10,
    "axes.titleweight": "normal",
    "figure.dpi": DPI,
    "figure.facecolor": "white",
    "font.family": "DejaVu Sans",  # comes with matplotlib, so text is the same everywhere
    "font.size": 10,
    "grid.color": FAINT,
    "grid.linewidth": 0.8,
    "legend.fontsize": 9,
    "legend.frameon": False,
    "lines.linewidth": 1.8,
    "lines.markersize": 4.5,
    "svg.hashsalt": "unmask",  # ids of an SVG are random otherwise
    "text.color": INK,
    "xtick.color": QUIET,
    "xtick.labelsize": 9,
    "ytick.color": QUIET,
    "ytick.labelsize": 9,
}


@dataclass(frozen=True, kw_only=True, eq=False)
class Picture:
    """A drawn figure with what the eye cannot read from it."""

    figure: Figure
    numbers: Mapping[str, Any]
    inputs: Sequence[Mapping[str, Any]] = ()  # headers of what it was made from


@contextmanager
def style() -> Iterator[None]:
    """Draw in the house's style until the block ends, whatever the user's own settings are."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update({**STYLE, "axes.prop_cycle": cycler(color=SERIES)})
        yield


def figure_of(*, height_in: float = 4.2, width_in: float = WIDTH_IN) -> Figure:
    """An empty figure whose parts find their own places."""
    return Figure(figsize=(width_in, height_in), layout="constrained")


def colour_of(i: int) -> str:
    """Colour of the i-th detector or run."""
    return SERIES[i % len(SERIES)]


def marker_of(i: int) -> str:
    """Marker of the i-th detector or run, so that colour is never all that tells two apart."""
    return MARKERS[i % len(MARKERS)]


def title(figure: Figure, text: str, note: str = "", *, key: Sequence[str] = ()) -> None:
    """Head a figure: what is seen, whose each colour is, and quietly how it was measured."""
    across = key_across(key, figure.get_figwidth())
    rows = -(-len(key) // across)
    below = "\n" * rows  # room for the key, which the layout does not see
    figure.suptitle(text + below, x=0.01, ha="left", fontsize=12, fontweight="bold")
    if key:
        marks = [
            Line2D([], [], color=colour_of(i), marker=marker_of(i), label=line)
            for i, line in enumerate(key)
        ]
        place = (0.0, 1 - 0.27 / figure.get_figheight())
        figure.legend(handles=marks, loc="upper left", bbox_to_anchor=place, ncols=across,
                      handlelength=1.4, columnspacing=1.6, borderaxespad=0.1)  # fmt: skip
    if note:
        lines = "\n".join(wrap(note, int(NOTE_PER_IN * figure.get_figwidth())))
        figure.supxlabel(lines, x=0.01, ha="left", fontsize=8, color=QUIET)


def key_across(key: Sequence[str], width_in: float) -> int:
    """How many entries of a key fit beside one another; columns are as wide as the longest."""
    letters = max((len(line) for line in key), default=0) + KEY_MARK
    return max(1, min(KEY_ACROSS, int(KEY_PER_IN * width_in / letters)))


def band(
    axes: Axes, x: Floats, edges: tuple[Floats, Floats] | None, colour: str, **how: Any
) -> None:
    """Shade a 95 % band, where there is one."""
    if edges is not None:
        axes.fill_between(x, *edges, color=colour, alpha=0.15, linewidth=0, **how)


def whisker(axes: Axes, x: float, of: Estimate, i: int) -> None:
    """Mark a number of the i-th detector and its interval; hollow where too little gives none."""
    colour, fill = colour_of(i), "white"
    if of.low is not None and of.high is not None:
        axes.plot([x, x], [of.low, of.high], color=colour, linewidth=1.4)
        fill = colour
    axes.plot(x, of.value, marker_of(i), color=colour, markersize=6, markerfacecolor=fill)


def label_ends(
    axes: Axes, ends: Sequence[tuple[float, str, str]], *, gap: float = 0.06, size: float = 9
) -> None:
    """Write names of lines at the right edge: (y of the line's end, text, colour).

    Names closer than `gap` (share of the height) move apart, and keep their order. Set the axes'
    limits before.
    """
    axes.get_ylim()  # makes the axes settle their limits, which `transData` alone does not
    wanted = np.array([axes.transAxes.inverted().transform(axes.transData.transform((0, y)))[1]
                       for y, _, _ in ends])  # fmt: skip
    for (_, text, colour), place in zip(ends, spread(wanted, gap), strict=True):
        axes.annotate(
            text,
            (1.0, float(place)),
            xycoords="axes fraction",
            xytext=(5, 0),
            textcoords="offset points",
            va="center",
            fontsize=size,
            color=colour,
            annotation_clip=False,
        )


def spread(places: Floats, gap: float) -> Floats:
    """Move places apart to at least `gap`, in their order, each group about its own middle.

    >>> spread(np.array([0.5, 0.52, 0.9]), 0.1).round(2).tolist()
    [0.46, 0.56, 0.9]
    """
    order = np.argsort(places, kind="stable")
    groups: list[tuple[float, int]] = []  # middle, members
    for place in places[order]:
        groups.append((float(place), 1))
        while len(groups) > 1 and _overlap(groups[-2], groups[-1], gap):
            (a, n), (b, m) = groups[-2], groups[-1]
            groups[-2:] = [((a * n + b * m) / (n + m), n + m)]
    moved = [mid + gap * (k - (n - 1) / 2) for mid, n in groups for k in range(n)]
    result = np.empty(len(places))
    result[order] = moved
    return result


def _overlap(low: tuple[float, int], high: tuple[float, int], gap: float) -> bool:
    return high[0] - low[0] < gap * (low[1] + high[1]) / 2


def save(
    figure: Figure,
    out: Path,
    name: str,
    *,
    numbers: Mapping[str, Any],
    command: str,
    inputs: Sequence[Mapping[str, Any]] = (),
) -> None:
    """Write NAME.png, NAME.svg and NAME.json (the numbers, what they are of, and the command).

    Raises:
        OutputError: the folder cannot be written.
    """
    told = {"figure": name, "command": command, "inputs": list(inputs), "numbers": numbers}
    text = json.dumps(told, indent=1, allow_nan=False, default=_plain, ensure_ascii=False)
    try:
        out.mkdir(parents=True, exist_ok=True)
        with style():
            _save_png(figure, out / f"{name}.png")
            figure.savefig(out / f"{name}.svg", metadata={"Date": None, "Creator": None})
        (out / f"{name}.json").write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise OutputError(
            f"{out}: the figure cannot be written ({error.strerror}); choose another --out"
        ) from error


def _save_png(figure: Figure, path: Path) -> None:
    """Write pixels. A chart's few colours go into a palette, which makes its file half as large."""
    drawn = BytesIO()
    figure.savefig(drawn, dpi=DPI, metadata={"Software": None})
    picture = Image.open(drawn).convert("RGB")
    if picture.getcolors(CHART_COLOURS) is not None:
        picture = picture.quantize(256, dither=Image.Dither.NONE)
    picture.save(path, optimize=True)


def _plain(value: object) -> object:
    """What JSON has no word for, in words that it has."""
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    if isinstance(value, Path):
        return value.as_posix()
    raise TypeError(f"{type(value).__name__} cannot stand in a figure's numbers")
