"""`unmask table`: published tables, and beside each number what was measured here."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace
from enum import StrEnum
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from unmask.cli.output import consoles
from unmask.config import parse_overrides, suggestion
from unmask.errors import MissingExtraError, UsageError

if TYPE_CHECKING:
    from rich.console import Console

    from unmask.evaluation.collected import Recipes
    from unmask.evaluation.needs import Place
    from unmask.evaluation.published import Table
    from unmask.evaluation.tables import Filled
    from unmask.training.shipped import ShippedRecipes

STYLES = {"published": "dim", "measured": "bold"}
SHOWN = 12  # commands of what is needed, on a terminal; files have all of them


class Format(StrEnum):
    """How tables are written."""

    terminal = "terminal"
    markdown = "markdown"
    csv = "csv"
    json = "json"


def table(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NAME]...", help="Tables, or papers for all of theirs: dtn/table3."
        ),
    ] = None,
    scores: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="DIR", help="Where scores files lie (unmask evaluate --out); may be repeated."
        ),
    ] = None,
    run: Annotated[
        bool, typer.Option("--run", help="Train and score what is missing and has data.")
    ] = False,
    data: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=DIR", help="Prepared data: ffpp=DIR or ffpp-c23=DIR; may be repeated."
        ),
    ] = None,
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="For recipes that are run: scale=tiny."),
    ] = None,
    row: Annotated[
        list[str] | None,
        typer.Option(metavar="TEXT", help="Only rows with this in their name; may be repeated."),
    ] = None,
    resamples: Annotated[int, typer.Option(min=100, help="Draws behind each interval.")] = 1000,
    style: Annotated[
        Format, typer.Option("--format", help="How to write to stdout.")
    ] = Format.terminal,
) -> None:
    """Print published tables with what was measured of them; without names, list the tables.

    A number that is missing is named with the commands that would give it. One that was measured
    at tiny scale, on toy data or by a changed recipe is never set off against a published one.
    """
    try:
        from unmask.evaluation.published import find_tables, published_tables
        from unmask.training.shipped import ShippedRecipes
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f"tables need {error.name}; install it with: pip install 'unmask[train]'"
        ) from error
    found = find_tables(names) if names else list(published_tables().values())
    wanted = [part for table in found if (part := _only(table, row or [])).rows]
    if not wanted:
        raise UsageError(f"--row {', '.join(row or ())}: no row of these tables is called so")
    if run and not names:
        raise UsageError("--run: name the tables whose recipes are to be run")
    recipes, place = ShippedRecipes(), _place(scores, data, overrides)
    folders = [*(scores or ()), place.scores]
    fill_all = partial(_filled, wanted, folders, recipes, resamples=resamples)
    filled = fill_all(place)
    if run:
        filled = fill_all(_run(filled, place, recipes, overrides or []))
    _write(filled, style, listed=not names)


def _place(
    scores: Sequence[Path] | None, data: Sequence[str] | None, overrides: Sequence[str] | None
) -> Place:
    """Say where things lie, as the options have it."""
    from unmask.evaluation.needs import SCORES, Place
    from unmask.evaluation.published import data_sides

    known = {*data_sides(), *(side.dataset for side in data_sides().values())}
    folders = {}
    for word in data or ():
        name, equals, folder = word.partition("=")
        if not equals or name not in known:
            raise UsageError(f"--data {word}: expected NAME=DIR; {suggestion(name, sorted(known))}")
        folders[name] = Path(folder)
    scale = str(parse_overrides(overrides or ()).get("scale", "full"))
    return Place(scores=scores[0] if scores else SCORES, data=folders, scale=scale)


def _only(table: Table, texts: Sequence[str]) -> Table:
    """Keep the rows whose titles have one of some texts in them."""
    rows = (row for row in table.rows if not texts or any(text in row.title for text in texts))
    return replace(table, rows=tuple(rows))


def _filled(
    tables: Sequence[Table],
    folders: Iterable[Path],
    recipes: Recipes,
    place: Place,
    *,
    resamples: int,
) -> list[Filled]:
    from unmask.evaluation.collected import collect
    from unmask.evaluation.tables import fill

    files = collect(dict.fromkeys(folder for folder in folders if folder.is_dir()))
    return [fill(table, files, recipes, place, resamples=resamples) for table in tables]


def _run(
    filled: Sequence[Filled], place: Place, recipes: ShippedRecipes, overrides: Sequence[str]
) -> Place:
    """Train and score what is missing; returns where the data lay."""
    needs = [need for table in filled for need in table.needs]
    given = {need.learned_on: place.folder(need.learned_on) for need in needs}
    if place.scale != "tiny" and needs and not any(given.values()):
        raise UsageError(
            f"--run needs data to learn from: give --data NAME=DIR for: {', '.join(sorted(given))}"
        )
    from unmask.training.reproduce import reproduce, with_toy_data

    def say(line: str) -> None:
        print(line, file=sys.stderr)

    place = with_toy_data(place, needs, say)
    reproduce(needs, place, recipes, overrides=overrides, say=say)
    return place


def _write(filled: Sequence[Filled], style: Format, *, listed: bool) -> None:
    from unmask.evaluation import table_text

    if style is Format.json:
        print(table_text.document(filled))
    elif style is Format.csv:
        print(table_text.comma_separated(filled), end="")
    elif style is Format.markdown:
        print(table_text.markdown(filled))
    elif listed:
        _list(filled)
    else:
        answers, _ = consoles(stdout_is_data=False)
        for table in filled:
            _show(table, answers)


def _list(filled: Sequence[Filled]) -> None:
    """Print a line for each table."""
    heads = ("name", "rows", "ours", "measured", "doubted", "where")
    for paper, block in groupby(filled, key=lambda one: one.table.paper):
        cells: list[tuple[str, ...]] = [heads]
        for one in block:
            told, counts = one.table, one.counts
            numbers = (len(told.rows), counts.possible, counts.compared, counts.doubted)
            cells.append((told.name, *map(str, numbers), told.where))
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        print(paper)
        for line in cells:  # never cut: names are there to be copied
            print("  ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)).rstrip())
        print()
    print(
        "ours: published numbers that a recipe or a network of ours stands for; doubted: measured,"
    )
    print("and not to be compared. unmask table NAME shows one table")


def _show(filled: Filled, console: Console) -> None:
    """Print one table, what is to be known of it, and the first commands that it needs."""
    from rich.console import Console as RichConsole
    from rich.table import Table as RichTable

    from unmask.evaluation.table_text import headings, lacking, lines, needed, remarks

    told = filled.table
    grid = RichTable("row", "", *headings(told), box=None, pad_edge=False, header_style="bold")
    for column in grid.columns[2:]:
        column.justify = "right"
    for column in grid.columns:
        column.no_wrap = True
    for line in lines(filled):
        grid.add_row(line.row, line.of, *line.cells, style=STYLES.get(line.of, ""))
    console.print(f"{told.name}: {told.title}", style="bold", markup=False, soft_wrap=True)
    console.print(f"{told.paper}; {told.where}", markup=False, soft_wrap=True)
    wide = RichConsole(width=10_000)  # a line of numbers is never cut; the terminal may wrap it
    console.width, was = max(console.width, wide.measure(grid).maximum), console.width
    console.print(grid, markup=False)
    console.width = was
    for remark in remarks(filled):
        console.print(f"* {remark}", markup=False, soft_wrap=True)
    commands = needed(filled)
    if commands:
        console.print(lacking(filled), soft_wrap=True)
        for command in commands[:SHOWN]:
            console.print(f"  {command}", markup=False, soft_wrap=True)
    if len(commands) > SHOWN:
        console.print(f"  and {len(commands) - SHOWN} more: --format markdown has all of them")
    console.print()
