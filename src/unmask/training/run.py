"""From a recipe to a trained checkpoint: what `unmask train` does."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from unmask.training.engine import Outcome
from unmask.training.fit import Say, fit
from unmask.training.generations import fit_generations
from unmask.training.learner import start_fabric
from unmask.training.recipe import read_recipe, refuse_untrained, with_data
from unmask.training.recipes import run_folder

log = logging.getLogger(__name__)


def run_recipe(
    source: str,
    *,
    overrides: Iterable[str] = (),
    data_dir: Path | None = None,
    out_dir: Path | None = None,
    init: Sequence[str] = (),
    resume: bool = False,
    say: Say = log.info,
) -> tuple[Outcome, Path]:
    """Train what a recipe says; returns how it ended and the folder with `best/` in it.

    Args:
        source: name of a recipe, or path of a TOML file.
        overrides: `key=value`, e.g. `train.lr=1e-4`.
        data_dir: where the recipe's data paths begin; the data itself if it names none.
        out_dir: run folder; default `runs/<name>`.
        init: weights to start from, in place of the recipe's own `init`.
        resume: go on with the run in that folder.
        say: told, line by line, what a person at the terminal should know.
    """
    recipe = with_data(read_recipe(source, overrides), data_dir)
    recipe = replace(recipe, init=tuple(init)) if init else recipe
    folder = out_dir or run_folder(recipe.name, recipe.scale)
    refuse_untrained(recipe)
    fabric = start_fabric(recipe.train)
    if recipe.dsd is not None:
        return fit_generations(recipe, recipe.dsd, folder, fabric=fabric, resume=resume, say=say)
    return fit(recipe, folder, fabric=fabric, resume=resume, say=say), folder
