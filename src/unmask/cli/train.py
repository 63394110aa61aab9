"""`unmask train`: a recipe and data in, a checkpoint out."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from unmask.errors import MissingExtraError


def train(
    recipe: Annotated[
        str, typer.Argument(metavar="RECIPE", help="A recipe's name, or a .toml file.")
    ],
    data: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Prepared data or face crops, as the recipe's data.reader says."
        ),
    ] = None,
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change one value; may be repeated."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Run folder; default: runs/RECIPE.")
    ] = None,
    init: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE|NAME",
            help="Start from weights made elsewhere: a .safetensors or torch file, a checkpoint "
            "folder, timm:NAME or torchvision:NAME; may be repeated.",
        ),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in --out.")] = False,
) -> None:
    """Train a detector by a recipe.

    Interrupted at any moment, it goes on with --resume, bit for bit.
    """
    try:
        from unmask.training.crew import leads_here
        from unmask.training.run import run_recipe
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("unmask"):
            raise
        raise MissingExtraError(
            f"training needs {error.name}; install it with: pip install 'unmask[train]'"
        ) from error

    outcome, folder = run_recipe(
        recipe,
        overrides=overrides or (),
        data_dir=data,
        out_dir=out,
        init=init or (),
        resume=resume,
        say=lambda line: print(line, file=sys.stderr) if leads_here() else None,
    )
    if not leads_here():  # one of several processes that trained together
        return
    best = outcome.best
    score = f"AUC {best.auc:.4f} at step {outcome.best_step}" if best else "never validated"
    print(f"{outcome.stopped} at step {outcome.step}; best on the calibration part: {score}")
    print(f"checkpoint: {folder / 'best'}")
