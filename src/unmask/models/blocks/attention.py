"""Multi-head attention that any system of ours uses, and the two plug-ins it takes.

Multi-attention scaling (MAS): Zhang et al. 2024, section 3.3, one learnable scale per head inside
the softmax. Re-attention: Zhou et al., 'DeepViT: Towards Deeper Vision Transformer' (2021), a
1x1 convolution and batch norm over the heads' maps after the softmax. Never both in one layer.

Attention runs through torch's fused kernel unless `attention_maps` asks for the maps themselves.
The explicit form uses an `nn.Softmax` module because thop, the counter behind the published
FLOPs of Zhang et al., counts modules only.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional as F

from unmask.errors import UsageError

Plug = Literal["none", "mas", "reattention"]


class AttentionScale(nn.Module):
    """Learnable scale per map in (0, 1): sigmoid(theta_i) (Zhang et al. 2024, eq. 13 and 18).

    theta starts at 0: sigmoid .5, where its slope is largest, so that a scale can grow or shrink.
    """

    def __init__(self, n_maps: int) -> None:
        super().__init__()
        self.theta = nn.Parameter(torch.zeros(n_maps))

    def forward(self, maps: Tensor) -> Tensor:
        """Scale maps (B, h, ...) by head."""
        return maps * torch.sigmoid(self.theta).view(1, -1, *[1] * (maps.dim() - 2))


class ReAttention(nn.Module):
    """Mixes the heads' attention maps: 1x1 convolution over heads, then batch norm (DeepViT).

    h*h + h + 2h parameters: 88 for 8 heads, 180 for 12.
    """

    def __init__(self, heads: int) -> None:
        super().__init__()
        self.mix = nn.Conv2d(heads, heads, 1)
        self.norm = nn.BatchNorm2d(heads)

    def forward(self, maps: Tensor) -> Tensor:
        """Mix maps (B, h, N, N) over h."""
        return self.norm(self.mix(maps))


class Attention(nn.Module):
    """Multi-head attention of queries to keys, with an optional plug-in; subclasses make q, k, v.

    A = softmax(s_i * Q_i K_i^T * scale), s_i = sigmoid(theta_i) with MAS and 1 without.
    `scale` defaults to head_dim ** -0.5. `causal` lets a token see itself and what is before it;
    `dropout` drops shares of attention in training.
    """

    def __init__(
        self,
        dim: int,
        heads: int,
        projections: dict[str, nn.Linear],
        *,
        head_dim: int,
        scale: float | None,
        plug: Plug,
        causal: bool = False,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if causal and plug == "reattention":
            raise UsageError(
                "plug = reattention with causal = true: re-attention adds a bias to every place, "
                "and so to the future; set causal = false"
            )
        self.heads = heads
        self.head_dim = head_dim
        self.scale = head_dim**-0.5 if scale is None else scale
        for name, projection in projections.items():
            self.add_module(name, projection)
        self.head_scale = AttentionScale(heads) if plug == "mas" else None
        self.softmax = nn.Softmax(dim=-1)
        self.remix = ReAttention(heads) if plug == "reattention" else None
        self.causal = causal
        self.dropout = nn.Dropout(dropout)
        self.out = nn.Linear(heads * head_dim, dim)
        self.explicit = False
        self.maps: Tensor | None = None  # last maps (B, h, N, M), kept while `explicit`

    def attend(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Queries (B, h, N, d), keys and values (B, h, M, d) -> tokens (B, N, D)."""
        if self.head_scale is not None:
            q = self.head_scale(q)  # scaling Q_i scales Q_i K_i^T
        if self.explicit or self.remix is not None:
            x = self._attend_by_maps(q, k, v)
        else:
            p = self.dropout.p if self.training else 0.0
            x = F.scaled_dot_product_attention(
                q, k, v, dropout_p=p, is_causal=self.causal, scale=self.scale
            )
        return self.out(rearrange(x, "b h n d -> b n (h d)"))

    def _attend_by_maps(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        weights = q @ k.transpose(-2, -1) * self.scale  # (B, h, N, M)
        if self.causal:
            future = torch.ones(weights.shape[-2:], dtype=torch.bool, device=q.device).triu(1)
            weights = weights.masked_fill(future, -torch.inf)
        maps = self.softmax(weights)
        if self.remix is not None:
            maps = self.remix(maps)
        if self.explicit:
            self.maps = maps
        return self.dropout(maps) @ v


class SelfAttention(Attention):
    """Multi-head self-attention over tokens."""

    qkv: nn.Linear

    def __init__(
        self,
        dim: int,
        heads: int,
        *,
        head_dim: int | None = None,
        qkv_bias: bool = False,
        scale: float | None = None,
        plug: Plug = "none",
        causal: bool = False,
        dropout: float = 0.0,
    ) -> None:
        head_dim = head_dim or dim // heads
        super().__init__(
            dim,
            heads,
            {"qkv": nn.Linear(dim, 3 * heads * head_dim, bias=qkv_bias)},
            head_dim=head_dim,
            scale=scale,
            plug=plug,
            causal=causal,
            dropout=dropout,
        )

    def forward(self, tokens: Tensor) -> Tensor:
        """Attend over tokens (B, N, D) -> (B, N, D)."""
        q, k, v = rearrange(
            self.qkv(tokens), "b n (three h d) -> three b h n d", three=3, h=self.heads
        )
        return self.attend(q, k, v)


class CrossAttention(Attention):
    """Multi-head attention of some tokens to others (no biases in the projections)."""

    q: nn.Linear
    kv: nn.Linear

    def __init__(self, dim: int, heads: int, *, head_dim: int, plug: Plug = "none") -> None:
        inner = heads * head_dim
        projections = {
            "q": nn.Linear(dim, inner, bias=False),
            "kv": nn.Linear(dim, 2 * inner, bias=False),
        }
        super().__init__(dim, heads, projections, head_dim=head_dim, scale=None, plug=plug)

    def forward(self, tokens: Tensor, context: Tensor) -> Tensor:
        """Let tokens (B, N, D) attend to context (B, M, D) -> (B, N, D)."""
        q = rearrange(self.q(tokens), "b n (h d) -> b h n d", h=self.heads)
        k, v = rearrange(self.kv(context), "b m (two h d) -> two b h m d", two=2, h=self.heads)
        return self.attend(q, k, v)


@contextmanager
def attention_maps(module: nn.Module) -> Iterator[list[Attention]]:
    """Make every attention in `module` keep its maps; yields the layers in order of depth.

    Also the form in which thop counts: inside this context the softmax is a module call.
    """
    layers = [m for m in module.modules() if isinstance(m, Attention)]
    for layer in layers:
        layer.explicit = True
    try:
        yield layers
    finally:
        for layer in layers:
            layer.explicit, layer.maps = False, None
