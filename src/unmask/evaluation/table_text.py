"""Filled tables as text: lines for a terminal or Markdown, long rows for CSV, all of it as JSON."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from unmask.evaluation.cell_metrics import sizes
from unmask.evaluation.needs import commands_of
from unmask.evaluation.published import Column, Table, Unit, Value
from unmask.evaluation.tables import Cell, Filled, FilledRow, Measured, Missing, Reading

SCHEMA = "unmask.published/1"
NOT_COMPARED = "not to be compared"
_DIGITS: dict[Unit, int] = {"percent": 2, "share": 3, "count": 0, "value": 3}
_WORDS = {
    "acc": "ACC",
    "auc": "AUC",
    "tcr": "TCR",
    "f1": "F1",
    "parameters": "parameters, M",
    "flops": "FLOPs, G",
}


@dataclass(frozen=True, kw_only=True)
class Line:
    """One line of a table: what it says of which row, and a text for every column."""

    row: str
    of: str  # published, measured, difference, 95 % or coverage
    cells: tuple[str, ...]


def headings(table: Table) -> list[str]:
    """Names of columns with their metrics, as cells join them."""
    mixed = len({column.unit for column in table.columns}) > 1
    units = [f", {column.unit}" if mixed else "" for column in table.columns]
    named = [f"{column.name} {_metrics(column)}".strip() for column in table.columns]
    return [name + unit for name, unit in zip(named, units, strict=True)]


def lines(filled: Filled) -> Iterator[Line]:
    """Every published row, and below it what was measured of it."""
    for row in filled.rows:
        if any(row.published):
            texts = _joined(filled.table, [_said(value) for value in row.published])
            yield Line(row=_title(row), of="published", cells=texts)
        for reading in row.readings:
            if reading.measured:
                yield from _lines_of(reading, row, filled.table)


def remarks(filled: Filled) -> list[str]:
    """What a reader must know: level, notes of the source, notes of rows, doubts."""
    table = filled.table
    found = []
    if any(column.on for column in table.columns):
        counted = {"clip": "frames or clips", "track": "people", "video": "videos"}[table.level]
        rule = "" if table.level == "clip" else f" (rule: {table.rule})"
        units = {column.unit for column in table.columns}
        unit = {"percent": ", in percent", "share": ", as shares of 1"} if len(units) == 1 else {}
        found.append(f"Scores of {counted}{rule}{unit.get(str(table.columns[0].unit), '')}.")
    if table.origin != "printed":
        found.append(
            {"derived": "Follows from what is printed.", "report": "Of the authors' report."}[
                table.origin
            ]
        )
    found += table.notes
    found += [f"{r.row.title}, as printed: {r.row.printed}." for r in filled.rows if r.row.printed]
    found += [f"{r.row.title}: {r.row.note}." for r in filled.rows if r.row.note]
    if doubts := dict.fromkeys(d for r in filled.rows for one in r.readings for d in one.doubts):
        found.append(f"No difference where two numbers are {NOT_COMPARED}: {'; '.join(doubts)}.")
    return found


def needed(filled: Filled) -> list[str]:
    """Commands that would give the missing numbers."""
    return list(commands_of(filled.needs))


def lacking(filled: Filled) -> str:
    """Say how much is missing, above the commands that would give it."""
    counts = filled.counts
    doubted = f", {counts.doubted} are {NOT_COMPARED}" if counts.doubted else ""
    if not counts.possible:
        return "What is missing needs:"
    return f"{counts.missing} of {counts.possible} numbers are missing{doubted}. They need:"


def markdown(tables: Sequence[Filled]) -> str:
    """Tables one below the other, with remarks and what is needed."""
    return "\n".join(block for filled in tables for block in _markdown(filled))


def records(tables: Sequence[Filled]) -> Iterator[dict[str, Any]]:
    """One flat record for every published number and every reading of it."""
    for filled in tables:
        for row in filled.rows:
            for n, (column, metric) in enumerate(filled.table.places):
                base = {
                    "table": filled.table.name,
                    "group": row.row.group,
                    "row": row.row.name,
                    "column": column.name,
                    "metric": metric,
                    "unit": column.unit,
                    "level": filled.table.level,
                    **_published(row.published[n]),
                }
                readings: Sequence[Reading | None] = row.readings or [None]
                for reading in readings:
                    yield {**base, **_ours(reading, n)}


def comma_separated(tables: Sequence[Filled]) -> str:
    """CSV of the records; lists are joined by `; `."""
    stream = io.StringIO()
    rows = [
        {k: "; ".join(map(str, v)) if isinstance(v, list) else v for k, v in record.items()}
        for record in records(tables)
    ]
    writer = csv.DictWriter(stream, list(rows[0]) if rows else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue()


def document(tables: Sequence[Filled]) -> str:
    """JSON of everything."""
    whole = [
        {
            "name": filled.table.name,
            "paper": filled.table.paper,
            "where": filled.table.where,
            "title": filled.table.title,
            "origin": filled.table.origin,
            "level": filled.table.level,
            "rule": filled.table.rule,
            "remarks": remarks(filled),
            "cells": list(records([filled])),
            "needed": needed(filled),
        }
        for filled in tables
    ]
    return json.dumps({"schema": SCHEMA, "tables": whole}, indent=1, ensure_ascii=False)


def _lines_of(reading: Reading, row: FilledRow, table: Table) -> Iterator[Line]:
    """Lines below a published row for one reading."""
    name = reading.name if any(row.published) else _title(row)
    doubts = f" ({'; '.join(reading.doubts)})" if reading.doubts else ""
    units = [column.unit for column, _ in table.places]

    def texts(say: Callable[[Measured, int], str]) -> tuple[str, ...]:
        said = [
            say(cell, _DIGITS[unit or "value"]) if isinstance(cell, Measured) else "-"
            for cell, unit in zip(reading.cells, units, strict=True)
        ]
        return _joined(table, said)

    yield Line(row=f"  {name}{doubts}", of="measured", cells=texts(lambda c, d: f"{c.value:.{d}f}"))
    kinds: dict[str, Callable[[Measured, int], str]] = {
        "difference": lambda c, d: "-" if c.difference is None else _signed(c.difference, d),
        "95 %": lambda c, d: "-" if c.low is None else f"{c.low:.{d}f}..{c.high:.{d}f}",
    }
    for of, say in kinds.items():
        cells = texts(say)
        if any(set(cell) - set("-/") for cell in cells):
            yield Line(row="", of=of, cells=cells)
    if any(isinstance(cell, Measured) and cell.videos for cell in reading.cells):
        yield Line(row="", of="coverage", cells=_coverage(reading, table))


def _coverage(reading: Reading, table: Table) -> tuple[str, ...]:
    """Videos with a score of videos that there are, once for each column."""
    cells = iter(reading.cells)
    texts = []
    for column in table.columns:
        own = [next(cells) for _ in column.metrics]
        known = next((c for c in own if isinstance(c, Measured) and c.videos), None)
        texts.append("-" if known is None else f"{known.scored} of {known.videos}")
    return tuple(texts)


def _joined(table: Table, said: Sequence[str]) -> tuple[str, ...]:
    """Numbers of one column in one cell, as the papers print them."""
    parts = iter(said)
    cells = []
    for column in table.columns:
        own = [next(parts) for _ in column.metrics]
        cells.append("-" if set(own) == {"-"} else " / ".join(own))
    return tuple(cells)


def _markdown(filled: Filled) -> Iterator[str]:
    table = filled.table
    yield f"## {table.name}: {table.title}\n\n{table.paper}; {table.where}\n"
    head = ["row", "", *headings(table)]
    yield "| " + " | ".join(head) + " |\n|" + "---|" * len(head)
    for line in lines(filled):
        yield "| " + " | ".join((line.row.strip(), line.of, *line.cells)) + " |"
    yield ""
    yield from (f"* {remark}" for remark in remarks(filled))
    if commands := needed(filled):
        yield f"\n{lacking(filled)}\n"
        yield from ("```", *commands, "```")
    yield ""


def _title(row: FilledRow) -> str:
    """Title of a row, with the size of its network where it is known."""
    if not row.row.model or row.row.counted:
        return row.row.title
    parameters_m, macs_g = sizes()[row.row.model]
    return f"{row.row.title} ({parameters_m:.3g} M, {macs_g:.3g} GMAC)"


def _metrics(column: Column) -> str:
    """Metrics of a column in words, where its name does not say them."""
    kinds = [metric.partition("@")[0] for metric in column.metrics]
    words = [_WORDS[kind] for kind in kinds if kind in _WORDS]
    return "" if column.name.split()[0] in words else " / ".join(words)


def _signed(number: float, digits: int) -> str:
    """A difference with its sign; one that rounds to nothing has a plus.

    >>> _signed(-0.0001, 2), _signed(-1.005, 1)
    ('+0.00', '-1.0')
    """
    return f"{round(number, digits) + 0.0:+.{digits}f}"


def _said(value: Value | None) -> str:
    return "-" if value is None else str(value)


def _published(value: Value | None) -> dict[str, Any]:
    return {
        "published": None if value is None else value.number,
        "published_elsewhere": [] if value is None else list(value.others),
    }


def _ours(reading: Reading | None, n: int) -> dict[str, Any]:
    cell: Cell = Missing(why="cited") if reading is None else reading.cells[n]
    got = cell if isinstance(cell, Measured) else None
    return {
        "reading": reading and reading.name,
        "measured": got and got.value,
        "low": got and got.low,
        "high": got and got.high,
        "difference": got and got.difference,
        "scored_videos": got and got.scored,
        "videos": got and got.videos,
        "doubts": list(got.doubts) if got else [],
        "source": got.source if got else "",
        "missing": cell.why if isinstance(cell, Missing) else "",
        "needs": list(cell.need.commands) if isinstance(cell, Missing) and cell.need else [],
    }
