"""What a training run is asked to do: the [train] table of a recipe, and its length in steps."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, Protocol, Self

from unmask.config import refuse_outside
from unmask.errors import ConfigError, UsageError
from unmask.training.optim import OptimConfig
from unmask.training.validation import Monitor
from unmask.types import Batch


@dataclass(frozen=True, kw_only=True)
class TrainConfig(OptimConfig):
    """A recipe's [train] table: the keys of `OptimConfig`, and how long, how and on what."""

    seed: int = 0  # of the weights' start, the order of the data and every other chance
    batch: int = 32  # examples a step learns from
    accumulate: int = 1  # parts a batch is computed in, where memory is short
    epochs: float = 10.0
    steps: int | None = None  # length in steps instead of epochs
    clip_norm: float | None = None  # largest norm of the gradient of all weights together
    ema_decay: float | None = None  # average the weights; the average is validated and kept
    precision: Literal["32-true", "bf16-mixed", "bf16-true", "16-mixed"] = "32-true"
    device: Literal["auto", "cpu", "cuda"] = "auto"
    processes: int = 1  # that share every batch: one for each GPU, or several on a CPU
    # What each of them holds: ddp: all weights. fsdp: a share of them, where one holds too little.
    strategy: Literal["ddp", "fsdp"] = "ddp"
    compile: bool = False  # by torch.compile: a slow start, faster steps, equal up to rounding
    channels_last: bool = False  # memory layout: faster convolutions, equal up to rounding
    valid_every: int | None = None  # steps; None = once an epoch
    valid_batch: int = 64
    monitor: Monitor = "auc"  # of the validation set; the best candidate is kept
    patience: int | None = None  # validations without a better one before stopping
    log_every: int = 20  # steps
    save_every: int | None = None  # steps between saved states, besides the time below
    save_every_s: float = 300.0
    max_hours: float | None = None  # training time over all sittings
    workers: int = 1  # threads that prepare batches

    def __post_init__(self) -> None:
        super().__post_init__()
        counts = ("batch", "accumulate", "valid_batch", "log_every", "processes")
        if_said = ("steps", "valid_every", "patience", "save_every")
        refuse_outside(self, "train", **dict.fromkeys((*counts, *if_said), "[1, inf)"))
        refuse_outside(self, "train", seed="[0, 4294967295]", workers="[0, inf)")
        refuse_outside(
            self, "train", epochs="(0, inf)", max_hours="(0, inf)", save_every_s="[0, inf)"
        )
        refuse_outside(self, "train", clip_norm="(0, inf)", ema_decay="(0, 1)")
        if self.strategy == "fsdp":
            self._refuse_unshared()
        if self.batch % (self.accumulate * self.processes):
            raise ConfigError(
                f"train.batch = {self.batch} cannot be computed in {self.processes} (processes) x "
                f"{self.accumulate} (accumulate) equal parts"
            )

    def _refuse_unshared(self) -> None:
        if self.processes < 2:
            raise ConfigError(
                "train.strategy = fsdp divides the weights among processes; set train.processes to "
                "at least 2, or strategy = ddp"
            )
        if self.precision == "16-mixed" or self.channels_last:
            raise ConfigError(
                "train.strategy = fsdp knows neither precision = 16-mixed (bf16-mixed is its "
                "equal) nor channels_last = true"
            )


# What may change when a run goes on: nothing that moves the weights or the choice among them.
FREE_ON_RESUME = frozenset({"max_hours", "workers", "log_every", "save_every", "save_every_s"})


class Loader(Protocol):
    """Makes batches. What stands in a batch depends on (seed, epoch, place) and nothing else."""

    def batches(
        self,
        samples: Any,
        batch_size: int,
        *,
        seed: int,
        epoch: int,
        start_batch: int,
        workers: int,
        share: tuple[int, int],
    ) -> Iterator[Batch]:
        """One epoch of labelled training batches from number `start_batch` on.

        Process `share[0]` of `share[1]` gets its own rows of each.
        """
        ...

    def ordered(self, samples: Any, batch_size: int, *, workers: int) -> Iterator[Batch]:
        """Every example once, in order."""
        ...


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The length of things, in steps."""

    steps_per_epoch: int
    total_steps: int
    valid_every: int

    @classmethod
    def of(cls, n_examples: int, config: TrainConfig) -> Self:
        """Fit a configuration to a number of examples; an incomplete last batch is left out."""
        per_epoch = n_examples // config.batch
        if not per_epoch:
            raise UsageError(
                f"train.batch = {config.batch} is more than the {n_examples} training examples; "
                f"lower it, e.g. --set train.batch={max(1, n_examples)}"
            )
        return cls(
            steps_per_epoch=per_epoch,
            total_steps=config.steps or round(config.epochs * per_epoch),
            valid_every=config.valid_every or per_epoch,
        )
