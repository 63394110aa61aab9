"""Figures: an explicit table of names; a module is imported when its figure is drawn.

A figure is a function `draw(asked: Asked) -> Picture` that draws inside `canvas.style()`;
`cli/figure.py` keeps what it returns. `needs` says which of the inputs it takes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from unmask.errors import UsageError

if TYPE_CHECKING:
    from unmask.evaluation.figures.canvas import Picture
    from unmask.evaluation.scores import Level, Rule

Input = Literal["scores", "runs", "checkpoints", "data", "media"]


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a figure is to be made from."""

    scores: tuple[Path, ...] = ()  # scores files
    runs: tuple[Path, ...] = ()  # run folders of training
    checkpoints: tuple[Path, ...] = ()
    data: Path | None = None  # prepared data
    media: tuple[Path, ...] = ()  # videos and images
    level: Level = "video"
    rule: Rule = "mean"
    threshold: float | None = None  # None = the figure's own
    settings: dict[str, str] = field(default_factory=dict)  # of one figure alone


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A figure as the table has it."""

    draw: str  # module:function, below this package
    what: str  # one line
    needs: tuple[Input, ...]


FIGURES: dict[str, Entry] = {}


def find_figure(name: str) -> Entry:
    """Look a figure up.

    Raises:
        UsageError: unknown; names what comes near.
    """
    if name not in FIGURES:
        near = get_close_matches(name, FIGURES, n=3, cutoff=0.4)
        meant = f"; did you mean {' or '.join(near)}?" if near else ""
        raise UsageError(f"no figure is named {name}{meant} `unmask figure` lists them")
    return FIGURES[name]


def draw(name: str, asked: Asked) -> Picture:
    """Draw a figure by name, in the house's style.

    Raises:
        UsageError: the name is unknown, or an input it needs was not given.
    """
    from unmask.evaluation.figures.canvas import style

    entry = find_figure(name)
    for needed in entry.needs:
        if not getattr(asked, needed):
            raise UsageError(f"{name} is drawn from {needed}, and none were given: {entry.what}")
    module, function = entry.draw.split(":")
    drawn: Callable[[Asked], Picture] = getattr(import_module(f"{__name__}.{module}"), function)
    with style():
        return drawn(asked)
