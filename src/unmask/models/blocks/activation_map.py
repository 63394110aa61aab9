"""Where on the face a linear head over pooled features found its score."""

import torch
from torch import Tensor, nn


def activation_map(maps: Tensor, head: nn.Linear) -> Tensor:
    """Class activation map of a linear head over pooled maps (B, C, h, w) -> (B, h, w).

    Its mean over places is the logit exactly: z_fake - z_real of a two-way head, z of a head with
    one output (Zhou et al., CVPR 2016).
    """
    weight, bias = head.weight[-1], head.bias[-1]
    if head.out_features == 2:
        weight, bias = weight - head.weight[0], bias - head.bias[0]
    return torch.einsum("bchw,c->bhw", maps, weight.to(maps.dtype)) + bias
