"""Distilled Transformer Network: local features, a mixture-of-experts gate, enhanced attention.

Paper: Zhang, Li, Yu, Shen, 'Distilled Transformers with Locally Enhanced Global Representations for
Face Forgery Detection' (2024). Fig. 3 = `DTN`; eq. 8-13 = `MixtureOfExperts`; eq. 14-24 = `Block`
(LEVT with multi-attention scaling); eq. 2-7 = `Objective`; Algorithm 1 (self-distillation over
generations) = the recipes `dtn/dsd-*`, joined by `teacher`.

Differs, each a switch in `Config`: (1) eqs 17-19 print per-head projections; the published sizes
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
from typing import Any, Literal

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional as F

from unmask.models import base
from unmask.models.base import Network, freeze
from unmask.models.blocks.activation_map import activation_map
from unmask.models.blocks.attention import AttentionScale, Plug, SelfAttention
from unmask.models.blocks.vgg import CVIT_GROUPS, Groups, vgg_stack
from unmask.shapes import check_shape
from unmask.types import Batch, InputSpec, Losses, Output

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
    """Experts see differently disturbed features; the strongest opinion at a place gates it.

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
        self.input_spec = InputSpec(
            size_px=config.size_px, alignment=config.alignment, margin=config.margin
        )
        self.backbone, dim, stride = _backbone(config)
        mixtures = {"ours": MixtureOfExperts, "vanilla": VanillaMixture}
        self.moe = mixtures[config.moe](dim, config) if config.moe != "none" else None
        side = config.size_px // stride
        self.position = nn.Parameter(torch.zeros(dim, side, side)) if config.depth else None
        if self.position is not None:
            nn.init.trunc_normal_(self.position, std=0.02)
        self.blocks = nn.Sequential(*(Block(dim, config) for _ in range(config.depth)))
        self.head = nn.Linear(dim, 2)

    def forward(self, batch: Batch) -> Output:
        """Score frames (B, 1, 3, H, W), normalised per input_spec -> logit (B,)."""
        size = self.config.size_px
        check_shape(batch.frames, "B T 3 H W", "frames", T=1, H=size, W=size)
        x = self.backbone(batch.frames.flatten(0, 1))  # (B, C, h, w)
        aux: dict[str, Tensor] = {}
        if self.moe is not None:
            aux["gate"] = self.moe(x)
            x = x * aux["gate"]
        if self.position is not None:
            x = self.blocks(x + self.position)
        feature = x.mean((2, 3))  # (B, C)
        pair = self.head(feature)
        aux |= {"pair": pair, "feature": feature, "cam": activation_map(x, self.head)}
        return Output(logit=pair[:, 1] - pair[:, 0], aux=aux)


def contrastive_centre(
    points: Tensor, label: Tensor, centres: Tensor, *, eps: float = 1.0, squared: bool = True
) -> Tensor:
    """Pull points (B, D) to their class centre and away from the other (eq. 3), mean over B.

    1/2 |x - c_y|^2 / (|x - c_(1-y)|^2 + eps). Eq. 3 prints the denominator unsquared; the loss it
    cites squares both, the default here (`squared=False` is eq. 3 to the letter).
    """
    distance = (points[:, None] - centres).square().sum(-1)  # (B, 2)
    y = label.long()[:, None]
    own, other = distance.gather(1, y), distance.gather(1, 1 - y)
    return (0.5 * own / ((other if squared else other.sqrt()) + eps)).mean()


def distillation(student: Tensor, teacher: Tensor, temperature: float, *, t2: bool) -> Tensor:
    """KL(teacher || student) of class logits (B, 2) softened by a temperature, mean over B.

    Eq. 4-6. `t2` multiplies by T^2, without which the term's gradient shrinks with the temperature;
    eq. 6 to the letter is `t2=False`.
    """
    log_student = F.log_softmax(student / temperature, -1)
    log_teacher = F.log_softmax(teacher / temperature, -1)
    loss = F.kl_div(log_student, log_teacher, reduction="batchmean", log_target=True)
    return loss * temperature**2 if t2 else loss


def class_pair(output: Output) -> Tensor:
    """Class logits (B, 2) of any system: its own pair, or (0, z) for a single logit."""
    if "pair" in output.aux:
        return output.aux["pair"]
    return torch.stack([torch.zeros_like(output.logit), output.logit], -1)


@dataclass(frozen=True, kw_only=True)
class LossConfig:
    """Weights and readings of eq. 2-7. The paper gives the weights for eq. 7 only."""

    alpha: tuple[float, float, float] = (4.0, 0.4, 0.6)  # CE, Ct-c, KD (eq. 7)
    centre_on: Literal["logits", "probs", "features"] = "logits"  # features = vanilla Ct-c, Fig. 6b
    centre_squared: bool = True
    centre_eps: float = 1.0  # ours; also bounds the loss
    temperature: float = 4.0  # T in eq. 4-5; ours, not given
    t2: bool = True
    feature_dim: int = 512  # for centre_on="features"


class Objective(base.Objective):
    """L_init = a1 CE + a2 Ct-c, and with a teacher L_DSD = L_init + a3 KD (eq. 7).

    Fits every system whose output is a pair or a single logit: DTN, Xception, EfficientViT (T10).
    Centres are parameters of the criterion, without weight decay; students begin with fresh ones.
    """

    def __init__(
        self, model: Network, config: LossConfig | None = None, teacher: Network | None = None
    ) -> None:
        super().__init__()
        self.model = model
        self.config = config or LossConfig()
        self.teacher = None if teacher is None else freeze(teacher)
        dim = self.config.feature_dim if self.config.centre_on == "features" else 2
        self.centres = nn.Parameter(torch.randn(2, dim))

    def forward(self, batch: Batch) -> Losses:
        """Losses of a labelled batch; parts: ce, centre, and kd with a teacher."""
        out = self.model(batch)
        pair, y = class_pair(out).float(), batch.label.long()
        a_ce, a_centre, a_kd = self.config.alpha
        parts = {
            "ce": F.cross_entropy(pair, y),  # eq. 2
            "centre": contrastive_centre(  # eq. 3
                self._points(out, pair),
                y,
                self.centres.float(),
                eps=self.config.centre_eps,
                squared=self.config.centre_squared,
            ),
        }
        total = a_ce * parts["ce"] + a_centre * parts["centre"]
        if self.teacher is not None:
            with torch.no_grad():
                soft = class_pair(self.teacher(batch)).float()
            parts["kd"] = distillation(pair, soft, self.config.temperature, t2=self.config.t2)
            total = total + a_kd * parts["kd"]
        return Losses(total=total, parts=parts, logit=out.logit)

    def _points(self, out: Output, pair: Tensor) -> Tensor:
        match self.config.centre_on:
            case "logits":
                return pair
            case "probs":
                return pair.softmax(-1)
        return out.aux["feature"].float()

    def param_groups(self) -> list[dict[str, Any]]:
        """The model's parameters, and the centres without weight decay."""
        return [*super().param_groups(), {"params": [self.centres], "weight_decay": 0.0}]
