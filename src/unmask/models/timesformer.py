"""TimeSformer over clips of faces: attention over space and time at once, or one after the other.

Paper: Das, Das, Dantcheva, 'Demystifying Attention Mechanisms for Deepfake Detection' (FG 2021),
section III-B. Network: Bertasius, Wang, Torresani, 'Is Space-Time Attention All You Need for Video
Understanding?' (ICML 2021); code: github.com/facebookresearch/TimeSformer (CC-BY-NC, not used here;
`transformers` has an independent one, with whose outputs these are equal).

What Das et al. call dissociated is that paper's divided attention: time, then space. Of its three
crops of a centred clip, averaged at test time, one clip is one input here.
Differs: fused attention kernels, nothing else.
Parameters: joint 85 806 338, divided 121 260 290 with two classes (121 566 352 with 400, of which
thop sees 121.408 M, the familiar 121.4).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from einops import rearrange
from torch import Tensor, nn

from unmask.models.base import Network, spec_of
from unmask.models.blocks.attention import Plug, SelfAttention
from unmask.models.blocks.cross_entropy import LossConfig, Objective
from unmask.models.blocks.heads import two_way
from unmask.models.blocks.transformer import TransformerBlock
from unmask.types import Batch, Output

__all__ = ["Config", "LossConfig", "Objective", "TimeSformer"]

EPS = 1e-6  # of layer norms


@dataclass(frozen=True, kw_only=True)
class Config:
    """ViT-B/16 over eight frames, as published."""

    attention: Literal["joint", "divided"] = "joint"  # Table III
    n_frames: int = 8  # T
    stride: int = 32  # source frames from one frame of a clip to the next
    size_px: int = 224
    patch_px: int = 16
    dim: int = 768  # D
    depth: int = 12
    heads: int = 12
    mlp_ratio: int = 4
    plug: Plug = "none"  # in every attention, those over time included; not of the paper
    drop_path: float = 0.1  # of the last block; from 0 linearly
    # Box around FAN's 68 landmarks x1.3 there. dlib's box reaches from brows to chin as they do.
    alignment: Literal["box", "dlib", "eyes"] = "dlib"
    margin: float = 0.15
    mean: tuple[float, float, float] = (0.45, 0.45, 0.45)  # the code's
    std: tuple[float, float, float] = (0.225, 0.225, 0.225)


class DividedBlock(TransformerBlock):
    """Attention over the times of a place, then over the places of a time, then an MLP.

    The class token takes no part in time. In space every frame has a copy of it, and their answers
    are averaged. With `time_fc` at zero the block is attention in space alone.
    """

    def __init__(
        self, dim: int, heads: int, mlp_dim: int, *, n_frames: int, drop_path: float, plug: Plug
    ) -> None:
        super().__init__(dim, heads, mlp_dim, eps=EPS, drop_path=drop_path, plug=plug)
        self.n_frames = n_frames
        self.norm_time = nn.LayerNorm(dim, eps=EPS)
        self.attn_time = SelfAttention(dim, heads, qkv_bias=True, plug=plug)
        self.time_fc = nn.Linear(dim, dim)

    def forward(self, tokens: Tensor) -> Tensor:
        """Class token and patches (B, 1 + T*N, D) -> (B, 1 + T*N, D)."""
        cls, patches = tokens[:, :1], tokens[:, 1:]
        patches = patches + self._over_time(patches)
        tokens = torch.cat([cls, patches], 1) + self._over_space(cls, patches)
        return tokens + self.drop_path(self.mlp(self.norm_mlp(tokens)))

    def _over_time(self, patches: Tensor) -> Tensor:
        n_places = patches.shape[1] // self.n_frames
        x = rearrange(patches, "b (t n) d -> (b n) t d", t=self.n_frames)
        x = self.time_fc(self.drop_path(self.attn_time(self.norm_time(x))))
        return rearrange(x, "(b n) t d -> b (t n) d", n=n_places)

    def _over_space(self, cls: Tensor, patches: Tensor) -> Tensor:
        T = self.n_frames
        copies = rearrange(cls.expand(-1, T, -1), "b t d -> (b t) 1 d")
        frames = rearrange(patches, "b (t n) d -> (b t) n d", t=T)
        x = self.norm_attn(torch.cat([copies, frames], 1))  # (B*T, 1 + N, D)
        x = rearrange(self.drop_path(self.attn(x)), "(b t) n d -> b t n d", t=T)
        cls = x[:, :, 0].mean(1, keepdim=True)  # (B, 1, D)
        return torch.cat([cls, x[:, :, 1:].flatten(1, 2)], 1)


class TimeSformer(Network):
    """A linear two-way classifier over the class token of a transformer over a clip's patches.

    aux: `pair` (B, 2); `feature` (B, D), the class token.
    """

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        # The paper leaves the region open; a box that moves would hide how heads move.
        self.input_spec = spec_of(config, region="clip")
        dim, patch = config.dim, config.patch_px
        n_places = (config.size_px // patch) ** 2
        self.embed = nn.Conv2d(3, dim, patch, stride=patch)
        self.cls = nn.Parameter(torch.zeros(1, 1, dim))
        self.position = nn.Parameter(torch.zeros(1, 1 + n_places, dim))
        self.time = nn.Parameter(torch.zeros(1, config.n_frames, dim))
        self.blocks = nn.Sequential(*(_block(config, i) for i in range(config.depth)))
        self.norm = nn.LayerNorm(dim, eps=EPS)
        self.head = nn.Linear(dim, 2)
        self._initialise()

    def forward(self, batch: Batch) -> Output:
        """Score frames (B, T, 3, H, W), normalised per input_spec -> logit (B,)."""
        patches = self.embed(self.frames(batch).flatten(0, 1))  # (B*T, D, h, w)
        patches = rearrange(patches, "(b t) d h w -> b t (h w) d", t=self.config.n_frames)
        patches = patches + self.position[:, None, 1:] + self.time[:, :, None]
        cls = (self.cls + self.position[:, :1]).expand(patches.shape[0], -1, -1)
        tokens = torch.cat([cls, patches.flatten(1, 2)], 1)  # (B, 1 + T*N, D)
        feature = self.norm(self.blocks(tokens))[:, 0]  # (B, D)
        return two_way(self.head(feature), feature=feature)

    def _initialise(self) -> None:
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        for token in (self.cls, self.position):
            nn.init.trunc_normal_(token, std=0.02)
        for block in list(self.blocks)[1:]:  # so that a pretrained image network is undisturbed
            if isinstance(block, DividedBlock):
                nn.init.zeros_(block.time_fc.weight)


def _block(config: Config, number: int) -> TransformerBlock:
    drop_path = config.drop_path * number / max(config.depth - 1, 1)
    dim, heads, mlp_dim = config.dim, config.heads, config.mlp_ratio * config.dim
    if config.attention == "joint":
        return TransformerBlock(dim, heads, mlp_dim, eps=EPS, drop_path=drop_path, plug=config.plug)
    return DividedBlock(
        dim, heads, mlp_dim, n_frames=config.n_frames, drop_path=drop_path, plug=config.plug
    )
