"""Turned, mirrored and scaled copies of clips, for items of which a teacher is not sure.

Zhang et al. 2024 name the idea among their limitations: soft labels near one half teach little, and
more views of those items might. The amounts are ours.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from unmask.types import Batch

UNSURE = (0.4, 0.6)  # P(fake) between which a teacher counts as unsure
TURN_DEG, ZOOM = 15.0, 0.1  # largest turn either way; scales from 1 - ZOOM to 1 + ZOOM


def unsure(p_fake: Tensor) -> Tensor:
    """Which of (B,) probabilities say neither fake nor real: (B,) bool."""
    return (p_fake >= UNSURE[0]) & (p_fake <= UNSURE[1])


def with_copies(batch: Batch, chosen: Tensor, n_copies: int) -> Batch:
    """A batch with `n_copies` disturbed copies of each chosen clip (B,) bool behind it."""
    rows = chosen.nonzero()[:, 0].repeat(n_copies)
    if not len(rows):
        return batch
    audio = None if batch.audio is None else torch.cat([batch.audio, batch.audio[rows]])
    return Batch(
        frames=torch.cat([batch.frames, disturbed(batch.frames[rows])]),
        audio=audio,
        label=torch.cat([batch.label, batch.label[rows]]),
    )


def disturbed(frames: Tensor) -> Tensor:
    """Turn, mirror and scale clips (B, T, 3, H, W): each its own way, all its frames alike."""
    turn, zoom, side = torch.rand(3, len(frames), device=frames.device)
    angle_rad = (2 * turn - 1) * math.radians(TURN_DEG)
    scale = 1 + (2 * zoom - 1) * ZOOM
    return warped(frames, angle_rad, scale, mirrored=side < 0.5)


def warped(frames: Tensor, angle_rad: Tensor, scale: Tensor, *, mirrored: Tensor) -> Tensor:
    """Clips (B, T, 3, H, W) turned about their middle, enlarged, and then mirrored where asked.

    What comes in from outside is the picture's own reflection.
    """
    H, W = frames.shape[-2:]
    cos, sin = angle_rad.cos() / scale, angle_rad.sin() / scale
    flip = torch.where(mirrored, -1.0, 1.0)
    zero = torch.zeros_like(cos)
    # Rows of the map from places of the result to places of the picture, both from -1 to 1.
    x = torch.stack([cos * flip, -sin * H / W, zero], -1)
    y = torch.stack([sin * flip * W / H, cos, zero], -1)
    maps = frames.flatten(1, 2)  # (B, T*3, H, W)
    grid = F.affine_grid(torch.stack([x, y], 1), list(maps.shape), align_corners=False)
    moved = F.grid_sample(maps, grid.to(maps.dtype), padding_mode="reflection", align_corners=False)
    return moved.view_as(frames)
