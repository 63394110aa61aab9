"""Does the score fall when the places that an explanation rates highest are blurred away?

A map may look right and still not be what the network followed. The test asks the network: cells
are blurred in the order of the map, and the logit is read after each step; beside it cells are
blurred in random orders (RISE, Petsiuk et al., BMVC 2018, deletes against grey; an edge around a
grey cell is itself a sign of forgery, so cells here lose their detail only). In a clip the same
cells are blurred in all frames.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unmask.explain.occlusion import blurred

STEPS = 16  # of the curve, if there are as many cells
ORDERS = 4  # random ones that are averaged

Score = Callable[[Tensor], Tensor]  # frames (B, T, 3, H, W) -> logits (B,)


@dataclass(frozen=True, kw_only=True, eq=False)
class Deletion:
    """Logits while more and more is blurred; the columns of both are `shares` of the cells."""

    shares: NDArray[np.float64]  # (K,), 0 .. 1
    ranked: NDArray[np.float64]  # (B, K) highest cells first
    random: NDArray[np.float64]  # (B, K) mean of random orders

    @property
    def advantage(self) -> NDArray[np.float64]:
        """By how much lower the logit is than under random orders, mean over the curve (B,)."""
        gap = (self.random - self.ranked)[:, 1:-1]  # both ends are the same pictures
        return np.asarray(gap.mean(1))


def delete(score: Score, frames: Tensor, maps: Tensor, *, seed: int = 0) -> Deletion:
    """Blur cells of frames (B, T, 3, H, W) in the order of maps (B, h, w), and in random ones."""
    cells = maps.shape[1] * maps.shape[2]
    counts = np.unique(np.linspace(0, cells, min(STEPS, cells) + 1).round().astype(int))
    chance = torch.Generator().manual_seed(seed)
    random = np.mean(
        [
            _curve(score, frames, torch.rand(maps.shape, generator=chance), counts)
            for _ in range(ORDERS)
        ],
        axis=0,
    )
    ranked = _curve(score, frames, maps, counts)
    return Deletion(shares=counts / cells, ranked=ranked, random=random)


def _curve(
    score: Score, frames: Tensor, maps: Tensor, counts: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Logits (B, K) with the `counts[k]` highest cells blurred."""
    soft = blurred(frames)
    rank = maps.flatten(1).argsort(dim=1, descending=True, stable=True).argsort(dim=1)
    rank = rank.view(len(maps), 1, *maps.shape[1:]).float().to(frames.device)
    place = torch.nn.functional.interpolate(rank, size=frames.shape[-2:], mode="nearest-exact")
    logits = []
    with torch.no_grad():
        for count in counts:
            gone = (place < int(count))[:, None]  # (B, 1, 1, H, W)
            logits.append(score(torch.where(gone, soft, frames)).double().cpu().numpy())
    return np.stack(logits, axis=1)
