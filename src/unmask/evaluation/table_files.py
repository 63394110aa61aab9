"""A table as files: Markdown to read, CSV for a spreadsheet, JSON with all there is."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from unmask.evaluation.cells import Cell
from unmask.evaluation.grids import Grid, grids_of
from unmask.evaluation.suite import Table

FORMAT = "unmask.table/1"
_PLACE = ("protocol", "detector", "data", "slice", "corruption", "level")
_COUNTS = ("n_fake", "n_real", "n_sources", "n_videos", "coverage", "leaks")


def write_table(table: Table, out: Path, *, command: str) -> None:
    """Write `table.md`, `table.csv` and `table.json`."""
    out.mkdir(parents=True, exist_ok=True)
    texts = {
        "table.md": markdown(table, command=command),
        "table.csv": comma_separated(table.cells),
        "table.json": json.dumps(document(table, command=command), indent=1, ensure_ascii=False),
    }
    for name, text in texts.items():
        part = out / f"{name}.part"
        part.write_text(text, encoding="utf-8", newline="\n")
        part.replace(out / name)


def document(table: Table, *, command: str) -> dict[str, Any]:
    """Everything as plain values; a number that is undefined is in `undefined` with its reason."""
    return {
        "schema": FORMAT,
        "command": command,
        "level": table.how.level,
        "rule": table.how.rule,
        "intervals": {
            "confidence": 0.95,
            "resamples": table.how.resamples,
            "seed": table.how.seed,
            "drawn": "recordings",
        },
        "notes": [
            {"detector": detector, "data": data, "lines": list(lines)}
            for (detector, data), lines in table.notes.items()
        ],
        "scores": list(table.headers),
        "cells": [asdict(cell) for cell in table.cells],
    }


def markdown(table: Table, *, command: str) -> str:
    """The grids, one below the other."""
    parts = [
        f"# Evaluation\n\n`{command}`\n",
        "Intervals: 95 %, bootstrap over recordings; differences: DeLong, recordings taken "
        "together, p corrected by Holm for the comparisons of each table. `scored`: share of the "
        "videos that have a score.\n",
    ]
    parts += [_markdown(grid) for grid in grids_of(table.cells, table.notes)]
    return "\n".join(parts).rstrip() + "\n"


def comma_separated(cells: Sequence[Cell]) -> str:
    """A row for each cell; each number with the ends of its interval beside it."""
    keys = list(dict.fromkeys(key for cell in cells for key in cell.numbers))
    head = [*_PLACE, *_COUNTS, *(f"{k}{end}" for k in keys for end in ("", "_low", "_high"))]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*head, "auc_against", "auc_difference", "p_value", "p_holm", "why_not"])
    for cell in cells:
        values: list[Any] = [getattr(cell, name) for name in (*_PLACE, *_COUNTS)]
        for key in keys:
            number = cell.numbers.get(key)
            values += [number.value, number.low, number.high] if number else [None] * 3
        beside = cell.against
        values += (
            [beside.detector, beside.auc.difference.value, beside.auc.p_value, beside.p_holm]
            if beside
            else [None] * 4
        )
        writer.writerow(["" if value is None else value for value in (*values, cell.why_not)])
    return text.getvalue()


def _markdown(grid: Grid) -> str:
    lines = [f"## {grid.title}\n"] if grid.title else []
    if grid.head:
        rule = (":--" if k in grid.words else "--:" for k in range(len(grid.head)))
        lines += [
            _row(grid.head),
            _row(rule),
            *map(_row, grid.rows),
            "",
        ]
    lines += [f"* {note}" for note in grid.notes]
    return "\n".join([*lines, ""])


def _row(words: Any) -> str:
    return "| " + " | ".join(" ".join(w.split()).replace("|", "\\|") for w in words) + " |"
