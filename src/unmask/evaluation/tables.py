"""Published tables filled with measured numbers: cell beside cell, with difference and coverage.

A row of ours may have several readings, since papers leave open how a row was trained; each is set
beside the published number by itself. Numbers are of the network's own probabilities, without the
calibration that a checkpoint may carry: 0.5 is then where its two classes are equal, as in the
papers. Where a number is not of the same thing as the published one (`doubts`), there is no
difference; where it is missing, the commands that would give it are named.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from unmask.errors import DataError
from unmask.evaluation.cell_metrics import LOG, metric_of, number_of_run, sizes
from unmask.evaluation.collected import (
    Found,
    Part,
    Recipes,
    detector_of,
    doubts_of_training,
    files_of,
    part_of,
)
from unmask.evaluation.intervals import RESAMPLES, Estimate
from unmask.evaluation.measure import Number, measure
from unmask.evaluation.needs import Need, Place, need_of
from unmask.evaluation.published import (
    FROM_NETWORKS,
    FROM_RUNS,
    FROM_SCORES,
    SCALE,
    Column,
    Row,
    Table,
    Value,
)
from unmask.evaluation.scores import ScoresFile

COUNTED, TRUE = "ours by the same counter", "ours, true count"


@dataclass(frozen=True, kw_only=True)
class Measured:
    """A number of ours in the unit of its column, beside a published one."""

    value: float
    low: float | None = None  # 95 % interval, resampled by recording
    high: float | None = None
    scored: int | None = None  # videos with a score
    videos: int | None = None  # that there are
    difference: float | None = None  # from the published one; None: there is none, or doubts
    doubts: tuple[str, ...] = ()  # why the two are not to be compared
    source: str = ""  # file that it was computed from


@dataclass(frozen=True, kw_only=True)
class Missing:
    """A number of ours that is not there."""

    why: str
    need: Need | None = None  # what would give it; None = nothing can


Cell = Measured | Missing


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What one recipe, or one way to count, says of a row."""

    name: str
    cells: tuple[Cell, ...]  # in the order of the table's places

    @property
    def measured(self) -> bool:
        """Whether any cell has a number."""
        return any(isinstance(cell, Measured) for cell in self.cells)

    @property
    def doubts(self) -> tuple[str, ...]:
        """All doubts about its cells."""
        found = (cell for cell in self.cells if isinstance(cell, Measured))
        return tuple(dict.fromkeys(doubt for cell in found for doubt in cell.doubts))


@dataclass(frozen=True, kw_only=True)
class FilledRow:
    """A published row with its readings."""

    row: Row
    published: tuple[Value | None, ...]
    readings: tuple[Reading, ...]


@dataclass(frozen=True, kw_only=True)
class Counts:
    """Published numbers that something of ours stands for."""

    possible: int
    compared: int  # with a number of ours of the same thing
    doubted: int  # with one that is not to be compared

    @property
    def missing(self) -> int:
        """Without any."""
        return self.possible - self.compared - self.doubted


@dataclass(frozen=True, kw_only=True)
class Filled:
    """A table with what there is of ours."""

    table: Table
    rows: tuple[FilledRow, ...]

    @property
    def needs(self) -> list[Need]:
        """What would give the numbers that are missing."""
        cells = (c for row in self.rows for reading in row.readings for c in reading.cells)
        return [cell.need for cell in cells if isinstance(cell, Missing) and cell.need]

    @property
    def counts(self) -> Counts:
        """How many published numbers have one of ours beside them."""
        cells = [
            [cell for reading in row.readings if isinstance(cell := reading.cells[n], Measured)]
            for row in self.rows
            for n, value in enumerate(row.published)
            if value is not None and row.readings
        ]
        compared = sum(any(not cell.doubts for cell in own) for own in cells)
        measured = sum(bool(own) for own in cells)
        return Counts(possible=len(cells), compared=compared, doubted=measured - compared)


def fill(
    table: Table,
    files: Sequence[Found],
    recipes: Recipes,
    place: Place,
    *,
    resamples: int = RESAMPLES,
) -> Filled:
    """Set beside each published number what scores files and runs hold of it."""
    filling = _Filling(table, files, recipes, place, resamples)
    rows = [filling.row(row) for row in table.rows]
    return Filled(table=table, rows=(*rows, *filling.rows_beside()))


class _Filling:
    """One table being filled; a scores file that several cells need is read once."""

    def __init__(
        self,
        table: Table,
        files: Sequence[Found],
        recipes: Recipes,
        place: Place,
        resamples: int,
    ) -> None:
        self._table, self._files, self._recipes = table, files, recipes
        self._place, self._resamples = place, resamples
        self._read: dict[Path, ScoresFile] = {}

    def row(self, row: Row) -> FilledRow:
        """A published row and what every recipe, or every way to count, says of it."""
        published = self._table.values(row.cells)
        readings = [Reading(name=name, cells=tuple(self._of(name, row))) for name in row.recipes]
        if row.counted:
            readings = [self._counted(row), self._true(row)]
        return FilledRow(
            row=row,
            published=tuple(published),
            readings=tuple(_beside(reading, published) for reading in readings),
        )

    def rows_beside(self) -> Iterator[FilledRow]:
        """Rows of recipes without a published number, where something was measured."""
        key = self._table.columns[0].key
        held = {name for row in self._table.rows for name in row.recipes}
        for pattern in self._table.beside:
            found = self._recipes.like(pattern.replace("{column}", key))
            by_column = "{column}" in pattern
            names = [n.removesuffix(key) + "{column}" for n in found] if by_column else found
            for name in (name for name in names if name not in held):
                row = Row(name=name, group="no published number", cells="", recipes=(name,))
                reading = Reading(name=name, cells=tuple(self._of(name, row)))
                if reading.measured:
                    held.add(name)
                    nothing = (None,) * len(reading.cells)
                    yield FilledRow(row=row, published=nothing, readings=(reading,))

    def _of(self, name: str, row: Row) -> Iterator[Cell]:
        """Cells of one recipe, column after column."""
        for column in self._table.columns:
            own = name.replace("{column}", column.key)
            kinds = {metric.partition("@")[0] for metric in column.metrics}
            if kinds <= set(FROM_RUNS):
                yield from (self._of_run(own, row, column, metric) for metric in column.metrics)
            elif column.on and kinds <= set(FROM_SCORES):
                yield from self._of_scores(own, row, column)
            else:
                yield from (Missing(why="nothing to measure it on") for _ in column.metrics)

    def _of_scores(self, name: str, row: Row, column: Column) -> list[Cell]:
        for file in files_of(name, self._files, self._recipes):
            if file.path not in self._read:
                self._read[file.path] = ScoresFile.read(file.path)
            scores = self._read[file.path]
            part = part_of(file, scores, self._table, column, self._recipes)
            if part is not None:
                return self._measured(part, column, file)
        why = f"{detector_of(name, self._place.scale, self._recipes)} has no scores on {column.on}"
        return [self._missing(why, name, row, column) for _ in column.metrics]

    def _measured(self, part: Part, column: Column, file: Found) -> list[Cell]:
        bare = replace(part.scores.header, calibration=None)
        scores = ScoresFile(header=bare, rows=part.scores.rows)
        scored = scores.at(self._table.level, self._table.rule)
        wanted = [Number(key=name, words=name, metric=metric_of(name)) for name in column.metrics]
        try:
            found = measure(scored, wanted, resamples=self._resamples)
        except DataError as error:
            return [Missing(why=f"{file.path}: {error}") for _ in column.metrics]
        done = len(set(scored.video))
        return [
            _scaled(found.numbers[name], column, done, part, file)
            if name in found.numbers
            else Missing(why=f"{file.path}: {found.undefined[name]}")
            for name in column.metrics
        ]

    def _of_run(self, name: str, row: Row, column: Column, metric: str) -> Cell:
        for scale in ("full", "tiny"):
            folder = self._recipes.run(detector_of(name, scale, self._recipes), scale)
            value = number_of_run(folder, metric)
            if value is not None:
                recipe = json.loads((folder / "config.json").read_text(encoding="utf-8"))["recipe"]
                doubts = tuple(doubts_of_training(recipe, self._recipes))
                return Measured(value=value, doubts=doubts, source=(folder / LOG).as_posix())
        return self._missing(f"{name} has not been run", name, row, column)

    def _missing(self, why: str, name: str, row: Row, column: Column) -> Missing:
        need = need_of(name, row, self._table, column, recipes=self._recipes, place=self._place)
        return Missing(why=why, need=need)

    def _counted(self, row: Row) -> Reading:
        """Our network under the counter of the source."""
        values = self._table.values(row.counted)
        cells = [
            Missing(why="not counted") if v is None else Measured(value=v.number) for v in values
        ]
        return Reading(name=COUNTED, cells=tuple(cells))

    def _true(self, row: Row) -> Reading:
        """Everything that is stored and learned, and matrix products among the operations."""
        true = dict(zip(FROM_NETWORKS, sizes()[row.model], strict=True))
        doubts = ("another way to count",)
        cells = [Measured(value=true[m], doubts=doubts) for _, m in self._table.places]
        return Reading(name=TRUE, cells=tuple(cells))


def _scaled(estimate: Estimate, column: Column, done: int, part: Part, file: Found) -> Measured:
    assert column.unit is not None, "a table says the unit of its columns"
    scale = SCALE[column.unit]
    return Measured(
        value=estimate.value * scale,
        low=None if estimate.low is None else estimate.low * scale,
        high=None if estimate.high is None else estimate.high * scale,
        scored=done,
        videos=part.n_videos,
        doubts=part.doubts,
        source=file.path.as_posix(),
    )


def _beside(reading: Reading, published: Sequence[Value | None]) -> Reading:
    """Set differences where both are numbers of one thing."""

    def compared(cell: Cell, value: Value | None) -> Cell:
        if isinstance(cell, Missing) or value is None or cell.doubts:
            return cell
        return replace(cell, difference=cell.value - value.number)

    pairs = zip(reading.cells, published, strict=True)
    return replace(reading, cells=tuple(compared(cell, value) for cell, value in pairs))
