"""Networks as ONNX graphs: frames (B, T, 3, H, W) to logit (B,) and, where exact, cam (B, h, w).

A network that hears takes `audio` (B, 1, S) or (B, F, S) as its second input.

The graph holds the network only. Preprocessing stays in `clips/tensors.py`, which training and
scanning share, and the InputSpec travels beside the graph in `checkpoint.json`.
"""

from __future__ import annotations

import copy
import warnings
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from unmask.models.base import Network, example
from unmask.types import Batch

OPSET = 20  # the newest that OpenVINO and onnxruntime both read in full


class _Graph(nn.Module):
    """A network as a function of tensors, which is all that a graph can be."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    def forward(self, frames: Tensor, audio: Tensor | None = None) -> tuple[Tensor, ...]:
        out = self.network(Batch(frames=frames, audio=audio))
        return (out.logit, out.aux["cam"]) if self.network.has_activation_map else (out.logit,)


def as_function(network: Network) -> nn.Module:
    """A copy of a network, in eval mode and float32, from tensors to tensors.

    forward(frames[, audio]) -> (logit,), or (logit, cam) where the map is exact.
    """
    return _Graph(copy.deepcopy(network).cpu().float()).eval()


def export_onnx(network: Network, file: Path, *, joined: bool = True) -> None:
    """Write the network, in eval mode and float32, as one ONNX file with a dynamic batch axis.

    The network itself stays as it is: a copy is exported. `joined` merges normalisations into the
    kernels before them; apart, kernels are the very numbers of the checkpoint (`halve_weights`).
    """
    # Two clips: an axis of length one would be taken for a constant.
    clips = example(network, batch=2, device="cpu")
    inputs = {"frames": clips.frames}
    if clips.audio is not None:
        inputs["audio"] = clips.audio
    clip_axis = torch.export.Dim("batch", min=1, max=4096)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"torch\.")  # of its own insides; nothing to do
        program = torch.onnx.export(
            as_function(network),
            tuple(inputs.values()),
            dynamo=True,
            opset_version=OPSET,
            input_names=list(inputs),
            output_names=["logit", "cam"] if network.has_activation_map else ["logit"],
            dynamic_shapes={name: {0: clip_axis} for name in inputs},
            verbose=False,
            optimize=joined,
        )
    assert program is not None, "the dynamo exporter always returns a program"
    for node in program.model.graph.all_nodes():  # no word of whose Python files they came from
        for part in (node, *node.inputs, *node.outputs):
            if part is not None:
                part.metadata_props.clear()
    program.save(file, external_data=False)


def halve_weights(file: Path) -> None:
    """Keep an ONNX file's matrices and kernels in half precision; it computes in float32 as before.

    Weights that a checkpoint itself keeps so stay exact, if the file was exported without joining.
    Each is widened by a Cast when the graph is opened, so a file takes half the space and scans as
    fast. Vectors (biases, scales, statistics) stay exact, as in the weights of a checkpoint.
    """
    import onnx  # a fifth of a second, for those few who write graphs

    model = onnx.load(file)
    graph, casts = model.graph, []
    for weights in graph.initializer:
        if weights.data_type != onnx.TensorProto.FLOAT or len(weights.dims) < 2:
            continue
        name, halved = weights.name, onnx.numpy_helper.to_array(weights).astype(np.float16)
        weights.CopyFrom(onnx.numpy_helper.from_array(halved, f"{name}_half"))
        casts.append(
            onnx.helper.make_node("Cast", [weights.name], [name], to=onnx.TensorProto.FLOAT)
        )
    nodes = list(graph.node)
    del graph.node[:]
    graph.node.extend([*casts, *nodes])
    onnx.checker.check_model(model)
    onnx.save(model, file)
