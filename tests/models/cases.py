"""One table of tiny networks, through whose every row `test_models_laws.py` puts every law.

A network of the table of models inherits the laws through the tiny form of its class (`TINY`): a
new variant of a known class needs no line here, a new class needs one; a variant whose tiny form is
not that of its class stands there under its own name. `LEAD` names the network of each system that
goes through all laws in the default run, `PATHS` those whose code differs enough to go through the
cheap ones; the rest run with the slow tests. `MORE` holds paths that no name of the table takes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import pytest
import torch
from torch import nn

from unmask.models import av_cae, create, create_objective, dtn, vit_distill
from unmask.models.base import Network, Objective
from unmask.models.table import TABLE
from unmask.types import Batch, InputSpec, Output

Tier = Literal["lead", "path", "rest"]


@dataclass(frozen=True, kw_only=True)
class Overfit:
    """How a tiny network learns eight items by heart."""

    steps: int = 60
    lr: float = 3e-3
    # Trainings one after the other, each with its rate; None = one, by the other laws' objective.
    stages: Mapping[Callable[[Network], Objective], float] | None = None


@dataclass(frozen=True, kw_only=True)
class Tiny:
    """The smallest form of a network class that still runs all its code."""

    config: Mapping[str, Any]  # overrides, laid over the table's
    temporal: bool = False  # the order of its frames matters
    nudge: float = 0.05  # how far weights are moved from their first values
    overfit: Overfit = field(default_factory=Overfit)
    objective: Callable[[Network], Objective] | None = None  # None = the system's own
    prepare: Callable[[Network], None] = lambda network: None
    idle: str | None = (
        None  # parameters (a pattern of names) that can never learn, by its equations
    )
    # Laws that it breaks, by name, each with the reason: a defect that is kept on purpose. Should
    # a law come to hold, the test fails, so that no defect is repaired unseen.
    breaks: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Case:
    """A tiny network with its objective, as one row of the laws."""

    name: str
    model: str  # name in the table of models
    tiny: Tiny
    tier: Tier
    config: Mapping[str, Any] = field(default_factory=dict)  # further overrides
    objective: Callable[[Network], Objective] | None = None  # None = its tiny form's

    @property
    def overrides(self) -> dict[str, Any]:
        """All that differs from the network of that name."""
        return {**self.tiny.config, **self.config}

    def network(self, seed: int = 0) -> Network:
        """The tiny network with its first weights."""
        torch.manual_seed(seed)
        network = create(self.model, **self.overrides)
        self.tiny.prepare(network)
        return network

    def learner(self, network: Network, seed: int = 1) -> Objective:
        """Its training objective, teachers included."""
        torch.manual_seed(seed)
        objective = self.objective or self.tiny.objective
        if objective is not None:
            return objective(network)
        return create_objective(TABLE[self.model].system, network)

    def stages(self) -> Mapping[Callable[[Network], Objective], float]:
        """Trainings, with their rates, in which it learns eight clips by heart."""
        return self.tiny.overfit.stages or {self.learner: self.tiny.overfit.lr}

    def settled(self, seed: int = 0) -> Network:
        """The tiny network in eval mode, away from every special first value.

        Weights that start at zero or at one would hide faults behind them, and batch statistics
        that start at (0, 1) let scores shrink to a constant.
        """
        network = self.network(seed).train()
        nudge(network, self.tiny.nudge)
        with torch.no_grad(), settling_norms(network):
            network(batch(network.input_spec, 16, seed=seed + 1))
        return network.eval()


def nudge(network: nn.Module, std: float = 0.05, seed: int = 2) -> None:
    """Move every parameter a little that may learn: what is frozen begins at no special value."""
    chance = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in network.parameters():
            change = torch.randn(parameter.shape, generator=chance) * std
            if parameter.requires_grad:
                parameter.add_(change)


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
    audio = None
    if spec.audio is not None:
        audio = torch.randn(n, *spec.audio.shape, generator=chance)
    frames = torch.randn(n, spec.n_frames, 3, *spec.shape_px, generator=chance)
    return Batch(frames=frames, audio=audio, label=(torch.arange(n) % 2).float())


def taught_vit(network: Network) -> Objective:
    """A small teacher of other weights beside the student."""
    config = vit_distill.TeacherConfig(**B7)
    return vit_distill.Objective(network, teacher=vit_distill.Teacher(config))


class KnowsLabels(Network):
    """A teacher that has seen the answers."""

    def forward(self, batch: Batch) -> Output:
        """Twice as sure as need be."""
        return Output(logit=8 * batch.label - 4)


def told_vit(network: Network) -> Objective:
    """A student can learn by heart only what its teacher knows."""
    return vit_distill.Objective(network, teacher=KnowsLabels())


def by_labels_alone(network: Network) -> Objective:
    return vit_distill.Objective(network, vit_distill.LossConfig(lam=1.0))


def in_stage(stage: av_cae.Stage) -> Callable[[Network], Objective]:
    return lambda network: av_cae.Objective(network, av_cae.LossConfig(stage=stage))


def tell_apart(network: Network) -> None:
    """Let what is frozen tell pictures apart, as it does once trained and hardly does before.

    And let the fusion hear both streams: of two probabilities small weights leave nothing.
    """
    assert isinstance(network, av_cae.AvCae)
    if isinstance(network.fusion, nn.Linear):
        nn.init.constant_(network.fusion.weight, 2.0)
    frames = batch(network.input_spec, 8).frames
    with torch.no_grad():
        if network.encoder is not None:
            last = [m for m in network.encoder if isinstance(m, nn.Conv2d)][-1]
        elif network.detector is not None:
            last = network.detector.head
        else:
            return
        spread = network.features(frames).std(0).mean()
        last.weight /= spread
        last.bias /= spread
        if network.detector is not None:
            last.bias -= network.features(frames).mean()


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

# 98 px leave 4 x 4 places after stage 4, and 2 x 2 for a non-local block to choose from.
# Untrained, 50 layers enlarge rounding a thousandfold; depth 26 has bottlenecks too.
RESNET3D = {"width": 8, "depth": 18, "reduction": 4, "size_px": 98, "n_frames": 4}

B7 = {"size_px": 64, "trunk": "test_efficientnet", "drop_path": 0.0}
VIT_DISTILL = {
    "size_px": 64,
    "dim": 24,
    "depth": 2,
    "heads": 3,
    "trunk": "test_efficientnet",
    "trunk_drop_path": 0.0,
}

AV_CAE = {
    "size_px": 64,
    "n_frames": 3,
    "n_audio": 60,
    "heads": 2,
    "layers": 1,
    "hidden": 16,
    "dropout": 0.0,
}
AV = Tiny(config=AV_CAE, temporal=True, nudge=0.1, objective=in_stage("joint"), prepare=tell_apart)
# Of two probabilities that are constant at first, joint training makes a constant.
APART = Overfit(stages={in_stage("video"): 3e-3, in_stage("fusion"): 0.1})
LSTM = {"size_px": 32, "n_audio": 40, "window": 20, "dropout": 0.0}
LEARNS = "test_everything_that_may_learn_learns_and_teachers_do_not"
DIFFERS = "test_different_clips_get_different_logits"
LABELS = "test_labels_move_the_loss_and_parts_are_named"
BY_HEART = "test_it_learns_eight_clips_by_heart"
OUTVOTED = {
    LEARNS: "eq. 11 takes the strongest opinion: an expert that wins nowhere does not learn"
}
DEAF = {LEARNS: "sound of width 1 is a constant (D1), so its layers get no gradient"}
NO_LABELS = {
    LABELS: "an autoencoder does not look at labels",
    BY_HEART: "an autoencoder does not look at labels",
}

TINY: dict[str, Tiny] = {
    "DTN": Tiny(config=DTN),
    "dtn": Tiny(config={**DTN, "depth": 2}),  # the lead is quick
    # Without skip and local convolution all places are alike from the third block on, and scales of
    # what attention compares have nothing to scale.
    "dtn/no-lc": Tiny(config=DTN, idle=r"blocks\.[2-5]\.attn\.head_scale\.theta$"),
    # From four blocks on, re-attention without a skip lets one clip outshine all others.
    "dtn/reattention": Tiny(config={**DTN, "depth": 2}),
    **{
        f"dtn/experts{n}{calm}": Tiny(config=DTN, breaks=OUTVOTED)
        for n in range(3, 8)
        for calm in ("", "-calm")
        if (n, calm) != (3, "")
    },
    # Whole trunks of timm: too deep to be moved as far as the others without losing all scale.
    **{
        f"dtn/{trunk}{alone}": Tiny(
            config={**DTN, "size_px": 128}, nudge=0.01, overfit=Overfit(steps=25)
        )
        for trunk in ("resnet34", "efficientnet-b0")
        for alone in ("", "-alone")
    },
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
    "long_distance/small": Tiny(config=LONG_DISTANCE),
    "long_distance/spatial": Tiny(config=LONG_DISTANCE),
    "long_distance/conv1x1": Tiny(config=LONG_DISTANCE),
    "long_distance/span_14": Tiny(config={**LONG_DISTANCE, "span": 7}, temporal=True),
    "ResNet3d": Tiny(
        config=RESNET3D,
        temporal=True,
        overfit=Overfit(steps=25),
        idle=r"phi\.bias$",  # it adds the same to all places that a softmax compares
    ),
    "resnet3d": Tiny(config={**RESNET3D, "depth": 26}, temporal=True),
    "VitDistill": Tiny(
        config=VIT_DISTILL,
        objective=taught_vit,
        overfit=Overfit(stages={told_vit: 3e-3}),
    ),
    "vit_distill/no_distill": Tiny(config=VIT_DISTILL, objective=by_labels_alone),
    "Teacher": Tiny(config=B7, objective=by_labels_alone),
    "AvCae": replace(AV, breaks=DEAF),
    "av_cae/face_agg": replace(AV, breaks=DEAF, overfit=APART),
    "av_cae/full_last": replace(AV, config={**AV_CAE, "size_px": 216}, breaks=DEAF),
    **{
        name: replace(AV, config={**AV_CAE, "size_px": 216}, breaks=DEAF, overfit=APART)
        for name in ("av_cae/full_agg", "av_cae/full_agg_code")
    },
    "av_cae/face_agg_fixedaudio": replace(AV, overfit=APART),
    "av_cae/tiny": AV,
    "av_cae/video_only": replace(AV, objective=None),
    "av_cae/audio_only": replace(
        AV,
        temporal=False,
        objective=None,
        breaks={
            **DEAF,
            DIFFERS: "sound of width 1 is a constant (D1)",
            LABELS: "a constant of one half costs the same whatever the labels (D1)",
            BY_HEART: "nothing can be learned from a constant (D1)",
        },
    ),
    "Autoencoder": Tiny(config={"size_px": 64}, nudge=0.2, breaks=NO_LABELS),
    "av_cae/ae_full": Tiny(config={"size_px": 216}, nudge=0.2, breaks=NO_LABELS),
    "LstmAutoencoder": Tiny(
        config=LSTM,
        idle=r"decoder\.weight_ih_l0$",  # the decoder hears zeros
        breaks=NO_LABELS,
    ),
    "av_cae/lstm_ae": Tiny(
        config=LSTM,
        breaks={**NO_LABELS, LEARNS: "a softmax over one value answers 1 (D2), whatever learns"},
    ),
    "TimeSformer": Tiny(
        config={
            "n_frames": 3,
            "size_px": 16,
            "patch_px": 8,
            "dim": 16,
            "depth": 3,
            "heads": 2,
            "mlp_ratio": 2,
        },
        temporal=True,
        nudge=0.2,  # its time embedding starts at zero
    ),
    "VitDirect": Tiny(
        config={"size_px": 40, "view_px": 32, "patch_px": 8, "dim": 16, "depth": 2, "heads": 2}
    ),
}

LEAD = {
    "dtn",
    "xception",
    "vit/mas",
    "long_distance",
    "resnet3d/se-nl1234",
    "timesformer/divided",
    "vit_distill/tiny",
    "av_cae/tiny",
}
PATHS = {
    "vit_distill/concat",
    "vit_distill/no_distill",
    "vit_distill/baseline_b7",
    "av_cae/face_agg",
    "av_cae/audio_only",
    "av_cae/ae_face",
    "av_cae/lstm_ae_fixed",
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
    "resnet3d",
    "timesformer",
}

_DTN = TINY["DTN"]
MORE = (
    Case(
        name="long_distance read otherwise",
        model="long_distance",
        tiny=TINY["LongDistance"],
        tier="path",
        config={
            "fuse": "concat",
            "activation": "sigmoid",
            "context_layers": 1,
            "temporal_at": "b1",
        },
    ),
    Case(
        name="av_cae asks across",
        model="av_cae/tiny",
        tiny=TINY["av_cae/tiny"],
        tier="path",
        config={"fusion": "audio_asks"},
    ),
    Case(
        name="av_cae over scores",
        model="av_cae/video_only",
        tiny=TINY["av_cae/video_only"],
        tier="path",
        config={"tokens": "frame_scores", "detector": "mesonet-4"},
    ),
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
