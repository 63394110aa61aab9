"""Where each network last knows places: the one table behind gradient and attention maps.

A `Place` is a layer and how its output lies on the frames. It is the last feature map before the
places are pooled, flattened or left behind; for transformers that answer by a class token it is the
input of the last attention, because after it the patches no longer reach the answer and their
gradient is zero. Zhang et al. (2024) take the last convolution of their VGG and the last block
elsewhere, which is what stands here.

`Tokens` says the same of a transformer's tokens: which of them are places, and which answer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from einops import rearrange, reduce
from torch import Tensor, nn

from unmask.errors import UsageError
from unmask.models.base import Network

LayOut = Callable[[Tensor], Tensor]


@dataclass(frozen=True, kw_only=True)
class Place:
    """The layer whose output still has places, and how it lies on the frames."""

    layer: nn.Module
    lay_out: LayOut  # its output -> (B, C, t, h, w)
    says: str  # which layer, for the reader of a figure
    first_frame_only: bool = False  # the later frames of a clip never come here


@dataclass(frozen=True, kw_only=True)
class Tokens:
    """Which tokens of a transformer are places of the frames, and which the answer is read from."""

    places: slice
    grid: tuple[int, int, int]  # (t, h, w) of the places
    answer: tuple[int, ...] | None  # None: the mean over all tokens
    skip: bool = True  # the block's input is added to what attention gives


def place_of(network: Network) -> Place:
    """Find where a network last knows places.

    Raises:
        UsageError: it never has a map of places.
    """
    name = type(network).__name__
    if name not in _PLACES:
        raise UsageError(
            f"{name}: has no feature map whose places are places of the face, so there is nothing "
            "for a gradient to be laid on. Occlusion asks any network that looks at pictures"
        )
    return _PLACES[name](network)


def tokens_of(network: Network) -> Tokens:
    """Say how the tokens of a transformer lie on the frames.

    Raises:
        UsageError: it is none, or its tokens are not places.
    """
    name = type(network).__name__
    if name in _WITHOUT_PLACES:
        raise UsageError(f"{name}: {_WITHOUT_PLACES[name]}, so attention tells no places apart")
    if name not in _TOKENS or (name == "DTN" and not network.config.depth):
        raise UsageError(f"{name}: has no attention between places; see its gradients (grad_cam)")
    return _TOKENS[name](network)


def _picture(x: Tensor) -> Tensor:
    """(B, C, h, w) -> (B, C, 1, h, w)."""
    return x[:, :, None]


def _side(net: Any) -> int:
    return int(net.config.size_px // net.config.patch_px)


def _patches(n_before: int, side: int) -> LayOut:
    """Tokens (B, N, D), `n_before` of which are no places, as (B, D, 1, side, side)."""

    def lay_out(x: Tensor) -> Tensor:
        places = x[:, n_before : n_before + side**2]
        return rearrange(places, "b (h w) d -> b d 1 h w", h=side)

    return lay_out


def _dtn(net: Any) -> Place:
    if net.config.depth:
        return Place(layer=net.blocks[-1], lay_out=_picture, says="output of the last block")
    return Place(layer=net.backbone, lay_out=_picture, says="output of the backbone")


def _trunk(net: Any) -> Place:
    return Place(layer=net.trunk, lay_out=_picture, says="last map of the trunk")


def _long_distance(net: Any) -> Place:
    return Place(
        layer=net.trunk.act4,
        lay_out=_picture,
        says="last map of the trunk, of the clip's first frame",
        first_frame_only=True,
    )


def _vit(net: Any) -> Place:
    return Place(
        layer=net.encoder[-1].norm_attn,
        lay_out=_patches(1, _side(net)),
        says="patches on their way into the last attention",
    )


def _vit_direct(net: Any) -> Place:
    return Place(
        layer=net.blocks[-1].norm_attn,
        lay_out=_patches(1, net.config.view_px // net.config.patch_px),
        says="patches on their way into the last attention",
    )


def _vit_distill(net: Any) -> Place:
    return Place(
        layer=net.blocks[-1].norm_attn,
        lay_out=lambda x: _distill_grid(x[:, 1:-1], net.side, net.config.combine)[:, :, None],
        says="patches on their way into the last attention",
    )


def _distill_grid(tokens: Tensor, side: int, combine: str) -> Tensor:
    """Tokens (B, N, D) of vit_distill, whatever made them, as (B, D, side, side)."""
    if combine == "adaptive1d":  # a token is the mean of two neighbours of one branch
        tokens = tokens.repeat_interleave(2, dim=1)
    branches = tokens.shape[1] // side**2
    return reduce(tokens, "b (k h w) d -> b d h w", "mean", k=branches, h=side)


def _cvit(net: Any) -> Place:
    return Place(layer=net.backbone, lay_out=_picture, says="map that becomes its only patch")


def _cevit(net: Any) -> Place:
    return Place(layer=net.small.trunk, lay_out=_picture, says="map of the branch of small patches")


def _resnet3d(net: Any) -> Place:
    return Place(layer=net.after[-1], lay_out=lambda x: x, says="output of stage 4")


def _timesformer(net: Any) -> Place:
    T, side = net.config.n_frames, _side(net)

    def joint(x: Tensor) -> Tensor:
        return rearrange(x[:, 1:], "b (t h w) d -> b d t h w", t=T, h=side)

    def divided(x: Tensor) -> Tensor:  # (B*T, 1 + N, D)
        return rearrange(x[:, 1:], "(b t) (h w) d -> b d t h w", t=T, h=side)

    return Place(
        layer=net.blocks[-1].norm_attn,
        lay_out=joint if net.config.attention == "joint" else divided,
        says="patches on their way into the last attention",
    )


_PLACES: dict[str, Callable[[Any], Place]] = {
    "DTN": _dtn,
    "ViT": _vit,
    "CViT": _cvit,
    "EViT": _trunk,
    "CEViT": _cevit,
    "TrunkDetector": _trunk,
    "MesoNet": _trunk,
    "VitDistill": _vit_distill,
    "Teacher": _trunk,
    "LongDistance": _long_distance,
    "VitDirect": _vit_direct,
    "ResNet3d": _resnet3d,
    "TimeSformer": _timesformer,
}


def _dtn_tokens(net: Any) -> Tokens:
    _, h, w = net.position.shape
    return Tokens(places=slice(None), grid=(1, h, w), answer=None, skip=net.config.attn_skip)


def _class_token(side: int) -> Tokens:
    return Tokens(places=slice(1, 1 + side**2), grid=(1, side, side), answer=(0,))


def _distill_tokens(net: Any) -> Tokens:
    if net.config.combine in ("adaptive1d", "concat"):
        raise UsageError(
            f"VitDistill with combine = {net.config.combine}: its tokens do not lie one on each "
            "place; see its gradients (grad_cam)"
        )
    last = net.side**2 + 1
    answer = {"cls": (0,), "distill": (last,), "mean": (0, last)}[net.config.infer]
    return Tokens(places=slice(1, last), grid=(1, net.side, net.side), answer=answer)


def _timesformer_tokens(net: Any) -> Tokens:
    side = _side(net)
    return Tokens(places=slice(1, None), grid=(net.config.n_frames, side, side), answer=(0,))


_TOKENS: dict[str, Callable[[Any], Tokens]] = {
    "DTN": _dtn_tokens,
    "ViT": lambda net: _class_token(_side(net)),
    "VitDirect": lambda net: _class_token(net.config.view_px // net.config.patch_px),
    "VitDistill": _distill_tokens,
    "TimeSformer": _timesformer_tokens,
}

_ONE_PATCH = "its only patch is the whole face"
_WITHOUT_PLACES = {
    "CViT": _ONE_PATCH,
    "EViT": _ONE_PATCH,
    "CEViT": _ONE_PATCH,
    "AvCae": "its tokens are moments, not places",
}


def on_frames(maps: Tensor, n_frames: int, *, first_frame_only: bool = False) -> Tensor:
    """Give every frame of a clip its map: (B, t, h, w) -> (B, T, h, w).

    A map of several frames is repeated for each of them; frames that never come to the place are
    NaN, since a zero would be an answer.
    """
    if first_frame_only and n_frames > 1:
        unseen = torch.full_like(maps, torch.nan).expand(-1, n_frames - 1, -1, -1)
        return torch.cat([maps, unseen], 1)
    t = maps.shape[1]
    of_frame = torch.arange(n_frames, device=maps.device) * t // n_frames
    return maps[:, of_frame]
