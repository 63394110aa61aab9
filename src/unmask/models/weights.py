"""Networks to checkpoint folders and back: safetensors and JSON, never pickle."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file

from unmask.errors import CheckpointError, OutputError
from unmask.models import create
from unmask.models.base import Network
from unmask.models.checkpoint import (
    FORMAT,
    GRAPH,
    METADATA,
    WEIGHTS,
    Checkpoint,
    Metadata,
    read_checkpoint,
    sha256,
)
from unmask.models.export import export_onnx, halve_weights
from unmask.types import Calibration, Thresholds


def save_checkpoint(
    folder: Path,
    network: Network,
    *,
    name: str,
    trained: bool = True,
    calibration: Calibration | None = None,
    thresholds: Thresholds | None = None,
    recipe: dict[str, Any] | None = None,
    data_digest: str | None = None,
    metrics: dict[str, Any] | None = None,
    licence: str = "",
    storage: torch.dtype = torch.float32,
    beside: Mapping[str, bytes] | None = None,
) -> None:
    """Write weights and metadata; each file is complete before it takes its name.

    `storage` float16 halves the size: matrices and kernels are rounded, vectors (biases, scales,
    statistics) stay exact. A graph exported from the folder is made of the rounded weights.
    `beside` are further files of the checkpoint, by name, whose hashes are kept like the others.

    Metadata goes last, so that an interrupted save leaves the old checkpoint readable or a hash
    that does not match, never a wrong score.
    """
    state = {
        key: value.detach().cpu().contiguous().to(storage if value.dim() > 1 else value.dtype)
        for key, value in network.state_dict().items()
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        part = folder / (WEIGHTS + ".part")
        save_file(state, part)
        part.chmod(0o644)  # safetensors writes for the owner only; a package is read by others
        part.replace(folder / WEIGHTS)
        for file, data in (beside or {}).items():
            (folder / f"{file}.part").write_bytes(data)
            (folder / f"{file}.part").replace(folder / file)
        (folder / GRAPH).unlink(missing_ok=True)  # a graph of other weights must not survive
        meta = Metadata(
            format=FORMAT,
            model=name,
            config=asdict(network.config),
            input_spec=network.input_spec,
            calibration=calibration,
            thresholds=thresholds,
            trained=trained,
            recipe=recipe,
            data_digest=data_digest,
            metrics=metrics or {},
            licence=licence,
            version=version("unmask"),
            sha256={file: sha256(folder / file) for file in (WEIGHTS, *(beside or {}))},
        )
        write_metadata(folder, meta)
    except (OSError, SafetensorError) as error:  # a full disk comes as either
        raise OutputError(f"{folder}: the checkpoint could not be written: {error}") from error


def write_metadata(folder: Path, meta: Metadata) -> None:
    """Write `checkpoint.json` in one move."""
    part = folder / (METADATA + ".part")
    part.write_text(json.dumps(meta.model_dump(mode="json"), indent=1) + "\n", encoding="utf-8")
    part.replace(folder / METADATA)


def load_network(checkpoint: Checkpoint) -> Network:
    """Rebuild the network of a checkpoint with its weights, in eval mode.

    Raises:
        CheckpointError: weights absent, unreadable, or not those of the network; an input_spec
            that the network does not take.
    """
    if checkpoint.weights is None:
        raise CheckpointError(f"{checkpoint.folder}: has a graph to scan with but no {WEIGHTS}")
    network = create(checkpoint.meta.model, **checkpoint.meta.config)
    own, said = network.input_spec.clip_shapes, checkpoint.meta.input_spec.clip_shapes
    if own != said:  # found at the first file, this would be blamed on the file
        raise CheckpointError(
            f"{checkpoint.folder / METADATA}: input_spec says {said}, but a network of this config "
            f"takes {own}; the file was edited or mixes two networks. Get the checkpoint again"
        )
    network.input_spec = checkpoint.meta.input_spec
    load_weights(network, checkpoint.weights)
    return network.eval()


def load_weights(network: torch.nn.Module, file: Path) -> None:
    """Load a safetensors file whose keys and shapes equal the network's exactly.

    Raises:
        CheckpointError: naming the first keys that are missing, unexpected or of another shape.
    """
    try:
        state = load_file(file)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{file}: not a readable safetensors file: {error}") from error
    own = network.state_dict()
    problems = [f"missing {key}" for key in own if key not in state]
    problems += [f"unexpected {key}" for key in state if key not in own]
    problems += [
        f"{key} is {tuple(state[key].shape)}, not {tuple(own[key].shape)}"
        for key in own
        if key in state and own[key].shape != state[key].shape
    ]
    if problems:
        more = f" and {len(problems) - 3} more" if len(problems) > 3 else ""
        raise CheckpointError(f"{file}: {'; '.join(problems[:3])}{more}")
    network.load_state_dict(state)


def add_graph(folder: Path) -> Checkpoint:
    """Export a checkpoint's network to `model.onnx` beside its weights and record the hash.

    Where the weights are kept in half precision, so are those of the graph.
    """
    checkpoint = read_checkpoint(folder)
    part = folder / (GRAPH + ".part")
    halved = _is_halved(folder / WEIGHTS)
    export_onnx(load_network(checkpoint), part, joined=not halved)
    if halved:
        halve_weights(part)
    part.replace(folder / GRAPH)
    hashes = {**checkpoint.meta.sha256, GRAPH: sha256(folder / GRAPH)}
    meta = checkpoint.meta.model_copy(update={"sha256": hashes})
    write_metadata(folder, meta)
    return replace(checkpoint, meta=meta)


def _is_halved(weights: Path) -> bool:
    with safe_open(weights, framework="numpy") as opened:
        return any(opened.get_slice(name).get_dtype() == "F16" for name in list(opened.keys()))
