"""Image classifiers of the field as baselines: timm's trunks, CViT's stack, MesoNet.

`xception`: Chollet, 'Xception: Deep Learning with Depthwise Separable Convolutions' (CVPR 2017),
as Roessler et al., 'FaceForensics++' (ICCV 2019) use it: 299 px, face box x1.3, mean = std = .5.
`efficientnet-b4`, `-b7`: Tan & Le (ICML 2019), 380 px as the DFDC winner uses B7; padding as in the
TensorFlow weights that people hold ("tf_"). `resnet34`: He et al. (CVPR 2016). `vgg`: the stack
of CViT that DTN calls its VGG, alone. `mesonet-4`, `mesoinception-4`: Afchar et al., 'MesoNet: a
Compact Facial Video Forgery Detection Network' (WIFS 2018); code: github.com/DariusAf/MesoNet.
Differs: nothing of the trunks; two-way linear head over global average pooling. MesoNet keeps its
own single logit, here positive = fake.
Parameters: Xception 20 811 050 with two classes; MesoNet 27 977 and 28 615, as published.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import timm
import torch
from torch import Tensor, nn

from unmask.models.base import Network, spec_of
from unmask.models.blocks.cross_entropy import LossConfig, Objective
from unmask.models.blocks.heads import pooled, two_way
from unmask.models.blocks.vgg import CVIT_GROUPS, Groups, vgg_stack
from unmask.types import Batch, Output

__all__ = ["Config", "LossConfig", "MesoNet", "Objective", "TrunkDetector"]


@dataclass(frozen=True, kw_only=True)
class Config:
    """A trunk and the view it is given."""

    trunk: str = "legacy_xception"  # timm's name, "cvit_vgg", "meso4" or "mesoinception4"
    size_px: int = 299
    alignment: Literal["box", "dlib", "eyes"] = "dlib"
    margin: float = 0.15  # x1.3 in all (Roessler et al. 2019)
    mean: tuple[float, float, float] = (0.5, 0.5, 0.5)
    std: tuple[float, float, float] = (0.5, 0.5, 0.5)
    drop_rate: float = 0.0
    groups: Groups = CVIT_GROUPS  # (width, convolutions) of the groups of "cvit_vgg"


def _trunk(config: Config) -> tuple[nn.Module, int]:
    """Feature extractor (B, 3, H, W) -> (B, C, h, w), and its C."""
    if config.trunk == "cvit_vgg":
        return vgg_stack(config.groups), config.groups[-1][0]
    trunk = timm.create_model(config.trunk, num_classes=0, global_pool="")
    return trunk, int(trunk.num_features)  # type: ignore[arg-type]


class TrunkDetector(Network):
    """A trunk without its own head, global average pooling, and a linear two-way classifier.

    aux: `pair` (B, 2); `feature` (B, C) pooled; `cam` (B, h, w), whose mean is the logit exactly.
    """

    has_activation_map = True

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.input_spec = spec_of(config)
        self.trunk, width = _trunk(config)
        self.drop = nn.Dropout(config.drop_rate)
        self.head = nn.Linear(width, 2)

    def forward(self, batch: Batch) -> Output:
        """Score frames (B, 1, 3, H, W), normalised per input_spec -> logit (B,)."""
        maps = self.trunk(self.frames(batch).flatten(0, 1))  # (B, C, h, w)
        return pooled(maps, self.head, self.drop)


class Inception(nn.Module):
    """Four parallel branches of `widths` channels: 1x1, then 1x1-3x3 at dilations 1, 2 and 3.

    Afchar et al., Fig. 5: the 5x5 convolutions of Szegedy's module are dilated 3x3 ones here.
    """

    def __init__(self, channels: int, widths: tuple[int, int, int, int]) -> None:
        super().__init__()
        point, *dilated = widths
        self.point = nn.Sequential(nn.Conv2d(channels, point, 1), nn.ReLU())
        self.dilated = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(channels, width, 1),
                nn.ReLU(),
                nn.Conv2d(width, width, 3, padding=rate, dilation=rate),
                nn.ReLU(),
            )
            for rate, width in enumerate(dilated, start=1)
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, sum of widths, H, W)."""
        return torch.cat([self.point(x), *(branch(x) for branch in self.dilated)], 1)


def _convolution(channels: int, width: int, kernel: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(channels, width, kernel, padding=kernel // 2), nn.ReLU())


class MesoNet(Network):
    """Four small convolutions and two linear layers: Meso-4, or MesoInception-4.

    Each convolution is followed by ReLU, batch norm and max pooling (2, 2, 2, 4), in this order;
    MesoInception-4 has inception modules in place of the first two.
    aux: `pair` (B, 2) = (0, logit); `feature` (B, 16).
    """

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.input_spec = spec_of(config)
        first: list[nn.Module]
        if config.trunk == "mesoinception4":
            first = [Inception(3, (1, 4, 4, 2)), Inception(11, (2, 4, 4, 2))]
            widths = (11, 12, 16, 16)
        else:
            first = [_convolution(3, 8, 3), _convolution(8, 8, 5)]
            widths = (8, 8, 16, 16)
        convolutions = [*first, _convolution(widths[1], 16, 5), _convolution(16, 16, 5)]
        layers: list[nn.Module] = []
        for convolution, width, pool in zip(convolutions, widths, (2, 2, 2, 4), strict=True):
            norm = nn.BatchNorm2d(width, eps=1e-3, momentum=0.01)  # Keras' defaults, as published
            layers += [convolution, norm, nn.MaxPool2d(pool)]
        self.trunk = nn.Sequential(*layers)
        side = config.size_px // 32
        self.drop = nn.Dropout(config.drop_rate)
        self.hidden = nn.Sequential(nn.Linear(16 * side * side, 16), nn.LeakyReLU(0.1))
        self.head = nn.Linear(16, 1)

    def forward(self, batch: Batch) -> Output:
        """Score frames (B, 1, 3, H, W), normalised per input_spec -> logit (B,)."""
        maps = self.trunk(self.frames(batch).flatten(0, 1))  # (B, 16, H/32, W/32)
        feature = self.hidden(self.drop(maps.flatten(1)))  # (B, 16)
        logit = self.head(self.drop(feature)).squeeze(-1)  # (B,)
        pair = torch.stack([torch.zeros_like(logit), logit], -1)  # softmax of it = sigmoid(logit)
        return two_way(pair, feature=feature)
