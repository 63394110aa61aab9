"""Where on the face a linear head over pooled features found its score."""

import torch
from torch import Tensor, nn


def activation_map(maps: Tensor, head: nn.Linear) -> Tensor:
    """Class activation map of a two-way linear head over pooled maps (B, C, h, w) -> (B, h, w).

    Its mean over places is z_fake - z_real exactly (Zhou et al., CVPR 2016).
    """
    weight = (head.weight[1] - head.weight[0]).to(maps.dtype)
    return torch.einsum("bchw,c->bhw", maps, weight) + (head.bias[1] - head.bias[0])
