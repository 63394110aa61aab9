"""DTN against its paper: counts, every equation, and every disturbance its experts can see."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import scipy.fft
import scipy.ndimage
import torch
from cases import batch, nudge
from thop.vision.basic_hooks import count_normalization
from thop_counts import thop_counts
from timm.layers import BatchNormAct2d
from torch import Tensor, nn

from unmask.models import create
from unmask.models.base import Network, example
from unmask.models.blocks.attention import AttentionScale, SelfAttention, attention_maps
from unmask.models.blocks.vgg import vgg_stack
from unmask.models.dtn import (
    AUGMENTATIONS,
    DTN,
    Block,
    Config,
    MixtureOfExperts,
    VanillaMixture,
)
from unmask.models.table import TABLE
from unmask.types import Batch

SMALL = {"size_px": 32, "groups": ((8, 1), (16, 1)), "heads": 4, "expert_hidden": 8, "depth": 2}


def on_meta(**config: Any) -> Network:
    with torch.device("meta"):
        return create("dtn", **config).eval()


def tiny(**config: Any) -> DTN:
    torch.manual_seed(0)
    return DTN(Config(**{**SMALL, **config}))


def n_parameters(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


# Counts


@pytest.mark.parametrize(
    ("config", "parameters", "gflops", "published"),
    [
        pytest.param({}, 29_912_388, 9.786932, (29.912, 9.799), id="L6"),
        pytest.param({"local_conv": False}, 29_875_524, 9.784376, (29.876, 9.796), id="without LC"),
        pytest.param({"depth": 4}, 23_590_212, 9.381658, (23.590, 9.393), id="L4"),
        pytest.param({"depth": 5}, 26_751_300, 9.584295, (26.751, 9.596), id="L5"),
        pytest.param({"depth": 7}, 33_073_476, 9.989569, (33.073, 10.002), id="L7"),
    ],
)
def test_thop_counts_the_published_sizes(
    config: dict[str, Any], parameters: int, gflops: float, published: tuple[float, float]
):
    counted, flops = thop_counts(on_meta(**config))
    assert counted == parameters
    assert round(counted / 1e6, 3) == published[0]
    assert flops == pytest.approx(gflops, abs=5e-5)  # our mean over places is no pooling module
    assert flops == pytest.approx(published[1], rel=2e-3)  # 12 MFLOP stay unexplained


@pytest.mark.parametrize(
    ("name", "published"),
    [
        ("dtn", (29.912, 9.799)),
        ("dtn/no-lc", (29.876, 9.796)),
        ("dtn/L4", (23.590, 9.393)),
        ("dtn/L5", (26.751, 9.596)),
        ("dtn/L7", (33.073, 10.002)),
    ],
)
def test_the_table_prints_what_the_paper_prints(name: str, published: tuple[float, float]):
    row = TABLE[name].published
    assert row is not None
    assert (row.parameters_m, row.flops_g, row.counted_by) == (*published, "thop")


@pytest.mark.parametrize("E", range(1, 8))
def test_an_expert_more_costs_its_own_size(E: int):
    true = 29_846_595 + (E - 1) * 65_793 + 32_768 + 6 * 8 + E  # + position, scales
    assert n_parameters(on_meta(experts=E)) == true


@pytest.mark.slow
@pytest.mark.parametrize("E", range(1, 8))
def test_thop_counts_every_number_of_experts(E: int):
    assert thop_counts(on_meta(experts=E))[0] == 29_846_595 + (E - 1) * 65_793


@pytest.mark.parametrize(
    ("config", "true", "by_thop"),
    [
        pytest.param({}, 29_945_206, 29_912_388, id="full"),
        pytest.param({"moe": "none"}, 29_813_618, 29_780_802, id="without experts"),
        pytest.param({"moe": "none", "depth": 0}, 10_814_274, 10_814_274, id="vgg alone"),
        pytest.param({"mlp": "b"}, 29_945_206, 29_912_388, id="mlp b"),
        pytest.param({"attn_skip": True}, 29_945_206, 29_912_388, id="skip"),
        pytest.param(
            {"plug": "reattention", "moe_mas": False}, 29_945_684, 29_912_916, id="re-attention"
        ),
    ],
)
def test_sizes_of_the_ablations(config: dict[str, Any], true: int, by_thop: int):
    network = on_meta(**config)
    assert n_parameters(network) == true
    assert thop_counts(network)[0] == by_thop


@pytest.mark.parametrize(
    ("name", "alone", "true", "gflops", "tolerance"),
    [
        ("dtn/resnet34", 21_285_698, 40_416_630, 6.028, 1e-4),
        # The means of its squeeze-and-excitation are no pooling modules of timm's, .14 % of all.
        ("dtn/efficientnet-b0", 4_664_446, 23_795_378, 1.806, 2e-3),
    ],
)
def test_sizes_with_other_backbones(
    name: str, alone: int, true: int, gflops: float, tolerance: float
):
    with torch.device("meta"):
        network, bare = create(name).eval(), create(f"{name}-alone").eval()
    assert n_parameters(bare) == alone
    assert n_parameters(network) == true
    assert network.backbone(example(network).frames[:, 0]).shape == (1, 512, 8, 8)
    _, flops = thop_counts(network, {BatchNormAct2d: count_normalization})
    assert flops == pytest.approx(gflops, rel=tolerance)


def test_the_other_reading_of_the_mlp_costs_a_little_more():
    assert thop_counts(on_meta(mlp="b"))[1] == pytest.approx(9.787718, abs=5e-5)


@pytest.mark.parametrize(
    ("name", "experts", "scaled_experts", "blocks", "plug"),
    [
        ("dtn", "ours", True, 6, "mas"),
        # Table 3
        ("dtn/vgg", "none", False, 0, None),
        ("dtn/levt", "none", False, 6, "none"),
        ("dtn/no-mas", "ours", False, 6, "none"),
        ("dtn/mas-moe", "ours", True, 6, "none"),
        ("dtn/mas-levt", "ours", False, 6, "mas"),
        # Table 7
        ("dtn/vgg-moe", "ours", False, 0, None),
        ("dtn/vgg-moe-vanilla", "vanilla", False, 0, None),
        # Table 8
        ("dtn/reattention", "ours", False, 6, "reattention"),
        # Fig. 6c
        ("dtn/resnet34", "ours", True, 6, "mas"),
        ("dtn/resnet34-alone", "none", False, 0, None),
        ("dtn/efficientnet-b0-alone", "none", False, 0, None),
    ],
)
def test_rows_of_the_ablations_have_the_parts_they_name(
    name: str, experts: str, scaled_experts: bool, blocks: int, plug: str | None
):
    with torch.device("meta"):
        network = create(name)
    kinds = {"ours": MixtureOfExperts, "vanilla": VanillaMixture, "none": type(None)}
    assert type(network.moe) is kinds[experts]
    assert (getattr(network.moe, "scale", None) is not None) == scaled_experts
    assert (network.position is not None) == (blocks > 0)
    plugs = {(b.attn.head_scale is not None, b.attn.remix is not None) for b in network.blocks}
    wanted = {"mas": (True, False), "reattention": (False, True), "none": (False, False)}
    assert len(network.blocks) == blocks
    assert plugs == ({wanted[plug]} if plug else set())


def test_sizes_of_the_parts():
    network = on_meta()
    block = network.blocks[0]
    assert n_parameters(network.backbone) == 10_813_248
    assert [n_parameters(expert) for expert in network.moe.experts] == [65_793] * 2
    assert n_parameters(block) == 3_161_088 + 8  # its eight scales are bare parameters
    assert n_parameters(block.local) == 6_144
    assert n_parameters(block.attn.qkv) == 786_432
    assert n_parameters(network.head) == 1_026
    assert network.position.shape == (512, 8, 8)


@pytest.mark.parametrize(("size_px", "side"), [(256, 8), (224, 7)])
def test_the_vgg_stack_has_cvits_geometry(size_px: int, side: int):
    with torch.device("meta"):
        stack = vgg_stack()
        assert stack(torch.zeros(1, 3, size_px, size_px)).shape == (1, 512, side, side)
    convolutions = [m for m in stack if isinstance(m, nn.Conv2d)]
    assert [c.out_channels for c in convolutions] == (
        [32] * 3 + [64] * 3 + [128] * 3 + [256] * 4 + [512] * 4
    )
    assert all(c.bias is not None for c in convolutions)


def test_the_vgg_alone_costs_what_the_published_backbone_costs():
    parameters, flops = thop_counts(on_meta(moe="none", depth=0))
    assert parameters == 10_814_274
    assert flops == pytest.approx(8.562672 + 0.000001, abs=1e-6)  # the stack, and the classifier


# Attention (eq. 14-19)


def heads_one_by_one(layer: SelfAttention, tokens: Tensor) -> tuple[Tensor, Tensor]:
    """Attention from its equations, head by head: output (B, N, D) and maps (B, h, N, N)."""
    D = tokens.shape[-1]
    outputs, maps = [], []
    for i in range(layer.heads):
        d = layer.head_dim
        q, k, v = (
            tokens @ layer.qkv.weight[j * layer.heads * d :][i * d : (i + 1) * d].T
            for j in range(3)
        )
        strength = torch.einsum("bnd,bmd->bnm", q, k) / math.sqrt(d)
        if layer.head_scale is not None:
            strength = strength / (1 + torch.exp(-layer.head_scale.theta[i]))
        share = strength.exp() / strength.exp().sum(-1, keepdim=True)
        maps.append(share)
        outputs.append(share @ v)
    joined = torch.cat(outputs, -1) @ layer.out.weight.T + layer.out.bias
    assert joined.shape[-1] == D
    return joined, torch.stack(maps, 1)


@pytest.mark.parametrize("plug", ["none", "mas"])
def test_attention_equals_its_heads_one_by_one(plug: Any):
    torch.manual_seed(0)
    layer = SelfAttention(16, 4, plug=plug)
    nudge(layer, std=0.5)
    tokens = torch.randn(2, 9, 16)
    wanted, maps = heads_one_by_one(layer, tokens)
    torch.testing.assert_close(layer(tokens), wanted, rtol=1e-4, atol=1e-5)
    with attention_maps(layer) as layers:
        torch.testing.assert_close(layer(tokens), wanted, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(layers[0].maps, maps, rtol=1e-4, atol=1e-5)


def test_mas_is_plain_attention_where_its_scales_are_one():
    torch.manual_seed(0)
    scaled, plain = SelfAttention(16, 4, plug="mas"), SelfAttention(16, 4)
    plain.load_state_dict(scaled.state_dict(), strict=False)
    scaled.head_scale.theta.data.fill_(100.0)  # sigmoid = 1
    tokens = torch.randn(2, 9, 16)
    torch.testing.assert_close(scaled(tokens), plain(tokens), rtol=0, atol=0)
    scaled.head_scale.theta.data.fill_(-100.0)  # sigmoid = 0: every place looks everywhere alike
    with attention_maps(scaled) as layers:
        scaled(tokens)
        torch.testing.assert_close(layers[0].maps, torch.full((2, 4, 9, 9), 1 / 9))


def test_maps_are_kept_only_while_they_are_asked_for():
    network = tiny(depth=3).eval()
    with attention_maps(network) as layers, torch.no_grad():
        network(batch(network.input_spec, 2))
        assert layers == [block.attn for block in network.blocks]
        assert all(layer.maps.shape == (2, 4, 64, 64) for layer in layers)
    assert all(layer.maps is None and not layer.explicit for layer in layers)


@pytest.mark.parametrize("theta", [0.0, 1.5])
def test_every_scale_begins_where_it_is_told(theta: float):
    scales = [m for m in tiny(theta=theta).modules() if isinstance(m, AttentionScale)]
    assert [len(scale.theta) for scale in scales] == [2, 4, 4]  # of the experts, of two blocks
    assert all((scale.theta == theta).all() for scale in scales)


def test_scales_begin_at_one_half():
    maps = torch.randn(2, 3, 5, 5)
    torch.testing.assert_close(AttentionScale(3)(maps), maps / 2)


# Blocks (eq. 20-24)


@pytest.mark.parametrize("mlp", ["a", "b"])
@pytest.mark.parametrize("local_conv", [True, False])
def test_a_block_is_its_equations(mlp: Any, local_conv: bool):
    torch.manual_seed(0)
    block = Block(16, Config(**{**SMALL, "mlp": mlp, "local_conv": local_conv})).eval()
    nudge(block, std=0.2)
    x = torch.randn(2, 16, 4, 4)
    normed = block.norm_attn(x)
    tokens = torch.stack([normed[:, :, i // 4, i % 4] for i in range(16)], 1)  # (B, N, D)
    spread = block.attn(tokens)
    aggregated = torch.stack(
        [torch.stack([spread[:, 4 * i + j] for j in range(4)], -1) for i in range(4)], -2
    )
    mixed = aggregated + block.local(aggregated) if local_conv else aggregated
    wanted = block.mlp(block.norm_mlp(mixed)) + mixed
    torch.testing.assert_close(block(x), wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("attn_skip", "sees_input"), [(False, False), (True, True)])
def test_nothing_passes_around_the_attention_unless_the_skip_is_on(
    attn_skip: bool, sees_input: bool
):
    block = Block(16, Config(**{**SMALL, "attn_skip": attn_skip})).eval()
    nn.init.zeros_(block.attn.out.weight)
    one, other = (block(torch.randn(1, 16, 4, 4)) for _ in range(2))
    assert torch.equal(one, other) is not sees_input


@pytest.mark.parametrize(
    ("config", "alike"),
    [({}, False), ({"local_conv": False}, True), ({"local_conv": False, "attn_skip": True}, False)],
)
def test_without_skip_and_local_convolution_all_places_become_one(
    config: dict[str, Any], alike: bool
):
    """To the letter of eq. 15-24, what tells places apart passes through the attention alone."""
    network = tiny(depth=4, **config).train()
    with torch.no_grad():
        maps = network.blocks(torch.randn(4, 16, 8, 8))
    spread = (maps - maps.mean((2, 3), keepdim=True)).std() / maps.std()
    assert (spread < 1e-4) == alike


# Experts (eq. 8-13)


def test_the_gate_is_the_strongest_opinion_squashed_twice():
    torch.manual_seed(0)
    moe = MixtureOfExperts(16, Config(**{**SMALL, "experts": 3})).eval()
    nudge(moe, std=0.3)
    local = torch.randn(2, 16, 4, 4)
    wanted = torch.empty(2, 1, 4, 4)
    for parameter in moe.parameters():
        parameter.requires_grad_(False)
    for b in range(2):
        for y in range(4):
            for x in range(4):
                opinions = []
                for i, expert in enumerate(moe.experts):
                    w1, b1 = expert[0].weight[:, :, 0, 0], expert[0].bias
                    w2, b2 = expert[2].weight[0, :, 0, 0], expert[2].bias[0]
                    hidden = (w1 @ local[b, :, y, x] + b1).clamp(min=0)
                    opinion = 1 / (1 + math.exp(-float(w2 @ hidden + b2)))
                    opinions.append(opinion / (1 + math.exp(-float(moe.scale.theta[i]))))
                wanted[b, 0, y, x] = 1 / (1 + math.exp(-max(opinions)))
    torch.testing.assert_close(moe(local), wanted, rtol=1e-4, atol=1e-5)


def test_without_mas_the_factor_of_an_opinion_is_one():
    torch.manual_seed(0)
    plain = MixtureOfExperts(16, Config(**{**SMALL, "moe_mas": False})).eval()
    scaled = MixtureOfExperts(16, Config(**SMALL)).eval()
    scaled.load_state_dict({**plain.state_dict(), "scale.theta": torch.full((2,), 100.0)})
    local = torch.randn(2, 16, 4, 4)
    torch.testing.assert_close(plain(local), scaled(local), rtol=0, atol=0)


@pytest.mark.parametrize("kind", [MixtureOfExperts, VanillaMixture])
def test_the_gate_stays_between_one_half_and_the_sigmoid_of_one(kind: Any):
    torch.manual_seed(0)
    moe = kind(16, Config(**SMALL)).eval()
    nudge(moe, std=3.0)
    gate = moe(100 * torch.randn(8, 16, 8, 8))
    assert gate.min() >= 0.5
    assert gate.max() <= 1 / (1 + math.exp(-1)) + 1e-6
    assert gate.max() - gate.min() > 0.1


def test_vanilla_experts_are_a_weighted_sum():
    torch.manual_seed(0)
    moe = VanillaMixture(16, Config(**{**SMALL, "experts": 3})).eval()
    local = torch.randn(2, 16, 4, 4)
    wanted = torch.empty(2, 1, 4, 4)
    for b in range(2):
        weights = (moe.gate.weight @ local[b].flatten(1).mean(1) + moe.gate.bias).exp()
        opinions = [expert(local[b : b + 1])[0] for expert in moe.experts]
        total = sum(w * o for w, o in zip(weights / weights.sum(), opinions, strict=True))
        wanted[b] = 1 / (1 + torch.exp(-total))
    torch.testing.assert_close(moe(local), wanted, rtol=1e-4, atol=1e-5)


def test_noise_touches_the_gate_only_and_in_training_only():
    network = tiny(depth=0).eval()
    clips = batch(network.input_spec, 3)
    calm = network(clips)
    torch.testing.assert_close(network(clips).logit, calm.logit, rtol=0, atol=0)
    network.moe.train()  # the rest stays in eval mode, so that only the experts can differ
    first, second = network(clips), network(clips)
    assert not torch.equal(first.aux["gate"], second.aux["gate"])
    local = network.backbone(clips.frames[:, 0])
    for out in (calm, first, second):
        wanted = (local * out.aux["gate"]).mean((2, 3))
        torch.testing.assert_close(out.aux["feature"], wanted)


def test_noise_is_drawn_in_evaluation_where_it_is_asked_for():
    network = tiny(noise_at_eval=True).eval()
    clips = batch(network.input_spec, 3)
    assert not torch.equal(network(clips).aux["gate"], network(clips).aux["gate"])


def test_each_expert_sees_noise_of_its_own():
    torch.manual_seed(0)
    moe = MixtureOfExperts(16, Config(**{**SMALL, "moe_mas": False})).train()
    moe.experts[1].load_state_dict(moe.experts[0].state_dict())
    seen: list[Tensor] = []
    for expert in moe.experts:
        expert.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    local = torch.randn(2, 16, 4, 4)
    moe(local)
    assert not torch.equal(seen[0], seen[1])
    assert not torch.equal(seen[0], local)


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_every_disturbance_trains(name: Any):
    network = tiny(augmentation=name).train()
    network(batch(network.input_spec, 2)).logit.sum().backward()
    assert all(p.grad.isfinite().all() for p in network.moe.parameters())


@pytest.mark.parametrize("std", [0.5, 1.0])
def test_gaussian_and_uniform_noise_have_the_same_variance(std: float):
    torch.manual_seed(0)
    x = torch.full((4, 8, 64, 64), 3.0)
    for name in ("gauss", "uniform"):
        noise = AUGMENTATIONS[name](x, std) - x
        assert noise.mean() == pytest.approx(0, abs=0.01)
        assert noise.std() == pytest.approx(std, rel=0.01)
    assert noise.abs().max() <= math.sqrt(3) * std + 1e-6
    assert noise.abs().max() == pytest.approx(math.sqrt(3) * std, rel=0.01)


@pytest.mark.parametrize("std", [0.5, 1.0])
def test_blur_is_a_correlation_with_a_gaussian_of_nine_places(std: float):
    x = torch.randn(2, 3, 8, 6, generator=torch.Generator().manual_seed(0))
    y, z = np.mgrid[-1:2, -1:2]
    kernel = np.exp(-(y**2 + z**2) / (2 * std**2))
    kernel /= kernel.sum()
    wanted = scipy.ndimage.correlate(
        x.numpy(), kernel[None, None].astype(np.float32), mode="nearest"
    )
    np.testing.assert_allclose(AUGMENTATIONS["blur"](x, std), wanted, atol=1e-5)


def test_contrast_stretches_each_channel_about_its_mean():
    torch.manual_seed(0)
    x = torch.randn(40, 5, 8, 8)
    y = AUGMENTATIONS["contrast"](x, 1.0)
    torch.testing.assert_close(y.mean((2, 3)), x.mean((2, 3)), rtol=0, atol=1e-6)
    mean = x.mean((2, 3), keepdim=True)
    factor = (y - mean) / (x - mean)
    torch.testing.assert_close(factor, factor[..., :1, :1].expand_as(factor), rtol=1e-2, atol=1e-2)
    per_channel = factor.median(-1).values.median(-1).values
    assert per_channel.min() >= 0.5
    assert per_channel.max() <= 1.5
    assert per_channel.std() == pytest.approx(1 / math.sqrt(12), rel=0.15)  # uniform over one


@pytest.mark.parametrize("std", [1.0, 4.0])
@pytest.mark.parametrize("shape", [(8, 8), (5, 7)])
def test_compression_rounds_the_cosine_transform(std: float, shape: tuple[int, int]):
    x = 3 * torch.randn(2, 3, *shape, generator=torch.Generator().manual_seed(0))
    spectrum = scipy.fft.dctn(x.double().numpy(), axes=(2, 3), norm="ortho")
    step = np.array([[std * (1 + i + j) / 8 for j in range(shape[1])] for i in range(shape[0])])
    wanted = scipy.fft.idctn(np.round(spectrum / step) * step, axes=(2, 3), norm="ortho")
    np.testing.assert_allclose(AUGMENTATIONS["compression"](x, std), wanted, atol=1e-4)


def test_compression_lets_gradients_through():
    x = torch.randn(2, 3, 8, 8, requires_grad=True)
    weight = torch.randn(2, 3, 8, 8)
    (AUGMENTATIONS["compression"](x, 1.0) * weight).sum().backward()
    torch.testing.assert_close(x.grad, weight, rtol=1e-4, atol=1e-5)


def test_the_logit_is_fake_minus_real():
    network = tiny().eval()
    out = network(batch(network.input_spec, 3))
    torch.testing.assert_close(out.logit, out.aux["pair"][:, 1] - out.aux["pair"][:, 0])
    p_fake = out.aux["pair"].softmax(-1)[:, 1]
    torch.testing.assert_close(torch.sigmoid(out.logit), p_fake)


def test_frames_of_another_size_are_refused():
    with pytest.raises(ValueError, match="H=32"):
        tiny()(Batch(frames=torch.zeros(1, 1, 3, 64, 64)))
