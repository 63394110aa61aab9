"""Baselines: published sizes, timm's own classifiers, MesoNet written a second time."""

from __future__ import annotations

import math

import pytest
import timm
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from unmask.models import create
from unmask.models.base import Network, example
from unmask.models.blocks.cross_entropy import LossConfig, Objective
from unmask.types import Batch


def n_parameters(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize(
    ("name", "parameters", "maps"),
    [
        ("xception", 20_811_050, (2048, 10, 10)),
        ("efficientnet-b4", 17_548_616 + 2 * 1793, (1792, 12, 12)),
        pytest.param(
            "efficientnet-b7", 63_786_960 + 2 * 2561, (2560, 12, 12), marks=pytest.mark.slow
        ),
        ("resnet34", 21_284_672 + 2 * 513, (512, 7, 7)),
        ("vgg", 10_813_248 + 2 * 513, (512, 8, 8)),
        ("mesonet-4", 27_977, (16, 8, 8)),
        ("mesoinception-4", 28_615, (16, 8, 8)),
    ],
)
def test_sizes_and_feature_maps_are_the_published_ones(
    name: str, parameters: int, maps: tuple[int, ...]
) -> None:
    with torch.device("meta"):
        network = create(name).eval()
        frames = example(network).frames
    assert n_parameters(network) == parameters
    assert tuple(network.trunk(frames[:, 0]).shape[1:]) == maps


def test_the_vgg_is_seven_cells_wide_at_224_pixels() -> None:
    with torch.device("meta"):
        network = create("vgg", size_px=224).eval()
        assert network.trunk(torch.zeros(1, 3, 224, 224)).shape == (1, 512, 7, 7)


@pytest.mark.parametrize(
    "name",
    [
        "resnet34",
        pytest.param("xception", marks=pytest.mark.slow),
        pytest.param("efficientnet-b4", marks=pytest.mark.slow),
        pytest.param("efficientnet-b7", marks=pytest.mark.slow),
    ],
)
def test_logits_are_those_of_timms_classifier_with_the_same_weights(name: str) -> None:
    torch.manual_seed(0)
    network = create(name, size_px=96).eval()
    reference = timm.create_model(network.config.trunk, num_classes=2).eval()
    classifier = reference.default_cfg["classifier"]
    state = dict(network.trunk.state_dict())
    state |= {f"{classifier}.{k}": v for k, v in network.head.state_dict().items()}
    reference.load_state_dict(state)
    frames = torch.randn(2, 1, 3, 96, 96)
    with torch.no_grad():
        pair = network(Batch(frames=frames)).aux["pair"]
        torch.testing.assert_close(pair, reference(frames[:, 0]), rtol=1e-4, atol=1e-5)


def test_the_activation_map_averages_to_the_logit() -> None:
    network = create("vgg", size_px=64, groups=((4, 1), (8, 1))).eval()
    out = network(Batch(frames=torch.randn(3, 1, 3, 64, 64)))
    torch.testing.assert_close(out.aux["cam"].mean((1, 2)), out.logit)


def mesonet_in_functions(network: Network, x: Tensor) -> Tensor:
    """Both networks of Afchar et al. 2018 from their state, layer by layer."""
    state = network.state_dict()

    def conv(x: Tensor, key: str, dilation: int = 1) -> Tensor:
        weight = state[f"{key}.weight"]
        padding = dilation * (weight.shape[-1] // 2)
        y = F.conv2d(x, weight, state[f"{key}.bias"], padding=padding, dilation=dilation)
        return y.clamp(min=0)

    def inception(x: Tensor, key: str) -> Tensor:
        branches = [conv(x, f"{key}.point.0")]
        for i in range(3):
            narrow = conv(x, f"{key}.dilated.{i}.0")
            branches.append(conv(narrow, f"{key}.dilated.{i}.2", dilation=i + 1))
        return torch.cat(branches, 1)

    for layer, pool in zip((0, 3, 6, 9), (2, 2, 2, 4), strict=True):
        key = f"trunk.{layer}"
        x = inception(x, key) if f"{key}.point.0.weight" in state else conv(x, f"{key}.0")
        norm = [state[f"trunk.{layer + 1}.{k}"] for k in ("running_mean", "running_var")]
        scale = [state[f"trunk.{layer + 1}.{k}"][:, None, None] for k in ("weight", "bias")]
        mean, var = (v[:, None, None] for v in norm)
        x = (x - mean) / (var + 1e-3).sqrt() * scale[0] + scale[1]
        B, C, H, W = x.shape
        x = x.view(B, C, H // pool, pool, W // pool, pool).amax((3, 5))
    x = x.flatten(1) @ state["hidden.0.weight"].T + state["hidden.0.bias"]
    x = torch.where(x > 0, x, 0.1 * x)
    return (x @ state["head.weight"].T + state["head.bias"])[:, 0]


@pytest.mark.parametrize("name", ["mesonet-4", "mesoinception-4"])
def test_mesonet_equals_its_layers_written_out(name: str) -> None:
    torch.manual_seed(0)
    network = create(name, size_px=64).eval()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
    frames = torch.rand(2, 1, 3, 64, 64)
    with torch.no_grad():
        out = network(Batch(frames=frames))
        slow = mesonet_in_functions(network, frames[:, 0])
    torch.testing.assert_close(out.logit, slow, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(out.aux["pair"].softmax(-1)[:, 1], out.logit.sigmoid())


@pytest.mark.parametrize("weights", [(1.0, 1.0), (1.6, 0.4)])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_cross_entropy_is_the_weighted_mean_of_minus_log_p(
    weights: tuple[float, float], smoothing: float
) -> None:
    """Of a smoothed label, a share s / 2 is the other class, with the other class's weight."""
    torch.manual_seed(0)
    network = create("mesonet-4", size_px=32)
    objective = Objective(network, LossConfig(class_weights=weights, label_smoothing=smoothing))
    objective.eval()
    batch = Batch(frames=torch.rand(6, 1, 3, 32, 32), label=torch.tensor([0.0, 1, 1, 1, 1, 0]))
    losses = objective(batch)
    total = 0.0
    for y, p_fake in zip(batch.label.int().tolist(), losses.logit.sigmoid().tolist(), strict=True):
        target = [smoothing / 2, smoothing / 2]
        target[y] += 1 - smoothing
        for k, p in enumerate((1 - p_fake, p_fake)):
            total -= weights[k] * target[k] * math.log(p)
    slow = total / sum(weights[int(y)] for y in batch.label)
    assert losses.total.item() == pytest.approx(slow, rel=1e-5)
