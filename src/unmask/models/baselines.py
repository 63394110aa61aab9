"""Image classifiers of the field as baselines, on timm's trunks.

`xception`: Chollet, 'Xception: Deep Learning with Depthwise Separable Convolutions' (CVPR 2017),
as Roessler et al., 'FaceForensics++' (ICCV 2019) use it: 299 px, face box x1.3, mean = std = .5.
Differs: nothing of the trunk; two-way linear head over global average pooling.
Parameters: Xception 20 811 050 with two classes (tests/models/cases.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import timm
from torch import nn
from torch.nn import functional as F

from unmask.models import base
from unmask.models.base import Network
from unmask.models.blocks.activation_map import activation_map
from unmask.shapes import check_shape
from unmask.types import Batch, InputSpec, Losses, Output


@dataclass(frozen=True, kw_only=True)
class Config:
    """A timm trunk and the view it is given."""

    trunk: str = "legacy_xception"  # timm's name
    size_px: int = 299
    alignment: Literal["box", "dlib", "eyes"] = "dlib"
    margin: float = 0.15  # x1.3 in all (Roessler et al. 2019)
    mean: tuple[float, float, float] = (0.5, 0.5, 0.5)
    std: tuple[float, float, float] = (0.5, 0.5, 0.5)
    drop_rate: float = 0.0


class TimmDetector(Network):
    """A trunk without its own head, global average pooling, and a linear two-way classifier.

    aux: `pair` (B, 2); `feature` (B, C) pooled; `cam` (B, h, w), whose mean is the logit exactly.
    """

    has_activation_map = True

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.input_spec = InputSpec(
            size_px=config.size_px,
            alignment=config.alignment,
            margin=config.margin,
            mean=config.mean,
            std=config.std,
        )
        self.trunk = timm.create_model(config.trunk, num_classes=0, global_pool="")
        self.drop = nn.Dropout(config.drop_rate)
        self.head = nn.Linear(self.trunk.num_features, 2)  # type: ignore[arg-type]

    def forward(self, batch: Batch) -> Output:
        """Score frames (B, 1, 3, H, W), normalised per input_spec -> logit (B,)."""
        size = self.config.size_px
        check_shape(batch.frames, "B T 3 H W", "frames", T=1, H=size, W=size)
        maps = self.trunk(batch.frames.flatten(0, 1))  # (B, C, h, w)
        feature = maps.mean((2, 3))  # (B, C)
        pair = self.head(self.drop(feature))
        aux = {"pair": pair, "feature": feature, "cam": activation_map(maps, self.head)}
        return Output(logit=pair[:, 1] - pair[:, 0], aux=aux)


@dataclass(frozen=True, kw_only=True)
class LossConfig:
    """Cross-entropy, optionally with smoothed labels."""

    label_smoothing: float = 0.0


class Objective(base.Objective):
    """Two-way cross-entropy."""

    def __init__(self, model: Network, config: LossConfig | None = None) -> None:
        super().__init__()
        self.model = model
        self.config = config or LossConfig()

    def forward(self, batch: Batch) -> Losses:
        """Losses of a labelled batch; parts: ce."""
        out = self.model(batch)
        pair, y = out.aux["pair"].float(), batch.label.long()
        ce = F.cross_entropy(pair, y, label_smoothing=self.config.label_smoothing)
        return Losses(total=ce, parts={"ce": ce}, logit=out.logit)
