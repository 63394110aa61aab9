"""From features to an `Output`: linear heads, and where on a face a pooled one found its score."""

import torch
from torch import Tensor, nn

from unmask.types import Output


def two_way(pair: Tensor, **aux: Tensor) -> Output:
    """Output of class logits (B, 2), real then fake, kept as aux["pair"] beside the rest."""
    return Output(logit=pair[:, 1] - pair[:, 0], aux={"pair": pair, **aux})


def pooled(maps: Tensor, head: nn.Linear, drop: nn.Module | None = None) -> Output:
    """Score of a linear head of one or two outputs over the mean of maps (B, C, h, w).

    aux: `pair` (B, 2) of a two-way head; `feature` (B, C) pooled; `cam` (B, h, w), see
    `activation_map`. `drop` stands between the mean and the head.
    """
    feature = maps.mean((2, 3))  # (B, C)
    z = head(feature if drop is None else drop(feature))
    aux = {"feature": feature, "cam": activation_map(maps, head)}
    if head.out_features == 2:
        return two_way(z, **aux)
    return Output(logit=z.squeeze(-1), aux=aux)


def activation_map(maps: Tensor, head: nn.Linear) -> Tensor:
    """Class activation map of a linear head over pooled maps (B, C, h, w) -> (B, h, w).

    Its mean over places is the logit exactly: z_fake - z_real of a two-way head, z of a head with
    one output (Zhou et al., CVPR 2016).
    """
    weight, bias = head.weight[-1], head.bias[-1]
    if head.out_features == 2:
        weight, bias = weight - head.weight[0], bias - head.bias[0]
    return torch.einsum("bchw,c->bhw", maps, weight.to(maps.dtype)) + bias
