"""What is decided, and what goes wrong: confusion at a threshold, score histograms, abstention.

Confusion matrices at .55 are Fig. 4 of Heo et al. 2021, who claim that theirs leans to neither
side; the shares of reals called fake and of fakes missed stand beside one another to show it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import SubFigure
from matplotlib.ticker import PercentFormatter

from unmask.errors import UsageError
from unmask.evaluation.figures import Asked, canvas
from unmask.evaluation.figures.compared import (
    Compared,
    Estimates,
    compared,
    inputs,
    numbers_of,
)
from unmask.evaluation.metrics import (
    Confusion,
    Metric,
    accuracy,
    confusion,
    f1,
    false_positive_rate,
    recall,
)
from unmask.evaluation.ranking import Floats

HEO = 0.55  # threshold of Heo et al.
BINS = np.linspace(0, 1, 41)


def draw_confusion(asked: Asked) -> canvas.Picture:
    """Confusion matrices at a threshold (.55 unless asked otherwise), both errors side by side."""
    said = compared(asked)
    at = _threshold(asked)
    wanted: dict[str, Metric] = {
        "false_positive_rate": partial(false_positive_rate, threshold=at),
        "false_negative_rate": lambda ranking: 1 - recall(ranking, at),
        "accuracy": partial(accuracy, threshold=at),
        "f1": partial(f1, threshold=at),
    }
    found = said.measured(wanted)
    counts = [confusion(ranking, at) for ranking in said.rankings]
    k = len(said.names)
    across = min(k, 3)
    figure = canvas.figure_of(height_in=1.2 + 2.0 * -(-k // across))
    parts = figure.subfigures(1, 2, width_ratios=(across, 1.4), squeeze=False)[0]
    _tables(parts[0], said, counts, across)
    _both_errors(parts[1].subplots(), found)
    canvas.title(figure, f"Called fake from {at:g} on", said.note)
    numbers = {
        name: {**vars(of), **numbers_of(estimates)}
        for name, of, estimates in zip(said.names, counts, found, strict=True)
    }
    return canvas.Picture(
        figure=figure,
        numbers={**said.counts, "threshold": at, "detectors": numbers},
        inputs=inputs(said.files),
    )


def _threshold(asked: Asked) -> float:
    said = asked.settings.get("threshold", str(HEO))
    try:
        return float(said)
    except ValueError as error:
        raise UsageError(f"threshold={said}: expected a number from 0 to 1") from error


def _tables(part: SubFigure, said: Compared, counts: Sequence[Confusion], across: int) -> None:
    """Draw a table of two by two for each detector: rows are what is so, columns what is said."""
    grid = part.subplots(-(-len(counts) // across), across, squeeze=False).ravel()
    for axes in grid[len(counts) :]:
        axes.set_axis_off()
    for i, (axes, name, of) in enumerate(zip(grid, said.names, counts, strict=False)):
        table = np.array(
            [
                [of.reals_called_real, of.reals_called_fake],
                [of.fakes_missed, of.fakes_found],
            ]
        )
        share = table / table.sum(1, keepdims=True)
        for row, column in np.ndindex(2, 2):
            colour = canvas.FAKE if column else canvas.REAL
            x, y, right = column, 1 - row, row == column
            axes.fill_between([x, x + 1], y, y + 1, color=colour, alpha=0.75 * share[row, column])
            axes.text(
                x + 0.5, y + 0.5, f"{table[row, column]:.0f}\n{share[row, column]:.1%}",
                ha="center", va="center", fontsize=9, fontweight="bold" if right else "normal",
                color="white" if share[row, column] > 0.6 else canvas.INK,
            )  # fmt: skip
        axes.set(xlim=(0, 2), ylim=(0, 2), aspect="equal")
        axes.set_xticks([0.5, 1.5], ["called\nreal", "called\nfake"])
        axes.set_yticks([1.5, 0.5], ["real", "fake"] if i % across == 0 else ["", ""])
        axes.tick_params(length=0)
        axes.grid(visible=False)
        axes.spines[:].set_visible(False)
        axes.set_title(name, color=canvas.colour_of(i))


def _both_errors(axes: Axes, found: Sequence[Estimates]) -> None:
    """Both errors of each detector beside one another: one that leans has them far apart."""
    for k, name in enumerate(("false_positive_rate", "false_negative_rate")):
        for i, of in enumerate(found):
            at = k + 0.16 * (i - (len(found) - 1) / 2)
            canvas.whisker(axes, at, of[name], i)
    axes.set_xticks([0, 1], ["reals\ncalled fake", "fakes\nmissed"])
    axes.set(xlim=(-0.5, 1.5), title="both errors")
    axes.set_ylim(bottom=0)
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.grid(visible=False, axis="x")


def draw_histogram(asked: Asked) -> canvas.Picture:
    """How scores of fakes and of reals lie, a row for each detector, with its own thresholds."""
    said = compared(asked)
    k = len(said.names)
    figure = canvas.figure_of(height_in=1.1 + 1.35 * k)
    rows = figure.subplots(k, 1, sharex=True, squeeze=False)[:, 0]
    numbers = {}
    for i, (axes, name) in enumerate(zip(rows, said.names, strict=True)):
        for label, colour, what in ((0, canvas.REAL, "real"), (1, canvas.FAKE, "fake")):
            of = said.p_fake[i][said.label == label]
            weights = np.full(len(of), 1 / len(of))
            axes.hist(of, BINS, weights=weights, color=colour, alpha=0.55, label=what)
        axes.set_title(name)
        axes.set_ylabel("share")
        axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        numbers[name] = _at_thresholds(axes, said, i)
    rows[0].legend(loc="upper center", ncols=2)
    rows[-1].set(xlabel="p_fake", xlim=(0, 1))
    canvas.title(figure, "Scores of fakes and of reals", said.note)
    return canvas.Picture(
        figure=figure, numbers={**said.counts, "detectors": numbers}, inputs=inputs(said.files)
    )


def _at_thresholds(axes: Axes, said: Compared, i: int) -> dict[str, Any]:
    """Mark a detector's thresholds; what they do to these scores."""
    fakes, reals = said.p_fake[i][said.label == 1], said.p_fake[i][said.label == 0]
    found: dict[str, Any] = {
        "fakes": _quartiles(fakes),
        "reals": _quartiles(reals),
        "bin_edges": BINS,
        "fakes_in_bin": np.histogram(fakes, BINS)[0],
        "reals_in_bin": np.histogram(reals, BINS)[0],
    }
    held = said.files[i].header.thresholds
    if held is None:
        return found
    for at, what, side in ((held.real, "real below", "left"), (held.fake, "fake from", "right")):
        axes.axvline(at, color=canvas.INK, linewidth=1)
        axes.annotate(
            f"{what} {at:.2f}", (at, 1), xycoords=("data", "axes fraction"), fontsize=8, ha=side,
            va="top", xytext=(4 if side == "left" else -4, 0), textcoords="offset points",
        )  # fmt: skip
    return found | {
        "threshold_fake": held.fake,
        "threshold_real": held.real,
        "reals_called_fake": float(np.mean(reals >= held.fake)),
        "fakes_called_fake": float(np.mean(fakes >= held.fake)),
        "reals_called_real": float(np.mean(reals < held.real)),
        "fakes_called_real": float(np.mean(fakes < held.real)),
    }


def _quartiles(p_fake: Floats) -> dict[str, float]:
    low, middle, high = np.quantile(p_fake, [0.25, 0.5, 0.75])
    return {"q1": float(low), "median": float(middle), "q3": float(high)}
