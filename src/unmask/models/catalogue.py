"""What `unmask models` shows, without torch: the table joined with stored counts.

The counts are those of the networks themselves: `python -m unmask.models.count` writes them to
`counts.json`, and a test compares the two.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from unmask.models.checkpoint import packaged
from unmask.models.table import TABLE, Published


@dataclass(frozen=True, kw_only=True)
class Row:
    """One network by name."""

    name: str
    system: str
    variant: str
    publication: str
    input: str  # axes of one clip, e.g. "1x3x256x256" (T, 3, H, W); sound as rows x positions
    parameters: int  # true count, everything that is stored and learned
    macs: int  # multiply-accumulates of one clip, matrix products included
    published: Published | None
    weights: bool  # trained weights are in the package

    def document(self) -> dict[str, Any]:
        """As in the JSON of `unmask models`."""
        published = self.published and {
            "parameters": round(self.published.parameters_m * 1e6),
            "flops": self.published.flops_g and round(self.published.flops_g * 1e9),
            "counted_by": self.published.counted_by,
        }
        return {**vars(self), "published": published}


def catalogue() -> list[Row]:
    """Every network, in the order of the table."""
    counts = json.loads((files("unmask.models") / "counts.json").read_text(encoding="utf-8"))
    return [
        Row(
            name=name,
            system=entry.system,
            variant=entry.variant,
            publication=entry.publication,
            published=entry.published,
            weights=packaged(name) is not None,
            **counts[name],
        )
        for name, entry in TABLE.items()
    ]
