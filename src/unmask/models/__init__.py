"""Detectors by name. Importing this package imports no torch; creating a network does."""

from __future__ import annotations

import difflib
import importlib
import inspect
from typing import TYPE_CHECKING, Any

from unmask.config import build
from unmask.errors import MissingExtraError, UsageError
from unmask.models.table import TABLE, Entry

if TYPE_CHECKING:
    from unmask.models.base import Network, Objective

__all__ = ["create", "create_objective", "entry", "names"]


def names() -> tuple[str, ...]:
    """Names of all networks."""
    return tuple(TABLE)


def entry(name: str) -> Entry:
    """Table row of a network.

    Raises:
        UsageError: with the nearest names when there is none.
    """
    if name not in TABLE:
        same = [known for known, row in TABLE.items() if f"{row.system}/{row.variant}" == name]
        near = same or difflib.get_close_matches(name, TABLE, n=3)
        hint = f"Did you mean {' or '.join(near)}?" if near else "`unmask models` lists them"
        raise UsageError(f"{name}: no network of that name, and no checkpoint folder. {hint}")
    return TABLE[name]


def create(name: str, **overrides: Any) -> Network:
    """Build a network by name with fresh weights; `overrides` are fields of its Config.

    Raises:
        UsageError: unknown name. ConfigError: unknown or ill-typed override.
        MissingExtraError: torch is not installed.
    """
    row = entry(name)
    module = _module(row.module)
    config_class = getattr(module, row.config_class)
    config = build(config_class, {**row.config, **overrides}, where=f"model {name}")
    network: Network = getattr(module, row.network)(config)
    return network


def create_objective(
    name: str, network: Network, *, teacher: Network | None = None, **parameters: Any
) -> Objective:
    """Build the training objective of a system ("dtn", "baselines", ...) around a network.

    Raises:
        UsageError: unknown system, or one whose objective has no place for a teacher.
    """
    systems = {row.system: row.module for row in TABLE.values()}
    if name not in systems:
        raise UsageError(f"{name}: no such objective; there are {', '.join(sorted(systems))}")
    module = _module(systems[name])
    config = build(module.LossConfig, parameters, where=f"objective {name}")
    if teacher is None:
        objective: Objective = module.Objective(network, config)
        return objective
    if "teacher" not in inspect.signature(module.Objective).parameters:
        raise UsageError(f"objective {name}: learns from labels alone, so it takes no teacher")
    return module.Objective(network, config, teacher)


def _module(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("unmask"):
            raise
        raise MissingExtraError(
            f"building a network needs {error.name}, which the scanner alone does not; "
            "install it with: pip install 'unmask[train]'"
        ) from error
