"""What learns: an objective on its device, the optimizer that moves it, the average of its weights.

lightning-fabric places the objective, casts its inputs to the precision and scales its gradients;
everything that decides about numbers is written out here.
"""

from __future__ import annotations

import copy
import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from lightning_fabric import Fabric
from lightning_fabric.strategies.model_parallel import ModelParallelStrategy
from torch import Tensor, nn

from unmask.errors import UsageError
from unmask.models.base import Network, Objective, to_tensors
from unmask.training.crew import Crew
from unmask.training.memory import keep_freed_memory
from unmask.training.optim import Average, build_optimizer, lent, set_lr
from unmask.training.plan import TrainConfig
from unmask.training.shards import agree_on_buffers, load_optimizer, overwrite, sharded, whole
from unmask.training.state import State
from unmask.types import Batch


class Learner:
    """An objective that can be moved step by step, saved and restored."""

    def __init__(
        self, objective: Objective, config: TrainConfig, fabric: Fabric | None = None
    ) -> None:
        self.clip_norm = config.clip_norm or math.inf
        self.fabric = fabric or start_fabric(config)
        self.crew = Crew(self.fabric)
        self.scales_loss = config.precision == "16-mixed"
        if config.channels_last:
            set_channels_last(objective)
        if config.compile:
            objective.compile()  # in place: names of weights stay as they are
        self.sharded = config.strategy == "fsdp"
        # Divided weights are saved as those of a network that is whole.
        self._whole = copy.deepcopy(objective.model) if self.sharded and self.crew.leads else None
        self.objective, self.network = objective.train(), objective.model
        self.model = self.fabric.setup_module(objective)
        self.optimizer = build_optimizer(objective.param_groups(), config)
        self._stepper: Any = self.fabric.setup_optimizers(self.optimizer)
        self.average = Average(self.network, config.ema_decay) if config.ema_decay else None

    @property
    def device(self) -> torch.device:
        """Where it learns."""
        return self.fabric.device

    @property
    def lr(self) -> float:
        """Learning rate of the first group."""
        return float(self.optimizer.param_groups[0]["lr"])

    def gradients(self, parts: Sequence[Batch]) -> dict[str, Tensor]:
        """Add up the gradients of a batch's parts, clipped.

        Returns:
            Means over the batch of the loss and its parts, and the norm before clipping. In fp16 a
            step whose scaled gradients overflow is skipped by the scaler and has `skipped` = 1.
        """
        means: dict[str, Tensor] = {}
        self._stepper.zero_grad()
        for place, batch in enumerate(parts, start=1):
            with self.fabric.no_backward_sync(self.model, enabled=place < len(parts)):
                losses = self.model(to_tensors(batch, self.device))
                self.fabric.backward(losses.total / len(parts))
            for name, value in {"loss": losses.total, **losses.parts}.items():
                means[name] = means.get(name, 0) + value.detach() / len(parts)
        # Clipping at infinity changes nothing and gives the norm, which tells a bad gradient.
        norm = self.fabric.clip_gradients(
            self.model, self._stepper, max_norm=self.clip_norm, error_if_nonfinite=False
        )
        assert norm is not None
        norm = whole(norm)
        if self.scales_loss:
            overflown = ~norm.isfinite()
            means["skipped"] = overflown.float()
            norm = norm.masked_fill(overflown, 0.0)
        return self._over_processes({**means, "grad_norm": norm})

    def _over_processes(self, means: dict[str, Tensor]) -> dict[str, Tensor]:
        """Average over the processes, so that all of them see and decide the same."""
        if self.crew.size == 1:
            return means
        values = torch.stack([value.detach().float() for value in means.values()])
        reduced = self.fabric.all_reduce(values, reduce_op="mean")
        assert isinstance(reduced, Tensor)
        return dict(zip(means, reduced.unbind(), strict=True))

    def move(self, step: int, *, lr_factor: float) -> None:
        """Do optimizer step number `step` (from 1) with the gradients at hand."""
        set_lr(self.optimizer, lr_factor)
        self._stepper.step()
        self.objective.after_step(step)
        if self.sharded:
            agree_on_buffers(self.objective)
        if self.average:
            self.average.update(step)

    def candidate(self) -> AbstractContextManager[None]:
        """Lend the network the weights to validate and keep: the averaged ones, if there are."""
        return lent(self.network, self.average.tensors) if self.average else nullcontext()

    @contextmanager
    def holding(self, weights: Mapping[str, Tensor]) -> Iterator[Network]:
        """Give a network with other weights for a while, to be saved; the leader alone may ask."""
        if self._whole is None:
            with lent(self.network, weights):
                yield self.network
        else:
            overwrite(self._whole, weights)
            yield self._whole

    def state(self) -> State:
        """Tensors and plain numbers of everything above."""
        return {
            "objective": whole(self.objective.state_dict()),
            "optimizer": whole(self.optimizer.state_dict()),
            "average": whole(self.average.tensors) if self.average else None,
            "precision": self.fabric.strategy.precision.state_dict(),  # fp16's scale
        }

    def restore(self, state: State) -> None:
        """Inverse of `state`."""
        overwrite(self.objective, state["objective"])
        load_optimizer(self.optimizer, state["optimizer"])
        if self.average:
            self.average.load(state["average"])
        self.fabric.strategy.precision.load_state_dict(state["precision"])


def start_fabric(config: TrainConfig) -> Fabric:
    """Open the device that was asked for, never another, and start the other processes.

    Each of them runs the same command from its beginning (or torchrun has started them all).
    """
    on_cpu = config.device == "cpu" or not torch.cuda.is_available()
    if config.device == "cuda" and on_cpu:
        raise UsageError("train.device = cuda, but torch finds no CUDA device; try cpu or auto")
    if config.precision == "16-mixed" and on_cpu:
        raise UsageError(
            "train.precision = 16-mixed needs a CUDA device; on a CPU bf16-mixed is its equal"
        )
    keep_freed_memory()
    # It announces its choice of precision; a run says that itself, in its own words.
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
    strategy: str | ModelParallelStrategy = "auto"
    if config.processes > 1:
        # A network may have weights that no path reaches (CrossEfficientViT's second trunk).
        strategy = "ddp_find_unused_parameters_true"
    if config.strategy == "fsdp":
        n = config.processes
        strategy = ModelParallelStrategy(sharded, data_parallel_size=n, tensor_parallel_size=1)
    fabric = Fabric(
        accelerator=config.device,
        devices=config.processes,
        strategy=strategy,
        precision=config.precision,
    )
    if config.processes > 1:
        fabric.launch()
    return fabric


def set_channels_last(module: nn.Module) -> None:
    """Store convolution weights channels-last; activations follow at the first convolution."""
    layouts = {4: torch.channels_last, 5: torch.channels_last_3d}
    for parameter in module.parameters():
        if parameter.dim() in layouts:
            parameter.data = parameter.data.contiguous(memory_format=layouts[parameter.dim()])
