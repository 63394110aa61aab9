"""The counter behind the published counts of Zhang et al. 2024: thop 0.1.1, by its own rules.

It sees leaf modules of exactly the types that it knows, and only when they run: bare parameters
(position embeddings, class tokens, scales) and subclasses of known types are invisible. Its FLOPs
are multiply-accumulates of convolutions and linear layers, with norms and `nn.Softmax` added and
matrix products left out; hence `attention_maps`, in which our softmax is a module call.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import thop
from torch import nn

from unmask.models.base import Network, example
from unmask.models.blocks.attention import attention_maps


def thop_counts(
    network: Network, custom_ops: Mapping[type[nn.Module], Any] | None = None
) -> tuple[int, float]:
    """Parameters, and FLOPs in G, of one clip."""
    device = next(network.parameters()).device.type
    with attention_maps(network):
        macs, parameters = thop.profile(
            network, (example(network, device=device),), dict(custom_ops or {}), verbose=False
        )
    return int(parameters), macs / 1e9
