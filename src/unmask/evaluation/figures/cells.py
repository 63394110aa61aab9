"""One number for each detector and each part of the data: what charts and heat maps are made of.

Parts are whole data sets (one scores file each), or what the rows of a file say of themselves: the
method of the fakes (against all reals of the file), compression, group.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np

from unmask.errors import DataError, UsageError
from unmask.evaluation.figures.compared import UNIT, number, place
from unmask.evaluation.intervals import Estimate, interval
from unmask.evaluation.metrics import auc
from unmask.evaluation.runs import against_reals, methods_in, rows_of
from unmask.evaluation.scores import Level, Rule, ScoresFile

By = Literal["data", "method", "compression", "group"]


@dataclass(frozen=True, kw_only=True)
class Cell:
    """AUC of a detector on a part of the data, and what it was measured on."""

    auc: Estimate
    n_fake: int
    n_real: int
    coverage: float

    @property
    def numbers(self) -> dict[str, Any]:
        """For a program."""
        return {
            "auc": number(self.auc),
            "n_fake": self.n_fake,
            "n_real": self.n_real,
            "coverage": self.coverage,
        }


Cells = dict[str, dict[str, Cell]]  # detector -> part -> cell


def by_of(settings: Mapping[str, str], *, otherwise: By) -> By:
    """Read the setting `by`.

    Raises:
        UsageError: nothing is divided so.
    """
    by = settings.get("by", otherwise)
    if by not in get_args(By):
        raise UsageError(f"by={by}: data are divided by {', '.join(get_args(By))}")
    return by  # type: ignore[return-value]


def cells(files: Sequence[ScoresFile], by: By, level: Level, rule: Rule) -> Cells:
    """Measure every detector on every part.

    Raises:
        DataError: a part has one class only.
        UsageError: two files fall into one cell.
    """
    table: Cells = {}
    for file in files:
        row = table.setdefault(file.header.detector, {})
        for part, of in parts(file, by).items():
            if part in row:
                raise UsageError(
                    f"two scores files are of {file.header.detector} on {part}; give one of them"
                )
            row[part] = cell(of, level, rule)
    return table


def parts(file: ScoresFile, by: By) -> dict[str, ScoresFile]:
    """Divide a scores file; fakes of a method go with all reals."""
    if by == "data":
        return {place(file.header): file}
    if by == "method":
        return {name: file.take(against_reals(file, {name})) for name in methods_in(file)}
    places, words = file.columns.codes(by)
    known = sorted({words[k] for k in np.unique(places[places >= 0])})
    if not known:
        raise DataError(f"{file.header.detector} on {place(file.header)}: the videos name no {by}")
    return {name: file.take(rows_of(file, by, name)) for name in known}


def cell(file: ScoresFile, level: Level, rule: Rule) -> Cell:
    """AUC of a scores file, with counts.

    Raises:
        DataError: it has one class only; says of which detector and data.
    """
    said = file.at(level, rule)
    try:
        estimate = interval(auc, said.label.astype(np.float64), said.p_fake, said.source)
    except DataError as error:
        of = f"{file.header.detector} on {place(file.header)}"
        raise DataError(f"{of}, {UNIT[level]}: {error}") from error
    fakes = int(said.label.sum())
    return Cell(auc=estimate, n_fake=fakes, n_real=len(said) - fakes, coverage=said.coverage)
