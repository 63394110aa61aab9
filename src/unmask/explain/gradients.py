"""Grad-CAM, and the activation map that needs no gradient.

Selvaraju et al., 'Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization'
(ICCV 2017): channels of the last feature map, weighted by the mean gradient of the score over all
places. Under mean pooling and a linear head it equals the exact map but for the bias and the number
of places. captum's `LayerGradCam` wants channels second and one frame; ours takes tokens and clips
as well and equals it where both apply (tests/explain).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import torch
from torch import Tensor, nn

from unmask.explain.places import Place, on_frames, place_of
from unmask.models.base import Network
from unmask.types import Batch


def activation_map(network: Network, batch: Batch) -> Tensor:
    """Exact class activation maps (B, T, h, w), whose mean over places is the logit."""
    with torch.no_grad():
        cam = network(batch).aux["cam"]  # (B, h, w)
    n_frames = network.input_spec.n_frames
    first = n_frames > 1 and place_of(network).first_frame_only
    return on_frames(cam[:, None].float(), n_frames, first_frame_only=first)


def grad_cam(network: Network, batch: Batch) -> Tensor:
    """Grad-CAM (B, T, h, w) before its ReLU: positive = towards fake."""
    place = place_of(network)
    features, gradient = features_and_gradient(network, batch, place)
    weights = gradient.mean((2, 3, 4), keepdim=True)  # (B, C, 1, 1, 1)
    maps = (weights * features).sum(1)  # (B, t, h, w)
    return on_frames(maps, network.input_spec.n_frames, first_frame_only=place.first_frame_only)


def features_and_gradient(network: Network, batch: Batch, place: Place) -> tuple[Tensor, Tensor]:
    """Return what a place holds and the logit's gradient there, each (B, C, t, h, w)."""
    frames = batch.frames.detach().requires_grad_(True)  # frozen networks have gradients too
    with torch.enable_grad(), outputs_of(place.layer) as seen:
        logit = network(replace(batch, frames=frames)).logit
        (gradient,) = torch.autograd.grad(logit.sum(), seen[0])
    return place.lay_out(seen[0].detach()), place.lay_out(gradient)


@contextmanager
def outputs_of(layer: nn.Module) -> Iterator[list[Tensor]]:
    """Collect what a layer puts out while the block runs."""
    seen: list[Tensor] = []
    handle = layer.register_forward_hook(lambda _module, _input, output: seen.append(output))
    try:
        yield seen
    finally:
        handle.remove()
