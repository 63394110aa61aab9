"""`unmask recipes`: every recipe by name, where it is in its paper, and what it says in full."""

from __future__ import annotations

import json as codec
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from unmask.training.recipes import Entry

HEADINGS = ("name", "system", "tiny", "table", "row")


def recipes(
    which: Annotated[
        str | None,
        typer.Argument(
            metavar="[NAME]", help="A recipe to show in full, or how the names begin: dtn/table9"
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON on stdout.")] = False,
) -> None:
    """List the recipes for training, or show one."""
    from unmask.training.recipes import find_recipe, known_recipes

    known = known_recipes()
    listed = [e for e in known.values() if which is None or e.name.startswith(which)]
    if which is not None and (which in known or not listed):
        show(find_recipe(which), json=json)
    elif json:
        print(codec.dumps([document(entry) for entry in listed], indent=1))
    else:
        for line in listing(listed):
            print(line)


def show(entry: Entry, *, json: bool) -> None:
    """Print one recipe: what is known of it, and its values as they would stand in a file."""
    from unmask.training.recipes import run_folder

    if json:
        whole = {**document(entry), "values": entry.values, "tiny_values": entry.tiny}
        print(codec.dumps(whole, indent=1))
        return
    for line in described(entry):
        print(f"# {line}")
    for name in entry.after:
        print(f"# first: unmask train {name} (goes to {run_folder(name, 'full')})")
    print(f"# unmask train {entry.name} --data DIR")
    print("\n".join(as_toml(entry.values)))
    if entry.tiny is not None:
        print("\n# laid over it by --set scale=tiny")
        print("\n".join(as_toml({"tiny": entry.tiny})))


def described(entry: Entry) -> Iterator[str]:
    """What is known of a recipe beside its values, line by line."""
    about = entry.about
    if about is None:
        return
    place = ": ".join(filter(None, (entry.said.table or about.where, entry.said.row)))
    yield about.publication
    yield from filter(None, (place, about.data and f"data: {about.data}"))
    yield from filter(
        None, (entry.said.result and f"published: {entry.said.result}", about.cost, about.note)
    )


def document(entry: Entry) -> dict[str, Any]:
    """Fields of one recipe as the JSON list has them."""
    about = entry.about
    return {
        "name": entry.name,
        "system": entry.values.get("system"),
        "paper": about.publication if about else None,
        "where": about.where if about else None,
        "table": entry.said.table or None,
        "row": entry.said.row or None,
        "published": entry.said.result or None,
        "data": about.data if about else None,
        "after": list(entry.after),
        "tiny": entry.tiny is not None,
        "file": entry.path.as_posix(),
    }


def listing(entries: Sequence[Entry]) -> Iterator[str]:
    """Lines of the table, a block for each file."""
    cells = [HEADINGS, *map(_cells, entries)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]

    def line(row: Sequence[str]) -> str:  # never cut: names are there to be copied
        return "  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip()

    for _, block in groupby(entries, key=lambda entry: entry.path):
        rows = list(block)
        about = rows[0].about
        if about is not None:
            yield about.publication
            yield f"data: {about.data}"
        yield line(HEADINGS)
        yield from (line(_cells(entry)) for entry in rows)
        yield ""
    yield f"{len(entries)} recipes; unmask recipes NAME shows one, unmask train NAME runs it"


def _cells(entry: Entry) -> tuple[str, ...]:
    tiny = "-" if entry.tiny is None else "yes"
    system = str(entry.values.get("system", "?"))
    return (entry.name, system, tiny, entry.said.table or "-", entry.said.row or "-")


def as_toml(table: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """Write nested tables of plain values as TOML, line by line.

    >>> list(as_toml({"name": "a", "train": {"lr": 0.1, "milestones": [1, 2]}}))
    ['name = "a"', '', '[train]', 'lr = 0.1', 'milestones = [1, 2]']
    """
    nested = {key: value for key, value in table.items() if isinstance(value, Mapping)}
    for key, value in table.items():
        if key not in nested:
            # JSON's strings, numbers, lists and booleans are TOML's.
            yield f"{key} = {codec.dumps(value, ensure_ascii=False)}"
    for key, value in nested.items():
        if any(not isinstance(inner, Mapping) for inner in value.values()) or not value:
            yield from ("", f"[{prefix}{key}]")
        yield from as_toml(value, f"{prefix}{key}.")
