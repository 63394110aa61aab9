"""One table of tiny networks, through whose every row `test_models_laws.py` puts every law.

A network of the table of models inherits the laws through the tiny form of its class (`TINY`): a
new variant of a known class needs no line here, a new class needs one; a variant whose tiny form is
not that of its class stands there under its own name. `LEAD` names the network of each system that
goes through all laws in the default run, `PATHS` those whose code differs enough to go through the
cheap ones; the rest run with the slow tests. `MORE` holds paths that no name of the table takes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import pytest
import torch
from torch import nn

from unmask.models import create, create_objective, dtn
from unmask.models.base import Network, Objective
from unmask.models.table import TABLE
from unmask.types import Batch, InputSpec

Tier = Literal["lead", "path", "rest"]


@dataclass(frozen=True, kw_only=True)
class Overfit:
    """How a tiny network learns eight items by heart."""

    steps: int = 60
    lr: float = 3e-3


@dataclass(frozen=True, kw_only=True)
class Tiny:
    """The smallest form of a network class that still runs all its code."""

    config: Mapping[str, Any]  # overrides, laid over the table's
    temporal: bool = False  # the order of its frames matters
    overfit: Overfit = field(default_factory=Overfit)


@dataclass(frozen=True, kw_only=True)
class Case:
    """A tiny network with its objective, as one row of the laws."""

    name: str
    model: str  # name in the table of models
    tiny: Tiny
    tier: Tier
    config: Mapping[str, Any] = field(default_factory=dict)  # further overrides
    objective: Callable[[Network], Objective] | None = None  # None = the system's own

    @property
    def overrides(self) -> dict[str, Any]:
        """All that differs from the network of that name."""
        return {**self.tiny.config, **self.config}

    def network(self, seed: int = 0) -> Network:
        """The tiny network with its first weights."""
        torch.manual_seed(seed)
        return create(self.model, **self.overrides)

    def learner(self, network: Network, seed: int = 1) -> Objective:
        """Its training objective, teachers included."""
        torch.manual_seed(seed)
        if self.objective is not None:
            return self.objective(network)
        return create_objective(TABLE[self.model].system, network)

    def settled(self, seed: int = 0) -> Network:
        """The tiny network in eval mode, away from every special first value.

        Weights that start at zero or at one would hide faults behind them, and batch statistics
        that start at (0, 1) let scores shrink to a constant.
        """
        network = self.network(seed).train()
        nudge(network)
        with torch.no_grad(), settling_norms(network):
            network(batch(network.input_spec, 16, seed=seed + 1))
        return network.eval()


def nudge(network: nn.Module, std: float = 0.05, seed: int = 2) -> None:
    """Move every parameter a little."""
    chance = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=chance) * std)


class settling_norms:  # noqa: N801  (a context manager, named as the deed)
    """Batch norms take over the statistics of the next batch whole."""

    def __init__(self, network: nn.Module) -> None:
        self.norms = [
            m for m in network.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)
        ]

    def __enter__(self) -> None:
        self.before = [norm.momentum for norm in self.norms]
        for norm in self.norms:
            norm.momentum = 1.0

    def __exit__(self, *_: object) -> None:
        for norm, momentum in zip(self.norms, self.before, strict=True):
            norm.momentum = momentum


def batch(spec: InputSpec, n: int, seed: int = 3) -> Batch:
    """Random clips that fit an InputSpec, labels real and fake in turn."""
    chance = torch.Generator().manual_seed(seed)
    shape = (n, spec.n_frames, 3, spec.size_px, spec.size_px)
    audio = None
    if spec.audio is not None:
        rows = spec.audio.mel_bins or 1
        audio = torch.randn(n, rows, spec.audio.n_samples, generator=chance)
    frames = torch.randn(shape, generator=chance)
    return Batch(frames=frames, audio=audio, label=(torch.arange(n) % 2).float())


def taught_dtn(network: Network) -> Objective:
    """Self-distillation: the teacher is a network of the same kind, one generation older."""
    return dtn.Objective(network, teacher=dtn.DTN(network.config))


LONG_DISTANCE = {  # the stem's output is 28 = 7 cells x 4
    "size_px": 62,
    "view_px": 28,
    "patch_px": 4,
    "dim": 16,
    "templates": 4,
    "template_dim": 8,
    "widths": (4, 8, 8, 8, 16, 16, 16, 16),
}

DTN = {"size_px": 32, "groups": ((8, 1), (16, 1), (32, 1)), "heads": 4, "expert_hidden": 8}

TINY: dict[str, Tiny] = {
    "DTN": Tiny(config=DTN),
    "dtn": Tiny(config={**DTN, "depth": 2}),  # the lead is quick
    "TrunkDetector": Tiny(config={"trunk": "test_resnet", "size_px": 32}),
    "efficientnet-b4": Tiny(config={"trunk": "test_efficientnet", "size_px": 32}),
    "vgg": Tiny(config={"groups": ((8, 1), (16, 1)), "size_px": 32}),
    "MesoNet": Tiny(config={"size_px": 64}),
    "ViT": Tiny(
        config={
            "size_px": 32,
            "patch_px": 8,
            "dim": 16,
            "depth": 2,
            "heads": 4,
            "head_dim": 4,
            "mlp_dim": 32,
        }
    ),
    "CViT": Tiny(
        config={
            "size_px": 32,
            "groups": ((8, 1), (16, 1), (16, 1)),
            "dim": 16,
            "depth": 2,
            "heads": 4,
            "head_dim": 4,
            "mlp_dim": 32,
        }
    ),
    "EViT": Tiny(
        config={
            "size_px": 64,
            "trunk": "test_efficientnet",
            "dim": 16,
            "depth": 2,
            "heads": 4,
            "head_dim": 4,
            "mlp_dim": 32,
        }
    ),
    "CEViT": Tiny(
        config={
            "size_px": 64,
            "trunk": "test_efficientnet",
            "small_dim": 16,
            "large_dim": 24,
            "layers": 2,
            "large_depth": 1,
            "heads": 4,
            "head_dim": 4,
            "mlp_dim": 32,
        }
    ),
    "LongDistance": Tiny(config=LONG_DISTANCE, temporal=True),
    "long_distance/xception": Tiny(config=LONG_DISTANCE),
    "long_distance/spatial": Tiny(config=LONG_DISTANCE),
    "long_distance/conv1x1": Tiny(config=LONG_DISTANCE),
    "long_distance/span_14": Tiny(config={**LONG_DISTANCE, "span": 7}, temporal=True),
    "VitDirect": Tiny(
        config={"size_px": 40, "view_px": 32, "patch_px": 8, "dim": 16, "depth": 2, "heads": 2}
    ),
}

LEAD = {"dtn", "xception", "vit/mas", "long_distance"}
PATHS = {
    "dtn/no-lc",
    "mesonet-4",
    "mesoinception-4",
    "vit/reattention",
    "cvit",
    "evit",
    "cevit/mas",
    "long_distance/spatial",
    "long_distance/span_3",
    "long_distance/conv1x1",
    "long_distance/vit_direct",
}

_DTN = TINY["DTN"]
MORE = (
    Case(name="dtn taught", model="dtn/L4", tiny=_DTN, tier="path", objective=taught_dtn),
    Case(
        name="dtn vanilla experts",
        model="dtn/L4",
        tiny=_DTN,
        tier="path",
        config={"moe": "vanilla", "plug": "reattention", "attn_skip": True, "mlp": "b"},
        objective=lambda n: dtn.Objective(n, dtn.LossConfig(centre_on="probs")),
    ),
    Case(
        name="dtn bare",
        model="dtn/L4",
        tiny=_DTN,
        tier="path",
        config={"moe": "none", "depth": 0},
        objective=lambda n: dtn.Objective(n, dtn.LossConfig(centre_on="features", feature_dim=32)),
    ),
)


def _tier(name: str) -> Tier:
    return "lead" if name in LEAD else "path" if name in PATHS else "rest"


def _tiny(name: str) -> Tiny:
    return TINY.get(name) or TINY[TABLE[name].network]


CASES: tuple[Case, ...] = (
    *(
        Case(name=name, model=name, tiny=_tiny(name), tier=_tier(name))
        for name, row in TABLE.items()
        if row.network in TINY  # one that is not fails a test of its own
    ),
    *MORE,
)


def rows(*default: Tier) -> list[Any]:
    """Cases as parameters of a law; those of other tiers than `default` are slow tests."""
    return [
        pytest.param(case, id=case.name, marks=() if case.tier in default else pytest.mark.slow)
        for case in CASES
    ]
