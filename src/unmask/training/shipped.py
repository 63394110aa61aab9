"""What tables need to know of the recipes that come with unmask, told to `evaluation`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatch
from functools import cached_property
from pathlib import Path
from typing import Any

from unmask.config import REFERRING, build, differences, merge, plain
from unmask.errors import ConfigError
from unmask.evaluation.cell_metrics import LOG
from unmask.evaluation.collected import GENERATION
from unmask.training.recipes import Entry, known_recipes, run_folder

# What may differ between a recipe and its run without making it another one: names, places, and
# how it is computed rather than what.
_FREE = frozenset(
    {"name", "summary", "licence", "after", "data.paths"}
    | {f"train.{k}" for k in ("seed", "device", "processes", "strategy", "compile", "workers")}
    | {f"train.{k}" for k in ("accumulate", "precision", "channels_last", "valid_batch")}
    | {f"train.{k}" for k in ("log_every", "save_every", "save_every_s")}
)
_OF_GENERATIONS = ("dsd", "train.monitor", "train.patience", *REFERRING)


@dataclass(frozen=True, kw_only=True)
class ShippedRecipes:
    """The recipes of `unmask recipes`; obeys `evaluation.collected.Recipes`."""

    runs: Path = field(default_factory=Path)  # folder that run folders begin at

    @cached_property
    def known(self) -> dict[str, Entry]:
        """Recipes by name."""
        return known_recipes()

    def selected(self, name: str, scale: str) -> int | None:
        """Which generation stands for a recipe: the one it names, or the one its run chose."""
        entry = self.known[name]
        over = entry.tiny if scale == "tiny" and entry.tiny else {}
        dsd = merge(entry.values, over).get("dsd")
        if dsd is None:
            return None
        summary = self.run(name, scale) / "generations.json"
        if dsd.get("select") is None and summary.is_file():
            return int(json.loads(summary.read_text(encoding="utf-8"))["selected"])
        chosen = dsd.get("select")
        return None if chosen is None else int(chosen)

    def run(self, name: str, scale: str) -> Path:
        """Folder of a run, or of one of its generations."""
        base, mark, number = name.partition(GENERATION)
        folder = self.runs / run_folder(base, scale)
        return folder / f"{mark.strip('/')}{number}" if mark else folder

    def done(self, name: str, scale: str) -> bool:
        """Whether its checkpoint is there, and not that of a run that was interrupted."""
        folder = self.run(name, scale)
        if not (folder / "best").is_dir():
            return False
        if not (folder / LOG).is_file():  # a checkpoint that was copied here
            return True
        last = (folder / LOG).read_text(encoding="utf-8").splitlines()[-1:]
        event = json.loads(last[0]) if last else {}
        return event.get("event") == "end" and event.get("stopped") != "interrupted"

    def after(self, name: str) -> Sequence[str]:
        """Recipes that must be run before it."""
        return self.known[name].after

    def like(self, pattern: str) -> list[str]:
        """Names that a pattern with stars fits."""
        return [name for name in self.known if fnmatch(name, pattern)]

    def changes(self, recipe: Mapping[str, Any]) -> list[str]:
        """Keys in which what a detector was trained by differs from the recipe of that name."""
        from unmask.training.recipe import Recipe, read_recipe

        name, mark, _ = str(recipe.get("name")).partition(GENERATION)
        if name not in self.known:
            return ["name"]
        free = {*_FREE, *(_OF_GENERATIONS if mark else ())}
        try:  # keys younger than the run take the value that they had in effect
            own = plain(build(Recipe, recipe, where=name))
        except ConfigError:
            return ["keys of another version of unmask"]
        return [
            key
            for key, (ours, theirs) in differences(plain(read_recipe(name)), own).items()
            if key not in free
            and key.partition(".")[0] not in free
            and not (key in REFERRING and bool(ours) == bool(theirs))
        ]
