"""Distilled Transformer Network: local features, a mixture-of-experts gate, enhanced attention.

Paper: Zhang, Li, Yu, Shen, 'Distilled Transformers with Locally Enhanced Global Representations for
Face Forgery Detection' (2024). Fig. 3 = `DTN`; eq. 8-13 = `MixtureOfExperts`; eq. 14-24 = `Block`
(LEVT with multi-attention scaling); eq. 2-7 = `Objective`, in `blocks/self_distillation.py`
because the hosts train by it too; Algorithm 1 (self-distillation over generations) needs its own
training loop, which is not here yet; the objective takes a teacher.

Differs, with a switch where one is named: (1) eqs 17-19 print per-head projections; the sizes
need full-width ones, as in CViT's code; (2) eq. 12 multiplies the gate with X where only X_loc
fits; (3) a ReLU stands between the two 1x1 convolutions of an expert, which would collapse to one
without it; (4) the noise in the experts is drawn in training only (`noise_at_eval`); (5) where the
batch norm stands in the MLP is not said: conv-BN-GELU-conv (`mlp="a"`).
Parameters: 29 945 206; the paper says 29.912 M, which is what thop sees of them: it misses bare
parameters, here the position embedding and the scales (tests/models/cases.py).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional as F

from unmask.models.base import Network, spec_of
from unmask.models.blocks.attention import AttentionScale, Plug, SelfAttention
from unmask.models.blocks.heads import pooled
from unmask.models.blocks.self_distillation import (
    LossConfig,
    Objective,
    class_pair,
    contrastive_centre,
    distillation,
)
from unmask.models.blocks.vgg import CVIT_GROUPS, Groups, vgg_stack
from unmask.types import Batch, Output

__all__ = [
    "DTN",
    "Config",
    "LossConfig",
    "Objective",
    "class_pair",
    "contrastive_centre",
    "distillation",
]

Augmentation = Literal["gauss", "uniform", "blur", "contrast", "compression", "none"]


@dataclass(frozen=True, kw_only=True)
class Config:
    """Every switch of the paper's tables and figures that concerns the network."""

    size_px: int = 256  # input side (3.1)
    backbone: Literal["vgg", "resnet34", "efficientnet_b0"] = "vgg"  # Fig. 6c
    groups: Groups = CVIT_GROUPS  # (width, convolutions) of the VGG's groups
    moe: Literal["ours", "vanilla", "none"] = "ours"  # Table 7; none = rows without MoE
    experts: int = 2  # E in eq. 8; Fig. 6d tries 1..7
    expert_hidden: int = 128  # forced by the published size
    moe_mas: bool = True  # scales in eq. 11; Table 3's MoE*
    augmentation: Augmentation = "gauss"  # what separates the experts' inputs, Fig. 6a
    noise_std: float = 1.0  # s in N(0, s^2); ours, the paper does not say
    noise_at_eval: bool = False
    depth: int = 6  # L, Table 9; 0 = no LEVT (Table 3's rows without it)
    heads: int = 8
    plug: Plug = "mas"  # in the transformer blocks; Table 8
    theta: float = 0.0  # first value of every scale, sigmoid(theta); ours, the paper does not say
    local_conv: bool = True  # LC, Table 6
    mlp: Literal["a", "b"] = "a"  # b: biases moved so that the size stays equal (spec 3.2, doubt i)
    mlp_ratio: int = 4
    attn_skip: bool = False  # eqs 15-24 have no skip around the attention
    alignment: Literal["box", "dlib", "eyes"] = "dlib"  # the paper crops with dlib, no margin
    margin: float = 0.0


def gaussian_noise(x: Tensor, std: float) -> Tensor:
    """Add N(0, std^2)."""
    return x + torch.randn_like(x) * std


def uniform_noise(x: Tensor, std: float) -> Tensor:
    """Add uniform noise of the same variance as the Gaussian's."""
    return x + (torch.rand_like(x) * 2 - 1) * (math.sqrt(3.0) * std)


def blur(x: Tensor, std: float) -> Tensor:
    """Blur every channel with a 3x3 Gaussian kernel."""
    line = torch.exp(-torch.tensor([1.0, 0.0, 1.0], device=x.device) / (2 * std**2))
    kernel = torch.outer(line, line) / line.sum() ** 2
    C = x.shape[1]
    weight = kernel.to(x.dtype).expand(C, 1, 3, 3)
    return F.conv2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), weight, groups=C)


def contrast(x: Tensor, std: float) -> Tensor:
    """Stretch every channel about its mean by a factor from U(1 - std/2, 1 + std/2)."""
    mean = x.mean((2, 3), keepdim=True)
    return mean + (x - mean) * (1 + (torch.rand_like(mean) - 0.5) * std)


def compression(x: Tensor, std: float) -> Tensor:
    """Quantise the cosine transform of every channel, coarser at higher frequencies, as JPEG does.

    At full size a map is 8x8, exactly one JPEG block. Rounding passes its gradient through.
    """
    H, W = x.shape[-2:]
    rows, columns = _cosine_basis(H).to(x), _cosine_basis(W).to(x)
    spectrum = rows @ x @ columns.T
    frequency = torch.arange(H, device=x.device)[:, None] + torch.arange(W, device=x.device)
    step = (std * (1 + frequency) / 8).to(x.dtype)
    rounded = torch.round(spectrum / step) * step
    spectrum = spectrum + (rounded - spectrum).detach()
    return rows.T @ spectrum @ columns


def _cosine_basis(n: int) -> Tensor:
    """Orthonormal DCT-II matrix (n, n)."""
    k, i = torch.arange(n)[:, None], torch.arange(n)
    basis = torch.cos(math.pi * (2 * i + 1) * k / (2 * n)) * math.sqrt(2 / n)
    basis[0] /= math.sqrt(2)
    return basis


AUGMENTATIONS: dict[str, Callable[[Tensor, float], Tensor]] = {
    "gauss": gaussian_noise,
    "uniform": uniform_noise,
    "blur": blur,
    "contrast": contrast,
    "compression": compression,
    "none": lambda x, _: x,
}


def experts(dim: int, config: Config) -> nn.ModuleList:
    """Experts sigmoid(W2 relu(W1 x)), each (B, dim, H, W) -> (B, 1, H, W) in (0, 1) (eq. 9)."""
    hidden = config.expert_hidden
    return nn.ModuleList(
        nn.Sequential(nn.Conv2d(dim, hidden, 1), nn.ReLU(), nn.Conv2d(hidden, 1, 1), nn.Sigmoid())
        for _ in range(config.experts)
    )


class MixtureOfExperts(nn.Module):
    """Experts see disturbed features, each its own draw; the strongest opinion gates a place.

    A = sigmoid(max_i sigmoid(theta_i) M_i), M_i = expert_i(X_loc + N_i)  (eq. 8-11)
    M in (0, 1), so A in (0.5, 0.731): the gate is gentle and noise never touches the main path.
    """

    def __init__(self, dim: int, config: Config) -> None:
        super().__init__()
        self.config = config
        self.experts = experts(dim, config)
        self.scale = AttentionScale(config.experts) if config.moe_mas else None

    def forward(self, local: Tensor) -> Tensor:
        """Gate of local features (B, C, H, W) -> (B, 1, H, W)."""
        disturbed = self.training or self.config.noise_at_eval
        name = self.config.augmentation if disturbed else "none"
        views = (AUGMENTATIONS[name](local, self.config.noise_std) for _ in self.experts)
        opinions = torch.cat([e(v) for e, v in zip(self.experts, views, strict=True)], 1)
        if self.scale is not None:
            opinions = self.scale(opinions)  # (B, E, H, W)
        return torch.sigmoid(opinions.amax(1, keepdim=True))


class VanillaMixture(nn.Module):
    """Classic gated experts, the comparison of Table 7: A = sigmoid(sum_i g_i M_i), no noise."""

    def __init__(self, dim: int, config: Config) -> None:
        super().__init__()
        self.experts = experts(dim, config)
        self.gate = nn.Linear(dim, config.experts)

    def forward(self, local: Tensor) -> Tensor:
        """Gate of local features (B, C, H, W) -> (B, 1, H, W)."""
        shares = self.gate(local.mean((2, 3))).softmax(-1)[..., None, None]  # (B, E, 1, 1)
        opinions = torch.cat([e(local) for e in self.experts], 1)  # (B, E, H, W)
        return torch.sigmoid((shares * opinions).sum(1, keepdim=True))


class Block(nn.Module):
    """Locally enhanced transformer block (eq. 15-24).

    X_agg = S-MHSA(BN(x)),  X_lc = LC(X_agg) + X_agg,  x' = MLP(BN(X_lc)) + X_lc
    """

    def __init__(self, dim: int, config: Config) -> None:
        super().__init__()
        self.norm_attn = nn.BatchNorm2d(dim)
        self.attn = SelfAttention(dim, config.heads, plug=config.plug, qkv_bias=config.mlp == "b")
        self.skip = config.attn_skip
        self.local = (
            nn.Sequential(nn.Conv2d(dim, dim, 3, padding=1, groups=dim), nn.BatchNorm2d(dim))
            if config.local_conv
            else None
        )
        self.norm_mlp = nn.BatchNorm2d(dim)
        hidden, bias = dim * config.mlp_ratio, config.mlp == "a"
        self.mlp = nn.Sequential(
            nn.Conv2d(dim, hidden, 1, bias=bias),
            nn.BatchNorm2d(hidden),
            nn.GELU(),
            nn.Conv2d(hidden, dim, 1, bias=bias),
            nn.Identity() if config.mlp == "a" else nn.BatchNorm2d(dim),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H, W)."""
        H = x.shape[2]
        tokens = rearrange(self.norm_attn(x), "b c h w -> b (h w) c")  # (B, N, D)
        spread = rearrange(self.attn(tokens), "b (h w) c -> b c h w", h=H)
        if self.skip:
            spread = spread + x
        if self.local is not None:
            spread = spread + self.local(spread)
        return spread + self.mlp(self.norm_mlp(spread))


def _backbone(config: Config) -> tuple[nn.Module, int, int]:
    """Local feature extractor with its width and its stride."""
    if config.backbone == "vgg":
        return vgg_stack(config.groups), config.groups[-1][0], 2 ** len(config.groups)
    import timm

    trunk = timm.create_model(config.backbone, features_only=False, num_classes=0, global_pool="")
    if config.backbone == "resnet34":
        return trunk, 512, 32
    return nn.Sequential(trunk, nn.Conv2d(1280, 512, 1)), 512, 32


class DTN(Network):
    """GAP and a linear classifier over LEVT over gated local features (Fig. 3).

    aux: `pair` (B, 2) class logits; `feature` (B, C) pooled; `gate` (B, 1, H, W);
    `cam` (B, H, W), whose mean is the logit exactly.
    """

    has_activation_map = True

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.input_spec = spec_of(config)
        self.backbone, dim, stride = _backbone(config)
        mixtures = {"ours": MixtureOfExperts, "vanilla": VanillaMixture}
        self.moe = mixtures[config.moe](dim, config) if config.moe != "none" else None
        side = config.size_px // stride
        self.position = nn.Parameter(torch.zeros(dim, side, side)) if config.depth else None
        if self.position is not None:
            nn.init.trunc_normal_(self.position, std=0.02)
        self.blocks = nn.Sequential(*(Block(dim, config) for _ in range(config.depth)))
        self.head = nn.Linear(dim, 2)
        for module in self.modules():
            if isinstance(module, AttentionScale):
                nn.init.constant_(module.theta, config.theta)

    def forward(self, batch: Batch) -> Output:
        """Score frames (B, 1, 3, H, W), normalised per input_spec -> logit (B,)."""
        x = self.backbone(self.frames(batch).flatten(0, 1))  # (B, C, h, w)
        gate = None
        if self.moe is not None:
            gate = self.moe(x)
            x = x * gate
        if self.position is not None:
            x = self.blocks(x + self.position)
        out = pooled(x, self.head)
        if gate is not None:
            out.aux["gate"] = gate
        return out
