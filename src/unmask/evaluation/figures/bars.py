"""AUC of detectors on several data, as bars with intervals.

Bars begin at chance (.5): what is drawn is how much better than guessing a detector is.
"""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.patches import Patch

from unmask.evaluation.figures import Asked, canvas
from unmask.evaluation.figures.cells import Cells, by_of, cells
from unmask.evaluation.figures.compared import UNIT, inputs, leaks, places, read
from unmask.evaluation.scores import Level, ScoresFile

CHANCE = 0.5
FILL = 0.8  # of the room between two groups


def draw_bars(asked: Asked) -> canvas.Picture:
    """AUC of every detector on every part of the data."""
    files = read(asked.scores)
    table = cells(files, by_of(asked.settings, otherwise="data"), asked.level, asked.rule)
    figure = canvas.figure_of(height_in=3.4)
    bars(figure.subplots(), table)
    canvas.title(figure, "AUC by detector and data", note(files, table, asked.level))
    return canvas.Picture(figure=figure, numbers=numbers_of(table), inputs=inputs(files))


def bars(axes: Axes, table: Cells) -> None:
    """Draw a group of bars for each part, a bar for each detector; a missing cell stays empty."""
    groups = list(dict.fromkeys(part for row in table.values() for part in row))
    width = FILL / len(table)
    for i, row in enumerate(table.values()):
        colour = canvas.colour_of(i)
        for k, group in enumerate(groups):
            if group not in row:
                continue
            at, of = k + width * (i - (len(table) - 1) / 2), row[group].auc
            axes.bar(at, of.value - CHANCE, 0.92 * width, CHANCE, color=colour, alpha=0.85)
            if of.low is not None and of.high is not None:
                axes.plot([at, at], [of.low, of.high], color=canvas.QUIET, linewidth=1.2)
            above = max(of.value, of.high or 0.0, CHANCE)
            axes.annotate(
                f"{of.value:.3f}".removeprefix("0"), (at, above), xytext=(0, 2),
                textcoords="offset points", ha="center", fontsize=8 if width > 0.13 else 6.5,
            )  # fmt: skip
    axes.axhline(CHANCE, color=canvas.QUIET, linewidth=1)
    axes.set_xticks(range(len(groups)), groups)
    axes.tick_params(axis="x", length=0)
    axes.set(ylabel="AUC", xlim=(-0.5, len(groups) - 0.5))
    axes.set_ylim(top=min(1.06, axes.get_ylim()[1] + 0.02))
    axes.grid(visible=False, axis="x")
    key = [Patch(color=canvas.colour_of(i), alpha=0.85, label=n) for i, n in enumerate(table)]
    axes.legend(handles=key, loc="lower left", bbox_to_anchor=(0, 1), ncols=4, handlelength=1,
                borderaxespad=0)  # fmt: skip


def note(files: Sequence[ScoresFile], table: Cells, level: Level) -> str:
    """What a chart's numbers are of, in a line."""
    covered = [of.coverage for row in table.values() for of in row.values()]
    least, most = min(covered), max(covered)
    share = f"{least:.1%}" if least == most else f"{least:.1%} to {most:.1%}"
    return (
        f"{places(files)}. AUC over {UNIT[level]}, 95 % intervals by recording; "
        f"{share} of the videos scored{leaks(files)}"
    )


def numbers_of(table: Cells) -> dict[str, dict[str, object]]:
    """Cells for a program."""
    return {name: {part: of.numbers for part, of in row.items()} for name, row in table.items()}
