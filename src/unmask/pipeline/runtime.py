"""Where a network runs: an exported graph in OpenVINO, or the network itself in torch.

`auto` takes the graph on CPUs and torch where a CUDA device is asked for. The precision is always
stated: bf16 where the processor has instructions for it, float32 elsewhere; a graph that was
exported for one (`unmask export --precision`) is run in that.
"""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np

from unmask.errors import CheckpointError, MissingExtraError, UsageError
from unmask.models.checkpoint import METADATA, Checkpoint, Metadata
from unmask.openvino_core import openvino_core
from unmask.types import Batch, Output

Backend = Literal["auto", "torch", "openvino"]
Device = Literal["auto", "cpu", "cuda"]
Precision = Literal["auto", "f32", "bf16", "int8"]

MIRRORED = "mirrored"  # in the name of a runtime that looks at mirror images, too


class Runtime(Protocol):
    """A network ready to score: numpy in, numpy out. Safe to call from several threads."""

    name: str  # e.g. "openvino bf16"

    def __call__(self, batch: Batch) -> Output:
        """Score clips; `aux["cam"]` holds the activation map where the network has one."""
        ...


class OpenVinoRuntime:
    """An exported graph on any maker's CPU."""

    def __init__(self, graph: Path, precision: Precision = "auto") -> None:
        """`int8` says what the graph holds; whatever of it is no integer runs as with `auto`."""
        core = openvino_core()
        capable = "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        best = "bf16" if capable else "f32"
        hint = precision if precision in ("f32", "bf16") else best
        # No CACHE_DIR: it would spare 0.15 s, but OpenVINO takes a damaged copy for a whole one and
        # scores with it, past the checkpoint's hash.
        settings = {"INFERENCE_PRECISION_HINT": hint}
        self.name = f"openvino {'int8' if precision == 'int8' else hint}"
        try:
            self._compiled = core.compile_model(str(graph), "CPU", settings)
        except RuntimeError as error:
            raise CheckpointError(
                f"{graph}: OpenVINO cannot run this graph ({str(error).strip().splitlines()[-1]})"
            ) from error
        self._outputs = [port.get_any_name() for port in self._compiled.outputs]
        self.input_shapes: dict[str, tuple[int, ...]] = {  # of one clip
            port.get_any_name(): tuple(axis.get_max_length() for axis in port.partial_shape)[1:]
            for port in self._compiled.inputs
        }
        self._requests = threading.local()  # a request holds its buffers: one for each thread

    def __call__(self, batch: Batch) -> Output:
        """Score clips: frames (B, T, 3, H, W), audio (B, F, S) -> logit (B,), aux cam (B, h, w)."""
        if not hasattr(self._requests, "own"):
            self._requests.own = self._compiled.create_infer_request()
        given = {"frames": batch.frames, "audio": batch.audio}
        inputs = {name: np.ascontiguousarray(given[name]) for name in self.input_shapes}
        result = self._requests.own.infer(inputs)
        arrays = {name: np.array(result[name]) for name in self._outputs}
        return Output(logit=arrays.pop("logit"), aux=arrays)


class TorchRuntime:
    """A network in torch, for CUDA and for development."""

    def __init__(
        self, network: Any, device: str, precision: Literal["f32", "bf16"] = "f32"
    ) -> None:
        import torch

        self._torch = torch
        self._device = device
        self.network = network.eval().to(device)  # explanations look inside it
        self._in_bf16 = precision == "bf16"
        if self._in_bf16:  # the order in which its kernels read images; that of clips is another
            for layer in self.network.modules():
                if isinstance(layer, torch.nn.Conv2d):
                    layer.to(memory_format=torch.channels_last)
        self.name = f"torch {device} {precision}"

    def __call__(self, batch: Batch) -> Output:
        """Score clips: frames (B, T, 3, H, W), audio (B, F, S) -> logit (B,), aux cam (B, h, w)."""
        from unmask.models.base import to_tensors

        in_bf16 = self._torch.autocast(self._device, self._torch.bfloat16, enabled=self._in_bf16)
        with self._torch.inference_mode(), in_bf16:
            out = self.network(to_tensors(batch, self._device))
        cam = {k: v.float().cpu().numpy() for k, v in out.aux.items() if k == "cam"}
        return Output(logit=out.logit.float().cpu().numpy(), aux=cam)


class Mirrored:
    """A runtime that looks at every view and at its mirror image, and answers with the mean."""

    def __init__(self, once: Runtime) -> None:
        self.once = once
        self.name = f"{once.name}, {MIRRORED}"

    def __call__(self, batch: Batch) -> Output:
        """Score clips; the mirror image's activation map is turned back before it is averaged."""
        plain = self.once(batch)
        turned = self.once(replace(batch, frames=np.ascontiguousarray(batch.frames[..., ::-1])))
        half = np.float32(0.5)
        return Output(
            logit=half * (plain.logit + turned.logit),
            aux={name: half * (a + turned.aux[name][..., ::-1]) for name, a in plain.aux.items()},
        )


def looking(runtime: Runtime, meta: Metadata) -> Runtime:
    """Let a runtime look as often as a checkpoint's calibration supposes."""
    return Mirrored(runtime) if meta.mirrored else runtime


def open_runtime(
    checkpoint: Checkpoint, backend: Backend = "auto", device: Device = "auto"
) -> tuple[Runtime, str]:
    """Open a checkpoint for scoring; returns the runtime and the hash of the file it runs.

    Raises:
        UsageError: the combination cannot be had. MissingExtraError: it needs packages.
    """
    if device == "cuda" and backend == "openvino":
        raise UsageError("--backend openvino runs on the CPU; for CUDA use --backend torch")
    opened, sha256 = _opened(checkpoint, backend, device)
    return looking(opened, checkpoint.meta), sha256


def _opened(checkpoint: Checkpoint, backend: Backend, device: Device) -> tuple[Runtime, str]:
    if backend == "torch" or device == "cuda" or checkpoint.graph is None:
        return _torch_runtime(checkpoint, backend, device)
    # What was exported for bf16 runs in f32 where there is no bf16, and says so.
    wanted: Precision = checkpoint.meta.precision or "auto"
    runtime = OpenVinoRuntime(checkpoint.graph, "auto" if wanted == "bf16" else wanted)
    _check_fit(runtime, checkpoint)
    return runtime, checkpoint.meta.sha256[checkpoint.graph.name]


def _check_fit(runtime: OpenVinoRuntime, checkpoint: Checkpoint) -> None:
    """Refuse a graph that does not take what the checkpoint says it takes.

    Found at the first file, this would be blamed on the file.
    """
    wanted = checkpoint.meta.input_spec.clip_shapes
    if runtime.input_shapes != wanted:
        raise CheckpointError(
            f"{checkpoint.graph}: takes {runtime.input_shapes}, but input_spec in {METADATA} says "
            f"{wanted}; the folder mixes two networks, or a file was edited. Get the checkpoint "
            "again, or export the graph anew"
        )


def _torch_runtime(checkpoint: Checkpoint, backend: Backend, device: Device) -> tuple[Runtime, str]:
    try:
        import torch

        from unmask.models.weights import load_network
    except ModuleNotFoundError as error:
        why = "--backend torch" if checkpoint.graph else "a checkpoint without an exported graph"
        raise MissingExtraError(
            f"{why} needs {error.name}; install it with: pip install 'unmask[train]'"
        ) from error
    if backend == "openvino":
        raise UsageError(
            f"{checkpoint.folder}: has no exported graph for --backend openvino; scan with "
            "--backend torch"
        )
    if device == "cuda" and not torch.cuda.is_available():
        raise UsageError("--device cuda: torch sees no CUDA device here; use --device cpu")
    chosen = "cuda" if device != "cpu" and torch.cuda.is_available() else "cpu"
    weights = checkpoint.weights
    in_bf16 = chosen == "cuda" and torch.cuda.is_bf16_supported()
    runtime = TorchRuntime(load_network(checkpoint), chosen, "bf16" if in_bf16 else "f32")
    assert weights is not None, "load_network refuses a checkpoint without weights"
    return runtime, checkpoint.meta.sha256[weights.name]
