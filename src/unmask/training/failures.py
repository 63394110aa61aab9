"""What to say when training cannot go on, and what to change."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from unmask.errors import TrainingError
from unmask.training.plan import TrainConfig


def too_large(step: int, config: TrainConfig, device: torch.device) -> TrainingError:
    """Make the error for a batch that does not fit the memory, with what to lower."""
    parts = config.accumulate
    at_once = config.batch // parts // config.processes
    return TrainingError(
        f"step {step}: {at_once} examples at once are too many for the memory of {device}. Try "
        f"train.accumulate={2 * parts}, which halves what is computed at once, or a lower "
        "train.batch"
    )


def not_finite(step: int, epoch: int, values: Mapping[str, Tensor], kept: str) -> TrainingError:
    """Make the error for numbers that are none. `kept` says which state is still good."""
    said = ", ".join(f"{name} {float(value):.4g}" for name, value in values.items())
    return TrainingError(
        f"step {step} (epoch {epoch}): not finite: {said}; {kept}. Try a lower train.lr, "
        "train.clip_norm=1.0 or train.precision=32-true"
    )
