"""MTCNN's three networks as OpenVINO graphs, built operator by operator from plain arrays.

Paper: Zhang, Zhang, Li, Qiao, "Joint Face Detection and Alignment Using Multitask Cascaded
Convolutional Networks", IEEE Signal Processing Letters 23(10), 2016, Fig. 2. P-Net slides over an
image, R-Net and O-Net judge 24 px and 48 px cuts. All take RGB uint8 (B, H, W, 3) as it comes from
the decoder; the turn to channels first is part of the graph, and the scaling to (x - 127.5) / 128
of the first kernel, which saves P-Net a fifth of its time.

Two traps, found by comparing: pools round up where sizes do not divide, and the dense layers learnt
from column-major maps, so width comes before height when a map is flattened.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from unmask.faces.mtcnn_weights import Net, Weights, load_weights
from unmask.openvino_core import openvino_core
from unmask.types import Image

if TYPE_CHECKING:
    import openvino

Array = NDArray[np.float32]


class _Layers:
    """Writes a network front to back, taking the weights in the order in which they are stored."""

    def __init__(self, weights: Weights):
        # Imported by then, and quietly: see `unmask.openvino_core`.
        from openvino import opset13

        self._ops: Any = opset13
        self._weights = iter(_with_scaling(weights))

    def image(self, side_px: int | None) -> tuple[Any, Any]:
        """Parameter (B, H, W, 3) uint8 and its form (B, 3, H, W) for a convolution."""
        ops = self._ops
        side = -1 if side_px is None else side_px
        parameter = ops.parameter([-1, side, side, 3], np.uint8)
        x = ops.convert(parameter, np.float32)
        return parameter, ops.transpose(x, np.array([0, 3, 1, 2]))  # (B, 3, H, W)

    def conv(self, x: Any) -> Any:
        """Convolution without padding, with bias."""
        kernel = next(self._weights).transpose(3, 2, 0, 1)
        bias = next(self._weights).reshape(1, -1, 1, 1)
        ones, none = [1, 1], [0, 0]
        x = self._ops.convolution(x, np.ascontiguousarray(kernel), ones, none, none, ones)
        return self._ops.add(x, bias)

    def dense(self, x: Any) -> Any:
        """Fully connected layer, with bias."""
        x = self._ops.matmul(x, next(self._weights), transpose_a=False, transpose_b=False)
        return self._ops.add(x, next(self._weights))

    def prelu(self, x: Any) -> Any:
        """Slope below zero learnt per channel."""
        return self._ops.prelu(x, next(self._weights).ravel())

    def pool(self, x: Any, side: int) -> Any:
        """Maximum over `side` x `side`, stride 2, sizes rounded up."""
        none = [0, 0]
        pooled = self._ops.max_pool(x, [2, 2], [1, 1], none, none, [side, side], "ceil")
        return pooled.output(0)

    def flatten(self, x: Any) -> Any:
        """(B, C, H, W) -> (B, W*H*C): the order in which the dense layers learnt."""
        x = self._ops.transpose(x, np.array([0, 3, 2, 1]))
        return self._ops.reshape(x, np.array([0, -1]), special_zero=True)

    def face_probability(self, x: Any) -> Any:
        """Scores (B, 2, ...) of [no face, face] -> probability of a face (B, ...)."""
        return self._ops.gather(self._ops.softmax(x, 1), np.int64(1), np.int64(1))


def _with_scaling(weights: Weights) -> Weights:
    """Let the first kernel take pixels: k * (x - 127.5) / 128 + b = (k / 128) * x + rest."""
    kernel, bias, *others = weights
    kernel = kernel / np.float32(128)
    return [kernel, bias - kernel.sum(axis=(0, 1, 2)) * np.float32(127.5), *others]


def pnet(weights: Weights) -> "openvino.Model":
    """P-Net: (B, H, W, 3) -> box offsets (B, 4, h, w), probability (B, h, w); h = ceil(H/2) - 5.

    Cell (y, x) looks at the 12 px square whose corner is at (2x, 2y).
    """
    net = _Layers(weights)
    image, x = net.image(None)
    x = net.pool(net.prelu(net.conv(x)), 2)
    x = net.prelu(net.conv(x))
    x = net.prelu(net.conv(x))
    offsets = net.conv(x)
    return _model([offsets, net.face_probability(net.conv(x))], image, "pnet")


def rnet(weights: Weights) -> "openvino.Model":
    """R-Net: (B, 24, 24, 3) -> box offsets (B, 4), probability (B,)."""
    net = _Layers(weights)
    image, x = net.image(24)
    x = net.pool(net.prelu(net.conv(x)), 3)
    x = net.pool(net.prelu(net.conv(x)), 3)
    x = net.prelu(net.conv(x))
    x = net.prelu(net.dense(net.flatten(x)))
    offsets = net.dense(x)
    return _model([offsets, net.face_probability(net.dense(x))], image, "rnet")


def onet(weights: Weights) -> "openvino.Model":
    """O-Net: (B, 48, 48, 3) -> box offsets (B, 4), landmarks (B, 10), probability (B,).

    Landmarks: five x, then five y, as shares of the cut's side.
    """
    net = _Layers(weights)
    image, x = net.image(48)
    x = net.pool(net.prelu(net.conv(x)), 3)
    x = net.pool(net.prelu(net.conv(x)), 3)
    x = net.pool(net.prelu(net.conv(x)), 2)
    x = net.prelu(net.conv(x))
    x = net.prelu(net.dense(net.flatten(x)))
    offsets, landmarks = net.dense(x), net.dense(x)
    return _model([offsets, landmarks, net.face_probability(net.dense(x))], image, "onet")


def _model(outputs: list[Any], image: Any, name: str) -> "openvino.Model":
    import openvino

    return openvino.Model(outputs, [image], name)


BUILDERS = {"pnet": pnet, "rnet": rnet, "onet": onet}
# Cuts judged at once, and always so many: for every new number OpenVINO makes new kernels, which
# takes as long as several runs. O-Net gets one face in the three frames between two searches.
BATCHES: dict[Net, int] = {"rnet": 32, "onet": 3}


@dataclass(frozen=True, kw_only=True)
class Graph:
    """A compiled network. Not for several threads at once: its buffers are used again."""

    request: Any

    def __call__(self, images: Image) -> tuple[Array, ...]:
        """Run (B, H, W, 3) uint8; the arrays returned are overwritten by the next call."""
        self.request.infer({0: images}, share_inputs=True)
        return tuple(cast(Array, tensor.data) for tensor in self.request.output_tensors)

    def in_batches(self, images: Image) -> tuple[Array, ...]:
        """Run (N, H, W, 3), N >= 1, in batches of the size compiled; the results are a copy."""
        n, size = len(images), self.request.input_tensors[0].shape[0]
        missing = -n % size
        if missing:
            images = np.concatenate([images, np.zeros((missing, *images.shape[1:]), np.uint8)])
        parts = [
            [out.copy() for out in self(images[start : start + size])]
            for start in range(0, n, size)
        ]
        return tuple(np.concatenate(part)[:n] for part in zip(*parts, strict=True))


def compile_graph(net: Net, *, cache: Path, threads: int = 0) -> Graph:
    """Build and compile one network for the CPU in float32 (bf16 moves P-Net's scores by .01).

    Compiling takes some 20 to 80 ms, which OpenVINO's own model cache would only halve.

    Args:
        net: which of the three networks.
        cache: folder where the weights are kept as plain arrays.
        threads: CPU threads; 0 = as many as OpenVINO finds useful.
    """
    core = openvino_core()
    model = BUILDERS[net](load_weights(net, cache))
    if net in BATCHES:
        model.reshape([BATCHES[net], *list(model.input(0).partial_shape)[1:]])
    settings: dict[str, Any] = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
    if threads:
        settings["INFERENCE_NUM_THREADS"] = threads
    return Graph(request=core.compile_model(model, "CPU", settings).create_infer_request())
