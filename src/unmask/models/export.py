"""Networks as ONNX graphs: frames (B, T, 3, H, W) to logit (B,) and, where exact, cam (B, h, w).

The graph holds the network only. Preprocessing stays in `clips/tensors.py`, which training and
scanning share, and the InputSpec travels beside the graph in `checkpoint.json`.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from unmask.models.base import Network
from unmask.types import Batch

OPSET = 20  # the newest that OpenVINO and onnxruntime both read in full


class _Graph(nn.Module):
    """A network as a function of tensors, which is all that a graph can be."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    def forward(self, frames: Tensor) -> tuple[Tensor, ...]:
        out = self.network(Batch(frames=frames))
        return (out.logit, out.aux["cam"]) if self.network.has_activation_map else (out.logit,)


def export_onnx(network: Network, file: Path) -> None:
    """Write the network, in eval mode and float32, as one ONNX file with a dynamic batch axis."""
    spec = network.input_spec
    # Two clips: an axis of length one would be taken for a constant.
    frames = torch.zeros(2, spec.n_frames, 3, spec.size_px, spec.size_px)
    names = ["logit", "cam"] if network.has_activation_map else ["logit"]
    program = torch.onnx.export(
        _Graph(network).eval(),
        (frames,),
        dynamo=True,
        opset_version=OPSET,
        input_names=["frames"],
        output_names=names,
        dynamic_shapes={"frames": {0: torch.export.Dim("batch", min=1, max=4096)}},
        verbose=False,
    )
    assert program is not None, "the dynamo exporter always returns a program"
    program.save(file, external_data=False)
