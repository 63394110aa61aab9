"""Four transformers that take attention plug-ins: the hosts of DTN's Table 8.

Paper: Zhang, Li, Yu, Shen, 'Distilled Transformers with Locally Enhanced Global Representations for
Face Forgery Detection' (2024), Table 8: each host with nothing, with multi-attention scaling (MAS)
and with re-attention (`plug`). The hosts themselves:
`ViT`: Dosovitskiy et al., 'An Image is Worth 16x16 Words' (ICLR 2021), base, patch 16, with
bias-free projections. `CViT`: Wodajo & Atnafu, 'Deepfake Video Detection Using Convolutional Vision
Transformer' (2021); code: github.com/erprogs/CViT. `EViT`, `CEViT`: Coccomini, Messina, Gennaro,
Falchi, 'Combining EfficientNet and Vision Transformers for Video Deepfake Detection' (ICIAP 2022);
code: github.com/davide-coccomini (MIT).

Kept, because the published sizes and weights have them: (1) but for ViT, the whole feature map is
one patch, so the transformer sees two tokens; (2) CViT scales by dim ** -0.5, not by the heads'
width; (3) parts of the EfficientNets that never run stay, frozen; (4) CEViT has places for patches
that do not exist. Differs: (5) EViT's code adds row b of its positions to item b of a batch, which
makes a score depend on the batch; ours adds row 0 to all, as theirs does for a single image;
(6) positions and class tokens start at std .02, not at 1; (7) no dropout.
Parameters: 85.773 M, 88.992 M, 109.448 M, 101.378 M; Table 8 prints what thop sees of them
(tests/models/test_hosts.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import timm
import torch
from einops import rearrange
from torch import Tensor, nn

from unmask.models.base import Network, freeze, spec_of
from unmask.models.blocks.attention import CrossAttention, Plug
from unmask.models.blocks.heads import two_way
from unmask.models.blocks.self_distillation import LossConfig, Objective
from unmask.models.blocks.transformer import TransformerBlock
from unmask.models.blocks.vgg import CVIT_GROUPS, Groups, vgg_stack
from unmask.types import Alignment, Batch, Output

__all__ = [
    "CEViT",
    "CEViTConfig",
    "CViT",
    "CViTConfig",
    "EViT",
    "EViTConfig",
    "LossConfig",
    "Objective",
    "ViT",
    "ViTConfig",
]

LAYER_NORM_EPS = 1e-5  # torch's default, as in the hosts' code


@dataclass(frozen=True, kw_only=True)
class HostConfig:
    """What every host has."""

    size_px: int = 224
    plug: Plug = "none"  # in every attention layer; Table 8
    alignment: Alignment = "dlib"  # cropped as for DTN, with which Table 8 compares
    margin: float = 0.0


@dataclass(frozen=True, kw_only=True)
class ViTConfig(HostConfig):
    """ViT-B/16 with bias-free projections."""

    patch_px: int = 16
    dim: int = 768
    depth: int = 12
    heads: int = 12
    head_dim: int = 64
    mlp_dim: int = 3072


@dataclass(frozen=True, kw_only=True)
class CViTConfig(HostConfig):
    """CViT as its code has it."""

    groups: Groups = CVIT_GROUPS  # (width, convolutions) of the stack's groups
    dim: int = 1024
    depth: int = 6
    heads: int = 8
    head_dim: int = 128
    mlp_dim: int = 2048


@dataclass(frozen=True, kw_only=True)
class EViTConfig(HostConfig):
    """EfficientViT as its code has it."""

    trunk: str = "tf_efficientnet_b0"  # timm's name; padding as in the code's EfficientNet
    dim: int = 1024
    depth: int = 6
    heads: int = 8
    head_dim: int = 64
    mlp_dim: int = 2048
    positions: int = 32  # rows of the position embedding, of which only the first is used


@dataclass(frozen=True, kw_only=True)
class CEViTConfig(HostConfig):
    """CrossEfficientViT as its code has it: a branch of small and one of large patches."""

    trunk: str = "tf_efficientnet_b0"
    large_stages: int = 2  # stages of the large branch's trunk that run: blocks 0..2 of B0
    small_dim: int = 192
    large_dim: int = 384
    layers: int = 4  # of {small encoder, large encoder, cross-attention}
    small_depth: int = 2
    large_depth: int = 3
    cross_depth: int = 2
    heads: int = 8
    head_dim: int = 64
    mlp_dim: int = 2048


class Host(Network):
    """An image network with an InputSpec made of its HostConfig."""

    def __init__(self, config: HostConfig) -> None:
        super().__init__()
        self.config = config
        self.input_spec = spec_of(config)

    def images(self, batch: Batch) -> Tensor:
        """Checked frames (B, 1, 3, H, W) as images (B, 3, H, W)."""
        return self.frames(batch).flatten(0, 1)


def _encoder(
    dim: int, depth: int, config: Any, *, scale: float | None = None, final_norm: bool = False
) -> nn.Sequential:
    """Pre-norm transformer (B, N, D) -> (B, N, D); heads and MLP as `config` says."""
    blocks: list[nn.Module] = [
        TransformerBlock(
            dim,
            config.heads,
            config.mlp_dim,
            head_dim=config.head_dim,
            qkv_bias=False,
            scale=scale,
            eps=LAYER_NORM_EPS,
            plug=config.plug,
        )
        for _ in range(depth)
    ]
    if final_norm:
        blocks.append(nn.LayerNorm(dim, eps=LAYER_NORM_EPS))
    return nn.Sequential(*blocks)


def _learned(*shape: int) -> nn.Parameter:
    return nn.Parameter(nn.init.trunc_normal_(torch.zeros(shape), std=0.02))


class Tokens(nn.Module):
    """Class token before the given ones, and learned positions added to all."""

    def __init__(self, dim: int, positions: int) -> None:
        super().__init__()
        self.cls = _learned(1, 1, dim)
        self.position = _learned(1, positions, dim)

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, N, D) -> (B, 1 + N, D)."""
        x = torch.cat([self.cls.expand(tokens.shape[0], -1, -1), tokens], 1)
        return x + self.position[:, : x.shape[1]]


def _one_patch(maps: Tensor) -> Tensor:
    """The whole of maps (B, C, h, w) as one patch (B, 1, h*w*C)."""
    return rearrange(maps, "b c h w -> b 1 (h w c)")


def _two_layers(dim: int, hidden: int, out: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(dim, hidden), nn.ReLU(), nn.Linear(hidden, out))


class ViT(Host):
    """Vision transformer; layer norm and a linear classifier on the class token.

    aux: `pair` (B, 2) class logits; `feature` (B, D) class token.
    """

    def __init__(self, config: ViTConfig) -> None:
        super().__init__(config)
        dim, patch = config.dim, config.patch_px
        self.patch = nn.Conv2d(3, dim, patch, stride=patch)
        self.tokens = Tokens(dim, 1 + (config.size_px // patch) ** 2)
        self.encoder = _encoder(dim, config.depth, config)
        self.norm = nn.LayerNorm(dim, eps=LAYER_NORM_EPS)
        self.head = nn.Linear(dim, 2)

    def forward(self, batch: Batch) -> Output:
        """Score frames (B, 1, 3, H, W), normalised per input_spec -> logit (B,)."""
        x = rearrange(self.patch(self.images(batch)), "b d h w -> b (h w) d")  # (B, N, D)
        feature = self.norm(self.encoder(self.tokens(x))[:, 0])  # (B, D)
        return two_way(self.head(feature), feature=feature)


class CViT(Host):
    """CViT's convolutional stack, its map as one token beside the class token, two-layer head.

    aux: `pair` (B, 2) class logits; `feature` (B, D) class token.
    """

    def __init__(self, config: CViTConfig) -> None:
        super().__init__(config)
        side = config.size_px // 2 ** len(config.groups)
        self.backbone = vgg_stack(config.groups)
        self.patch = nn.Linear(config.groups[-1][0] * side**2, config.dim)
        self.tokens = Tokens(config.dim, 2)
        self.encoder = _encoder(config.dim, config.depth, config, scale=config.dim**-0.5)
        self.head = _two_layers(config.dim, config.mlp_dim, 2)

    def forward(self, batch: Batch) -> Output:
        """Score frames (B, 1, 3, H, W), normalised per input_spec -> logit (B,)."""
        x = self.patch(_one_patch(self.backbone(self.images(batch))))  # (B, 1, D)
        feature = self.encoder(self.tokens(x))[:, 0]  # (B, D)
        return two_way(self.head(feature), feature=feature)


class EViT(Host):
    """EfficientNet's map as one token beside the class token, two-layer head to one logit.

    aux: `feature` (B, D) class token.
    """

    def __init__(self, config: EViTConfig) -> None:
        super().__init__(config)
        self.trunk = Trunk(config.trunk, config.size_px)
        self.patch = nn.Linear(self.trunk.width * self.trunk.side**2, config.dim)
        self.cls = _learned(1, 1, config.dim)
        self.position = _learned(config.positions, 1, config.dim)
        self.encoder = _encoder(config.dim, config.depth, config)
        self.head = _two_layers(config.dim, config.mlp_dim, 1)

    def forward(self, batch: Batch) -> Output:
        """Score frames (B, 1, 3, H, W), normalised per input_spec -> logit (B,)."""
        x = self.patch(_one_patch(self.trunk(self.images(batch))))  # (B, 1, D)
        x = torch.cat([self.cls.expand(x.shape[0], -1, -1), x], 1)  # (B, 2, D)
        feature = self.encoder(x + self.position[:1])[:, 0]  # (B, D)
        return Output(logit=self.head(feature).squeeze(-1), aux={"feature": feature})


def _efficientnet(name: str) -> Any:
    return timm.create_model(name)


class Trunk(nn.Module):
    """EfficientNet up to its last features, or up to the end of an early stage.

    What does not run is kept, frozen: the hosts' code keeps it, and counts and weights with it.
    """

    width: int
    side: int

    def __init__(self, name: str, size_px: int, stages: int | None = None) -> None:
        super().__init__()
        net = _efficientnet(name)
        self.net, self.stages = net, stages
        unused: list[nn.Module] = [net.classifier]
        if stages is None:
            self.width, reduction = net.num_features, 32
        else:
            unused += [*net.blocks[stages:], net.conv_head, net.bn2]
            self.width = net.blocks[stages - 1][-1].conv_pwl.out_channels
            reduction = net.feature_info[stages - 1]["reduction"]
        self.side = size_px // reduction
        for module in unused:
            freeze(module)

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, width, side, side)."""
        if self.stages is None:
            return self.net.forward_features(images)
        return self.net.blocks[: self.stages](self.net.bn1(self.net.conv_stem(images)))


class Branch(nn.Module):
    """One of CEViT's two views: a trunk, its map as one token, class token and positions."""

    def __init__(self, dim: int, config: CEViTConfig, stages: int | None = None) -> None:
        super().__init__()
        self.trunk = Trunk(config.trunk, config.size_px, stages)
        side = self.trunk.side
        self.patch = nn.Linear(self.trunk.width * side**2, dim)
        # As if patches of the map's side tiled the picture; only the first two places are used.
        self.tokens = Tokens(dim, 1 + (config.size_px // side) ** 2)

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, 2, D)."""
        return self.tokens(self.patch(_one_patch(self.trunk(images))))


class GuestAttention(nn.Module):
    """A class token visits the other branch: into its width, attention to its tokens, and back."""

    def __init__(self, dim: int, context_dim: int, config: CEViTConfig) -> None:
        super().__init__()
        self.enter = nn.Linear(dim, context_dim)
        self.norm = nn.LayerNorm(context_dim, eps=LAYER_NORM_EPS)
        self.attn = CrossAttention(
            context_dim, config.heads, head_dim=config.head_dim, plug=config.plug
        )
        self.leave = nn.Linear(context_dim, dim)

    def forward(self, cls: Tensor, context: Tensor) -> Tensor:
        """(B, 1, D) and (B, N, D') -> (B, 1, D)."""
        guest = self.norm(self.enter(cls))
        return cls + self.leave(self.attn(guest, torch.cat([guest, context], 1)))


class CrossLayer(nn.Module):
    """Both branches look at themselves, then their class tokens at the other branch in turn."""

    def __init__(self, config: CEViTConfig) -> None:
        super().__init__()
        small, large = config.small_dim, config.large_dim
        self.small = _encoder(small, config.small_depth, config, final_norm=True)
        self.large = _encoder(large, config.large_depth, config, final_norm=True)
        depth = range(config.cross_depth)
        self.small_visits = nn.ModuleList(GuestAttention(small, large, config) for _ in depth)
        self.large_visits = nn.ModuleList(GuestAttention(large, small, config) for _ in depth)

    def forward(self, tokens: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """Small (B, 2, D) and large (B, 2, D') tokens, class token first -> the same."""
        small_cls, small = self.small(tokens[0]).split([1, 1], 1)
        large_cls, large = self.large(tokens[1]).split([1, 1], 1)
        for small_visit, large_visit in zip(self.small_visits, self.large_visits, strict=True):
            small_cls = small_visit(small_cls, large)
            large_cls = large_visit(large_cls, small)
        return torch.cat([small_cls, small], 1), torch.cat([large_cls, large], 1)


class CEViT(Host):
    """Two EfficientNets, cut late and early, whose transformers exchange class tokens; one logit.

    aux: `feature` (B, D + D') class tokens of the small and the large branch.
    """

    def __init__(self, config: CEViTConfig) -> None:
        super().__init__(config)
        small, large = config.small_dim, config.large_dim
        self.small = Branch(small, config)
        self.large = Branch(large, config, config.large_stages)
        self.layers = nn.Sequential(*(CrossLayer(config) for _ in range(config.layers)))
        self.small_head, self.large_head = (
            nn.Sequential(nn.LayerNorm(dim, eps=LAYER_NORM_EPS), nn.Linear(dim, 1))
            for dim in (small, large)
        )

    def forward(self, batch: Batch) -> Output:
        """Score frames (B, 1, 3, H, W), normalised per input_spec -> logit (B,)."""
        images = self.images(batch)
        small, large = self.layers((self.small(images), self.large(images)))
        small, large = small[:, 0], large[:, 0]  # (B, D), (B, D')
        logit = (self.small_head(small) + self.large_head(large)).squeeze(-1)
        return Output(logit=logit, aux={"feature": torch.cat([small, large], -1)})
