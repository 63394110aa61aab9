"""Grids of words on a terminal: no number is ever broken or cut."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table as RichTable

    from unmask.evaluation.grids import Grid

WIDE = 200  # columns of a grid that goes into a file or a pipe


def print_grid(grid: Grid, console: Console) -> None:
    """Print a grid; columns at its end that find no room are named instead."""
    from rich.padding import Padding

    if grid.title:
        console.print(grid.title, style="bold", markup=False)
    if grid.head:
        kept = len(grid.head)
        endless = console.options.update(max_width=10_000)
        while (
            kept > 2 and console.measure(_rich(grid, kept), options=endless).maximum > console.width
        ):
            kept -= 1
        console.print(_rich(grid, kept), markup=False)
        if kept < len(grid.head):
            names = ", ".join(" ".join(name.split()) for name in grid.head[kept:])
            console.print(Padding(f"- no room here for: {names}; see table.md", (0, 0, 0, 2)))
    for note in grid.notes:
        console.print(Padding(f"- {note}", (0, 0, 0, 2)), markup=False)
    console.print()


def _rich(grid: Grid, kept: int) -> RichTable:
    """The first columns of a grid."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table as RichTable

    shown = RichTable(box=SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 1, 0, 0))
    for k, name in enumerate(grid.head[:kept]):
        shown.add_column(name, justify="left" if k in grid.words else "right", no_wrap=True)
    for row in grid.rows:
        shown.add_row(*row[:kept])
    return shown
