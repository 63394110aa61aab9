"""What a recipe says, typed: which network learns what, from which data and how."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from unmask.config import build, parse_overrides, refuse_outside, refuse_unknown
from unmask.datasets.samples import DataConfig
from unmask.errors import ConfigError, UsageError
from unmask.training.plan import TrainConfig
from unmask.training.recipes import find_recipe, resolve, run_folder


@dataclass(frozen=True, kw_only=True)
class DsdConfig:
    """Deep self-distillation over generations (Zhang et al. 2024, Algorithm 1).

    Generation 0 learns from labels alone; every further one starts as a copy of the one before and
    has it for a teacher.
    """

    generations: int = 4  # students; the paper trains four
    # fixed: train them all. no_gain: Algorithm 1, which ends with the first that is no better.
    stop: Literal["fixed", "no_gain"] = "fixed"
    select: int | None = None  # which student is the result; None = the best by `monitor`
    # What a student is chosen by. A loss with the distillation from another teacher in it is not
    # strictly comparable between generations: ce leaves that term out.
    monitor: Literal["dsd", "ce", "auc"] = "dsd"
    patience: int = 5  # validations without a better one; the paper gives no number

    def __post_init__(self) -> None:
        refuse_outside(self, "dsd", generations="[1, inf)", patience="[1, inf)")
        if self.select is not None and not 0 <= self.select <= self.generations:
            raise ConfigError(f"dsd.select = {self.select}: there are 0 to {self.generations}")


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """One way to train one detector. A TOML file with these keys; nested ones are tables."""

    name: str
    system: str  # a network of `unmask models`
    summary: str = ""
    scale: Literal["full", "tiny"] = "full"  # tiny: by the file's [tiny] table, for trying out
    after: tuple[str, ...] = ()  # recipes whose checkpoints it begins with; follows from the rest
    licence: str = ""  # of the weights that come out
    init_from: str | None = None  # checkpoint folder or name to start from; None = from scratch
    # Weights made elsewhere, one source or several: a file, timm:NAME, ... (docs/pretrained.md).
    init: str | tuple[str, ...] | None = None
    # Checkpoint folder (or a packaged name) of the network that the objective distils from.
    teacher: str | None = None
    model: dict[str, Any] = field(default_factory=dict)  # overrides of the network's Config
    objective: dict[str, Any] = field(default_factory=dict)  # its name (default: the system's own)
    data: DataConfig = field(default_factory=DataConfig)
    # Compute what the network's frozen part makes of every picture once, and learn from that.
    cached_codes: bool = False
    train: TrainConfig = field(default_factory=TrainConfig)
    dsd: DsdConfig | None = None


def read_recipe(source: str, overrides: Iterable[str] = ()) -> Recipe:
    """Read a recipe by name or path and lay `key=value` overrides over it.

    Raises:
        UsageError: there is none. ConfigError: it, or what is laid over it, is not as it should be.
    """
    entry, changes = find_recipe(source), tuple(overrides)
    refuse_unknown(Recipe, parse_overrides(changes), where="--set")
    with_changes = "".join(f" --set {change}" for change in changes)
    where = f"{entry.path}: {entry.name}{with_changes}"
    return build(Recipe, resolve(entry, changes), where=where)


def refuse_untrained(recipe: Recipe) -> None:
    """Say which recipe must be run before this one, instead of that a folder is missing."""
    init = (recipe.init,) if isinstance(recipe.init, str) else recipe.init or ()
    for name in recipe.after:
        best = run_folder(name, recipe.scale) / "best"
        wanted = best.as_posix() in (recipe.init_from, recipe.teacher, *init)
        if wanted and not best.is_dir():
            scale = "" if recipe.scale == "full" else f" --set scale={recipe.scale}"
            raise UsageError(
                f"{recipe.name} begins with the checkpoint of {name}, and there is none in "
                f"{best.parent}. First: unmask train {name}{scale}"
            )


def with_data(recipe: Recipe, data_dir: Path | None) -> Recipe:
    """Let the recipe's data paths begin at a folder."""
    if data_dir is None:
        return recipe
    paths = tuple(data_dir / path for path in recipe.data.paths) or (data_dir,)
    return replace(recipe, data=replace(recipe.data, paths=paths))
