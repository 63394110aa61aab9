"""Published numbers, read strictly from `published/*.toml`: what a measured one stands beside.

A file holds the tables of one paper, `sets.toml` the data that columns are measured on. A cell is
written as the source prints it: `97.13/99.70` has one number for each metric of its column, `-` is
a number that the source does not give, and `70.68|66.68` is one that it prints in two ways, the
first of them in this table. Digits are kept as printed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Literal

from unmask.config import build, read_toml, suggestion
from unmask.errors import ConfigError, UsageError
from unmask.evaluation.levels import Level, Rule

Unit = Literal["percent", "share", "count", "value"]
# printed: in the source; derived: follows from what is printed; report: in the authors' report.
Origin = Literal["printed", "derived", "report"]
Split = Literal["train", "val", "test"]

SETS = "sets.toml"
SCALE: Mapping[Unit, float] = {"percent": 100.0, "share": 1.0, "count": 1.0, "value": 1.0}

# Metrics of cells by name; `f1@0.55` is one at a threshold.
FROM_SCORES = ("acc", "auc", "tcr", "error", "f1", "missed", "found", "alarms")
FROM_RUNS = ("train_mse", "test_mse", "train_bce")  # in the log of a run
FROM_NETWORKS = ("parameters", "flops")  # in M and G
STATED = ("value",)


@dataclass(frozen=True, kw_only=True)
class DataSide:
    """Data that numbers are of."""

    title: str
    dataset: str
    methods: tuple[str, ...] = ()  # of the fakes; () = all
    compressions: tuple[str, ...] = ()
    split: Split = "test"
    prepare: str = ""  # what `unmask prepare` is told beside the sampling


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column; what it leaves out is its table's."""

    name: str
    key: str  # takes the place of {column} in names of recipes
    on: str = ""  # a test set; "" = nothing that could be measured
    methods: tuple[str, ...] = ()  # of that set's
    metrics: tuple[str, ...] = ()
    unit: Unit | None = None


@dataclass(frozen=True, kw_only=True)
class Value:
    """A published number, and every other one that the source prints for the same thing."""

    texts: tuple[str, ...]  # as printed, that of this table first

    @property
    def number(self) -> float:
        """That of this table."""
        return float(self.texts[0])

    @property
    def others(self) -> tuple[float, ...]:
        """Those of other places."""
        return tuple(float(text) for text in self.texts[1:])

    def __str__(self) -> str:
        """As printed; others in brackets.

        >>> str(Value(texts=("70.68", "66.68")))
        '70.68 (66.68)'
        """
        first, *others = self.texts
        return " ".join([first, *(f"({other})" for other in others)])


@dataclass(frozen=True, kw_only=True)
class Row:
    """One row, and what of ours stands for it.

    Exactly one of `recipes`, `cited`, `stated` and `counted` is given. A recipe with generations
    stands for the one that it selects, unless `/generation-N` is said.
    """

    name: str
    cells: str
    group: str = ""  # of rows that belong together
    recipes: tuple[str, ...] = ()  # each a reading of the row
    cited: bool = False  # the source takes it from elsewhere: there is no recipe
    stated: str = ""  # where the text says it: nothing to measure
    counted: str = ""  # our network under the source's counter
    printed: str = ""  # the cells as printed, where they are known to be wrong there
    model: str = ""  # a name of `unmask models`
    sampling: str = ""  # of its recipes, where it is not the table's
    note: str = ""

    @property
    def title(self) -> str:
        """Group and name."""
        return ", ".join(filter(None, (self.group, self.name)))


@dataclass(frozen=True, kw_only=True)
class _TableFile:
    """A table as its file has it; what is None is the paper's."""

    name: str
    where: str
    title: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()
    origin: Origin = "printed"
    level: Level | None = None
    rule: Rule | None = None
    metrics: tuple[str, ...] = ()
    unit: Unit | None = None
    trains_on: str | None = None
    sampling: str | None = None


@dataclass(frozen=True, kw_only=True)
class _PaperFile:
    paper: str
    table: tuple[_TableFile, ...]
    level: Level = "clip"
    rule: Rule = "mean"
    metrics: tuple[str, ...] = ()
    unit: Unit = "percent"
    trains_on: str = ""
    sampling: str = ""
    prepare: str = ""


@dataclass(frozen=True, kw_only=True)
class Table:
    """A published table with everything that its paper's file says of it."""

    name: str  # dtn/table3
    paper: str
    where: str
    title: str
    columns: tuple[Column, ...]  # each with its metrics and its unit
    rows: tuple[Row, ...]
    notes: tuple[str, ...]
    beside: tuple[str, ...]  # recipes that belong here without a published number (patterns)
    origin: Origin
    level: Level  # what one score is of; clip = frame for image systems
    rule: Rule
    trains_on: (
        str  # name of a side, with {column} where columns differ: its data set's training one
    )
    sampling: str
    prepare: str

    def learned_on(self, column: Column) -> str:
        """Which data the detectors of a column learn from, by the name of their test side."""
        return self.trains_on.replace("{column}", column.key)

    @property
    def places(self) -> list[tuple[Column, str]]:
        """Columns with each of their metrics, in the order of the cells."""
        return [(column, metric) for column in self.columns for metric in column.metrics]

    def values(self, cells: str) -> list[Value | None]:
        """Numbers of cells, in the order of `places`.

        >>> table = find_table("dtn/table3")
        >>> [str(value) for value in table.values("91.97/97.42 60.56/-") if value]
        ['91.97', '97.42', '60.56']
        """
        parts = [part for cell in cells.split() for part in cell.split("/")]
        return [None if part == "-" else Value(texts=tuple(part.split("|"))) for part in parts]


@cache
def data_sides() -> dict[str, DataSide]:
    """Data that columns are measured on, by name."""
    path = _folder() / SETS
    return {
        name: build(DataSide, said, where=f"{path}: {name}")
        for name, said in read_toml(path).items()
    }


@cache
def published_tables() -> dict[str, Table]:
    """Every published table by name, paper after paper.

    Raises:
        ConfigError: a file is not as it should be.
    """
    tables: dict[str, Table] = {}
    for path in sorted(_folder().glob("*.toml")):
        if path.name != SETS:
            tables |= {table.name: table for table in _read(path)}
    return tables


def find_table(name: str) -> Table:
    """Return one table by name.

    Raises:
        UsageError: with the nearest name when there is none.
    """
    known = published_tables()
    if name not in known:
        raise UsageError(
            f"{name}: no published table of that name; {suggestion(name, list(known))}"
        )
    return known[name]


def find_tables(names: Iterable[str]) -> list[Table]:
    """Return tables by name; `dtn` or `dtn/` stands for all of a paper.

    Raises:
        UsageError: as `find_table`.
    """
    found: list[Table] = []
    for name in names:
        whole = [t for t in published_tables().values() if t.name.startswith(name.strip("/") + "/")]
        found += whole or [find_table(name)]
    return list(dict.fromkeys(found))


def _folder() -> Path:
    return Path(str(files("unmask.evaluation"))) / "published"


def _read(path: Path) -> Iterator[Table]:
    raw = read_toml(path)
    for table in raw.get("table", []):  # one by one, or a misspelt key in a list is passed over
        where = f"{path}: {table.get('name')}"
        for kind, key in ((Column, "columns"), (Row, "rows")):
            for item in table.get(key, []):
                build(kind, item, where=f"{where}: {item.get('name')}")
        build(_TableFile, table, where=where)
    paper = build(_PaperFile, raw, where=str(path))
    for said in paper.table:
        columns = tuple(_whole(column, said, paper) for column in said.columns)
        table = Table(
            name=f"{path.stem}/{said.name}",
            paper=paper.paper,
            where=said.where,
            title=said.title,
            columns=columns,
            rows=said.rows,
            notes=said.notes,
            beside=said.beside,
            origin=said.origin,
            level=said.level or paper.level,
            rule=said.rule or paper.rule,
            trains_on=paper.trains_on if said.trains_on is None else said.trains_on,
            sampling=paper.sampling if said.sampling is None else said.sampling,
            prepare=paper.prepare,
        )
        if faults := list(_faults(table)):
            raise ConfigError("\n  ".join([f"{path}: {table.name}:", *faults]))
        yield table


def _whole(column: Column, table: _TableFile, paper: _PaperFile) -> Column:
    """Say of a column what its table or its paper say."""
    return Column(
        name=column.name,
        key=column.key,
        on=column.on,
        methods=column.methods,
        metrics=column.metrics or table.metrics or paper.metrics,
        unit=column.unit or table.unit or paper.unit,
    )


def _faults(table: Table) -> Iterator[str]:
    """What a table must not say."""
    keys = [column.key for column in table.columns]
    if len(set(keys)) < len(keys):
        yield f"two columns have one key: {', '.join(keys)}"
    known = {*FROM_SCORES, *FROM_RUNS, *FROM_NETWORKS, *STATED}
    for column in table.columns:
        for metric in column.metrics:
            if metric.partition("@")[0] not in known:
                yield f"{column.name}: no metric {metric}; {suggestion(metric, sorted(known))}"
        for side in filter(None, (column.on, table.learned_on(column))):
            if side not in data_sides():
                yield f"{column.name}: no side {side}; {suggestion(side, [*data_sides()])}"
    for row in table.rows:
        kinds = [bool(row.recipes), row.cited, bool(row.stated), bool(row.counted)]
        if sum(kinds) != 1:
            yield f"{row.title}: exactly one of recipes, cited, stated and counted is to be said"
        for cells in filter(None, (row.cells, row.printed, row.counted)):
            yield from _faults_of_cells(table.columns, row.title, cells)


def _faults_of_cells(columns: Sequence[Column], title: str, cells: str) -> Iterator[str]:
    said = cells.split()
    if len(said) != len(columns):
        yield f"{title}: {len(said)} cells in {len(columns)} columns"
        return
    for column, cell in zip(columns, said, strict=True):
        parts = cell.split("/")
        if len(parts) != len(column.metrics):
            yield f"{title}, {column.name}: {cell} is not one number for each of {column.metrics}"
        for text in (text for part in parts if part != "-" for text in part.split("|")):
            try:
                float(text)
            except ValueError:
                yield f"{title}, {column.name}: {text} is no number"
