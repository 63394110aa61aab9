"""VitDistill: sizes, tokens, its encoder beside timm's DeiT, the loss written a second time."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from foreign_weights import shaken, take
from timm.models.deit import VisionTransformerDistilled
from torch import Tensor, nn
from torch.nn import functional as F

from unmask.errors import UsageError
from unmask.models.vit_distill import (
    Config,
    LossConfig,
    Objective,
    Teacher,
    TeacherConfig,
    VitDistill,
    class_means,
)
from unmask.types import Batch

TINY = Config(size_px=64, dim=24, depth=2, heads=3, trunk="test_efficientnet", trunk_drop_path=0.0)


def tiny(**changes: object) -> VitDistill:
    torch.manual_seed(0)
    return VitDistill(replace(TINY, **changes)).eval()


def tiny_teacher() -> Teacher:
    torch.manual_seed(1)
    return Teacher(TeacherConfig(size_px=64, trunk="test_efficientnet", drop_path=0.0))


def clips(n: int = 4, size: int = 64, seed: int = 2) -> Batch:
    chance = torch.Generator().manual_seed(seed)
    frames = torch.randn(n, 1, 3, size, size, generator=chance)
    return Batch(frames=frames, label=(torch.arange(n) % 2).float())


def n_parameters(*parts: nn.Module | nn.Parameter | None) -> int:
    tensors = [
        p for part in parts for p in (part.parameters() if hasattr(part, "parameters") else [part])
    ]
    return sum(p.numel() for p in tensors)


@pytest.fixture(scope="module")
def full() -> VitDistill:
    with torch.device("meta"):
        return VitDistill(Config()).eval()


def test_the_student_has_as_many_parameters_as_its_pieces_by_hand(full: VitDistill) -> None:
    D = 1024
    block = 4 * D + (3 * D * D + 3 * D) + (D * D + D) + 2 * 4 * D * D + 5 * D
    assert block == 12_596_224
    assert n_parameters(full.blocks) == 24 * block == 302_309_376
    assert n_parameters(full.patch) == 3 * 32 * 32 * D + D == 3_146_752
    assert n_parameters(full.position) == 146 * D == 149_504
    assert n_parameters(full.cls_token, full.distill_token) == 2_048
    assert n_parameters(full.norm) == 2_048
    assert n_parameters(full.project) == 2_622_464
    assert n_parameters(full.head_cls, full.head_distill) == 2_050
    assert n_parameters(full.cnn) == 63_786_960
    assert n_parameters(full) == 308_234_242 + 63_786_960 == 372_021_202


def test_the_teacher_is_b7_with_one_logit() -> None:
    with torch.device("meta"):
        teacher = Teacher(TeacherConfig())
    assert n_parameters(teacher) == 63_789_521


def test_both_branches_give_144_tokens_on_one_grid(full: VitDistill) -> None:
    frames = torch.zeros(1, 3, 384, 384, device="meta")
    assert full.patch(frames).shape == (1, 1024, 12, 12)
    assert full.cnn(frames).shape == (1, 2560, 12, 12)
    assert full.cnn(frames[..., :380, :380]).shape == (1, 2560, 12, 12)
    assert full.tokens(frames).shape == (1, 144, 1024)
    assert full.position.shape == (1, 146, 1024)


@pytest.mark.parametrize(
    ("combine", "n_tokens", "parameters"),
    [
        ("pair_mean", 4, {"patch", "cnn", "project"}),
        ("adaptive1d", 4, {"patch", "cnn", "project"}),
        ("concat", 8, {"patch", "cnn", "project"}),
        ("patch_only", 4, {"patch"}),
        ("cnn_only", 4, {"cnn", "project"}),
    ],
)
def test_every_mode_has_its_own_tokens_and_branches(
    combine: str, n_tokens: int, parameters: set[str]
) -> None:
    network = tiny(combine=combine)
    assert network.tokens(clips().frames[:, 0]).shape == (4, n_tokens, 24)
    assert network.position.shape == (1, n_tokens + 2, 24)
    own = {name.split(".")[0] for name, _ in network.named_parameters()}
    assert own & {"patch", "cnn", "project"} == parameters


def branches(network: VitDistill, frames: Tensor) -> tuple[Tensor, Tensor]:
    """Tokens of the two branches, the patches by unfolding instead of by convolution."""
    patches = F.unfold(frames, 32, stride=32).transpose(1, 2)  # (B, N, 3*32*32)
    weight = network.patch.weight.flatten(1)
    by_patch = patches @ weight.T + network.patch.bias
    maps = network.cnn(frames).flatten(2).transpose(1, 2)  # (B, N, C)
    by_cnn = maps @ network.project.weight[:, :, 0, 0].T + network.project.bias
    return by_patch, by_cnn


@torch.no_grad()
def test_pair_mean_is_the_mean_of_both_branches_at_every_place() -> None:
    network = tiny()
    frames = clips().frames[:, 0]
    by_patch, by_cnn = branches(network, frames)
    torch.testing.assert_close(
        network.tokens(frames), (by_patch + by_cnn) / 2, rtol=1e-4, atol=1e-5
    )


@torch.no_grad()
def test_adaptive1d_is_torchs_adaptive_pooling_of_the_sequence() -> None:
    network = tiny(combine="adaptive1d")
    frames = clips().frames[:, 0]
    sequence = torch.cat(branches(network, frames), 1).transpose(1, 2)  # (B, D, 2N)
    slow = nn.AdaptiveAvgPool1d(4)(sequence).transpose(1, 2)
    torch.testing.assert_close(network.tokens(frames), slow, rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_cnn_maps_of_another_grid_are_brought_to_the_patches() -> None:
    network = tiny(patch_px=16)  # 4x4 patches, 2x2 CNN cells
    maps = torch.arange(4.0).view(1, 1, 2, 2)
    assert network._on_grid(maps).shape == (1, 1, 4, 4)
    assert network._on_grid(maps)[0, 0, 0, 0] == 0
    torch.testing.assert_close(network._on_grid(maps).mean(), maps.mean())
    assert network.tokens(clips().frames[:, 0]).shape == (4, 16, 24)


@torch.no_grad()
def test_the_encoder_equals_timms_deit_with_the_same_weights() -> None:
    """DeiT keeps the distillation token second, the paper keeps it last: an index, no more."""
    network = tiny(combine="patch_only", infer="mean")
    reference = VisionTransformerDistilled(
        img_size=64, patch_size=32, embed_dim=24, depth=2, num_heads=3, num_classes=1
    )
    assert not take(network, shaken(reference).state_dict()).missing
    frames = clips().frames
    logit = network(Batch(frames=frames)).logit
    torch.testing.assert_close(logit, reference(frames[:, 0])[:, 0], rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_inference_reads_the_token_it_names() -> None:
    out = tiny()(clips())
    assert not torch.allclose(out.aux["cls"], out.aux["distill"])
    torch.testing.assert_close(out.logit, out.aux["distill"])
    by_class = tiny(infer="cls")(clips())
    torch.testing.assert_close(by_class.logit, out.aux["cls"])
    mean = (out.aux["cls"] + out.aux["distill"]) / 2
    torch.testing.assert_close(tiny(infer="mean")(clips()).logit, mean)


def loss_item_by_item(
    logits: tuple[Tensor, Tensor, Tensor], y: Tensor, *, lam: float, smooth: float
) -> tuple[float, float]:
    """L_F and L_R as the paper's equation says, one clip after the other, in logarithms."""

    def bce(z: float, target: float) -> float:
        p = 1 / (1 + math.exp(-z))
        return -(target * math.log(p) + (1 - target) * math.log(1 - p))

    z_c, z_d, z_t = logits
    totals = []
    for label in (1, 0):
        own = [i for i in range(len(y)) if y[i] == label]
        hard = [bce(z_c[i].item(), abs(label - smooth)) for i in own]
        soft = [bce(z_d[i].item(), 1 / (1 + math.exp(-z_t[i].item()))) for i in own]
        n = max(len(own), 1)
        totals.append(lam * sum(hard) / n + (1 - lam) * sum(soft) / n)
    return totals[0], totals[1]


@pytest.mark.parametrize("labels", [[1, 1, 1, 0], [0, 1, 0, 1], [1, 1, 1, 1], [0, 0, 0, 0]])
@pytest.mark.parametrize(("lam", "smooth"), [(0.5, 0.01), (0.2, 0.0)])
def test_the_loss_is_that_of_the_paper(labels: list[int], lam: float, smooth: float) -> None:
    teacher = tiny_teacher()
    config = LossConfig(lam=lam, label_smoothing=smooth)
    objective = Objective(tiny(), config, teacher).eval()
    batch = replace(clips(), label=torch.tensor(labels).float())
    losses = objective(batch)
    with torch.no_grad():
        out, soft = objective.model(batch), teacher(batch).logit
    logits = (out.aux["cls"], out.aux["distill"], soft)
    by_hand = loss_item_by_item(logits, batch.label, lam=lam, smooth=smooth)
    assert losses.total.item() == pytest.approx(sum(by_hand) / 2, rel=1e-4)
    assert losses.parts["fake"].item() == pytest.approx(by_hand[0], rel=1e-4)
    assert losses.parts["real"].item() == pytest.approx(by_hand[1], rel=1e-4)
    mixed = lam * losses.parts["cls"] + (1 - lam) * losses.parts["distill"]
    torch.testing.assert_close(mixed, losses.total)


def test_each_class_counts_half_however_few_there_are() -> None:
    fake, real = class_means(torch.tensor([4.0, 1, 2, 3]), torch.tensor([1.0, 0, 0, 0]))
    assert (fake.item(), real.item()) == (4, 2)


def test_the_teacher_is_frozen_and_takes_no_part_in_training() -> None:
    objective = Objective(tiny(), None, tiny_teacher()).train()
    assert objective.model.training
    assert not any(m.training for m in objective.teacher.modules())
    learning = {id(p) for group in objective.param_groups() for p in group["params"]}
    assert learning == {id(p) for p in objective.model.parameters()}
    objective(clips()).total.backward()
    assert all(p.grad is None for p in objective.teacher.parameters())


def test_without_distillation_only_the_class_token_learns() -> None:
    student = tiny(infer="cls")
    objective = Objective(student, LossConfig(lam=1.0)).train()
    losses = objective(clips())
    losses.total.backward()
    assert student.head_distill.weight.grad is None
    assert student.head_cls.weight.grad is not None
    assert losses.parts.keys() == {"cls", "fake", "real"}
    torch.testing.assert_close(losses.total, losses.parts["cls"])


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: Objective(tiny()), "give one"),
        (lambda: Objective(tiny(), LossConfig(lam=1.0)), "infer = cls"),
        (lambda: Objective(tiny(infer="cls"), LossConfig(lam=1.0), tiny_teacher()), "lam = 1"),
        (lambda: Objective(tiny_teacher(), LossConfig(), tiny_teacher()), "no distillation token"),
        (lambda: tiny(size_px=65), "multiple"),
    ],
)
def test_what_cannot_be_trained_is_refused_in_words(build: object, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        build()


def test_a_frozen_branch_stays_as_it_is() -> None:
    student = tiny(cnn_frozen=True)
    objective = Objective(student, None, tiny_teacher()).train()
    before = {key: value.clone() for key, value in student.cnn.state_dict().items()}
    objective(clips()).total.backward()
    assert not any(m.training for m in student.cnn.modules())
    assert all(p.grad is None for p in student.cnn.parameters())
    after = student.cnn.state_dict()
    assert all(torch.equal(after[key], value) for key, value in before.items())
    assert student.project.weight.grad is not None


def test_the_teacher_learns_by_the_same_balanced_loss() -> None:
    objective = Objective(tiny_teacher(), LossConfig(lam=1.0, label_smoothing=0.0)).eval()
    batch = clips(4)
    losses = objective(batch)
    p = losses.logit.sigmoid()
    slow = -(p[1].log() + p[3].log()) / 4 - ((1 - p[0]).log() + (1 - p[2]).log()) / 4
    torch.testing.assert_close(losses.total, slow)


@torch.no_grad()
def test_the_teachers_activation_map_averages_to_its_logit() -> None:
    out = tiny_teacher().eval()(clips())
    torch.testing.assert_close(out.aux["cam"].mean((1, 2)), out.logit, rtol=1e-4, atol=1e-5)
