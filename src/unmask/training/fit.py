"""One run: the network of a recipe learns from the data of the recipe, in a folder of its own.

The folder holds `config.json` (recipe, data digest, versions), `init.json` (what became of the
weights it started from, if there were any), `log.jsonl` and its numbers in `tensorboard/`,
`state.pt` (all that resuming needs), `best/`, the checkpoint of the best candidate so far, and in
the end `curves.png`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lightning_fabric import Fabric

from unmask import models
from unmask.config import plain
from unmask.datasets import loader
from unmask.datasets.samples import PlainSamples, open_samples, open_source
from unmask.errors import DataError, UsageError
from unmask.models.base import Network, Objective
from unmask.models.checkpoint import Checkpoint, packaged, read_checkpoint
from unmask.models.weights import load_network, load_weights, save_checkpoint
from unmask.training.crew import Crew
from unmask.training.curves import draw_curves
from unmask.training.engine import Outcome, train
from unmask.training.folder import open_folder, versions
from unmask.training.initialise import initialise, keep_reports
from unmask.training.recipe import Recipe
from unmask.training.state import seed_all
from unmask.training.validation import Scores

Say = Callable[[str], None]


def fit(recipe: Recipe, folder: Path, *, fabric: Fabric, resume: bool, say: Say) -> Outcome:
    """Train until the recipe is done, or go on with the run in `folder`."""
    crew = Crew(fabric)
    network = make_network(recipe)
    started_from = initialise(network, recipe.init or (), folder)
    teacher = None if recipe.teacher is None else open_checkpoint(recipe.teacher, "teacher")
    objective = make_objective(recipe, network, teacher)
    spec = network.input_spec
    digest = open_source(recipe.data, view=spec.view).digest()
    train_set = open_samples(recipe.data, spec, "train")
    valid_set = open_samples(recipe.data, spec, "calib")
    refuse_one_class(valid_set)
    if recipe.cached_codes:
        refuse_changing_codes(network, recipe.data)
    record: dict[str, Any] = {"recipe": plain(recipe), "data_digest": digest}
    if teacher is not None:
        record["teacher_sha256"] = teacher.meta.sha256
    if crew.leads:
        open_folder(folder, {**record, "versions": versions()}, resume=resume)
        keep_reports(started_from, folder)
    crew.wait()
    for line in (line for report in started_from for line in report.lines()):
        say(line)
    if recipe.cached_codes:
        if resume:
            restore_weights(objective, folder)
        train_set, valid_set = (
            with_codes(
                samples,
                network,
                folder.parent,
                crew=crew,
                device=fabric.device,
                workers=recipe.train.workers,
            )
            for samples in (train_set, valid_set)
        )

    def keep_best(network: Network, scores: Scores) -> None:
        save_checkpoint(
            folder / "best",
            network,
            name=recipe.system,
            recipe=plain(recipe),
            data_digest=digest,
            metrics={"calib": asdict(scores)},
            licence=recipe.licence,
        )

    outcome = train(
        objective,
        *(train_set, valid_set),
        loader=CodesLoader() if recipe.cached_codes else loader,
        config=recipe.train,
        folder=folder,
        keep_best=keep_best,
        resume=resume,
        fabric=fabric,
    )
    if crew.leads:
        draw_curves(folder)
    return outcome


def make_network(recipe: Recipe) -> Network:
    """Build the network, seeded, with the weights of `init_from` if there is one."""
    if recipe.init_from and recipe.init:
        raise UsageError(
            "init_from goes on from a whole checkpoint and init starts from weights made "
            "elsewhere: a recipe has one of them"
        )
    seed_all(recipe.train.seed)
    network = models.create(recipe.system, **recipe.model)
    if recipe.init_from:
        checkpoint = open_checkpoint(recipe.init_from, "init_from")
        assert checkpoint.weights is not None
        load_weights(network, checkpoint.weights)
    return network


def make_objective(
    recipe: Recipe, network: Network, teacher: Checkpoint | None = None
) -> Objective:
    """Build the objective around a network that has its first weights, and its teacher."""
    parameters = dict(recipe.objective)
    name = parameters.pop("name", models.entry(recipe.system).system)
    taught_by = None if teacher is None else load_network(teacher)
    return models.create_objective(name, network, teacher=taught_by, **parameters)


def open_checkpoint(source: str, key: str) -> Checkpoint:
    """Read the checkpoint that a recipe names under `key`, with weights to learn from.

    Raises:
        UsageError: it has only a graph to scan with.
    """
    checkpoint = read_checkpoint(packaged(source) or Path(source))
    if checkpoint.weights is None:
        raise UsageError(f"{key} = {source}: has no weights, only a graph to scan with")
    return checkpoint


def refuse_one_class(valid_set: object) -> None:
    """Say before the first step, not after the first epoch, that nothing can be chosen."""
    assert isinstance(valid_set, PlainSamples)
    labels = valid_set.source.labels
    if len(set(labels.tolist())) < 2:
        raise DataError(
            f"the {len(labels)} faces set aside to choose on are not of both classes, so there is "
            "no AUC; raise data.calib_share or data.limit"
        )
