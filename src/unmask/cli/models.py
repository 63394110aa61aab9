"""`unmask models`: every network by name, what it is and whether its weights are here."""

from __future__ import annotations

from typing import Annotated

import typer


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
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in ("name", "input", "parameters", "MACs", "published", "weights"):
        table.add_column(column, justify="left" if column in ("name", "input") else "right")
    for row in rows:
        published = row.published
        table.add_row(
            row.name,
            row.input,
            f"{row.parameters / 1e6:.2f} M",
            f"{row.macs / 1e9:.2f} G",
            "-" if published is None else f"{published.parameters_m:.3f} M",
            "here" if row.weights else "-",
        )
    Console().print(table)
