"""Weights divided among processes (FSDP), for networks too large for one device.

Every process keeps a share of each weight, of its gradient and of the optimizer's state, and the
whole only while it is computed with. What is saved, kept as the best or shown is always whole, so a
checkpoint does not know how it was trained. torch calls this fully_shard.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, distributed, nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor
from torch.optim import Optimizer

WORTH = 1 << 20  # numbers in a block that it pays to gather by itself


def sharded(objective: nn.Module, mesh: DeviceMesh) -> nn.Module:
    """Divide an objective's weights among the processes of a mesh, teachers' too.

    Large blocks in lists are gathered one at a time, everything else together. All are divided
    again after every pass, so that a state read between two steps is one of shares.
    """
    among = mesh["data_parallel"]
    lists = [module for module in objective.modules() if isinstance(module, nn.ModuleList)]
    for block in (block for blocks in reversed(lists) for block in blocks):
        if sum(p.numel() for p in block.parameters()) >= WORTH:
            fully_shard(block, mesh=among, reshard_after_forward=True)
    fully_shard(objective, mesh=among, reshard_after_forward=True)
    return objective


def whole(value: Any) -> Any:
    """Gather all shares in nested dicts and lists; a step of all processes together."""
    if isinstance(value, DTensor):
        return value.full_tensor()
    if isinstance(value, Mapping):
        return {key: whole(inner) for key, inner in value.items()}
    return [whole(inner) for inner in value] if isinstance(value, list) else value


def share_like(value: Tensor, target: Tensor) -> Tensor:
    """Divide a whole tensor as another one is, if that is divided."""
    if not isinstance(target, DTensor):
        return value
    placed = value.to(target.device, target.dtype)
    return distribute_tensor(placed, target.device_mesh, target.placements)


def load_optimizer(optimizer: Optimizer, state: dict[str, Any]) -> None:
    """Go on from a state of whole tensors, divided as the weights are."""
    weights = [weight for group in optimizer.param_groups for weight in group["params"]]
    moments = {
        number: {
            name: share_like(value, weights[number])
            if isinstance(value, Tensor) and value.shape == weights[number].shape
            else value
            for name, value in values.items()
        }
        for number, values in state["state"].items()
    }
    optimizer.load_state_dict({**state, "state": moments})


@torch.no_grad()
def overwrite(module: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Give a module other weights and buffers, whole or divided as its own are."""
    for name, tensor in module.state_dict().items():
        value = tensors[name]
        tensor.copy_(value if isinstance(value, DTensor) else share_like(value, tensor))


def agree_on_buffers(module: nn.Module) -> None:
    """Give all processes the leader's batch statistics, as DDP does."""
    for buffer in module.buffers():
        distributed.broadcast(buffer, src=0)
