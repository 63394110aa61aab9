"""Xception guided by long-distance attention over a face and over its motion.

Paper: Lu, Liu, Luo, Zhao, Zhou, Huang, 'Detection of Deepfake Videos Using Long Distance Attention'
(2021). The attention module = `TemplateAttention`, its maps on the backbone = `Guide`; the trunk is
timm's legacy_xception with timm's keys (`Xception`), so that its ImageNet weights load.

One input of 398 px, normalised as the InputSpec says. Everything else happens inside, after
normalisation: motion residuals R_j = I_j - I_(j-1) at 398 px, then the 224 px view of frame and
residuals, an antialiased resize written as two fixed matrix products. The backbone sees I_0 alone.

The paper names neither the width of its attention, its activation, where the maps enter nor how m
maps meet C channels; docs/models/long_distance.md argues each reading, and each is a switch:
(1) ViT-B sizes (12 templates of 64, width 768), softmax over all tokens times their number, so that
a uniform map is 1; (2) spatial maps on the stem's output, temporal maps after block 3;
(3) m groups of channels, one map each; (4) "n consecutive frames" are the n next ones.
Parameters: 23 926 306 = Xception 20 811 050 + spatial 1 331 764 + temporal 1 783 492; the paper
prints none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import torch
from einops import rearrange
from timm.models.xception import Block, SeparableConv2d
from torch import Tensor, nn
from torch.nn import functional as F

from unmask.errors import UsageError
from unmask.models.base import Network, spec_of
from unmask.models.blocks.cross_entropy import LossConfig, Objective
from unmask.models.blocks.heads import pooled, two_way
from unmask.models.blocks.transformer import TransformerBlock
from unmask.types import Batch, Output

__all__ = ["Config", "LongDistance", "LossConfig", "Objective", "VitConfig", "VitDirect"]

Site = Literal["b1", "b2", "b3", "b4", "b5", "b6", "b7", "b8", "b9", "b10", "b11"]
Fusion = Literal["group", "mean", "concat"]
Widths = tuple[int, int, int, int, int, int, int, int]

HALF = (0.5, 0.5, 0.5)  # mean and std of Xception's own preprocessing


@dataclass(frozen=True, kw_only=True)
class Config:
    """Every switch of the paper's tables, and of its claims in words."""

    attention: Literal["none", "spatial", "temporal", "both"] = "both"  # Table V
    gate: Literal["templates", "convolution"] = "templates"  # what makes the maps
    maps: int = 4  # m, Table VI tries 1..5
    next_frames: int = 3  # n, Table VII tries 2..5; at the file's own rate
    fuse: Fusion = "group"  # how m maps meet C channels; ours, the paper does not say
    activation: Literal["softmax", "sigmoid"] = "softmax"  # of a template's answers; ours
    context_layers: int = 0  # transformer blocks before the templates; none are described
    span: int | None = None  # cells a side of the softmax's window; None = the whole grid
    temporal_at: Site = "b3"  # block whose output the temporal maps are laid over
    size_px: int = 398  # input side; makes the stem's output 196 = 14 x 14
    view_px: int = 224  # what the attention sees of it
    patch_px: int = 16  # s: 14 x 14 cells
    dim: int = 768  # D; ours, ViT-B's
    templates: int = 12  # K
    template_dim: int = 64  # d; ours
    widths: Widths = (32, 64, 128, 256, 728, 1024, 1536, 2048)  # Xception's
    alignment: Literal["box", "dlib", "eyes"] = "eyes"  # "aligned"
    margin: float = 0.0

    @property
    def n_frames(self) -> int:
        """T: the frame, and the next n where something looks at motion."""
        looks = self.gate == "templates" and self.attention in ("temporal", "both")
        return 1 + self.next_frames if looks else 1


class Xception(nn.Module):
    """timm's legacy_xception without its head, cut into the stages b0..b12 and `final`.

    At 398 px: b0 64x196x196, b1 128x98x98, b2 256x49x49, b3..b11 728x25x25, b12 1024x13x13,
    final 2048x13x13.
    """

    def __init__(self, widths: Widths) -> None:
        super().__init__()
        stem, b0, b1, b2, middle, b12, wide, final = widths
        self.conv1 = nn.Conv2d(3, stem, 3, stride=2, bias=False)
        self.bn1 = nn.BatchNorm2d(stem)
        self.conv2 = nn.Conv2d(stem, b0, 3, bias=False)
        self.bn2 = nn.BatchNorm2d(b0)
        self.block1 = Block(b0, b1, 2, 2, start_with_relu=False)
        self.block2 = Block(b1, b2, 2, 2)
        self.block3 = Block(b2, middle, 2, 2)
        for number in range(4, 12):
            self.add_module(f"block{number}", Block(middle, middle, 3, 1))
        self.block12 = Block(middle, b12, 2, 2, grow_first=False)
        self.conv3 = SeparableConv2d(b12, wide, 3, 1, 1)
        self.bn3 = nn.BatchNorm2d(wide)
        self.conv4 = SeparableConv2d(wide, final, 3, 1, 1)
        self.bn4 = nn.BatchNorm2d(final)
        self.act4 = nn.ReLU()  # a module, so that explanations find the last map
        self.width_at = {"b0": b0, "b1": b1, "b2": b2, "b12": b12, "final": final}
        self.width_at |= {f"b{number}": middle for number in range(3, 12)}
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def stages(self) -> Iterator[tuple[str, Callable[[Tensor], Tensor]]]:
        """Stages in order, by name."""
        yield "b0", self._stem
        for number in range(1, 13):
            yield f"b{number}", self.get_submodule(f"block{number}")
        yield "final", self._final

    def forward(self, x: Tensor) -> Tensor:
        """Images (B, 3, H, W) -> features (B, C, h, w)."""
        for _, stage in self.stages():
            x = stage(x)
        return x

    def _stem(self, x: Tensor) -> Tensor:
        x = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(x)))

    def _final(self, x: Tensor) -> Tensor:
        x = F.relu(self.bn3(self.conv3(x)))
        return self.act4(self.bn4(self.conv4(x)))


class TemplateAttention(nn.Module):
    """Maps of what K learned templates find in the patches of a view, compared over the whole view.

    z_i = E vec(p_i) + b + pos_i;  a_i^(k) = N softmax_i(t_k . U_k z_i / sqrt(d));  M = Conv1x1(A)
    over the N tokens of one frame, or of a frame and its motion residuals. The softmax is what
    makes a cell's weight depend on every other cell. Templates start at zero: every map is 1 and a
    pretrained backbone is left as it was.
    """

    near: Tensor | None  # (places, N) whether a place's softmax sees a token; None = all do

    def __init__(self, config: Config, n_frames: int) -> None:
        super().__init__()
        self.config = config
        self.n_frames, self.side = n_frames, config.view_px // config.patch_px
        dim, K, patch = config.dim, config.templates, config.patch_px
        n_tokens = n_frames * self.side**2
        self.embed = nn.Conv2d(3, dim, patch, stride=patch)
        self.position = nn.Parameter(torch.zeros(1, n_tokens, dim))  # per time and place
        nn.init.trunc_normal_(self.position, std=0.02)
        self.context = nn.Sequential(
            *(TransformerBlock(dim, K, 4 * dim) for _ in range(config.context_layers))
        )
        self.project = nn.Linear(dim, K * config.template_dim, bias=False)  # U_1 .. U_K
        self.templates = nn.Parameter(torch.zeros(K, config.template_dim, 1))  # t_1 .. t_K
        self.combine = nn.Conv2d(K * n_frames, config.maps, 1)
        _start_at(self.combine, 1 / (K * n_frames))
        near = None if config.span is None else windows(self.side, config.span).repeat(1, n_frames)
        self.register_buffer("near", near, persistent=False)
        if config.activation == "softmax" and config.span == n_frames == 1:
            # A softmax over one token is 1 whatever came before it, which therefore cannot learn.
            self.requires_grad_(False)
            self.combine.requires_grad_(True)

    def forward(self, views: Tensor) -> Tensor:
        """Views (B, T, 3, V, V) -> maps (B, m, g, g), all 1 where nothing stands out."""
        z = rearrange(
            self.embed(views.flatten(0, 1)), "(b t) d y x -> b (t y x) d", t=self.n_frames
        )
        z = self.context(z + self.position)  # (B, N, D)
        found = rearrange(self.project(z), "b n (k d) -> b k n d", k=self.config.templates)
        answers = (found @ self.templates).squeeze(-1) * self.config.template_dim**-0.5
        a = self._activate(answers.float()).to(answers.dtype)  # (B, K, N)
        a = rearrange(a, "b k (t y x) -> b (k t) y x", t=self.n_frames, y=self.side)
        return self.combine(a)

    def _activate(self, answers: Tensor) -> Tensor:
        """Scores (B, K, N) -> weights of mean 1; a score of zero everywhere gives 1 everywhere."""
        if self.config.activation == "sigmoid":
            return 2 * torch.sigmoid(answers)
        if self.near is None:
            return answers.softmax(-1) * answers.shape[-1]
        seen = answers[:, :, None].masked_fill(~self.near, -torch.inf)  # (B, K, places, N)
        total = seen.logsumexp(-1).repeat(1, 1, self.n_frames)  # (B, K, N)
        return (answers - total).exp() * self.near[0].sum()


def _start_at(conv: nn.Conv2d, weight: float) -> None:
    nn.init.constant_(conv.weight, weight)
    nn.init.zeros_(conv.get_parameter("bias"))


def windows(side: int, span: int) -> Tensor:
    """Which cells of a square grid share a window of `span` cells a side: (g*g, g*g) bool.

    A window is centred on its cell and moved inwards at the border, so that all hold span^2 cells
    and the window of the whole grid is the whole grid for every cell.
    """
    if not 1 <= span <= side:
        raise UsageError(f"span: expected 1 to {side}, the cells a side of the grid, got {span}")
    start = (torch.arange(side) - span // 2).clamp(0, side - span)
    offset = torch.arange(side) - start[:, None]
    line = (offset >= 0) & (offset < span)  # (g, g)
    both = line[:, None, :, None] & line[None, :, None, :]  # (y, x, y', x')
    return both.reshape(side * side, side * side)


class LocalGate(nn.Module):
    """Maps from a 1x1 convolution over the guided features themselves: each cell sees only itself.

    The comparison to long distance. Starts at zero: every map is 1.
    """

    def __init__(self, channels: int, maps: int) -> None:
        super().__init__()
        self.score = nn.Conv2d(channels, maps, 1)
        _start_at(self.score, 0.0)

    def forward(self, x: Tensor) -> Tensor:
        """Features (B, C, H, W) -> maps (B, m, H, W) in (0, 2)."""
        return 2 * torch.sigmoid(self.score(x))


class Fuse(nn.Module):
    """Lays m maps over C channels and keeps their shape; maps of 1 change nothing at first.

    `group`: the channels in m contiguous groups, group k times map k. `mean`: all channels times
    the mean map. `concat`: m copies, one per map, and a 1x1 convolution back to C channels.
    """

    group: Tensor  # (C,) number of the map of each channel

    def __init__(self, how: Fusion, maps: int, channels: int) -> None:
        super().__init__()
        self.how = how
        sizes = (channels // maps + (k < channels % maps) for k in range(maps))
        group = torch.tensor([k for k, size in enumerate(sizes) for _ in range(size)])
        self.register_buffer("group", group, persistent=False)
        self.merge = None
        if how == "concat":
            self.merge = nn.Conv2d(maps * channels, channels, 1)
            _start_at(self.merge, 0.0)
            same = torch.eye(channels).repeat(1, maps) / maps  # the mean of the copies
            self.merge.weight = nn.Parameter(same[:, :, None, None])

    def forward(self, x: Tensor, maps: Tensor) -> Tensor:
        """Features (B, C, H, W) and maps (B, m, g, g) -> features (B, C, H, W)."""
        maps = _spread(maps, x.shape[-2:]).to(x.dtype)  # (B, m, H, W)
        if self.merge is not None:
            return self.merge((maps[:, :, None] * x[:, None]).flatten(1, 2))
        if self.how == "mean":
            return x * maps.mean(1, keepdim=True)
        return x * maps[:, self.group]


def _spread(maps: Tensor, size: torch.Size) -> Tensor:
    """Resize maps to a feature map: cells repeat where they fit exactly, else bilinear."""
    exact = all(large % small == 0 for large, small in zip(size, maps.shape[-2:], strict=True))
    if exact:
        return F.interpolate(maps, size=size, mode="nearest")
    return F.interpolate(maps, size=size, mode="bilinear", align_corners=False)


class Guide(nn.Module):
    """Attention maps over one feature map of the backbone."""

    def __init__(self, config: Config, n_frames: int, channels: int) -> None:
        super().__init__()
        self.looks_at_views = config.gate == "templates"
        self.n_frames = n_frames
        self.source = (
            TemplateAttention(config, n_frames)
            if self.looks_at_views
            else LocalGate(channels, config.maps)
        )
        self.fuse = Fuse(config.fuse, config.maps, channels)

    def forward(self, x: Tensor, views: Tensor) -> tuple[Tensor, Tensor]:
        """Features (B, C, H, W), views (B, T, 3, V, V) -> guided features, maps (B, m, g, g)."""
        maps = self.source(views[:, : self.n_frames] if self.looks_at_views else x)
        return self.fuse(x, maps), maps


class Resize(nn.Module):
    """Antialiased bilinear resize as two fixed matrix products: R x R^T.

    Row i of R is a triangle as wide as the reduction, centred on output pixel i and cut off at the
    border, of sum 1: what torch's and Pillow's antialiased resize do, in a form that every graph
    format has.
    """

    rows: Tensor  # (to_px, from_px)

    def __init__(self, from_px: int, to_px: int) -> None:
        super().__init__()
        scale = from_px / to_px
        centre = (torch.arange(to_px, dtype=torch.float64) + 0.5) * scale
        distance = torch.arange(from_px, dtype=torch.float64) + 0.5 - centre[:, None]
        weight = (1 - distance.abs() / max(scale, 1.0)).clamp(min=0)
        rows = (weight / weight.sum(1, keepdim=True)).float()
        self.register_buffer("rows", rows, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """(..., from_px, from_px) -> (..., to_px, to_px)."""
        return self.rows @ x @ self.rows.T


def motion(frames: Tensor) -> Tensor:
    """A frame and the changes after it: (I_0, I_1 - I_0, I_2 - I_1, ...), (B, T, 3, H, W)."""
    return torch.cat([frames[:, :1], frames[:, 1:] - frames[:, :-1]], 1)


class LongDistance(Network):
    """Global pooling and a linear two-way classifier over a guided Xception.

    aux: `pair` (B, 2); `feature` (B, C) pooled; `cam` (B, h, w), whose mean is the logit exactly;
    `spatial_maps` and `temporal_maps` (B, m, g, g) where there are such (a convolution's are as
    large as the features they gate).
    """

    has_activation_map = True

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.input_spec = spec_of(config, mean=HALF, std=HALF)
        self.trunk = Xception(config.widths)
        width = self.trunk.width_at
        looks = config.gate == "templates" and config.attention != "none"
        self.resize = Resize(config.size_px, config.view_px) if looks else nn.Identity()
        self.spatial = self.temporal = None
        if config.attention in ("spatial", "both"):
            self.spatial = Guide(config, 1, width["b0"])
        if config.attention in ("temporal", "both"):
            self.temporal = Guide(config, config.n_frames, width[config.temporal_at])
        self.head = nn.Linear(width["final"], 2)

    def forward(self, batch: Batch) -> Output:
        """Score frames (B, T, 3, H, W), T = 1 or n + 1, normalised per input_spec -> logit (B,)."""
        frames = self.frames(batch)
        # Differences before the resize: in bf16 they would drown in the rounding of its result.
        views = self.resize(motion(frames))  # (B, T, 3, V, V)
        guides = {"b0": ("spatial_maps", self.spatial)}
        guides[self.config.temporal_at] = ("temporal_maps", self.temporal)
        maps: dict[str, Tensor] = {}
        x = frames[:, 0]
        for name, stage in self.trunk.stages():
            x = stage(x)  # (B, C, h, w)
            label, guide = guides.get(name, ("", None))
            if guide is not None:
                x, maps[label] = guide(x, views)
        out = pooled(x, self.head)
        out.aux |= maps
        return out


@dataclass(frozen=True, kw_only=True)
class VitConfig:
    """A plain vision transformer on the same input; ViT-B/16 by default."""

    size_px: int = 398
    view_px: int = 224
    patch_px: int = 16
    dim: int = 768
    depth: int = 12
    heads: int = 12
    alignment: Literal["box", "dlib", "eyes"] = "eyes"
    margin: float = 0.0


class VitDirect(Network):
    """A vision transformer used directly, which the paper says is weak: no backbone, no templates.

    aux: `pair` (B, 2); `feature` (B, D), the class token.
    """

    def __init__(self, config: VitConfig) -> None:
        super().__init__()
        self.config = config
        self.input_spec = spec_of(config, mean=HALF, std=HALF)
        dim, patch = config.dim, config.patch_px
        n_tokens = 1 + (config.view_px // patch) ** 2
        self.resize = Resize(config.size_px, config.view_px)
        self.embed = nn.Conv2d(3, dim, patch, stride=patch)
        self.cls = nn.Parameter(torch.zeros(1, 1, dim))
        self.position = nn.Parameter(torch.zeros(1, n_tokens, dim))
        nn.init.trunc_normal_(self.cls, std=0.02)
        nn.init.trunc_normal_(self.position, std=0.02)
        blocks = (TransformerBlock(dim, config.heads, 4 * dim) for _ in range(config.depth))
        self.blocks = nn.Sequential(*blocks)
        self.norm = nn.LayerNorm(dim, eps=1e-6)
        self.head = nn.Linear(dim, 2)

    def forward(self, batch: Batch) -> Output:
        """Score frames (B, 1, 3, H, W), normalised per input_spec -> logit (B,)."""
        view = self.resize(self.frames(batch)[:, 0])  # (B, 3, V, V)
        patches = rearrange(self.embed(view), "b d y x -> b (y x) d")
        tokens = torch.cat([self.cls.expand(patches.shape[0], -1, -1), patches], 1) + self.position
        feature = self.norm(self.blocks(tokens))[:, 0]  # (B, D)
        return two_way(self.head(feature), feature=feature)
