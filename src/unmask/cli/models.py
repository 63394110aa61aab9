"""`unmask models`: every network by name, what it is and whether its weights are here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from unmask.models.catalogue import Row

HEADINGS = ("name", "input", "params", "MACs", "published", "here")


def models(
    json: Annotated[bool, typer.Option("--json", help="Print a JSON list on stdout.")] = False,
) -> None:
    """List the networks, their true sizes, and whether weights are here."""
    from unmask.models.catalogue import catalogue

    rows = catalogue()
    if json:
        import json as codec

        print(codec.dumps([row.document() for row in rows], indent=1))
        return
    cells = [HEADINGS, *map(_cells, rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for line in cells:  # never cut: names are there to be copied
        left = (cell.ljust(width) for cell, width in zip(line[:2], widths[:2], strict=True))
        right = (cell.rjust(width) for cell, width in zip(line[2:], widths[2:], strict=True))
        print("  ".join((*left, *right)))
    if words := _default():
        print(f"\n{words}")


def _default() -> str:
    """What `--model default`, which no row is named, stands for; empty where none is packaged."""
    from unmask.models.checkpoint import DEFAULT_MODEL, packaged, read_checkpoint

    folder = packaged(DEFAULT_MODEL)
    if folder is None:
        return ""
    meta = read_checkpoint(folder).meta
    recipe = (meta.recipe or {}).get("name", "an unnamed recipe")
    looks = ", looking at mirror images, too" if meta.mirrored else ""
    return (
        f"{DEFAULT_MODEL} = {meta.model} as {recipe} trained it, "
        f"at {meta.input_spec.size_px} px{looks}\n{meta.scope}\n{meta.licence}"
    )


def _cells(row: Row) -> tuple[str, ...]:
    """What is said of a network: `published` is its parameters, `here` whether weights are."""
    return (
        row.name,
        row.input,
        _short(row.parameters),
        _short(row.macs),
        f"{row.published.parameters_m:.3f} M" if row.published else "-",
        "yes" if row.weights else "-",
    )


def _short(count: int) -> str:
    """A count with its unit.

    >>> _short(29_945_206), _short(27_977), _short(9_760_000_000)
    ('29.95 M', '27.98 k', '9.76 G')
    """
    for factor, unit in ((1e9, "G"), (1e6, "M")):
        if count >= factor:
            return f"{count / factor:.2f} {unit}"
    return f"{count / 1e3:.2f} k"
