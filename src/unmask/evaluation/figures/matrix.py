"""Who detects what: detectors (rows) by what they are tested on (columns), as a heat map.

Trained on one manipulation, tested on all (Zhang et al. 2024, Table 2; Das et al. 2021, Tables II
to IV): what counts is what is left off the diagonal. The diagonal is known where a detector's name
says what it learned from, as names of recipes do: dtn/table2-f2f, resnet3d/r3d-scratch-single_fs.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from unmask.evaluation.figures import Asked, canvas
from unmask.evaluation.figures.bars import note, numbers_of
from unmask.evaluation.figures.cells import Cells, by_of, cells
from unmask.evaluation.figures.compared import inputs, read
from unmask.evaluation.intervals import Estimate

CODES = {"Deepfakes": "df", "Face2Face": "f2f", "FaceSwap": "fs", "NeuralTextures": "nt"}
CHANCE = 0.5  # where the colours begin


def draw_matrix(asked: Asked) -> canvas.Picture:
    """AUC of each detector on each method, or on each data set (setting by=data)."""
    files = read(asked.scores)
    table = cells(files, by_of(asked.settings, otherwise="method"), asked.level, asked.rule)
    columns = list(dict.fromkeys(part for row in table.values() for part in row))
    figure = canvas.figure_of(height_in=1.4 + 0.6 * len(table))
    axes = figure.subplots()
    for y, (name, row) in enumerate(table.items()):
        for x, column in enumerate(columns):
            if column in row:
                _cell(axes, x, y, row[column].auc)
            if learned_from(name, column):
                axes.add_patch(Rectangle((x - 0.47, y - 0.45), 0.94, 0.9, fill=False, linewidth=2,
                                         edgecolor=canvas.INK))  # fmt: skip
    _frame(axes, list(table), columns)
    numbers = {"detectors": numbers_of(table), "summary": _summary(table)}
    told = [f"{name}: {said['elsewhere']:.3f}" for name, said in numbers["summary"].items()]
    framed = f". Framed: what it learned from. Mean elsewhere: {', '.join(told)}" if told else ""
    canvas.title(figure, "Who detects what: AUC", note(files, table, asked.level) + framed)
    return canvas.Picture(figure=figure, numbers=numbers, inputs=inputs(files))


def learned_from(detector: str, part: str) -> bool:
    """Whether a detector's name says that it learned from this part of the data.

    >>> learned_from("dtn/table2-f2f", "Face2Face"), learned_from("dtn/table2-f2f", "FaceSwap")
    (True, False)
    """
    said = re.split(r"[^a-z0-9]+", detector.lower())
    return CODES.get(part, part.lower()) in said


def _cell(axes: Axes, x: int, y: int, of: Estimate) -> None:
    shade = max(0.0, (of.value - CHANCE) / (1 - CHANCE))
    colour = colormaps[canvas.SEQUENTIAL](shade)
    axes.add_patch(Rectangle((x - 0.5, y - 0.5), 1, 1, color=colour, linewidth=0))
    ink = canvas.INK if np.dot(colour[:3], (0.299, 0.587, 0.114)) > 0.5 else "white"
    axes.text(x, y, f"{of.value:.3f}", ha="center", va="bottom", fontsize=11, color=ink)
    if of.low is not None and of.high is not None:
        span = f"{of.low:.3f}–{of.high:.3f}"
        axes.text(x, y + 0.08, span, ha="center", va="top", fontsize=7.5, color=ink)


def _frame(axes: Axes, rows: Sequence[str], columns: Sequence[str]) -> None:
    axes.set(xlim=(-0.5, len(columns) - 0.5), ylim=(len(rows) - 0.5, -0.5))
    axes.set_xticks(range(len(columns)), columns)
    axes.set_yticks(range(len(rows)), rows)
    axes.xaxis.tick_top()
    axes.tick_params(length=0, labelcolor=canvas.INK)
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)


def _summary(table: Cells) -> dict[str, dict[str, Any]]:
    """Mean AUC on and off the diagonal, for each detector whose diagonal is known."""
    summary = {}
    for name, row in table.items():
        own = [of.auc.value for part, of in row.items() if learned_from(name, part)]
        others = [of.auc.value for part, of in row.items() if not learned_from(name, part)]
        if own and others:
            summary[name] = {"own": float(np.mean(own)), "elsewhere": float(np.mean(others))}
    return summary
