"""Scores files found in folders, and which part of one can stand for a cell of a published table.

A measured number may stand beside a published one only where it is of the same thing. Everything
that makes it another thing is a doubt in words, and a cell with a doubt has no difference.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from unmask.datasets.manifest import ORIGINAL
from unmask.datasets.readers.published import PUBLISHED
from unmask.evaluation.published import Column, DataSide, Table, data_sides
from unmask.evaluation.runs import CLEAN, datasets_in
from unmask.evaluation.scores import Header, ScoresFile, read_header

GENERATION = "/generation-"
TOY = "toy"  # datasets.toy.DATASET, which would import all that draws it


class Recipes(Protocol):
    """What tables need to know of recipes. Whoever may know them tells it: they stand above."""

    def selected(self, name: str, scale: str) -> int | None:
        """Which generation stands for a recipe; None: it has none, or chooses by its scores."""
        ...

    def run(self, name: str, scale: str) -> Path:
        """Folder of its run."""
        ...

    def done(self, name: str, scale: str) -> bool:
        """Whether its run has ended with a checkpoint."""
        ...

    def after(self, name: str) -> Sequence[str]:
        """Recipes that must be run before it."""
        ...

    def changes(self, recipe: Mapping[str, Any]) -> list[str]:
        """Keys in which what a detector was trained by differs from the recipe of that name."""
        ...

    def like(self, pattern: str) -> list[str]:
        """Names of recipes that a pattern with stars fits."""
        ...


@dataclass(frozen=True, kw_only=True)
class Found:
    """A scores file, as it says of itself."""

    path: Path
    header: Header

    @property
    def detector(self) -> str:
        """Recipe of the detector, with its generation; as it was called where it has none."""
        return str(self.header.recipe.get("name", self.header.detector))

    @property
    def scale(self) -> str:
        """Of its recipe."""
        return str(self.header.recipe.get("scale", "full"))


def collect(folders: Iterable[Path]) -> list[Found]:
    """Find the scores files below folders; what is no scores file is left alone."""
    found = []
    for path in sorted(path for folder in folders for path in folder.rglob("*.parquet")):
        header = read_header(path)
        if header is not None and header.corruption == CLEAN:
            found.append(Found(path=path, header=header))
    return found


def files_of(name: str, files: Sequence[Found], recipes: Recipes) -> list[Found]:
    """Files whose detector stands for a recipe: of full scale before tiny, the newest first."""
    fitting = [f for f in files if f.detector == detector_of(name, f.scale, recipes)]
    newest = sorted(fitting, key=lambda file: file.header.made, reverse=True)
    return sorted(newest, key=lambda file: file.scale != "full")


def detector_of(name: str, scale: str, recipes: Recipes) -> str:
    """Name under which a recipe's result is scored: with the generation that stands for it."""
    if GENERATION in name:
        return name
    selected = recipes.selected(name, scale)
    return name if selected is None else f"{name}{GENERATION}{selected}"


@dataclass(frozen=True, kw_only=True, eq=False)
class Part:
    """The scores of a cell, and what keeps them from being compared."""

    scores: ScoresFile
    n_videos: int  # of that test set, by its publication; as listed where that is not known
    doubts: tuple[str, ...]


def part_of(
    file: Found, scores: ScoresFile, table: Table, column: Column, recipes: Recipes
) -> Part | None:
    """Take what a column is of out of a scores file; None where it has nothing of it.

    The toy data set stands in for the data that a table's detectors learn from, with a doubt.
    """
    side = data_sides()[column.on]
    home = data_sides()[table.learned_on(column)].dataset == side.dataset
    rows = scores.columns
    kept = np.ones(len(rows), np.bool_)
    methods = column.methods or side.methods
    wanted: list[tuple[str, Sequence[str]]] = [
        ("dataset", [side.dataset, TOY] if home else [side.dataset]),
        ("split", [side.split]),
        ("compression", side.compressions),
        ("method", [ORIGINAL, *methods] if methods else ()),
    ]
    for name, allowed in wanted:
        if allowed:
            places, words = rows.codes(name)
            kept &= np.isin(places, [k for k, word in enumerate(words) if word in allowed])
    if not (kept & (rows.numbers("label") == 1)).any():
        return None
    own = scores.take(kept)
    toy = TOY in datasets_in(own)
    n_listed = len(own.columns.first_of_videos()[1])
    n_videos = n_listed if toy else published_count(side, methods) or n_listed
    doubts = [*doubts_of(file, recipes), *(["toy data"] if toy else [])]
    n_scored = len(own.take(own.columns.scored).columns.first_of_videos()[1])
    if n_scored < 0.95 * max(n_videos, n_listed):
        doubts.append(f"{n_scored} of {max(n_videos, n_listed)} videos")
    return Part(scores=own, n_videos=max(n_videos, n_listed), doubts=tuple(dict.fromkeys(doubts)))


def doubts_of(file: Found, recipes: Recipes) -> list[str]:
    """Why whatever a detector scored is not to be compared with a published number."""
    header = file.header
    doubts = doubts_of_training(header.recipe, recipes)
    if TOY in header.trained_on:
        doubts.append("learned from toy data")
    if header.clips_per_track is not None:
        doubts.append(f"at most {header.clips_per_track} clips of a person")
    if header.limited_from is not None:
        doubts.append("a part of the videos (--limit)")
    if header.leaks:
        doubts.append(f"{header.leaks} videos akin to what it learned from")
    return doubts


def doubts_of_training(recipe: Mapping[str, Any], recipes: Recipes) -> list[str]:
    """Why a detector is not that of the recipe whose name it has."""
    if not recipe:
        return ["trained by no known recipe"]
    if (scale := recipe.get("scale", "full")) != "full":
        return [f"{scale} scale"]
    changes = recipes.changes(recipe)
    more = f" and {len(changes) - 3} more" if len(changes) > 3 else ""
    return [f"recipe changed: {', '.join(changes[:3])}{more}"] if changes else []


def published_count(side: DataSide, methods: Sequence[str]) -> int | None:
    """Count the videos of a test set by its publication; None where that is not printed."""
    known = PUBLISHED.get(side.dataset)
    if known is None:
        return None
    counts = {c.method: c.n for c in known.counts if c.split == side.split}
    kinds = [ORIGINAL, *methods] if methods else [k for k in counts if k != "all"]
    if not all(kind in counts for kind in kinds) or not kinds:
        return counts.get("all") if not methods else None
    return sum(counts[kind] for kind in kinds) * max(len(side.compressions), 1)
