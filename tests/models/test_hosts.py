"""Hosts of the plug-ins: published counts, second implementations, and defects kept on purpose."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import timm
import torch
from cases import TINY, batch, nudge
from foreign_weights import shaken, take
from thop.vision.basic_hooks import count_normalization
from thop_counts import thop_counts
from timm.layers import BatchNormAct2d
from torch import Tensor, nn

from unmask.models import create
from unmask.models.base import Network
from unmask.models.blocks.attention import (
    Attention,
    CrossAttention,
    ReAttention,
    SelfAttention,
    attention_maps,
)
from unmask.models.hosts import CEViTConfig, CrossLayer, Trunk
from unmask.models.table import TABLE

# Name: true parameters, thop's parameters, thop's FLOPs in G (spec 3.2).
COUNTS = {
    "vit": (85_772_546, 85_620_482, 16.878999),
    "vit/mas": (85_772_546 + 144, 85_620_482, 16.878999),
    "vit/reattention": (85_772_546 + 12 * 180, 85_622_642, 16.968415),
    "cvit": (88_991_554, 88_988_482, 6.684348),
    "cvit/mas": (88_991_554 + 48, 88_988_482, 6.684348),
    "cvit/reattention": (88_991_554 + 6 * 88, 88_989_010, 6.684351),
    "evit": (109_447_781, 104_167_457, 0.168871),
    "evit/mas": (109_447_781 + 48, 104_167_457, 0.168871),
    "evit/reattention": (109_447_781 + 6 * 88, 104_167_985, 0.168873),
    "cevit": (101_377_610, 90_639_842, 0.174297),
    "cevit/mas": (101_377_610 + 36 * 8, 90_639_842, 0.174297),
    "cevit/reattention": (101_377_610 + 36 * 88, 90_643_010, 0.174308),
}
# Where thop's count of our network is not the printed one to three digits, by how much (in M).
PRINTED_OTHERWISE = {"evit/reattention": 0.001, "cevit/reattention": -0.001}
DEFAULT = {"vit/reattention", "cvit", "evit", "cevit"}

every_host = pytest.mark.parametrize(
    "name", [pytest.param(n, marks=() if n in DEFAULT else pytest.mark.slow) for n in COUNTS]
)


class _UnseenConv2d(nn.Conv2d):
    """A convolution that thop does not know, because it goes by exact type."""


def hide_convolutions(network: Network) -> None:
    """Give the EfficientNets the types that the paper's counter met.

    The hosts' code takes them from efficientnet_pytorch, whose same-padding convolutions are
    subclasses of Conv2d and thus invisible to thop, while its batch norms are plain ones. timm's
    are the other way round: most convolutions are plain, and the batch norms a subclass, for which
    `count` hands thop the rule of the plain ones.
    """
    for trunk in (m for m in network.modules() if isinstance(m, Trunk)):
        for module in trunk.modules():
            if type(module) is nn.Conv2d:
                module.__class__ = _UnseenConv2d


def on_meta(name: str, **config: Any) -> Network:
    with torch.device("meta"):
        return create(name, **config).eval()


def tiny(name: str, **config: Any) -> Network:
    torch.manual_seed(0)
    network = create(name, **{**TINY[TABLE[name].network].config, **config}).eval()
    nudge(network, std=0.1)
    return network


@every_host
def test_counts_are_the_published_ones(name: str):
    true, by_thop, gflops = COUNTS[name]
    network = on_meta(name)
    assert sum(p.numel() for p in network.parameters()) == true

    hide_convolutions(network)
    parameters, flops = thop_counts(network, {BatchNormAct2d: count_normalization})
    assert parameters == by_thop
    assert flops == pytest.approx(gflops, abs=1e-6)

    printed = TABLE[name].published
    assert printed is not None
    off = PRINTED_OTHERWISE.get(name, 0)
    assert round(parameters / 1e6, 3) == pytest.approx(printed.parameters_m + off, abs=1e-9)
    assert flops == pytest.approx(printed.flops_g, abs=1e-3)


def test_maps_and_tokens_have_the_published_shapes():
    network = on_meta("cevit")
    images = torch.zeros(1, 3, 224, 224, device="meta")
    assert network.small.trunk(images).shape == (1, 1280, 7, 7)
    assert network.large.trunk(images).shape == (1, 24, 56, 56)
    assert network.large.patch.in_features == 75_264
    assert network.small(images).shape == (1, 2, 192)
    assert network.large(images).shape == (1, 2, 384)
    assert len([m for m in network.modules() if isinstance(m, Attention)]) == 36


@pytest.mark.parametrize(("heads", "parameters"), [(8, 88), (12, 180)])
def test_reattention_has_its_size(heads: int, parameters: int):
    assert sum(p.numel() for p in ReAttention(heads).parameters()) == parameters


@pytest.mark.parametrize("training", [True, False])
def test_reattention_equals_its_equation(training: bool):
    """Norm(theta^T softmax(Q K^T / sqrt(d))) V with einsum, as DeepViT writes it."""
    torch.manual_seed(0)
    layer = SelfAttention(24, 4, plug="reattention").train(training)
    nudge(layer, std=0.3)
    layer.remix.norm.running_mean.normal_()
    layer.remix.norm.running_var.uniform_(0.5, 2)
    mean, var = (v.clone() for v in (layer.remix.norm.running_mean, layer.remix.norm.running_var))
    tokens = torch.randn(3, 5, 24)
    q, k, v = layer.qkv(tokens).view(3, 5, 3, 4, 6).unbind(2)  # (B, N, h, d)
    maps = (torch.einsum("bnhd,bmhd->bhnm", q, k) / 6**0.5).softmax(-1)
    mixed = torch.einsum("gh,bhnm->bgnm", layer.remix.mix.weight[:, :, 0, 0], maps)
    mixed = mixed + layer.remix.mix.bias[:, None, None]
    if training:
        mean, var = mixed.mean((0, 2, 3)), mixed.var((0, 2, 3), unbiased=False)
    normed = (mixed - mean[:, None, None]) / (var[:, None, None] + 1e-5).sqrt()
    normed = normed * layer.remix.norm.weight[:, None, None] + layer.remix.norm.bias[:, None, None]
    joined = torch.einsum("bhnm,bmhd->bnhd", normed, v).flatten(2)
    torch.testing.assert_close(layer(tokens), layer.out(joined), rtol=1e-4, atol=1e-4)


def cross_attention_by_heads(layer: CrossAttention, tokens: Tensor, context: Tensor) -> Tensor:
    """Head by head, token by token."""
    d, inner = layer.head_dim, layer.heads * layer.head_dim
    outputs = []
    for i in range(layer.heads):
        part = slice(i * d, (i + 1) * d)
        q = tokens @ layer.q.weight[part].T
        k = context @ layer.kv.weight[:inner][part].T
        v = context @ layer.kv.weight[inner:][part].T
        strength = (q @ k.mT / d**0.5).exp()
        if layer.head_scale is not None:
            strength = strength ** torch.sigmoid(layer.head_scale.theta[i])
        outputs.append(strength / strength.sum(-1, keepdim=True) @ v)
    return torch.cat(outputs, -1) @ layer.out.weight.T + layer.out.bias


@pytest.mark.parametrize("plug", ["none", "mas"])
def test_cross_attention_equals_its_heads_one_by_one(plug: Any):
    torch.manual_seed(0)
    layer = CrossAttention(16, 4, head_dim=8, plug=plug)
    nudge(layer, std=0.3)
    tokens, context = torch.randn(2, 3, 16), torch.randn(2, 5, 16)
    wanted = cross_attention_by_heads(layer, tokens, context)
    torch.testing.assert_close(layer(tokens, context), wanted, rtol=1e-4, atol=1e-5)
    with attention_maps(layer) as [explicit]:
        torch.testing.assert_close(layer(tokens, context), wanted, rtol=1e-4, atol=1e-5)
        assert explicit.maps.shape == (2, 4, 3, 5)


def test_class_tokens_visit_the_other_branch_in_turn():
    """The exchange of CrossEfficientViT, written out."""
    torch.manual_seed(0)
    config = CEViTConfig(
        small_dim=8, large_dim=16, heads=2, head_dim=4, mlp_dim=16, small_depth=1, large_depth=1
    )
    layer = CrossLayer(config)
    nudge(layer, std=0.3)
    small, large = layer.small(torch.randn(3, 2, 8)), layer.large(torch.randn(3, 2, 16))
    tokens = {"small": list(small.unbind(1)), "large": list(large.unbind(1))}
    for i in range(config.cross_depth):
        for own, other in (("small", "large"), ("large", "small")):
            visit = getattr(layer, f"{own}_visits")[i]
            guest = visit.norm(tokens[own][0] @ visit.enter.weight.T + visit.enter.bias)
            seen = torch.stack([guest, tokens[other][1]], 1)
            back = cross_attention_by_heads(visit.attn, guest[:, None], seen)[:, 0]
            tokens[own][0] = tokens[own][0] + visit.leave(back)
    layer.small, layer.large = nn.Identity(), nn.Identity()  # done above
    for given, wanted in zip(layer((small, large)), tokens.values(), strict=True):
        torch.testing.assert_close(given, torch.stack(wanted, 1), rtol=1e-4, atol=1e-5)


def test_vit_equals_timms_with_the_same_weights():
    network = tiny("vit")
    config = network.config
    reference = timm.models.vision_transformer.VisionTransformer(
        img_size=config.size_px,
        patch_size=config.patch_px,
        embed_dim=config.dim,
        depth=config.depth,
        num_heads=config.heads,
        mlp_ratio=config.mlp_dim / config.dim,
        qkv_bias=False,
        num_classes=2,
        norm_layer=partial(nn.LayerNorm, eps=1e-5),
    ).eval()
    assert not take(network, shaken(reference).state_dict()).missing
    clips = batch(network.input_spec, 3)
    with torch.no_grad():
        wanted = reference(clips.frames[:, 0])
        torch.testing.assert_close(network(clips).aux["pair"], wanted, rtol=1e-4, atol=1e-5)


def test_cvit_scales_by_its_full_width():
    network = tiny("cvit")
    seen: list[Tensor] = []
    network.encoder[0].attn.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    with attention_maps(network) as layers, torch.no_grad():
        network(batch(network.input_spec, 2))
        maps, layer = layers[0].maps, layers[0]
    q, k, _ = layer.qkv(seen[0]).unflatten(-1, (3, layer.heads, layer.head_dim)).unbind(2)
    strength = torch.einsum("bnhd,bmhd->bhnm", q, k) * network.config.dim**-0.5
    torch.testing.assert_close(maps, strength.softmax(-1), rtol=1e-4, atol=1e-5)
    assert layer.heads * layer.head_dim == network.config.dim  # so heads are narrower than that


@pytest.mark.parametrize("name", ["evit", "cevit"])
def test_what_never_runs_is_kept_frozen_and_has_no_say(name: str):
    network = tiny(name).train()  # train() must not thaw it
    clips = batch(network.input_spec, 2)
    frozen = [p for p in network.parameters() if not p.requires_grad]
    assert frozen
    before = network.eval()(clips).logit
    with torch.no_grad():
        for parameter in frozen:
            parameter.fill_(float("nan"))
    torch.testing.assert_close(network(clips).logit, before, rtol=0, atol=0)


def test_evit_adds_one_position_to_every_item():
    network = tiny("evit")
    clips = batch(network.input_spec, 4)
    network(clips).logit.sum().backward()
    used = network.position.grad.flatten(1).abs().sum(1) > 0
    assert used.tolist() == [True] + [False] * (len(network.position) - 1)
