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
from unmask.training.recipes import RUNS, run_folder

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
        data_dir: where the recipe's data paths begin; the data itself if it names none. At
            scale=tiny, without either, a toy data set is drawn.
        out_dir: run folder; default `runs/<name>`.
        init: weights to start from, in place of the recipe's own `init`.
        resume: go on with the run in that folder.
        say: told, line by line, what a person at the terminal should know.
    """
    recipe = read_recipe(source, overrides)
    if data_dir is None and recipe.scale == "tiny" and not recipe.data.paths:
        data_dir = toy_data(out_dir, say)
    recipe = with_data(recipe, data_dir)
    recipe = replace(recipe, init=tuple(init)) if init else recipe
    folder = out_dir or run_folder(recipe.name, recipe.scale)
    refuse_untrained(recipe)
    fabric = start_fabric(recipe.train)
    if recipe.dsd is not None:
        return fit_generations(recipe, recipe.dsd, folder, fabric=fabric, resume=resume, say=say)
    return fit(recipe, folder, fabric=fabric, resume=resume, say=say), folder


def toy_data(out_dir: Path | None, say: Say) -> Path:
    """Draw the toy data set beside the run, unless it is there."""
    from unmask.datasets.toy import VERSION, make_toy

    folder = (RUNS / "tiny" if out_dir is None else out_dir.parent) / f"toy-data-{VERSION}"
    say(f"no --data: learning from drawn people and their forgeries in {folder}")
    if not folder.exists():
        say("drawing them takes about half a minute")
    make_toy(folder)
    return folder
