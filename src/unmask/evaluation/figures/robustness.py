"""AUC as pictures get worse: seven corruptions at six levels (Zhang et al. 2024, Fig. 5).

Scores files say in their headers how their data were corrupted; level 0 is the file that was not.
Beside the curves: by how much the AUC falls, on average over the levels 1 to 5 of all corruptions
that every detector was scored under. Where a corruption loses faces, other videos are left to be
scored; so each fall is of those that a detector has scored clean and corrupted.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from unmask.errors import DataError
from unmask.evaluation.compare import Difference, delong, paired
from unmask.evaluation.figures import Asked, canvas
from unmask.evaluation.figures.cells import Cell, cell
from unmask.evaluation.figures.compared import UNIT, inputs, leaks, names_of, read
from unmask.evaluation.scores import ScoresFile
from unmask.video.corrupt import KINDS, LEVELS

CLEAN = "none"
TITLES = {"saturation": "colour saturation", "contrast": "contrast", "blocks": "blocks",
          "noise": "Gaussian noise", "blur": "Gaussian blur", "pixelation": "pixelation",
          "video": "H.264", "jpeg": "JPEG"}  # fmt: skip

Falls = dict[str, dict[tuple[str, int], Difference]]  # detector -> (kind, level) -> against clean
Curves = dict[str, dict[tuple[str, int], Cell]]  # detector -> (kind, level) -> cell; clean: level 0


def draw_robustness(asked: Asked) -> canvas.Picture:
    """AUC against the level of each corruption, a line for each detector."""
    files = read(asked.scores)
    names_of(files)  # refuses the same twice
    curves = _curves(files, asked)
    kinds = [
        kind for kind in KINDS if any((kind, n) in of for of in curves.values() for n in LEVELS)
    ]
    figure = canvas.figure_of(height_in=1.0 + 1.9 * -(-(len(kinds) + 1) // 4))
    grid = figure.subplots(-(-(len(kinds) + 1) // 4), min(4, len(kinds) + 1), squeeze=False)
    panels = grid.ravel()
    for axes, kind in zip(panels, kinds, strict=False):
        _panel(axes, kind, curves)
    low = min(axes.get_ylim()[0] for axes in panels[: len(kinds)])
    for i, axes in enumerate(panels[: len(kinds)]):
        axes.set_ylim(low, 1.01)
        axes.tick_params(labelleft=i % grid.shape[1] == 0)
    falls = falls_of(files, asked)
    drops, shared = mean_drops(falls)
    _drops(panels[len(kinds)], drops)
    for axes in panels[len(kinds) + 1 :]:
        axes.set_axis_off()
    canvas.title(figure, "AUC as pictures get worse", _note(files, curves, shared, asked))
    return canvas.Picture(
        figure=figure, numbers=_numbers(curves, falls, drops, shared), inputs=inputs(files)
    )


def falls_of(files: Sequence[ScoresFile], asked: Asked) -> Falls:
    """Corrupted minus clean AUC of each detector and cell, on what was scored both ways."""
    scored = {(file.header.detector, _at(file)): file.at(asked.level, asked.rule) for file in files}
    falls: Falls = {name: {} for name, _ in scored}
    for (name, at), said in scored.items():
        if at[1]:
            falls[name][at] = delong(paired(scored[name, (CLEAN, 0)], said))
    return falls


def mean_drops(falls: Falls) -> tuple[dict[str, float], list[tuple[str, int]]]:
    """Mean fall of AUC from the clean data, over the cells that every detector has; and these."""
    shared = sorted(set.intersection(*(set(of) for of in falls.values())))
    if not shared:
        raise DataError("no corruption at any level was scored by all detectors; score them alike")
    return {
        name: -float(np.mean([of[at].difference.value for at in shared]))
        for name, of in falls.items()
    }, shared


def _at(file: ScoresFile) -> tuple[str, int]:
    kind, _, level = file.header.corruption.partition(":")
    return kind, int(level or 0)


def _curves(files: Sequence[ScoresFile], asked: Asked) -> Curves:
    places = {file.header.data for file in files}
    if len(places) > 1:
        raise DataError(f"robustness is of one data set; the scores are of {', '.join(places)}")
    curves: Curves = {}
    for file in files:
        own = curves.setdefault(file.header.detector, {})
        own[_at(file)] = cell(file, asked.level, asked.rule)
    for name, of in curves.items():
        if (CLEAN, 0) not in of:
            raise DataError(f"{name} was not scored on the uncorrupted data; give those scores too")
    return curves


def _panel(axes: Axes, kind: str, curves: Curves) -> None:
    for i, of in enumerate(curves.values()):
        line = [(n, of[kind, n].auc) for n in LEVELS if (kind, n) in of]
        line = [(0, of[CLEAN, 0].auc), *line]
        levels = np.array([n for n, _ in line])
        colour = canvas.colour_of(i)
        axes.plot(levels, [auc.value for _, auc in line], canvas.marker_of(i), linestyle="-",
                  color=colour, markersize=3.5, linewidth=1.4)  # fmt: skip
        if all(auc.low is not None for _, auc in line):
            edges = np.array([[auc.low for _, auc in line], [auc.high for _, auc in line]])
            canvas.band(axes, levels, (edges[0], edges[1]), colour)
    axes.set_title(TITLES[kind], fontsize=10)
    axes.set_xticks(range(len(LEVELS) + 1))
    axes.tick_params(labelsize=8)


def _drops(axes: Axes, drops: dict[str, float]) -> None:
    """Bars of the mean fall; they also say which colour is whose."""
    for i, (name, drop) in enumerate(drops.items()):
        axes.barh(i, drop, 0.35, color=canvas.colour_of(i))
        axes.text(0, i - 0.24, name, fontsize=8, va="bottom", color=canvas.colour_of(i))
        axes.text(max(drop, 0), i, f" {drop:.3f}", fontsize=8, va="center")
    axes.set_ylim(len(drops) - 0.5, -0.75)
    axes.set_xlim(0, 1.35 * max(*drops.values(), 0.01))
    axes.set(xticks=[], yticks=[])
    axes.spines["bottom"].set_visible(False)
    axes.grid(visible=False)
    axes.set_title("mean fall of AUC", fontsize=10)


def _note(
    files: Sequence[ScoresFile], curves: Curves, shared: Sequence[tuple[str, int]], asked: Asked
) -> str:
    covered = [of.coverage for row in curves.values() for of in row.values()]
    return (
        f"{files[0].header.data}: AUC over {UNIT[asked.level]}; 0 is the uncorrupted data; mean "
        f"over {len(shared)} cells, each of what was scored both ways; {min(covered):.1%} to "
        f"{max(covered):.1%} of videos scored{leaks(files)}"
    )


def _numbers(
    curves: Curves, falls: Falls, drops: dict[str, float], shared: Sequence[tuple[str, int]]
) -> dict[str, Any]:
    named: dict[str, dict[str, Any]] = {}
    for name, of in curves.items():
        own = named.setdefault(name, {})
        for at, measured in of.items():
            fall = falls[name].get(at)
            more = {} if fall is None else {"fall": -fall.difference.value, "scored_both": fall.n}
            own[f"{at[0]}:{at[1]}" if at[1] else CLEAN] = measured.numbers | more
    return {
        "detectors": named,
        "mean_drop": drops,
        "mean_drop_over": [f"{kind}:{level}" for kind, level in shared],
    }
