"""The charts of Zhang et al. 2024, Fig. 6a to 6d; rows are found by the names of their recipes."""

from __future__ import annotations

import re
from typing import Any

from matplotlib.figure import Figure

from unmask.errors import DataError
from unmask.evaluation.figures import Asked, canvas
from unmask.evaluation.figures.bars import bars, note, numbers_of
from unmask.evaluation.figures.cells import Cell, Cells, cells
from unmask.evaluation.figures.compared import inputs, place, read
from unmask.evaluation.scores import ScoresFile

A = r"fig6a-(gauss|blur|compression|contrast)$"
B = r"fig6b-(low|vanilla)$"
C = r"fig6c-(vgg|resnet34|efficientnet-b0)-(alone|modules)$"
D = r"fig6d-B(\d+)(-calm)?$"

WORDS = {
    "gauss": "noise",
    "low": "low-dimensional",
    "vanilla": "on features (vanilla)",
    "vgg": "VGG",
    "resnet34": "ResNet-34",
    "efficientnet-b0": "EfficientNet-B0",
    "modules": "with the modules",
}


def draw_a(asked: Asked) -> canvas.Picture:
    """AUC by what augments the experts' features, on each data set."""
    return _by_data(A, asked, "6a: what augments the features of the experts")


def draw_b(asked: Asked) -> canvas.Picture:
    """AUC with the low-dimensional and with the vanilla centre loss, on each data set."""
    return _by_data(B, asked, "6b: which centre loss")


def draw_c(asked: Asked) -> canvas.Picture:
    """AUC of each backbone, alone and with the modules."""
    files = _files(C, asked)
    data = _one_place(files)
    table: Cells = {"alone": {}, WORDS["modules"]: {}}
    rows = {_groups(C, name): of for name, of in _on(data, files, asked).items()}
    for (backbone, how), of in sorted(rows.items(), key=lambda row: list(WORDS).index(row[0][0])):
        table[WORDS.get(how, how)][WORDS[backbone]] = of
    return _chart(table, files, asked, "6c: backbones alone and with the modules")


def draw_d(asked: Asked) -> canvas.Picture:
    """AUC against the number of experts, with and without noise."""
    files = _files(D, asked)
    data = _one_place(files)
    lines: dict[str, dict[int, Cell]] = {"with noise": {}, "without noise": {}}
    for name, of in _on(data, files, asked).items():
        experts, calm = _groups(D, name)
        lines["without noise" if calm else "with noise"][int(experts)] = of
    figure = canvas.figure_of(height_in=3.6)
    axes = figure.subplots()
    numbers: dict[str, Any] = {}
    ends = []
    for i, (how, line) in enumerate(lines.items()):
        counts = sorted(line)
        if not counts:
            continue
        values = [line[n].auc.value for n in counts]
        axes.plot(counts, values, color=canvas.colour_of(i))
        for n in counts:
            canvas.whisker(axes, n + 0.06 * (i - 0.5), line[n].auc, i)
        best = counts[values.index(max(values))]
        numbers[how] = {"best": best, "experts": {n: line[n].numbers for n in counts}}
        ends.append((values[-1], f"{how}:\nbest with {best}", canvas.colour_of(i)))
    axes.set(xlabel="experts", ylabel="AUC")
    axes.set_xticks(sorted({n for line in lines.values() for n in line}))
    axes.grid(visible=False, axis="x")
    canvas.label_ends(axes, ends, gap=0.16)
    table = {how: {str(n): of for n, of in line.items()} for how, line in lines.items()}
    _title(figure, table, files, asked, "6d: number of experts, with and without noise")
    return canvas.Picture(figure=figure, numbers=numbers, inputs=inputs(files))


def _by_data(pattern: str, asked: Asked, title: str) -> canvas.Picture:
    files = _files(pattern, asked)
    order = re.findall(r"\w+", pattern.partition("(")[2])  # as the paper has it
    measured = {
        _groups(pattern, name)[0]: row
        for name, row in cells(files, "data", asked.level, asked.rule).items()
    }
    table = {WORDS.get(key, key): measured[key] for key in order if key in measured}
    return _chart(table, files, asked, title)


def _chart(table: Cells, files: list[ScoresFile], asked: Asked, title: str) -> canvas.Picture:
    figure = canvas.figure_of(height_in=3.4)
    bars(figure.subplots(), table)
    _title(figure, table, files, asked, title)
    return canvas.Picture(figure=figure, numbers=numbers_of(table), inputs=inputs(files))


def _title(figure: Figure, table: Cells, files: list[ScoresFile], asked: Asked, title: str) -> None:
    canvas.title(figure, f"DTN, Fig. {title}", note(files, table, asked.level))


def _files(pattern: str, asked: Asked) -> list[ScoresFile]:
    """Scores of the rows of a chart, among those given.

    Raises:
        DataError: none is of such a row.
    """
    given = read(asked.scores)
    files = [file for file in given if re.search(pattern, file.header.detector)]
    if not files:
        names = ", ".join(sorted({file.header.detector for file in given}))
        raise DataError(
            f"none of the detectors scored here ({names}) is a row of this figure; its rows are "
            f"named as their recipes are: {pattern.rstrip('$')}"
        )
    return files


def _groups(pattern: str, name: str) -> tuple[str, ...]:
    match = re.search(pattern, name)
    assert match is not None, "_files keeps what matches"
    return tuple(group or "" for group in match.groups())


def _one_place(files: list[ScoresFile]) -> str:
    found = sorted({place(file.header) for file in files})
    if len(found) > 1:
        raise DataError(
            f"this figure shows one data set, and the scores are of {', '.join(found)}; give those "
            "of one"
        )
    return found[0]


def _on(data: str, files: list[ScoresFile], asked: Asked) -> dict[str, Cell]:
    table = cells(files, "data", asked.level, asked.rule)
    return {name: row[data] for name, row in table.items()}
