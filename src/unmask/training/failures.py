"""What to say when training cannot go on, and what to change."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor

from unmask.errors import TrainingError
from unmask.training.plan import TrainConfig


@contextmanager
def saying_what_to_lower(error_of: Callable[[], TrainingError]) -> Iterator[None]:
    """Raise another error in place of those of memory that is not there, on whatever device."""
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise error_of() from error
    except RuntimeError as error:  # torch's of the processor's memory has no name of its own
        if "DefaultCPUAllocator" not in str(error):
            raise
        raise error_of() from error


def too_large_to_validate(config: TrainConfig, device: torch.device) -> TrainingError:
    """Make the error for a validation batch that does not fit the memory."""
    return TrainingError(
        f"validation: {config.valid_batch} examples at once are too many for the memory of "
        f"{device}. Try train.valid_batch={max(1, config.valid_batch // 2)}; training goes on with "
        "--resume from its last saved state"
    )


def too_large(step: int, config: TrainConfig, device: torch.device) -> TrainingError:
    """Make the error for a batch that does not fit the memory, with what to lower."""
    parts = config.accumulate
    at_once = config.batch // parts // config.processes
    return TrainingError(
        f"step {step}: {at_once} examples at once are too many for the memory of {device}. Try "
        f"train.accumulate={2 * parts}, which halves what is computed at once, or a lower "
        "train.batch"
    )


def not_finite(when: str, values: Mapping[str, Tensor | float], kept: str) -> TrainingError:
    """Make the error for numbers that are none. `kept` says which state is still good."""
    said = ", ".join(f"{name} {float(value):.4g}" for name, value in values.items())
    return TrainingError(
        f"{when}: not finite: {said}; {kept}. Try a lower train.lr, "
        "train.clip_norm=1.0 or train.precision=32-true"
    )
