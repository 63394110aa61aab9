"""Published layouts of weights, recognised by their names: one table, one short file per family.

A layout renames a file's tensors to the names of its family; the family knows which parts of which
networks of ours take them. `docs/pretrained.md` shows this table; a test keeps it fresh.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from unmask.models.layouts import hosts, mesonet, resnet3d, timesformer, trunks, vit
from unmask.models.layouts.state import Family, Layout

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["FAMILIES", "LAYOUTS", "recognise", "table"]

# The first that fits is it: what says more by its names stands before what says less.
LAYOUTS: tuple[Layout, ...] = (
    *timesformer.LAYOUTS,
    *hosts.LAYOUTS,
    *vit.LAYOUTS,
    *trunks.LAYOUTS,
    *resnet3d.LAYOUTS,
    *mesonet.LAYOUTS,
)
FAMILIES: Mapping[str, Family] = {
    "vit": vit.FAMILY,
    "timesformer": timesformer.FAMILY,
    "resnet3d": resnet3d.FAMILY,
    "mesonet": mesonet.FAMILY,
    **trunks.FAMILIES,
    **hosts.FAMILIES,
}


def recognise(tensors: Mapping[str, Tensor]) -> Layout | None:
    """The layout of a file's names; None where it is none of the table's."""
    return next((layout for layout in LAYOUTS if layout.recognises(tensors)), None)


def table() -> str:
    """Markdown table of the layouts, as in docs/pretrained.md."""
    head = "| layout | files people have | recognised by | fills |\n|---|---|---|---|\n"
    return head + "".join(
        f"| {row.name} | {row.held} | {', '.join(f'`{key}`' for key in row.signature)} | "
        f"{', '.join(f'`{name}`' for name in FAMILIES[row.family].takers)} |\n"
        for row in LAYOUTS
    )
