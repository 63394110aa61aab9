"""One run: the network of a recipe learns from the data of the recipe, in a folder of its own.

The folder holds `config.json` (recipe, data digest, versions), `init.json` (what became of the
weights it started from, if there were any), `log.jsonl` and its numbers in `tensorboard/`,
`state.pt` (all that resuming needs), `best/`, the checkpoint of the best candidate so far, and in
the end `curves.png`. Codes that several runs learn from lie beside it (`training/codes.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Sized
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from lightning_fabric import Fabric

from unmask import models
from unmask.config import plain
from unmask.datasets import loader
from unmask.datasets.learned import LEARNED, Learned
from unmask.datasets.samples import PlainSamples, open_samples, open_source
from unmask.datasets.sources import Source
from unmask.errors import DataError, UsageError
from unmask.models.base import Network, Objective
from unmask.models.checkpoint import Checkpoint, packaged, read_checkpoint
from unmask.models.weights import load_network, load_weights, save_checkpoint
from unmask.training.codes import CODES, CodesLoader, refuse_changing_codes, with_codes_of
from unmask.training.crew import Crew
from unmask.training.curves import draw_curves
from unmask.training.engine import Outcome, train
from unmask.training.folder import open_folder, replacing, versions
from unmask.training.initialise import initialise, keep_reports
from unmask.training.lessons import learned_by
from unmask.training.plan import Loader
from unmask.training.recipe import Recipe
from unmask.training.state import STATE, read_state, seed_all
from unmask.training.validation import Scores

Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Examples:
    """What a run learns from and chooses on, and what makes batches of it."""

    train: Sized
    valid: Sized
    loader: Loader
    digest: str  # of the data
    learned: Learned  # what the checkpoint remembers of them


def fit(recipe: Recipe, folder: Path, *, fabric: Fabric, resume: bool, say: Say) -> Outcome:
    """Train until the recipe is done, or go on with the run in `folder`."""
    crew = Crew(fabric)
    network = make_network(recipe)
    started_from = initialise(network, recipe.init or (), folder)
    teacher = None if recipe.teacher is None else open_checkpoint(recipe.teacher, "teacher")
    objective = make_objective(recipe, network, teacher)
    examples = open_examples(recipe, network)
    record: dict[str, Any] = {"recipe": plain(recipe), "data_digest": examples.digest}
    if teacher is not None:
        record["teacher_sha256"] = teacher.meta.sha256
    if crew.leads:
        open_folder(folder, {**record, "versions": versions()}, resume=resume)
        keep_reports(started_from, folder)
    crew.wait()
    for line in (line for report in started_from for line in report.lines()):
        say(line)
    if recipe.cached_codes:
        examples = with_codes(examples, objective, folder, fabric, workers=recipe.train.workers)

    def keep_best(network: Network, scores: Scores) -> None:
        with replacing(folder / "best") as place:
            save_checkpoint(
                place,
                network,
                name=recipe.system,
                recipe=plain(recipe),
                data_digest=examples.digest,
                metrics={"calib": asdict(scores)},
                licence=recipe.licence,
                beside={LEARNED: examples.learned.document()},
            )

    outcome = train(
        objective,
        *(examples.train, examples.valid),
        loader=examples.loader,
        config=recipe.train,
        folder=folder,
        keep_best=keep_best,
        resume=resume,
        fabric=fabric,
    )
    if crew.leads:
        draw_curves(folder)
    return outcome


def open_examples(recipe: Recipe, network: Network) -> Examples:
    """Open the recipe's data for a network; what nothing can be chosen on is refused."""
    spec = network.input_spec
    digest = open_source(recipe.data, view=spec.view).digest()
    train_set = open_samples(recipe.data, spec, "train")
    valid_set = open_samples(recipe.data, spec, "calib")
    refuse_shared(train_set.source, valid_set.source)
    refuse_one_class(valid_set)
    if recipe.cached_codes:
        refuse_changing_codes(network, recipe.data)
    learned = learned_by(recipe, train_set.source, valid_set.source)
    return Examples(train=train_set, valid=valid_set, loader=loader, digest=digest, learned=learned)


def refuse_shared(learned_from: Source, chosen_on: Source) -> None:
    """Refuse to choose on recordings that are learned from.

    Preparing data checks their sides; a file of crops, or a folder without sides, is all of them.
    """
    shared = set(learned_from.originals) & set(chosen_on.originals)
    if shared:
        raise DataError(
            f"{len(shared)} recordings to choose on are learned from, too, such as {min(shared)}; "
            "keep train and val apart, or set data.choose_on = share"
        )


def with_codes(
    examples: Examples, objective: Objective, folder: Path, fabric: Fabric, *, workers: int
) -> Examples:
    """Let examples be codes of their pictures, which are kept beside the run folder."""
    if (folder / STATE).exists():  # the frozen weights are those that the run goes on with
        objective.load_state_dict(read_state(folder / STATE)["learner"]["objective"])
    objective.model.to(fabric.device)
    place = folder.parent / CODES
    train_set, valid_set = (
        with_codes_of(samples, objective.model, place, crew=Crew(fabric), workers=workers)
        for samples in (examples.train, examples.valid)
    )
    return replace(examples, train=train_set, valid=valid_set, loader=CodesLoader())


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
