"""What survives a kill: everything a run needs to go on exactly where it stopped.

One file holds weights, averages, optimizer, counters, random states and the best weights so far,
as tensors and plain numbers, so that it loads with torch's weights-only reader and no pickle is
ever executed. It is written beside its final place, flushed to the disk and moved over the old one:
whenever the process dies, a complete state is there.
"""

from __future__ import annotations

import os
import pickle
import random
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from unmask.errors import CheckpointError, OutputError
from unmask.training.validation import Scores

FORMAT = 2
STATE = "state.pt"  # its name in a run folder
State = dict[str, Any]


@dataclass(kw_only=True)
class Progress:
    """Where a run stands. Epoch and position in it follow from the step alone."""

    step: int = 0  # optimizer steps done
    elapsed_s: float = 0.0  # over all sittings
    validated_step: int = 0
    stale: int = 0  # validations since the best one
    best_step: int | None = None
    best: Scores | None = None
    losses: list[float] = field(default_factory=list)  # of all validations, in order
    best_weights: dict[str, Tensor] | None = None

    def state(self) -> State:
        """Plain numbers and tensors of everything above."""
        return {**vars(self), "best": None if self.best is None else asdict(self.best)}

    @classmethod
    def restored(cls, state: State) -> Progress:
        """Inverse of `state`."""
        best = state["best"]
        return cls(**{**state, "best": None if best is None else Scores(**best)})


def seed_all(seed: int) -> None:
    """Start torch (every device), numpy and Python from one seed."""
    torch.manual_seed(seed)
    np.random.seed(seed)  # noqa: NPY002 - for code that draws from the global generator
    random.seed(seed)


def random_state() -> State:
    """Random states of torch (every device), numpy and Python."""
    name, keys, *rest = np.random.get_state(legacy=True)  # noqa: NPY002 - others may draw from it
    assert name == "MT19937"
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        "numpy": [torch.from_numpy(np.asarray(keys).astype(np.int64)), *rest],
        "python": random.getstate(),
    }


def set_random_state(state: State) -> None:
    """Inverse of `random_state`."""
    keys, *rest = state["numpy"]
    torch.set_rng_state(state["torch"])
    if state["cuda"]:
        torch.cuda.set_rng_state_all(state["cuda"])
    np.random.set_state(("MT19937", keys.numpy().astype(np.uint32), *rest))  # noqa: NPY002
    random.setstate(state["python"])


def write_state(path: Path, state: State) -> None:
    """Replace the state on disk, or leave the old one as it was.

    Raises:
        OutputError: when it cannot be written (a full disk, no permission).
    """
    partial = path.with_suffix(".partial")
    try:
        with partial.open("wb") as file:
            torch.save({"format": FORMAT, **state}, file)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    # A full disk reaches torch's zip writer as a RuntimeError.
    except (OSError, RuntimeError) as error:
        partial.unlink(missing_ok=True)
        kept = "the state saved before is intact" if path.exists() else "no state was saved before"
        raise OutputError(f"{path}: cannot save the training state ({error}); {kept}") from error


def read_state(path: Path) -> State:
    """Read a state that `write_state` wrote.

    Raises:
        CheckpointError: when the file is damaged or of an unknown format.
    """
    try:
        state: State = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise CheckpointError(f"{path}: not a readable training state ({error})") from error
    if not isinstance(state, dict) or state.get("format") != FORMAT:
        raise CheckpointError(
            f"{path}: not a training state of format {FORMAT}; it was written by another version"
        )
    return state
