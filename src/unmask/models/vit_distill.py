"""Vision transformer over patch and CNN tokens, taught by a CNN through a distillation token.

Paper: Heo, Choi, Lee, Kim, 'Deepfake Detection Scheme Based on Vision Transformer and Distillation'
(2021, arXiv 2104.01353). `VitDistill` = its network (ViT-L/32 at 384 px beside EfficientNet-B7),
`Objective` = its training loss. `Teacher` = the B7 of github.com/selimsef/dfdc_deepfake_challenge,
which the paper distils from and compares with.

Differs: (1) "global pooling" of N + M tokens to N is not defined; `combine="pair_mean"` averages
patch token i with CNN token i, which alone keeps token i at place i; (2) a 1x1 convolution takes
2560 channels to 1024, not mentioned but forced by the shapes; (3) branch and teacher are two B7s;
(4) what lies beside a face that is not square is seen, where the baseline's code pads with zeros.
Parameters: student 372 021 202, teacher 63 789 521; the paper gives none
(tests/models/test_vit_distill.py).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import timm
import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional as F

from unmask.config import refuse_outside
from unmask.errors import UsageError
from unmask.models import base
from unmask.models.base import Network, freeze, spec_of
from unmask.models.blocks.attention import Plug
from unmask.models.blocks.heads import pooled
from unmask.models.blocks.transformer import TransformerBlock
from unmask.types import Batch, Losses, Output

Combine = Literal["pair_mean", "adaptive1d", "concat", "patch_only", "cnn_only"]
THIRD = 1 / 3  # of the box is added on every side, in the baseline's code and in the paper


@dataclass(frozen=True, kw_only=True)
class Config:
    """The student: the paper's values, and the comparisons its text mentions."""

    size_px: int = 384
    patch_px: int = 32
    dim: int = 1024  # ViT-L
    depth: int = 24
    heads: int = 16
    mlp_ratio: int = 4
    plug: Plug = "none"  # in every attention; not of the paper
    trunk: str = "tf_efficientnet_b7"  # timm's name of the CNN branch
    trunk_drop_path: float = 0.2  # the baseline's code; for the branch not stated
    cnn_frozen: bool = False  # keep the CNN branch as it is loaded
    combine: Combine = "pair_mean"
    infer: Literal["distill", "cls", "mean"] = "distill"  # the paper scores by distillation token
    margin: float = THIRD


@dataclass(frozen=True, kw_only=True)
class TeacherConfig:
    """The DFDC winner's network. Its code runs it at 380 px; a teacher sees the student's view."""

    size_px: int = 384
    trunk: str = "tf_efficientnet_b7"
    drop_path: float = 0.2
    margin: float = THIRD


def pair_mean(tokens: Tensor) -> Tensor:
    """Average patch token i with CNN token i: [patches; CNN] (B, 2N, D) -> (B, N, D)."""
    return rearrange(tokens, "b (two n) d -> b n two d", two=2).mean(2)


def neighbour_mean(tokens: Tensor) -> Tensor:
    """Average neighbours in the sequence, as adaptive pooling does: (B, 2N, D) -> (B, N, D).

    The literal reading of "global pooling"; it mixes places within one branch.
    """
    return rearrange(tokens, "b (n two) d -> b n two d", two=2).mean(2)


POOLS: dict[Combine, Callable[[Tensor], Tensor]] = {
    "pair_mean": pair_mean,
    "adaptive1d": neighbour_mean,
}


class VitDistill(Network):
    """Encoder over [cls; tokens; distillation token], one logit from each of the two.

    aux: `cls` (B,) logit of the class token; `distill` (B,) logit of the distillation token.
    """

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.input_spec = spec_of(config)
        if config.size_px % config.patch_px:
            raise UsageError(
                f"size_px = {config.size_px} is no multiple of patch_px = {config.patch_px}"
            )
        D, self.side = config.dim, config.size_px // config.patch_px
        self.patch = self.cnn = self.project = None
        if config.combine != "cnn_only":
            self.patch = nn.Conv2d(3, D, config.patch_px, stride=config.patch_px)
        if config.combine != "patch_only":
            self.cnn, channels = _trunk(config.trunk, config.trunk_drop_path)
            self.project = nn.Conv2d(channels, D, 1)
            if config.cnn_frozen:
                freeze(self.cnn)
        N = self.side**2 * (2 if config.combine == "concat" else 1)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, D))
        self.distill_token = nn.Parameter(torch.zeros(1, 1, D))
        self.position = nn.Parameter(torch.zeros(1, N + 2, D))
        for parameter in (self.cls_token, self.distill_token, self.position):
            nn.init.trunc_normal_(parameter, std=0.02)
        self.blocks = nn.Sequential(
            *(
                TransformerBlock(D, config.heads, D * config.mlp_ratio, plug=config.plug)
                for _ in range(config.depth)
            )
        )
        self.norm = nn.LayerNorm(D, eps=1e-6)
        self.head_cls = nn.Linear(D, 1)
        self.head_distill = nn.Linear(D, 1)

    def train(self, mode: bool = True) -> VitDistill:
        """Switch to training; a frozen CNN branch stays in eval mode."""
        super().train(mode)
        if self.cnn is not None and self.config.cnn_frozen:
            self.cnn.eval()
        return self

    def tokens(self, frames: Tensor) -> Tensor:
        """Tokens of images (B, 3, H, W), branches combined -> (B, N, D)."""
        branches = []
        if self.patch is not None:
            branches.append(self.patch(frames))  # (B, D, side, side)
        if self.cnn is not None and self.project is not None:
            branches.append(self._on_grid(self.project(self.cnn(frames))))
        tokens = torch.cat([rearrange(x, "b d h w -> b (h w) d") for x in branches], 1)
        pool = POOLS.get(self.config.combine)
        return tokens if pool is None else pool(tokens)

    def _on_grid(self, maps: Tensor) -> Tensor:
        """Bring CNN features (B, D, h, w) to the patches' grid, on which they are at 384 px."""
        if maps.shape[2:] == (self.side, self.side):
            return maps
        return F.interpolate(maps, (self.side, self.side), mode="bilinear", align_corners=False)

    def forward(self, batch: Batch) -> Output:
        """Score frames (B, 1, 3, H, W), normalised per input_spec -> logit (B,)."""
        tokens = self.tokens(self.frames(batch).flatten(0, 1))  # (B, N, D)
        cls, distill = (
            t.expand(tokens.shape[0], -1, -1) for t in (self.cls_token, self.distill_token)
        )
        x = torch.cat([cls, tokens, distill], 1) + self.position  # (B, N + 2, D)
        x = self.norm(self.blocks(x))
        z_cls = self.head_cls(x[:, 0]).squeeze(-1)  # (B,)
        z_distill = self.head_distill(x[:, -1]).squeeze(-1)  # (B,)
        logits = {"distill": z_distill, "cls": z_cls, "mean": (z_cls + z_distill) / 2}
        return Output(logit=logits[self.config.infer], aux={"cls": z_cls, "distill": z_distill})


class Teacher(Network):
    """EfficientNet-B7, global average pooling, one logit: the teacher, and the paper's rival.

    aux: `cls` (B,) the logit again; `feature` (B, C) pooled; `cam` (B, h, w), whose mean is the
    logit exactly.
    """

    has_activation_map = True

    def __init__(self, config: TeacherConfig) -> None:
        super().__init__()
        self.config = config
        self.input_spec = spec_of(config)
        self.trunk, channels = _trunk(config.trunk, config.drop_path)
        self.head = nn.Linear(channels, 1)

    def forward(self, batch: Batch) -> Output:
        """Score frames (B, 1, 3, H, W), normalised per input_spec -> logit (B,)."""
        out = pooled(self.trunk(self.frames(batch).flatten(0, 1)), self.head)
        out.aux["cls"] = out.logit
        return out


def _trunk(name: str, drop_path: float) -> tuple[nn.Module, int]:
    """EfficientNet without pooling and classifier, and the width of its maps."""
    trunk = timm.create_model(name, num_classes=0, global_pool="", drop_path_rate=drop_path)
    return trunk, int(trunk.num_features)  # type: ignore[arg-type]


def class_means(loss: Tensor, label: Tensor) -> tuple[Tensor, Tensor]:
    """Mean of losses (B,) over the fakes and over the reals; a class that is absent gives 0."""
    fake = (label > 0.5).to(loss.dtype)
    means = [(loss * own).sum() / own.sum().clamp(min=1) for own in (fake, 1 - fake)]
    return means[0], means[1]


@dataclass(frozen=True, kw_only=True)
class LossConfig:
    """Weights of the training loss."""

    lam: float = 0.5  # share of the class token; 1 = no distillation
    label_smoothing: float = 0.01  # labels are clipped to [s, 1 - s], as in the baseline's code

    def __post_init__(self) -> None:
        refuse_outside(self, "objective", lam="[0, 1]", label_smoothing="[0, 0.5)")


class Objective(base.Objective):
    """The labels teach the class token, a frozen teacher's soft scores the distillation token.

    L_S = lam mean_S BCE(z_c, y) + (1 - lam) mean_S BCE(z_d, sigmoid(z_t)),  S = fakes, reals
    L_train = (L_F + L_R) / 2
    With lam = 1 there is no teacher and nobody may use the distillation token's logit: so
    `vit_distill/no_distill` is trained, and the teacher itself.
    """

    def __init__(
        self, model: Network, config: LossConfig | None = None, teacher: Network | None = None
    ) -> None:
        super().__init__()
        self.model = model
        self.config = config or LossConfig()
        self.teacher = None if teacher is None else freeze(teacher)
        if (self.config.lam == 1) is not (teacher is None):
            raise UsageError(
                f"objective.lam = {self.config.lam}: below 1 the distillation token learns from a "
                "teacher, so give one (a trained vit_distill/baseline_b7); at 1 nothing does"
            )
        if teacher is not None and not isinstance(model, VitDistill):
            raise UsageError(f"{type(model).__name__} has no distillation token; set lam = 1")
        if teacher is None and isinstance(model, VitDistill):
            if model.config.infer != "cls":
                raise UsageError(
                    "objective.lam = 1 teaches the class token only; set model.infer = cls"
                )
            freeze(model.head_distill)

    def forward(self, batch: Batch) -> Losses:
        """Losses of a labelled batch; parts: cls, fake, real, and distill with a teacher."""
        out, lam = self.model(batch), self.config.lam
        y = batch.label.float()
        target = y.clamp(self.config.label_smoothing, 1 - self.config.label_smoothing)
        cls = _bce(out.aux["cls"], target)  # (B,)
        parts = {"cls": sum(class_means(cls, y)) / 2}
        loss = lam * cls
        if self.teacher is not None:
            with torch.no_grad():
                soft = self.teacher(batch).logit.float().sigmoid()
            distill = _bce(out.aux["distill"], soft)
            parts["distill"] = sum(class_means(distill, y)) / 2
            loss = loss + (1 - lam) * distill
        parts["fake"], parts["real"] = class_means(loss, y)
        total = (parts["fake"] + parts["real"]) / 2
        return Losses(total=total, parts=parts, logit=out.logit)


def _bce(logit: Tensor, target: Tensor) -> Tensor:
    """Binary cross-entropy of each item, (B,)."""
    return F.binary_cross_entropy_with_logits(logit.float(), target, reduction="none")
