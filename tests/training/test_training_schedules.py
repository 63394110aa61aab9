"""Learning rates against tables worked out by hand, and optimizers against plain arithmetic."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.optim.lr_scheduler import ReduceLROnPlateau

from unmask.training.optim import OptimConfig, build_optimizer, lr_factor, plateau, set_lr


def factors(steps: list[int], total: int = 100, per_epoch: int = 10, **config: Any) -> list[float]:
    made = OptimConfig(**config)
    return [lr_factor(s, made, steps_per_epoch=per_epoch, total_steps=total) for s in steps]


TABLES: list[tuple[dict[str, Any], dict[int, float]]] = [
    ({"schedule": "constant"}, {0: 1.0, 50: 1.0, 99: 1.0}),
    # 100 steps, power 1: the share that is left.
    ({"schedule": "poly", "power": 1.0}, {0: 1.0, 25: 0.75, 99: 0.01, 100: 0.0, 150: 0.0}),
    # 0.5 ** 0.9 = 0.53589; 0.1 ** 0.9 = 0.12589.
    ({"schedule": "poly", "power": 0.9}, {0: 1.0, 50: 0.53589, 90: 0.12589}),
    # A schedule longer than the training, as in the challenge's 100 500 for 100 000 steps.
    ({"schedule": "poly", "power": 1.0, "schedule_steps": 200}, {0: 1.0, 50: 0.75, 99: 0.505}),
    # x 0.1 at epochs 3 and 6 of 10 steps: at exactly those steps, not one later.
    (
        {"schedule": "multistep", "milestones": (3, 6), "gamma": 0.1},
        {0: 1.0, 29: 1.0, 30: 0.1, 59: 0.1, 60: 0.01, 99: 0.01},
    ),
    ({"schedule": "multistep", "milestones": (1.5,), "gamma": 0.5}, {14: 1.0, 15: 0.5}),
    # Half a cosine: 1, (1 + cos 45 deg) / 2, 1/2, 0.
    ({"schedule": "cosine"}, {0: 1.0, 25: 0.853553, 50: 0.5, 75: 0.146447, 100: 0.0, 120: 0.0}),
    ({"schedule": "cosine", "floor": 0.2}, {0: 1.0, 50: 0.6, 100: 0.2}),
    # Warm-up: quarters, then the whole cosine in the 96 steps that are left.
    (
        {"schedule": "cosine", "warmup_steps": 4},
        {0: 0.25, 1: 0.5, 3: 1.0, 4: 1.0, 52: 0.5, 100: 0.0},
    ),
    ({"schedule": "constant", "warmup_steps": 2}, {0: 0.5, 1: 1.0, 2: 1.0}),
    # Milestones count from the start of training, warm-up or not.
    (
        {"schedule": "multistep", "milestones": (1,), "warmup_steps": 5},
        {0: 0.2, 4: 1.0, 9: 1.0, 10: 0.1},
    ),
]


@pytest.mark.parametrize(("config", "table"), TABLES)
def test_schedule_equals_the_table(config: dict[str, Any], table: dict[int, float]) -> None:
    assert factors(list(table), **config) == pytest.approx(list(table.values()), abs=1e-5)


@pytest.mark.parametrize("patience", [0, 1, 3])
def test_plateau_equals_torch_after_every_validation(patience: int) -> None:
    losses = np.random.default_rng(patience).normal(1.0, 0.2, 60).round(2).tolist()  # with ties
    optimizer = torch.optim.SGD([nn.Parameter(torch.ones(1))], lr=1.0)
    theirs = ReduceLROnPlateau(optimizer, factor=0.5, patience=patience, min_lr=0, eps=0)
    for n, loss in enumerate(losses, start=1):
        theirs.step(loss)
        ours = plateau(losses[:n], patience=patience, gamma=0.5)
        assert ours == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-9)
    assert ours < 0.5  # the table saw more than one drop


def test_every_group_keeps_its_own_rate_and_decay() -> None:
    trunk, head = nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(2))
    groups = [{"params": [trunk], "lr": 0.01}, {"params": [head], "weight_decay": 0.0}]
    optimizer = build_optimizer(groups, OptimConfig(lr=0.1, weight_decay=0.5))
    set_lr(optimizer, 0.5)
    assert [g["lr"] for g in optimizer.param_groups] == [0.005, 0.05]
    assert [g["weight_decay"] for g in optimizer.param_groups] == [0.5, 0.0]


def first_step(name: Any, **config: Any) -> float:
    """Where one step with gradient 2 takes a weight of 1 at rate 0.1."""
    weight = nn.Parameter(torch.tensor(1.0, dtype=torch.float64))
    settings = OptimConfig(optimizer=name, lr=0.1, **config)
    optimizer = build_optimizer([{"params": [weight]}], settings)
    weight.grad = torch.tensor(2.0, dtype=torch.float64)
    optimizer.step()
    return weight.item()


@pytest.mark.parametrize(
    ("name", "config", "expected"),
    [
        ("sgd", {}, 1 - 0.1 * 2),
        ("sgd", {"weight_decay": 0.5}, 1 - 0.1 * (2 + 0.5)),
        ("sgd", {"nesterov": True}, 1 - 0.1 * (2 + 0.9 * 2)),
        ("adam", {}, 1 - 0.1),  # m / sqrt(v) is 1 after bias correction
        ("adam", {"weight_decay": 0.5}, 1 - 0.1),  # part of the gradient, so it cancels
        ("adamw", {"weight_decay": 0.5}, 1 - 0.1 * 0.5 - 0.1),  # decoupled, so it does not
    ],
)
def test_first_step_equals_arithmetic(name: str, config: dict[str, Any], expected: float) -> None:
    assert first_step(name, **config) == pytest.approx(expected, abs=1e-6)
