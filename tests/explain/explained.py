"""Small random networks of every kind that can be explained, and batches for them."""

from __future__ import annotations

from typing import Any

import torch

from unmask.models import create
from unmask.models.base import Network
from unmask.types import Batch

GROUPS = ((8, 1), (12, 1), (16, 1), (16, 1))
HEADS = {"heads": 2, "head_dim": 8, "mlp_dim": 32}

NETWORKS: dict[str, tuple[str, dict[str, Any]]] = {
    "dtn": ("dtn", {"size_px": 64, "groups": GROUPS, "expert_hidden": 4, "depth": 2, "heads": 2}),
    "dtn-skip": (
        "dtn/skip",
        {"size_px": 64, "groups": GROUPS, "expert_hidden": 4, "depth": 2, "heads": 2},
    ),
    "vgg": ("dtn/vgg", {"size_px": 64, "groups": GROUPS}),
    "vit": ("vit", {"size_px": 48, "patch_px": 8, "dim": 16, "depth": 2, **HEADS}),
    "vit-reattention": (
        "vit/reattention",
        {"size_px": 48, "patch_px": 8, "dim": 16, "depth": 2, **HEADS},
    ),
    "cvit": ("cvit", {"size_px": 64, "groups": GROUPS, "dim": 16, "depth": 1, **HEADS}),
    "mesonet": ("mesonet-4", {"size_px": 64}),
    "long_distance": (
        "long_distance/tiny",
        {"dim": 24, "templates": 2, "template_dim": 8, "widths": (8, 8, 8, 12, 16, 16, 16, 16)},
    ),
    "vit_direct": (
        "long_distance/vit_direct",
        {"size_px": 70, "view_px": 48, "dim": 16, "depth": 2, "heads": 2},
    ),
    "resnet3d": (
        "resnet3d/tiny",
        {"width": 4, "size_px": 48, "n_frames": 8, "non_local": (2,), "squeeze_excite": True},
    ),
    "tsf-joint": (
        "timesformer/tiny",
        {"size_px": 48, "dim": 12, "depth": 2, "heads": 2, "n_frames": 4},
    ),
    "tsf-divided": (
        "timesformer/tiny",
        {"size_px": 48, "dim": 12, "depth": 2, "heads": 2, "n_frames": 4, "attention": "divided"},
    ),
    "av_cae": ("av_cae/tiny", {}),
}


def network_of(name: str, **overrides: Any) -> Network:
    """A network whose weights are random everywhere, in eval mode."""
    torch.manual_seed(0)
    model, config = NETWORKS[name]
    network = create(model, **{**config, **overrides})
    chance = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=chance) * 0.1)
    return network.eval()


def batch_of(network: Network, n: int = 2) -> Batch:
    """Random clips."""
    spec = network.input_spec
    chance = torch.Generator().manual_seed(2)
    frames = torch.randn(n, spec.n_frames, 3, *spec.shape_px, generator=chance)
    audio = None if spec.audio is None else torch.randn(n, *spec.audio.shape, generator=chance)
    return Batch(frames=frames, audio=audio)
