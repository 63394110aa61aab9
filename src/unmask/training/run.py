"""From a recipe to a trained checkpoint: what `unmask train` does.

The run folder holds `config.json` (recipe, data digest, versions), `init.json` (what became of the
weights it started from, if there were any), `log.jsonl`, `state.pt` (all that resuming needs) and
`best/`, the checkpoint of the best candidate so far.
"""

from __future__ import annotations

import json
import logging
import platform
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from unmask import __version__, models
from unmask.config import build, differences, merge, parse_overrides, plain, read_toml
from unmask.datasets import loader
from unmask.datasets.samples import DataConfig, PlainSamples, open_samples, open_source
from unmask.errors import ConfigError, DataError, OutputError, UsageError
from unmask.models.base import Network, Objective
from unmask.models.checkpoint import packaged, read_checkpoint
from unmask.models.weights import load_weights, save_checkpoint
from unmask.training.engine import Outcome, train
from unmask.training.initialise import initialise, keep_reports
from unmask.training.plan import FREE_ON_RESUME, TrainConfig
from unmask.training.recipes import find_recipe
from unmask.training.state import seed_all
from unmask.training.validation import Scores

log = logging.getLogger(__name__)

VERSIONS_OF = ("torch", "lightning-fabric", "numpy", "opencv-python-headless", "timm")


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """One way to train one detector. A TOML file with these keys; nested ones are tables."""

    name: str
    system: str  # a network of `unmask models`
    summary: str = ""
    licence: str = ""  # of the weights that come out
    init_from: str | None = None  # checkpoint folder or name to start from; None = from scratch
    # Weights made elsewhere, one source or several: a file, timm:NAME, ... (docs/pretrained.md).
    init: str | tuple[str, ...] | None = None
    model: dict[str, Any] = field(default_factory=dict)  # overrides of the network's Config
    objective: dict[str, Any] = field(default_factory=dict)  # its name (default: the system's own)
    data: DataConfig = field(default_factory=DataConfig)
    train: TrainConfig = field(default_factory=TrainConfig)


def read_recipe(source: str, overrides: Iterable[str] = ()) -> Recipe:
    """Read a recipe by name or path and lay `key=value` overrides over it."""
    path = find_recipe(source)
    table = merge(read_toml(path), parse_overrides(overrides))
    return build(Recipe, table, where=str(path))


def run_recipe(
    source: str,
    *,
    overrides: Iterable[str] = (),
    data_dir: Path | None = None,
    out_dir: Path | None = None,
    init: Sequence[str] = (),
    resume: bool = False,
    say: Callable[[str], None] = log.info,
) -> tuple[Outcome, Path]:
    """Train what a recipe says; returns how it ended and the run folder.

    Args:
        source: name of a recipe, or path of a TOML file.
        overrides: `key=value`, e.g. `train.lr=1e-4`.
        data_dir: where the recipe's data paths begin; the data itself if it names none.
        out_dir: run folder; default `runs/<name>`.
        init: weights to start from, in place of the recipe's own `init`.
        resume: go on with the run in that folder.
        say: told, line by line, what became of the weights of `init`.
    """
    recipe = with_data(read_recipe(source, overrides), data_dir)
    recipe = replace(recipe, init=tuple(init)) if init else recipe
    folder = out_dir or Path("runs") / recipe.name
    network = make_network(recipe)
    started_from = initialise(network, recipe.init or (), folder)
    objective = make_objective(recipe, network)
    spec = objective.model.input_spec
    digest = open_source(recipe.data).digest()
    train_set = open_samples(recipe.data, spec, "train")
    valid_set = open_samples(recipe.data, spec, "calib")
    refuse_one_class(valid_set)
    record = {"recipe": plain(recipe), "data_digest": digest, "versions": versions()}
    open_folder(folder, record, resume=resume)
    keep_reports(started_from, folder)
    for line in (line for report in started_from for line in report.lines()):
        say(line)

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
        train_set,
        valid_set,
        loader=loader,
        config=recipe.train,
        folder=folder,
        keep_best=keep_best,
        resume=resume,
    )
    return outcome, folder


def with_data(recipe: Recipe, data_dir: Path | None) -> Recipe:
    """Let the recipe's data paths begin at a folder."""
    if data_dir is None:
        return recipe
    paths = tuple(data_dir / path for path in recipe.data.paths) or (data_dir,)
    return replace(recipe, data=replace(recipe.data, paths=paths))


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
        checkpoint = read_checkpoint(packaged(recipe.init_from) or Path(recipe.init_from))
        if checkpoint.weights is None:
            raise UsageError(f"init_from = {recipe.init_from}: has no weights to learn on from")
        load_weights(network, checkpoint.weights)
    return network


def make_objective(recipe: Recipe, network: Network) -> Objective:
    """Build the objective around a network that has its first weights."""
    parameters = dict(recipe.objective)
    name = parameters.pop("name", models.entry(recipe.system).system)
    return models.create_objective(name, network, **parameters)


def refuse_one_class(valid_set: object) -> None:
    """Say before the first step, not after the first epoch, that nothing can be chosen."""
    assert isinstance(valid_set, PlainSamples)
    labels = valid_set.source.labels
    if len(set(labels.tolist())) < 2:
        raise DataError(
            f"the {len(labels)} faces set aside to choose on are not of both classes, so there is "
            "no AUC; raise data.calib_share or data.limit"
        )


def versions() -> dict[str, str]:
    """What computed this run."""
    return {
        "unmask": __version__,
        "python": platform.python_version(),
        **{name: version(name) for name in VERSIONS_OF},
    }


def open_folder(folder: Path, record: dict[str, Any], *, resume: bool) -> None:
    """Begin a run folder, or make sure that the run in it is the one to go on with."""
    path = folder / "config.json"
    if path.exists():
        if not resume:
            raise UsageError(
                f"{folder}: holds a run already; go on with --resume, or choose another --out"
            )
        refuse_changes(json.loads(path.read_text(encoding="utf-8")), record, folder)
        return
    if resume:
        raise UsageError(f"{folder}: holds no run to resume; leave --resume out to begin one")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise OutputError(f"{folder}: the run folder cannot be written: {error}") from error


def refuse_changes(old: dict[str, Any], new: dict[str, Any], folder: Path) -> None:
    """Refuse to go on with another recipe or other data than the run began with."""
    if old["data_digest"] != new["data_digest"]:
        was, now = old["data_digest"][:12], new["data_digest"][:12]
        raise DataError(
            f"{folder}: the training data are not those the run began with (digest {was}..., now "
            f"{now}...); restore them, or begin anew in another --out"
        )
    # Where the data lie may change: the digest has just shown that they are the same.
    free = {f"train.{key}" for key in FREE_ON_RESUME} | {"data.paths"}
    changes = {
        key: values
        for key, values in differences(old["recipe"], new["recipe"]).items()
        if key not in free
    }
    if changes:
        lines = [f"{key}: {was!r} -> {now!r}" for key, (was, now) in changes.items()]
        raise ConfigError(
            f"{folder}: a run goes on as it began, but the recipe changed:\n  "
            + "\n  ".join(lines)
            + f"\nOnly {', '.join(sorted(free))} may change; for the rest choose another --out"
        )
