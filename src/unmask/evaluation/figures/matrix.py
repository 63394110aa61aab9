"""Who detects what: detectors (rows) by what they are tested on (columns), as a heat map.

Trained on one manipulation, tested on all (Zhang et al. 2024, Table 2; Das et al. 2021, Tables II
to IV): what counts is what is left of the AUC elsewhere. What a detector learned from is framed,
where its scores files say so.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from unmask.evaluation.figures import Asked, canvas
from unmask.evaluation.figures.bars import note, numbers_of
from unmask.evaluation.figures.cells import By, Cells, by_of, cells
from unmask.evaluation.figures.compared import inputs, place, read
from unmask.evaluation.intervals import Estimate
from unmask.evaluation.runs import datasets_in, learned_from, methods_in
from unmask.evaluation.scores import ScoresFile

COLOURS = "GnBu"
CHANCE = 0.5  # where the colours begin


def draw_matrix(asked: Asked) -> canvas.Picture:
    """AUC of each detector on each method, or on each data set (setting by=data)."""
    files = read(asked.scores)
    by = by_of(asked.settings, otherwise="method")
    table, own = cells(files, by, asked.level, asked.rule), learned(files, by)
    columns = list(dict.fromkeys(part for row in table.values() for part in row))
    table = dict(sorted(table.items(), key=lambda row: _first(own[row[0]], columns)))
    summary = _summary(table, own)
    figure = canvas.figure_of(height_in=1.4 + 0.6 * len(table))
    axes = figure.subplots()
    for y, (name, row) in enumerate(table.items()):
        for x, column in enumerate(columns):
            if column in row:
                _cell(axes, x, y, row[column].auc)
            if column in own[name]:
                axes.add_patch(Rectangle((x - 0.47, y - 0.45), 0.94, 0.9, fill=False, linewidth=2,
                                         edgecolor=canvas.INK))  # fmt: skip
        if name in summary:
            axes.text(len(columns), y, f"{summary[name]['elsewhere']:.3f}", ha="center",
                      va="center", fontsize=11)  # fmt: skip
    _frame(axes, list(table), [*columns, "mean elsewhere"] if summary else columns)
    framed = ". Framed: what it learned from" if summary else ""
    canvas.title(figure, "Who detects what: AUC", note(files, table, asked.level) + framed)
    numbers = {"detectors": numbers_of(table), "summary": summary}
    return canvas.Picture(figure=figure, numbers=numbers, inputs=inputs(files))


def learned(files: Sequence[ScoresFile], by: By) -> dict[str, set[str]]:
    """Parts of the data that each detector learned from, as far as is known."""
    known: dict[str, set[str]] = {}
    for file in files:
        said, header = learned_from(file.header), file.header
        own = known.setdefault(header.detector, set())
        if by == "method":
            own.update(said.methods_of(methods_in(file), datasets_in(file)) or ())
        elif by == "data" and set(datasets_in(file)) <= set(said.datasets):
            own.add(place(header))
    return known


def _first(own: set[str], columns: Sequence[str]) -> int:
    """Place of the first column that a detector learned from; unknown comes last."""
    return next((x for x, part in enumerate(columns) if part in own), len(columns))


def _cell(axes: Axes, x: int, y: int, of: Estimate) -> None:
    shade = max(0.0, (of.value - CHANCE) / (1 - CHANCE))
    colour = colormaps[COLOURS](0.6 * shade)
    axes.add_patch(Rectangle((x - 0.5, y - 0.5), 1, 1, color=colour, linewidth=0))
    axes.text(x, y, f"{of.value:.3f}", ha="center", va="bottom", fontsize=11)
    if of.low is not None and of.high is not None:
        span = f"{of.low:.3f}–{of.high:.3f}"
        axes.text(x, y + 0.08, span, ha="center", va="top", fontsize=7.5)


def _frame(axes: Axes, rows: Sequence[str], columns: Sequence[str]) -> None:
    axes.set(xlim=(-0.5, len(columns) - 0.5), ylim=(len(rows) - 0.5, -0.5))
    axes.set_xticks(range(len(columns)), columns)
    axes.set_yticks(range(len(rows)), rows)
    axes.xaxis.tick_top()
    axes.tick_params(length=0, labelcolor=canvas.INK)
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)


def _summary(table: Cells, own: dict[str, set[str]]) -> dict[str, dict[str, float]]:
    """Mean AUC on what a detector learned from and elsewhere, where both are known."""
    summary = {}
    for name, row in table.items():
        inside = [of.auc.value for part, of in row.items() if part in own[name]]
        outside = [of.auc.value for part, of in row.items() if part not in own[name]]
        if inside and outside:
            summary[name] = {"own": float(np.mean(inside)), "elsewhere": float(np.mean(outside))}
    return summary
