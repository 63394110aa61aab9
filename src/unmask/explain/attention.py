"""What the answer attends to: the last layer's attention, all layers rolled out, and guides.

Rollout: Abnar & Zuidema, 'Quantifying Attention Flow in Transformers' (ACL 2020): attention,
averaged over heads, is multiplied through the layers, half of every step being the skip. What
stands between the attentions (MLPs, local convolutions, norms) is not in it, so it says where
information can come from, not what it does to the score: it has no sign.

All maps are scaled so that 1 is an even share: a map of ones looks nowhere in particular.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from einops import rearrange
from torch import Tensor, nn

from unmask.errors import UsageError
from unmask.explain.places import Tokens, on_frames, tokens_of
from unmask.models.base import Network
from unmask.models.blocks.attention import Attention, attention_maps
from unmask.types import Batch

_GUIDES = ("spatial_maps", "temporal_maps")


def class_attention(network: Network, batch: Batch) -> Tensor:
    """What the answering token attends to in the last layer, mean over heads: (B, T, h, w).

    Where the answer is the mean over all tokens (DTN), it is what all attend to on average.
    """
    tokens = tokens_of(network)
    steps = _steps(network, batch)
    return _answer(steps[-1], tokens)


def rollout(network: Network, batch: Batch) -> Tensor:
    """Attention rolled out from the answering token through all layers: (B, T, h, w)."""
    tokens = tokens_of(network)
    flow: Tensor | None = None
    for step in _steps(network, batch):
        if tokens.skip:
            step = (step + torch.eye(step.shape[-1], device=step.device)) / 2  # noqa: PLW2901
        flow = step if flow is None else step @ flow
    assert flow is not None, "tokens_of refuses networks without attention"
    return _answer(flow, tokens)


def guides(network: Network, batch: Batch) -> dict[str, Tensor]:
    """Maps that guide a long-distance network by name, each (B, m, g, g), 1 = leaves as it is.

    Raises:
        UsageError: nothing guides this network.
    """
    with torch.no_grad():
        aux = network(batch).aux
    found = {name: aux[name].float() for name in _GUIDES if name in aux}
    if not found:
        raise UsageError(
            f"{type(network).__name__}: has no guiding maps; networks of the system long_distance "
            "have, with attention spatial, temporal or both"
        )
    return found


def guide(network: Network, batch: Batch) -> Tensor:
    """Mean of the guiding maps (B, T, g, g); where there are both, of the spatial ones.

    Spatial maps are of a clip's first frame. Temporal ones come from all frames together and are
    laid over the features of the first, which therefore is the frame they are given for.
    """
    maps = next(iter(guides(network, batch).values())).mean(1, keepdim=True)
    return on_frames(maps, network.input_spec.n_frames, first_frame_only=True)


@dataclass(frozen=True, kw_only=True, eq=False)
class Layer:
    """One attention layer while it looked at a batch."""

    name: str  # in the network
    maps: Tensor  # (B, h, N, M) attention of every head
    tokens: Tensor  # (B, N, D) what it was given
    scale: Tensor | None  # (h,) learned scales sigmoid(theta), where it has some


def attention_layers(network: Network, batch: Batch) -> list[Layer]:
    """Look into every attention layer, in the order in which the network defines them.

    Layers over time or space alone have the other axis in B.

    Raises:
        UsageError: there is none.
    """
    names = {module: name for name, module in network.named_modules()}
    with torch.no_grad(), attention_maps(network) as layers, ExitStack() as hooks:
        given = [hooks.enter_context(inputs_of(layer)) for layer in layers]
        network(batch)
        seen = [
            Layer(name=names[layer], maps=layer.maps.float(), tokens=own[0], scale=_scale(layer))
            for layer, own in zip(layers, given, strict=True)
            if layer.maps is not None and own
        ]
    if not seen:
        raise UsageError(f"{type(network).__name__}: has no attention layers")
    return seen


@contextmanager
def inputs_of(layer: nn.Module) -> Iterator[list[Tensor]]:
    """Collect what a layer is given while the block runs."""
    seen: list[Tensor] = []
    handle = layer.register_forward_pre_hook(lambda _module, given: seen.append(given[0].detach()))
    try:
        yield seen
    finally:
        handle.remove()


def _scale(layer: Attention) -> Tensor | None:
    return None if layer.head_scale is None else layer.head_scale.theta.detach().sigmoid()


def _answer(flow: Tensor, tokens: Tokens) -> Tensor:
    """What flows (B, N, N) into the answer from every place, 1 = an even share."""
    rows = flow if tokens.answer is None else flow[:, list(tokens.answer)]
    shares = rows.mean(1)[:, tokens.places]  # (B, t*h*w)
    t, h, _ = tokens.grid
    even = shares / shares.mean(1, keepdim=True).clamp(min=1e-12)
    return rearrange(even, "b (t h w) -> b t h w", t=t, h=h)


def _steps(network: Network, batch: Batch) -> list[Tensor]:
    """Mean attention over heads (B, N, N) of every step from the input to the answer."""
    with torch.no_grad(), attention_maps(network) as layers:
        network(batch)
        gather = _GATHER.get(type(network).__name__, _each)
        return gather(network, layers)


def _each(_network: Any, layers: Sequence[Attention]) -> list[Tensor]:
    return [_mean(layer) for layer in layers]


def _mean(layer: Attention) -> Tensor:
    assert layer.maps is not None, "attention_maps keeps them"
    return layer.maps.float().mean(1)


def _over_time_and_space(network: Any, layers: Sequence[Attention]) -> list[Tensor]:
    """Steps of a TimeSformer over all tokens [cls, (t n)]; divided ones take two steps a block."""
    if network.config.attention == "joint":
        return _each(network, layers)
    T, side = network.config.n_frames, network.config.size_px // network.config.patch_px
    return [
        step
        for block in network.blocks
        for step in (
            _time_step(rearrange(_mean(block.attn_time), "(b n) t s -> b n t s", n=side**2), T),
            _space_step(rearrange(_mean(block.attn), "(b t) n m -> b t n m", t=T), T),
        )
    ]


def _time_step(maps: Tensor, T: int) -> Tensor:
    """Attention between the moments of each place, (B, N, T, T) -> over all tokens."""
    places = maps.shape[1]
    apart = torch.eye(places, device=maps.device)
    full = torch.einsum("bnts,nm->btnsm", maps, apart).reshape(-1, T * places, T * places)
    step = torch.nn.functional.pad(full, (1, 0, 1, 0))
    step[:, 0, 0] = 1  # the class token takes no part in time
    return step


def _space_step(maps: Tensor, T: int) -> Tensor:
    """Attention within each frame, (B, T, 1+N, 1+N) -> over all tokens; class answers averaged."""
    B, n = maps.shape[0], maps.shape[2] - 1
    step = maps.new_zeros(B, 1 + T * n, 1 + T * n)
    step[:, 0, 0] = maps[:, :, 0, 0].mean(1)
    step[:, 0, 1:] = maps[:, :, 0, 1:].flatten(1) / T
    step[:, 1:, 0] = maps[:, :, 1:, 0].flatten(1)
    for t in range(T):
        own = slice(1 + t * n, 1 + (t + 1) * n)
        step[:, own, own] = maps[:, t, 1:, 1:]
    return step


_GATHER: dict[str, Callable[[Any, Sequence[Attention]], list[Tensor]]] = {
    "TimeSformer": _over_time_and_space
}
