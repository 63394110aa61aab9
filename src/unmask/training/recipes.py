"""Finds recipes by name. Imports no torch, so that they can be listed at once."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from unmask.config import suggestion
from unmask.errors import UsageError


def recipe_files() -> dict[str, Path]:
    """Recipes that come with unmask, by name: the path below `recipes/` without its suffix."""
    package = Path(str(files("unmask")))
    # In a wheel they lie inside the package, in a checkout at its root.
    folders = [package / "recipes", package.parents[1] / "recipes"]
    folder = next((f for f in folders if f.is_dir()), folders[0])
    found = sorted(folder.rglob("*.toml"))
    return {path.relative_to(folder).with_suffix("").as_posix(): path for path in found}


def find_recipe(name: str) -> Path:
    """File of a recipe: a path to a TOML file, or the name of one that comes with unmask.

    Raises:
        UsageError: with the nearest name when there is none.
    """
    if name.endswith(".toml"):
        return Path(name)
    known = recipe_files()
    if name not in known:
        hint = suggestion(name, list(known))
        raise UsageError(f"{name}: no recipe of that name; {hint}. A file's name ends in .toml")
    return known[name]
