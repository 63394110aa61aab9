"""Optimizers, learning-rate schedules and the moving average of the weights.

Schedules are pure functions of the step: a resumed run has nothing to restore and a paper's
schedule can be checked against a table by hand. Each gives the factor on the base rate.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor
from torch.optim import SGD, Adam, AdamW, Optimizer

from unmask.config import refuse_outside
from unmask.errors import ConfigError
from unmask.training.shards import overwrite, share_like


@dataclass(frozen=True, kw_only=True)
class OptimConfig:
    """How weights move. The keys of a recipe's [train] table that concern the optimizer."""

    optimizer: Literal["adamw", "adam", "sgd"] = "adamw"
    lr: float = 1e-3  # base rate; the schedule multiplies it
    weight_decay: float = 0.0  # decoupled in adamw, part of the gradient in adam and sgd
    betas: tuple[float, float] = (0.9, 0.999)  # adam, adamw
    momentum: float = 0.9  # sgd
    nesterov: bool = False  # sgd
    schedule: Literal["constant", "poly", "multistep", "cosine", "plateau"] = "constant"
    warmup_steps: int = 0  # linear rise to the base rate, before any schedule
    schedule_steps: int | None = None  # where poly and cosine end; None = where training ends
    power: float = 0.9  # poly
    milestones: tuple[float, ...] = ()  # multistep, in epochs (fractions allowed),
    milestone_steps: tuple[int, ...] = ()  # or in steps
    gamma: float = 0.1  # multistep: factor at every milestone; plateau: at every drop
    plateau_patience: int = 10  # plateau: validations without a lower loss before a drop
    floor: float = 0.0  # cosine: the factor it ends on

    def __post_init__(self) -> None:
        count, amount = "[0, inf)", "[0, inf)"
        refuse_outside(self, "train", lr=amount, weight_decay=amount, warmup_steps=count)
        refuse_outside(self, "train", betas="[0, 1)", momentum="[0, 1)", floor="[0, 1]")
        refuse_outside(self, "train", schedule_steps="[1, inf)", plateau_patience=count)
        refuse_outside(self, "train", power="(0, inf)", gamma="(0, 1]", milestones="(0, inf)")
        refuse_outside(self, "train", milestone_steps="[1, inf)")
        if self.nesterov and not (self.optimizer == "sgd" and self.momentum):
            raise ConfigError(
                "train.nesterov = true: is a kind of momentum of sgd; set optimizer = sgd and "
                "momentum above 0"
            )
        if self.schedule == "multistep" and bool(self.milestones) == bool(self.milestone_steps):
            raise ConfigError(
                "train.schedule = multistep: give either milestones, in epochs, or milestone_steps;"
                " the rate falls there"
            )


def poly(step: int, *, total: int, power: float) -> float:
    """Fall from 1 to 0 over `total` steps as (1 - step / total) ** power, then stay 0."""
    return float(max(0.0, 1.0 - step / total) ** power)


def multistep(step: int, *, milestones: Sequence[int], gamma: float) -> float:
    """Multiply by `gamma` at every milestone (sorted, in steps) that has been reached."""
    return float(gamma ** bisect_right(milestones, step))


def cosine(step: int, *, total: int, floor: float) -> float:
    """Fall from 1 to `floor` over `total` steps along half a cosine, then stay there."""
    done = min(1.0, step / total)
    return floor + (1.0 - floor) * 0.5 * (1.0 + math.cos(math.pi * done))


def plateau(losses: Sequence[float], *, patience: int, gamma: float) -> float:
    """Multiply by `gamma` whenever more than `patience` validations in a row were no better.

    `losses` are those of all validations so far; one is better if it is lower by 1e-4 of the best,
    as torch's ReduceLROnPlateau has it.
    """
    factor, best, stale = 1.0, math.inf, 0
    for loss in losses:
        if loss < best * (1 - 1e-4):
            best, stale = loss, 0
        else:
            stale += 1
        if stale > patience:
            factor, stale = factor * gamma, 0
    return factor


def lr_factor(
    step: int,
    config: OptimConfig,
    *,
    steps_per_epoch: int,
    total_steps: int,
    losses: Sequence[float] = (),
) -> float:
    """Factor on the base rate for the step with this index (0 = the first).

    `losses` are those of the validations before it, which only `plateau` looks at.
    """
    if step < config.warmup_steps:
        return (step + 1) / config.warmup_steps
    since = step - config.warmup_steps
    length = max(1, (config.schedule_steps or total_steps) - config.warmup_steps)
    match config.schedule:
        case "poly":
            return poly(since, total=length, power=config.power)
        case "multistep":
            at = [round(epoch * steps_per_epoch) for epoch in config.milestones]
            at += config.milestone_steps
            return multistep(step, milestones=sorted(at), gamma=config.gamma)
        case "cosine":
            return cosine(since, total=length, floor=config.floor)
        case "plateau":
            return plateau(losses, patience=config.plateau_patience, gamma=config.gamma)
        case "constant":
            return 1.0


def build_optimizer(groups: list[dict[str, Any]], config: OptimConfig) -> Optimizer:
    """Make the optimizer; a group may set its own `lr` or `weight_decay`.

    The fused kernels do the same arithmetic in one pass, on CPUs as on GPUs; torch has no such
    kernel of SGD for divided weights.
    """
    divided = any(isinstance(weight, DTensor) for group in groups for weight in group["params"])
    fused = config.optimizer != "sgd" or not divided
    common: dict[str, Any] = {"lr": config.lr, "weight_decay": config.weight_decay, "fused": fused}
    optimizer: Optimizer
    match config.optimizer:
        case "adamw":
            optimizer = AdamW(groups, betas=config.betas, **common)
        case "adam":
            optimizer = Adam(groups, betas=config.betas, **common)
        case "sgd":
            optimizer = SGD(groups, momentum=config.momentum, nesterov=config.nesterov, **common)
    for group in optimizer.param_groups:
        group["base_lr"] = group["lr"]
    return optimizer


def set_lr(optimizer: Optimizer, factor: float) -> None:
    """Set every group's rate to its base rate times `factor`."""
    for group in optimizer.param_groups:
        group["lr"] = group["base_lr"] * factor


class Average:
    """Exponential moving average of a network's weights and floating-point buffers, in float32.

    Averaged weights need averaged batch statistics, so buffers are averaged too; counters are
    copied. The decay rises as (1 + t) / (10 + t), so that the random start is forgotten soon.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.network = network
        self.decay = decay
        self.tensors = {
            name: tensor.float().clone() if tensor.is_floating_point() else tensor.clone()
            for name, tensor in network.state_dict().items()
        }

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take in the network's weights after optimizer step number `step` (from 1)."""
        weight = 1.0 - min(self.decay, (1 + step) / (10 + step))
        for name, tensor in self.network.state_dict().items():
            if tensor.is_floating_point():
                self.tensors[name].lerp_(tensor.float(), weight)
            else:
                self.tensors[name].copy_(tensor)

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Go on from saved averages, whole ones."""
        for name, tensor in self.tensors.items():
            tensor.copy_(share_like(tensors[name], tensor))


@contextmanager
def lent(network: nn.Module, tensors: Mapping[str, Tensor]) -> Iterator[None]:
    """Give a network other weights for a while, then its own again, bit for bit."""
    own = snapshot(network)
    overwrite(network, tensors)
    try:
        yield
    finally:
        overwrite(network, own)


def snapshot(network: nn.Module) -> dict[str, Tensor]:
    """Copy all weights and buffers."""
    return {name: tensor.clone() for name, tensor in network.state_dict().items()}
