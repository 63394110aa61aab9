"""What non-local blocks and squeeze-and-excitation weigh, read off a 3D ResNet (Das et al. 2021).

A non-local block lets every place of a clip look at every other; its map here is what a place is
given by all of them on average. Squeeze-and-excitation weighs channels, so it has no map: its
weights are numbers for each stage.
"""

from __future__ import annotations

from contextlib import ExitStack

import torch
from einops import rearrange
from torch import Tensor

from unmask.errors import UsageError
from unmask.explain.gradients import outputs_of
from unmask.explain.places import on_frames
from unmask.models.base import Network
from unmask.models.resnet3d import NonLocal, SqueezeExcite
from unmask.types import Batch

SIDE = 7  # places; of the paper's 112 px the block after stage 2 has so many


def non_local(network: Network, batch: Batch) -> Tensor:
    """What places are given by a non-local block, 1 = an even share: (B, T, h, w).

    Of the deepest block that tells at least `SIDE` x `SIDE` places apart; later ones see the face
    as a few large places. Where there is none, of the one that tells the most apart.
    """
    found = [affinity(network, batch, m) for m in network.modules() if isinstance(m, NonLocal)]
    fine = [looks for looks in found if looks.shape[-1] >= SIDE]
    looks = fine[-1] if fine else max(found, key=lambda looks: looks[0, 0].numel())
    maps = looks.mean(1)  # (B, t, h, w)
    even = maps / maps.mean((1, 2, 3), keepdim=True)
    return on_frames(even, network.input_spec.n_frames)


def affinity(network: Network, batch: Batch, block: NonLocal) -> Tensor:
    """How much every place looks at every other, (B, THW, t, h, w); sums to 1 over the latter."""
    with torch.no_grad(), outputs_of(block.theta) as asking, outputs_of(block.phi) as asked:
        network(batch)
        keys = block.pool(asked[0])  # (B, C/2, t, h, w)
    scores = torch.einsum("bcq,bck->bqk", asking[0].flatten(2), keys.flatten(2))
    t, h = keys.shape[2:4]
    return rearrange(scores.softmax(-1), "b q (t h w) -> b q t h w", t=t, h=h)


def channel_weights(network: Network, batch: Batch) -> list[Tensor]:
    """Weights of the channels after every stage, (B, C) in (0, 1) each.

    Raises:
        UsageError: the network has no squeeze-and-excitation.
    """
    blocks = [m for m in network.modules() if isinstance(m, SqueezeExcite)]
    if not blocks:
        raise UsageError(
            f"{type(network).__name__}: has no squeeze-and-excitation; resnet3d/se and "
            "resnet3d/se-nl1234 have"
        )
    with torch.no_grad(), ExitStack() as hooks:
        seen = [hooks.enter_context(outputs_of(block.excite)) for block in blocks]
        network(batch)
        return [outputs[0].sigmoid() for outputs in seen]


def has_non_local(network: Network) -> bool:
    """Whether there is a non-local block."""
    return any(isinstance(module, NonLocal) for module in network.modules())
