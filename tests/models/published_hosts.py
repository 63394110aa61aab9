"""CViT, EfficientViT and CrossEfficientViT a second time: published names, and what they compute.

Written from the repositories' definitions over a plain table of tensors, so that a wrong name, a
wrong order of query, key and value or a wrong norm in our mapping changes a number.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

Tensors = dict[str, Tensor]
Trunk = Callable[[Tensor], Tensor]


def linear(x: Tensor, s: Tensors, key: str) -> Tensor:
    return F.linear(x, s[f"{key}.weight"], s.get(f"{key}.bias"))


def norm(x: Tensor, s: Tensors, key: str) -> Tensor:
    return F.layer_norm(x, x.shape[-1:], s[f"{key}.weight"], s[f"{key}.bias"])


def heads_of(x: Tensor, heads: int) -> Tensor:
    return x.unflatten(-1, (heads, -1)).transpose(1, 2)


def attend(q: Tensor, k: Tensor, v: Tensor, heads: int, scale: float | None = None) -> Tensor:
    q, k, v = (heads_of(part, heads) for part in (q, k, v))
    weights = (q @ k.mT * (scale or q.shape[-1] ** -0.5)).softmax(-1)
    return (weights @ v).transpose(1, 2).flatten(2)


def cvit(s: Tensors, features: Tensor, *, heads: int) -> Tensor:
    """Class scores (B, 2) of features (B, C, h, w): class 0 is fake, class 1 is real."""
    y = linear(features.permute(0, 2, 3, 1).flatten(1)[:, None], s, "patch_to_embedding")
    x = torch.cat([s["cls_token"].expand(len(y), -1, -1), y], 1)
    x = x + s["pos_embedding"][:, :2]
    dim, layer = x.shape[-1], 0
    while f"transformer.layers.{layer}.0.fn.norm.weight" in s:
        at = f"transformer.layers.{layer}"
        h = norm(x, s, f"{at}.0.fn.norm")
        q, k, v = linear(h, s, f"{at}.0.fn.fn.to_qkv").chunk(3, -1)
        x = linear(attend(q, k, v, heads, dim**-0.5), s, f"{at}.0.fn.fn.to_out") + x
        h = F.gelu(linear(norm(x, s, f"{at}.1.fn.norm"), s, f"{at}.1.fn.fn.net.0"))
        x = linear(h, s, f"{at}.1.fn.fn.net.2") + x
        layer += 1
    return linear(linear(x[:, 0], s, "mlp_head.0").relu(), s, "mlp_head.2")


def feed_forward(x: Tensor, s: Tensors, at: str) -> Tensor:
    h = F.gelu(linear(norm(x, s, f"{at}.norm"), s, f"{at}.fn.net.0"))
    return linear(h, s, f"{at}.fn.net.3") + x


def evit(s: Tensors, features: Tensor, *, heads: int) -> Tensor:
    """Logits (B,) of features (B, C, h, w), each as a batch of its own."""
    y = linear(features.permute(0, 2, 3, 1).flatten(1)[:, None], s, "patch_to_embedding")
    x = torch.cat([s["cls_token"].expand(len(y), -1, -1), y], 1) + s["pos_embedding"][:1]
    layer = 0
    while f"transformer.layers.{layer}.0.norm.weight" in s:
        at = f"transformer.layers.{layer}"
        q, k, v = linear(norm(x, s, f"{at}.0.norm"), s, f"{at}.0.fn.to_qkv").chunk(3, -1)
        x = linear(attend(q, k, v, heads), s, f"{at}.0.fn.to_out.0") + x
        x = feed_forward(x, s, f"{at}.1")
        layer += 1
    return linear(linear(x[:, 0], s, "mlp_head.0").relu(), s, "mlp_head.2")[:, 0]


def cross_layer(s: Tensors, at: str, x: Tensor, context: Tensor, heads: int) -> Tensor:
    """Attention of normalised tokens to a context, by `to_q` and `to_kv`."""
    k, v = linear(context, s, f"{at}.to_kv").chunk(2, -1)
    return linear(attend(linear(x, s, f"{at}.to_q"), k, v, heads), s, f"{at}.to_out.0")


def embedded(s: Tensors, at: str, features: Tensor) -> Tensor:
    y = features.permute(0, 2, 3, 1).flatten(1)[:, None]
    y = linear(y, s, f"{at}.to_patch_embedding.1")
    x = torch.cat([s[f"{at}.cls_token"].expand(len(y), -1, -1), y], 1)
    return x + s[f"{at}.pos_embedding"][:, :2]


def encoded(s: Tensors, at: str, x: Tensor, heads: int) -> Tensor:
    layer = 0
    while f"{at}.layers.{layer}.0.norm.weight" in s:
        one = f"{at}.layers.{layer}"
        h = norm(x, s, f"{one}.0.norm")
        x = cross_layer(s, f"{one}.0.fn", h, h, heads) + x
        x = feed_forward(x, s, f"{one}.1")
        layer += 1
    return norm(x, s, f"{at}.norm")


def visited(s: Tensors, at: str, cls: Tensor, context: Tensor, heads: int) -> Tensor:
    guest = norm(linear(cls, s, f"{at}.project_in"), s, f"{at}.fn.norm")
    seen = torch.cat([guest, context], 1)
    return linear(cross_layer(s, f"{at}.fn.fn", guest, seen, heads), s, f"{at}.project_out") + cls


def cevit(s: Tensors, small: Tensor, large: Tensor, *, heads: int) -> Tensor:
    """Logits (B,) of both trunks' features."""
    sm, lg = (embedded(s, f"{b}_image_embedder", f) for b, f in (("sm", small), ("lg", large)))
    layer = 0
    while f"multi_scale_encoder.layers.{layer}.0.norm.weight" in s:
        at = f"multi_scale_encoder.layers.{layer}"
        sm, lg = encoded(s, f"{at}.0", sm, heads), encoded(s, f"{at}.1", lg, heads)
        (sm_cls, sm), (lg_cls, lg) = sm.split([1, 1], 1), lg.split([1, 1], 1)
        visit = 0
        while f"{at}.2.layers.{visit}.0.project_in.weight" in s:
            sm_cls = visited(s, f"{at}.2.layers.{visit}.0", sm_cls, lg, heads)
            lg_cls = visited(s, f"{at}.2.layers.{visit}.1", lg_cls, sm, heads)
            visit += 1
        sm, lg = torch.cat([sm_cls, sm], 1), torch.cat([lg_cls, lg], 1)
        layer += 1
    heads_in = (("sm", sm), ("lg", lg))
    logits = [
        linear(norm(x[:, 0], s, f"{b}_mlp_head.0"), s, f"{b}_mlp_head.1") for b, x in heads_in
    ]
    return (logits[0] + logits[1])[:, 0]


Shapes = dict[str, tuple[int, ...]]


def _linear(key: str, out: int, into: int, *, bias: bool = True) -> Shapes:
    return {f"{key}.weight": (out, into), **({f"{key}.bias": (out,)} if bias else {})}


def _norm(key: str, dim: int) -> Shapes:
    return {f"{key}.weight": (dim,), f"{key}.bias": (dim,)}


def cvit_shapes(groups: tuple[tuple[int, int], ...], *, dim: int, depth: int, mlp: int) -> Shapes:
    shapes: Shapes = {}
    place, channels = 0, 3
    for width, n_convs in groups:
        for _ in range(n_convs):
            shapes[f"features.{place}.weight"] = (width, channels, 3, 3)
            shapes[f"features.{place}.bias"] = (width,)
            shapes |= _norm(f"features.{place + 1}", width)
            shapes |= {f"features.{place + 1}.running_{m}": (width,) for m in ("mean", "var")}
            place, channels = place + 3, width
        place += 1
    shapes |= {"cls_token": (1, 1, dim), "pos_embedding": (1, 1025, dim)}
    shapes |= _linear("patch_to_embedding", dim, 16 * channels)
    for i in range(depth):
        at = f"transformer.layers.{i}"
        shapes |= _norm(f"{at}.0.fn.norm", dim) | _norm(f"{at}.1.fn.norm", dim)
        shapes |= _linear(f"{at}.0.fn.fn.to_qkv", 3 * dim, dim, bias=False)
        shapes |= _linear(f"{at}.0.fn.fn.to_out", dim, dim)
        shapes |= _linear(f"{at}.1.fn.fn.net.0", mlp, dim)
        shapes |= _linear(f"{at}.1.fn.fn.net.2", dim, mlp)
    return shapes | _linear("mlp_head.0", mlp, dim) | _linear("mlp_head.2", 2, mlp)


def evit_shapes(*, patch: int, dim: int, inner: int, depth: int, mlp: int) -> Shapes:
    shapes: Shapes = {"cls_token": (1, 1, dim), "pos_embedding": (32, 1, dim)}
    shapes |= _linear("patch_to_embedding", dim, patch)
    for i in range(depth):
        at = f"transformer.layers.{i}"
        shapes |= _norm(f"{at}.0.norm", dim) | _norm(f"{at}.1.norm", dim)
        shapes |= _linear(f"{at}.0.fn.to_qkv", 3 * inner, dim, bias=False)
        shapes |= _linear(f"{at}.0.fn.to_out.0", dim, inner)
        shapes |= _linear(f"{at}.1.fn.net.0", mlp, dim) | _linear(f"{at}.1.fn.net.3", dim, mlp)
    return shapes | _linear("mlp_head.0", mlp, dim) | _linear("mlp_head.2", 1, mlp)


def _attention(at: str, dim: int, inner: int) -> Shapes:
    q, kv = (
        _linear(f"{at}.{n}", w, dim, bias=False) for n, w in (("to_q", inner), ("to_kv", 2 * inner))
    )
    return q | kv | _linear(f"{at}.to_out.0", dim, inner)


def cevit_shapes(
    *,
    patches: tuple[int, int],
    positions: tuple[int, int],
    dims: tuple[int, int],
    inner: int,
    layers: int,
    depths: tuple[int, int, int],
    mlp: int,
) -> Shapes:
    shapes: Shapes = {}
    both = list(zip(("sm", "lg"), patches, positions, dims, strict=True))
    for branch, patch, n_places, dim in both:
        at = f"{branch}_image_embedder"
        shapes |= {f"{at}.cls_token": (1, 1, dim), f"{at}.pos_embedding": (1, n_places, dim)}
        shapes |= _linear(f"{at}.to_patch_embedding.1", dim, patch)
        shapes |= _norm(f"{branch}_mlp_head.0", dim) | _linear(f"{branch}_mlp_head.1", 1, dim)
    for i in range(layers):
        for place, dim in enumerate(dims):
            at = f"multi_scale_encoder.layers.{i}.{place}"
            shapes |= _norm(f"{at}.norm", dim)
            for j in range(depths[place]):
                one = f"{at}.layers.{j}"
                shapes |= _norm(f"{one}.0.norm", dim) | _norm(f"{one}.1.norm", dim)
                shapes |= _attention(f"{one}.0.fn", dim, inner)
                shapes |= _linear(f"{one}.1.fn.net.0", mlp, dim)
                shapes |= _linear(f"{one}.1.fn.net.3", dim, mlp)
        for j in range(depths[2]):
            for place, (own, other) in enumerate((dims, dims[::-1])):
                at = f"multi_scale_encoder.layers.{i}.2.layers.{j}.{place}"
                shapes |= _linear(f"{at}.project_in", other, own)
                shapes |= _linear(f"{at}.project_out", own, other)
                shapes |= _norm(f"{at}.fn.norm", other) | _attention(f"{at}.fn.fn", other, inner)
    return shapes
