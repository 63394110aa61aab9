"""The objective of Zhang et al. 2024 against its equations in plain Python, for every student."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from cases import CASES, batch, nudge
from torch import Tensor
from torch.nn import functional as F

from unmask.errors import UsageError
from unmask.models import create_objective
from unmask.models.base import Network
from unmask.models.blocks.disturbed_copies import unsure, warped, with_copies
from unmask.models.blocks.self_distillation import (
    LossConfig,
    Objective,
    class_pair,
    contrastive_centre,
    distillation,
)
from unmask.models.dtn import DTN, Config
from unmask.types import Batch, InputSpec, Output

SMALL = {"size_px": 32, "groups": ((8, 1), (16, 1)), "heads": 4, "expert_hidden": 8, "depth": 2}


def tiny(seed: int = 0, **config: Any) -> DTN:
    torch.manual_seed(seed)
    network = DTN(Config(**{**SMALL, **config})).eval()
    nudge(network, 0.1)
    return network


def tiny_of(name: str, seed: int = 0) -> Network:
    """The tiny form of a network by name."""
    return next(case for case in CASES if case.name == name).settled(seed)


class Sayer(Network):
    """A teacher that answers what it is told to, clip by clip."""

    def __init__(self, logits: list[float]) -> None:
        super().__init__()
        self.logits = torch.tensor(logits)

    def forward(self, batch: Batch) -> Output:
        n = len(self.logits)
        copies = torch.full((batch.size - n,), 3.0)  # of a disturbed copy it is sure
        return Output(logit=torch.cat([self.logits, copies]))


# The functions


def test_the_centre_loss_by_hand():
    points, centres = torch.tensor([[2.0, 0.0]]), torch.tensor([[0.0, 0.0], [5.0, 0.0]])
    real, fake = torch.tensor([0.0]), torch.tensor([1.0])

    def loss(label: Tensor, **reading: Any) -> float:
        return contrastive_centre(points, label, centres, **reading).item()

    assert loss(real) == pytest.approx(0.5 * 4 / (9 + 1))
    assert loss(fake) == pytest.approx(0.5 * 9 / (4 + 1))
    assert loss(real, squared=False) == pytest.approx(0.5 * 4 / (3 + 1))
    assert loss(real, eps=1e-6) == pytest.approx(2 / 9, rel=1e-5)


def test_equal_logits_leave_nothing_to_distil():
    pair = torch.randn(6, 2)
    for t2 in (True, False):
        assert distillation(pair, pair, 4.0, t2=t2).abs().max() < 1e-6
    assert distillation(pair, pair.flip(-1), 4.0, t2=True).max() > 0.01


def test_distillation_at_temperature_one_needs_no_square():
    student, teacher = torch.randn(2, 6, 2)
    with_square, without = (distillation(student, teacher, 1.0, t2=t2) for t2 in (True, False))
    assert torch.equal(with_square, without)


def test_a_single_logit_counts_as_a_pair():
    logit = torch.tensor([-1.0, 0.0, 2.5])
    pair = class_pair(Output(logit=logit))
    torch.testing.assert_close(pair.softmax(-1)[:, 1], torch.sigmoid(logit))


# The objective


def softmax(values: list[float], temperature: float = 1.0) -> list[float]:
    powers = [math.exp(v / temperature) for v in values]
    return [p / sum(powers) for p in powers]


def slow_losses(
    out: Output, soft: Output, labels: list[int], centres: list[list[float]], config: LossConfig
) -> dict[str, float]:
    """Eq. 2-6 an item and a class at a time; a network of one logit z has the classes (0, z)."""
    parts = {"ce": 0.0, "centre": 0.0, "kd": 0.0}
    pairs, taught = (
        o.aux["pair"].tolist() if "pair" in o.aux else [[0.0, z] for z in o.logit.tolist()]
        for o in (out, soft)
    )
    weights = [
        config.reweight if (t[1] > t[0]) != bool(y) else 1.0
        for t, y in zip(taught, labels, strict=True)
    ]
    for i, y in enumerate(labels):
        share = weights[i] / sum(weights)
        parts["ce"] -= share * math.log(softmax(pairs[i])[y])
        point = {
            "logits": pairs[i],
            "probs": softmax(pairs[i]),
            "features": out.aux["feature"][i].tolist(),
        }[config.centre_on]
        own, other = (
            sum((p - c) ** 2 for p, c in zip(point, centres[k], strict=True)) for k in (y, 1 - y)
        )
        below = other if config.centre_squared else math.sqrt(other)
        parts["centre"] += share * 0.5 * own / (below + config.centre_eps)
        wanted, given = (softmax(z, config.temperature) for z in (taught[i], pairs[i]))
        kd = sum(t * math.log(t / s) for t, s in zip(wanted, given, strict=True))
        parts["kd"] += share * kd * (config.temperature**2 if config.t2 else 1)
    return parts


def compare(network: Network, teacher: Network, config: LossConfig) -> None:
    """The objective beside its equations, as if in training but without batch statistics."""
    objective = Objective(network, config, teacher).eval()
    objective.training = True
    clips = batch(network.input_spec, 5)
    with torch.no_grad():
        losses, out, soft = objective(clips), network(clips), teacher(clips)
    labels = [int(y) for y in clips.label.tolist()]
    wanted = slow_losses(out, soft, labels, objective.centres.tolist(), config)
    for name, value in wanted.items():
        assert losses.parts[name].item() == pytest.approx(value, rel=1e-4, abs=1e-6), name
    total = sum(a * wanted[k] for a, k in zip(config.alpha, ("ce", "centre", "kd"), strict=True))
    assert losses.total.item() == pytest.approx(total, rel=1e-4)
    assert torch.equal(losses.logit, out.logit)


@pytest.mark.parametrize(
    "config",
    [
        LossConfig(),
        LossConfig(centre_on="probs", centre_squared=False, centre_eps=0.1),
        LossConfig(centre_on="features", feature_dim=16),
        LossConfig(alpha=(1.0, 2.0, 3.0), temperature=2.0, t2=False),
        LossConfig(reweight=3.0),
    ],
)
def test_the_objective_equals_its_equations_in_plain_python(config: LossConfig):
    compare(tiny(), tiny(seed=1, depth=1), config)


@pytest.mark.parametrize("name", ["xception", "evit", "cevit/mas", "vit/mas"])
def test_networks_of_one_logit_or_two_teach_themselves_alike(name: str):
    """Table 10 distils Xception and EfficientViT too."""
    compare(tiny_of(name), tiny_of(name, seed=9), LossConfig())


@pytest.mark.parametrize(
    ("alpha", "zero"),  # the rows of Table 5
    [
        ((4.0, 0.0, 0.0), {"centre", "kd"}),
        ((4.0, 0.0, 0.6), {"centre"}),
        ((4.0, 0.4, 0.0), {"kd"}),
        ((4.0, 0.4, 0.6), set()),
    ],
)
def test_a_part_of_weight_zero_has_no_say(alpha: tuple[float, float, float], zero: set[str]):
    network, teacher = tiny(), tiny(seed=1)
    clips = batch(network.input_spec, 4)
    losses = Objective(network, LossConfig(alpha=alpha), teacher).eval()(clips)
    said = dict(zip(("ce", "centre", "kd"), alpha, strict=True))
    wanted = sum(said[k] * losses.parts[k] for k in said if k not in zero)
    torch.testing.assert_close(losses.total, wanted)


def test_without_a_teacher_nothing_is_distilled():
    losses = Objective(tiny())(batch(InputSpec(size_px=32), 4))
    assert losses.parts.keys() == {"ce", "centre"}


def test_features_of_another_width_are_refused_in_words():
    objective = Objective(tiny(), LossConfig(centre_on="features"))
    with pytest.raises(UsageError, match=r"feature_dim = 512: .* width 16"):
        objective(batch(InputSpec(size_px=32), 2))


def test_centres_learn_without_weight_decay_and_are_fresh_for_a_student():
    network, older = tiny(), tiny()
    teacher = Objective(older)
    student = Objective(network, teacher=older)
    [model, centres] = student.param_groups()
    assert centres == {"params": [student.centres], "weight_decay": 0.0}
    assert "weight_decay" not in model
    assert not torch.equal(student.centres, teacher.centres)


def test_any_network_takes_the_objective_and_a_teacher_by_name():
    network, teacher = tiny_of("xception"), tiny_of("xception", seed=2)
    objective = create_objective("dtn", network, teacher=teacher, temperature=2.0)
    assert objective.teacher is teacher
    assert objective(batch(network.input_spec, 2)).parts.keys() >= {"ce", "centre", "kd"}


# What a teacher does not know


def test_the_shares_of_wrong_and_unsure_answers_are_told():
    network = tiny()
    clips = batch(network.input_spec, 4)  # real, fake, real, fake
    losses = Objective(network, teacher=Sayer([-2.0, 0.1, 0.2, -3.0]))(clips)
    assert losses.parts["wrong"] == 0.5  # a real called fake, and a fake called real
    assert losses.parts["unsure"] == 0.5


def test_unsure_is_between_four_and_six_tenths():
    p_fake = torch.tensor([0.39, 0.4, 0.5, 0.6, 0.61])
    assert unsure(p_fake).tolist() == [False, True, True, True, False]


def test_outside_training_no_item_weighs_more_and_none_is_copied():
    network = tiny()
    clips = batch(network.input_spec, 4)
    sayer = Sayer([0.0, 0.0, 3.0, -3.0])
    plain = Objective(network, LossConfig(), sayer).eval()
    eager = Objective(network, LossConfig(reweight=5.0, augment_ambiguous=2), sayer).eval()
    eager.load_state_dict(plain.state_dict())
    torch.testing.assert_close(eager(clips).total, plain(clips).total, rtol=0, atol=0)


def test_copies_of_unsure_items_join_the_batch_and_are_no_answers():
    network, seen = tiny(), []
    network.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    config = LossConfig(augment_ambiguous=2)
    objective = Objective(network, config, Sayer([3.0, 0.0, -3.0, 0.1])).train()
    clips = batch(network.input_spec, 4)
    losses = objective(clips)
    [given] = seen
    assert given.size == 4 + 2 * 2
    assert given.label.tolist() == [0, 1, 0, 1, 1, 1, 1, 1]
    assert torch.equal(given.frames[:4], clips.frames)
    assert losses.logit.shape == (4,)
    assert losses.total.isfinite()


def test_every_copy_is_another_and_sound_goes_with_it():
    clips = Batch(
        frames=torch.rand(2, 3, 3, 8, 8), audio=torch.rand(2, 1, 5), label=torch.tensor([0.0, 1])
    )
    more = with_copies(clips, torch.tensor([False, True]), 3)
    assert more.size == 5
    for k in (2, 3, 4):
        assert torch.equal(more.audio[k], clips.audio[1])
        assert not torch.allclose(more.frames[k], clips.frames[1])
    assert not torch.allclose(more.frames[2], more.frames[3])
    assert with_copies(clips, torch.tensor([False, False]), 3) is clips


def zoomed(x: Tensor, factor: float) -> Tensor:
    """The middle of a picture enlarged by a whole factor."""
    size = round(x.shape[-1] * factor)
    off = (size - x.shape[-1]) // 2
    large = F.interpolate(x.flatten(0, 1), size=(size, size), mode="bilinear", align_corners=False)
    return large[..., off : off + x.shape[-1], off : off + x.shape[-1]].view_as(x)


@pytest.mark.parametrize(
    ("angle", "scale", "mirrored", "by_hand"),
    [
        (0.0, 1.0, False, lambda x: x),
        (0.0, 1.0, True, lambda x: x.flip(-1)),
        (math.pi / 2, 1.0, False, lambda x: x.rot90(1, (-2, -1))),
        (math.pi / 2, 1.0, True, lambda x: x.rot90(1, (-2, -1)).flip(-1)),
        (0.0, 2.0, False, lambda x: zoomed(x, 2)),
    ],
)
def test_pictures_are_turned_mirrored_and_scaled_as_said(
    angle: float, scale: float, mirrored: bool, by_hand: Callable[[Tensor], Tensor]
):
    x = torch.rand(2, 2, 3, 8, 8)
    given = warped(
        x, torch.full((2,), angle), torch.full((2,), scale), mirrored=torch.tensor([mirrored] * 2)
    )
    torch.testing.assert_close(given, by_hand(x), rtol=1e-4, atol=1e-5)


def test_an_oblong_picture_is_turned_without_being_stretched():
    y, x = torch.meshgrid(torch.arange(24) - 11.5, torch.arange(48) - 23.5, indexing="ij")
    disc = ((y**2 + x**2) < 36).float().expand(1, 1, 3, 24, 48)
    turned = warped(disc, torch.tensor([0.7]), torch.ones(1), mirrored=torch.tensor([False]))
    assert (turned - disc).abs().mean() < 0.02


def test_all_frames_of_a_clip_move_alike():
    frames = torch.rand(1, 1, 3, 8, 8).expand(2, 4, -1, -1, -1)
    given = warped(
        frames, torch.tensor([0.1, -0.2]), torch.ones(2), mirrored=torch.tensor([True, False])
    )
    assert torch.equal(given[:, 0], given[:, 3])
    assert not torch.allclose(given[0], given[1])
