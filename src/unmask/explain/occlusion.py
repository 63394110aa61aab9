"""What the score loses when a place is blurred away: slow, and asks the network alone.

Zeiler & Fergus (ECCV 2014), through captum, with two choices. What is taken away is blurred, not
painted grey: an edge where none was is itself a sign of forgery. And a place is taken away in all
frames of a clip at once, so a clip has one map.
"""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from einops import rearrange
from torch import Tensor
from torchvision.transforms.v2 import functional as pictures

from unmask.errors import UsageError
from unmask.models.base import Network
from unmask.types import Batch

CELLS = 8  # along the height of a view
AT_ONCE = 8  # cells that are asked about in one pass
_BLUR = 1 / 12  # standard deviation of the blur, share of the height


def occlusion(network: Network, batch: Batch, cells: int = CELLS) -> Tensor:
    """Logit lost when each cell is blurred, (B, T, h, w); positive = it speaks for a fake.

    Raises:
        UsageError: the network does not look at pictures.
    """
    from captum.attr import Occlusion

    if network.input_spec.view == "none":
        raise UsageError(f"{type(network).__name__}: listens only, so there is nothing to cover")
    frames = batch.frames
    T, channels, height, width = frames.shape[1:]
    side = math.ceil(height / cells)

    def logit(frames: Tensor, audio: Tensor | None) -> Tensor:
        scored: Tensor = network(replace(batch, frames=frames, audio=audio)).logit
        return scored

    with torch.no_grad():
        lost = Occlusion(logit).attribute(
            frames,
            sliding_window_shapes=(T, channels, side, side),
            strides=(T, channels, side, side),
            baselines=blurred(frames),
            additional_forward_args=(batch.audio,),
            perturbations_per_eval=AT_ONCE,
        )
    return cells_of(lost[:, :, 0], side, height, width)


def cells_of(values: Tensor, side: int, height: int, width: int) -> Tensor:
    """Read one value of every cell of `side` px off (B, T, H, W): (B, T, h, w)."""
    rows, columns = range(0, height, side), range(0, width, side)
    return values[:, :, list(rows)][:, :, :, list(columns)].float()


def blurred(frames: Tensor) -> Tensor:
    """Frames (B, T, 3, H, W) without detail: what stands in place of what is taken away."""
    height = frames.shape[-2]
    sigma = _BLUR * height
    size = 2 * math.ceil(2 * sigma) + 1
    flat = rearrange(frames, "b t c h w -> (b t) c h w")
    soft = pictures.gaussian_blur(flat, [size, size], [sigma, sigma])
    clouded: Tensor = soft.reshape(frames.shape)
    return clouded
