"""3D ResNets over clips of faces: plain, with squeeze-and-excitation, with non-local blocks.

Paper: Das, Das, Dantcheva, 'Demystifying Attention Mechanisms for Deepfake Detection' (FG 2021),
section III-A. Networks: Hara, Kataoka, Satoh, 'Can Spatiotemporal 3D CNNs Retrace the History of 2D
CNNs and ImageNet?' (CVPR 2018), whose keys these are, so that its Kinetics weights load; Hu et al.
(CVPR 2018) = `SqueezeExcite`; Wang et al., 'Non-local Neural Networks' (CVPR 2018) = `NonLocal`.
Code of the trunk's authors: github.com/kenshohara/3D-ResNets-PyTorch (MIT).

Differs: (1) the paper never states the depth: 50 here, all of 18, 34, 50, 101 at a switch; (2) it
writes squeeze-and-excitation with the indices of a picture, which become T x H x W; (3) "4,4" in
its tables is four non-local blocks after stage 4, as its caption says: `non_local=(4, 4, 4, 4)`.
Parameters: 46 203 074 at depth 50; the paper prints none (tests/models/test_resnet3d.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional as F

from unmask.errors import UsageError
from unmask.models.base import Network, spec_of
from unmask.models.blocks.cross_entropy import LossConfig, Objective
from unmask.models.blocks.heads import pooled
from unmask.types import Batch, Output

__all__ = ["Config", "LossConfig", "Objective", "ResNet3d"]


@dataclass(frozen=True, kw_only=True)
class Config:
    """Every switch of the paper's tables; depth and width are ours."""

    depth: Literal[18, 26, 34, 50, 101] = 50  # not stated
    squeeze_excite: bool = False  # after every stage
    non_local: tuple[int, ...] = ()  # a block after each stage named, as often as it is named
    subsample: bool = True  # halve phi and g in height and width (Wang et al., 3.3)
    reduction: int = 16  # r of squeeze-and-excitation
    width: int = 64  # channels of the stem
    n_frames: int = 16  # T, consecutive
    size_px: int = 112
    # Box around FAN's 68 landmarks x1.3 there. dlib's box reaches from brows to chin as they do.
    alignment: Literal["box", "dlib", "eyes"] = "dlib"
    margin: float = 0.15
    mean: tuple[float, float, float] = (0.4345, 0.4051, 0.3775)  # of Kinetics, as Hara's weights
    std: tuple[float, float, float] = (0.2768, 0.2713, 0.2737)


def _conv(channels: int, width: int, kernel: int, stride: int = 1) -> nn.Conv3d:
    return nn.Conv3d(channels, width, kernel, stride=stride, padding=kernel // 2, bias=False)


class Residual(nn.Module):
    """x -> relu(f(x) + skip(x)); the skip is a strided 1x1x1 convolution where shapes change."""

    expansion: int

    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        out = width * self.expansion
        self.downsample: nn.Module = nn.Identity()
        if stride != 1 or channels != out:
            self.downsample = nn.Sequential(_conv(channels, out, 1, stride), nn.BatchNorm3d(out))

    def change(self, x: Tensor) -> Tensor:
        """f(x), (B, C, T, H, W) -> (B, width * expansion, T', H', W')."""
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T, H, W) -> (B, width * expansion, T', H', W')."""
        return F.relu(self.change(x) + self.downsample(x))


class Basic(Residual):
    """Two 3x3x3 convolutions (depths 18 and 34)."""

    expansion = 1

    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__(channels, width, stride)
        self.conv1, self.bn1 = _conv(channels, width, 3, stride), nn.BatchNorm3d(width)
        self.conv2, self.bn2 = _conv(width, width, 3), nn.BatchNorm3d(width)

    def change(self, x: Tensor) -> Tensor:
        """Convolve twice."""
        return self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))


class Bottleneck(Residual):
    """1x1x1, 3x3x3 (which strides), 1x1x1 to four times the width (depths 50 and 101)."""

    expansion = 4

    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__(channels, width, stride)
        out = width * self.expansion
        self.conv1, self.bn1 = _conv(channels, width, 1), nn.BatchNorm3d(width)
        self.conv2, self.bn2 = _conv(width, width, 3, stride), nn.BatchNorm3d(width)
        self.conv3, self.bn3 = _conv(width, out, 1), nn.BatchNorm3d(out)

    def change(self, x: Tensor) -> Tensor:
        """Narrow, convolve, widen."""
        x = F.relu(self.bn1(self.conv1(x)))
        x = F.relu(self.bn2(self.conv2(x)))
        return self.bn3(self.conv3(x))


DEPTHS: dict[int, tuple[type[Residual], tuple[int, int, int, int]]] = {
    18: (Basic, (2, 2, 2, 2)),
    26: (Bottleneck, (2, 2, 2, 2)),  # ours, the smallest with bottlenecks
    34: (Basic, (3, 4, 6, 3)),
    50: (Bottleneck, (3, 4, 6, 3)),
    101: (Bottleneck, (3, 4, 23, 3)),
}


class SqueezeExcite(nn.Module):
    """Weighs channels by what the whole clip shows: y = sigmoid(W2 relu(W1 mean x)) x (eq. 1-3)."""

    def __init__(self, channels: int, reduction: int) -> None:
        super().__init__()
        self.squeeze = nn.Linear(channels, channels // reduction, bias=False)
        self.excite = nn.Linear(channels // reduction, channels, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T, H, W) -> (B, C, T, H, W)."""
        a = torch.sigmoid(self.excite(F.relu(self.squeeze(x.mean((2, 3, 4))))))  # (B, C)
        return x * a[:, :, None, None, None]


class NonLocal(nn.Module):
    """Lets every place of a clip look at every other: y = x + BN(W softmax(theta^T phi) g) (eq. 4).

    Embedded Gaussian of half the width, without a scale. Its norm starts at zero: the identity.
    """

    def __init__(self, channels: int, *, subsample: bool) -> None:
        super().__init__()
        half = channels // 2
        self.theta = nn.Conv3d(channels, half, 1)
        self.phi = nn.Conv3d(channels, half, 1)
        self.g = nn.Conv3d(channels, half, 1)
        self.pool = nn.MaxPool3d((1, 2, 2)) if subsample else nn.Identity()
        self.out = nn.Conv3d(half, channels, 1)
        self.norm = nn.BatchNorm3d(channels)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T, H, W) -> (B, C, T, H, W)."""
        q, k, v = (
            rearrange(part, "b c t h w -> b 1 (t h w) c")  # one head
            for part in (self.theta(x), self.pool(self.phi(x)), self.pool(self.g(x)))
        )
        seen = F.scaled_dot_product_attention(q, k, v, scale=1.0)  # (B, 1, THW, C/2)
        T, H = x.shape[2:4]
        seen = rearrange(seen, "b 1 (t h w) c -> b c t h w", t=T, h=H)
        return x + self.norm(self.out(seen))


class ResNet3d(Network):
    """Global pooling and a linear two-way classifier over four stages, attention after them.

    aux: `pair` (B, 2); `feature` (B, C) pooled; `cam` (B, h, w) over the clip's mean in time, whose
    mean is the logit exactly.
    """

    has_activation_map = True

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        # The paper leaves the region open; a box that moves would hide how heads move.
        self.input_spec = spec_of(config, region="clip")
        if not set(config.non_local) <= {1, 2, 3, 4}:
            raise UsageError(f"non_local: expected stages 1 to 4, got {config.non_local}")
        width = config.width
        self.conv1 = nn.Conv3d(3, width, 7, stride=(1, 2, 2), padding=3, bias=False)
        self.bn1 = nn.BatchNorm3d(width)
        self.maxpool = nn.MaxPool3d(3, stride=2, padding=1)
        block, lengths = DEPTHS[config.depth]
        channels = width
        after = []
        for stage, n_blocks in enumerate(lengths, start=1):
            layers = []
            for i in range(n_blocks):
                layers.append(block(channels, width, 2 if stage > 1 and i == 0 else 1))
                channels = width * block.expansion
            self.add_module(f"layer{stage}", nn.Sequential(*layers))
            after.append(_attention(config, stage, channels))
            width *= 2
        self.after = nn.ModuleList(after)
        self.head = nn.Linear(channels, 2)
        self._initialise()

    def forward(self, batch: Batch) -> Output:
        """Score frames (B, T, 3, H, W), normalised per input_spec -> logit (B,)."""
        x = rearrange(self.frames(batch), "b t c h w -> b c t h w")
        x = self.maxpool(F.relu(self.bn1(self.conv1(x))))  # (B, C, T/2, H/4, W/4)
        for stage, attention in enumerate(self.after, start=1):
            x = attention(self.get_submodule(f"layer{stage}")(x))
        return pooled(x.mean(2), self.head)

    def _initialise(self) -> None:
        for module in self.modules():
            if isinstance(module, nn.Conv3d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            elif isinstance(module, NonLocal):
                nn.init.zeros_(module.norm.weight)


def _attention(config: Config, stage: int, channels: int) -> nn.Sequential:
    """What follows a stage: squeeze-and-excitation first, then its non-local blocks."""
    blocks: list[nn.Module] = []
    if config.squeeze_excite:
        blocks.append(SqueezeExcite(channels, config.reduction))
    for _ in range(config.non_local.count(stage)):
        blocks.append(NonLocal(channels, subsample=config.subsample))
    return nn.Sequential(*blocks)
