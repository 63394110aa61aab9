"""Fill the tables of counts in the pages on models: `python -m unmask.models.pages [FOLDER]`.

A page in docs/models marks the place with `<!-- counts: SYSTEM -->` and `<!-- /counts -->`; what
stands between them is written here, from the same stored counts as `unmask models`, so that no
number is copied by hand. A test refuses a page that is not fresh.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from pathlib import Path

from unmask.errors import UsageError
from unmask.models.catalogue import Row, catalogue

PAGES = Path("docs/models")
_MARKED = re.compile(r"(<!-- counts: (\w+) -->\n).*?(<!-- /counts -->)", re.DOTALL)
_HEAD = (
    "| name | clip (T x 3 x H x W) | parameters | MACs | published parameters | published FLOPs |\n"
    "|---|---|--:|--:|--:|--:|\n"
)


def counts_table(rows: Iterable[Row]) -> str:
    """Markdown table of true counts beside published ones, a line for each network."""
    return _HEAD + "".join(f"| {' | '.join(_cells(row))} |\n" for row in rows)


def _cells(row: Row) -> list[str]:
    published = row.published
    flops = published and published.flops_g
    return [
        f"`{row.name}`",
        row.input,
        f"{row.parameters:,}".replace(",", " "),
        f"{row.macs / 1e9:.3f} G",
        f"{_digits(published.parameters_m)} M ({published.counted_by})" if published else "",
        f"{_digits(flops)} G" if flops else "",
    ]


def _digits(value: float) -> str:
    """As many decimals as papers print."""
    return f"{value:.3f}" if value >= 0.1 else f"{value:.6f}"


def filled(page: str) -> str:
    """A page with the tables between its markers written anew.

    Raises:
        UsageError: a marker names a system that has no networks.
    """
    rows = catalogue()

    def write(marked: re.Match[str]) -> str:
        system = marked[2]
        own = [row for row in rows if row.system == system]
        if not own:
            known = ", ".join(sorted({row.system for row in rows}))
            raise UsageError(f"<!-- counts: {system} -->: no such system; there are {known}")
        return marked[1] + counts_table(own) + marked[3]

    return _MARKED.sub(write, page)


def main(folder: Path = PAGES) -> None:
    """Rewrite every page in a folder."""
    for page in sorted(folder.glob("*.md")):
        page.write_text(filled(page.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main(*(Path(word) for word in sys.argv[1:2]))
