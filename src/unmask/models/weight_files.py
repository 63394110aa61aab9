"""Weights from wherever people have them: safetensors, torch files, our checkpoints, public hubs.

Everything becomes one flat table of tensors by name. Torch files are read by torch's weights-only
reader, which knows tensors and plain containers and runs no code; a file that needs more than that
is refused.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from unmask.errors import CheckpointError, UsageError
from unmask.models.checkpoint import packaged, read_checkpoint, sha256
from unmask.types import InputSpec

# Under which name a training script keeps the weights among its counters and its optimizer.
WRAPPERS = ("state_dict", "model_state_dict", "model_state", "model", "net")
# What DataParallel, torch.compile and wrapping modules put before every name.
PREFIXES = ("module.", "_orig_mod.", "model.", "net.", "network.", "backbone.")
CONVERT = (
    "Convert it where you trust it: import torch; from safetensors.torch import save_file; "
    "model = torch.load(FILE, map_location='cpu', weights_only=False); "
    "save_file({k: v.contiguous() for k, v in model.state_dict().items()}, 'weights.safetensors')"
)

Channels = tuple[float, float, float]


@dataclass(frozen=True, kw_only=True)
class Weights:
    """Tensors by name, as a source has them."""

    source: str
    tensors: Mapping[str, Tensor]
    sha256: str | None = None  # of the file; None where a library fetched it
    prefix: str = ""  # taken off every name
    own: bool = False  # an unmask checkpoint: the names are ours
    input_spec: InputSpec | None = None  # of an unmask checkpoint
    normalised: tuple[Channels, Channels] | None = None  # mean and std it was trained with


def read_weights(source: str) -> Weights:
    """Read weights from a file, a checkpoint folder, or by name (`timm:NAME`, `torchvision:NAME`).

    Raises:
        CheckpointError: unreadable, damaged, without tensors, or a hub that cannot be reached.
        UsageError: there is no such file or name.
    """
    library, colon, name = source.partition(":")
    if colon and library in FETCH:
        return FETCH[library](name)
    path = packaged(source) or Path(source)
    if path.is_dir():
        return _from_checkpoint(source, path)
    if not path.is_file():
        raise UsageError(
            f"init = {source}: no such file or checkpoint folder; by name it is timm:NAME or "
            "torchvision:NAME, e.g. timm:legacy_xception"
        )
    raw = _safetensors(path) if _is_safetensors(path) else _torch_file(path)
    tensors, prefix = _bare(_unwrapped(raw))
    if not tensors:
        raise CheckpointError(
            f"{path}: holds no tensors by name, so there is nothing to start from"
        )
    return Weights(source=source, tensors=tensors, prefix=prefix, sha256=sha256(path))


def _from_checkpoint(source: str, folder: Path) -> Weights:
    checkpoint = read_checkpoint(folder)
    if checkpoint.weights is None:
        raise UsageError(f"init = {source}: has no weights to learn on from")
    tensors = _safetensors(checkpoint.weights)
    digest = checkpoint.meta.sha256[checkpoint.weights.name]
    spec = checkpoint.meta.input_spec
    return Weights(source=source, tensors=tensors, sha256=digest, own=True, input_spec=spec)


def _is_safetensors(path: Path) -> bool:
    """By suffix, or by content: eight bytes of length, then a JSON object."""
    with path.open("rb") as file:
        head = file.read(9)
    return path.suffix == ".safetensors" or head[8:9] == b"{"


def _safetensors(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path}: not a readable safetensors file: {error}") from error


def _torch_file(path: Path) -> Any:
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            f"{path}: needs code to be run when it is opened, or is damaged, or is no torch file; "
            f"unmask reads tensors only. {CONVERT}\nThe reader says: {_first_line(error)}"
        ) from error
    except (OSError, RuntimeError, EOFError, ValueError, KeyError) as error:
        raise CheckpointError(
            f"{path}: damaged, cut short, or no file of weights ({_first_line(error)}). Fetch it "
            "again and compare its size"
        ) from error


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n", 1)[0]


def _unwrapped(raw: Any) -> Any:
    """The table of weights inside a training script's checkpoint."""
    while isinstance(raw, Mapping):
        inner = next((raw[key] for key in WRAPPERS if isinstance(raw.get(key), Mapping)), None)
        if inner is None:
            break
        raw = inner
    return raw


def _bare(raw: Any) -> tuple[dict[str, Tensor], str]:
    """Named tensors without what is written before every name, and what that was."""
    if not isinstance(raw, Mapping):
        return {}, ""
    tensors = {str(key): value for key, value in raw.items() if isinstance(value, Tensor)}
    taken = ""
    while prefix := next((p for p in PREFIXES if all(k.startswith(p) for k in tensors)), ""):
        if not tensors:
            break
        tensors = {key.removeprefix(prefix): value for key, value in tensors.items()}
        taken += prefix
    return tensors, taken


def _from_timm(name: str) -> Weights:
    import timm

    if not timm.is_model(name):
        raise UsageError(f"init = timm:{name}: timm has no network of that name")
    network = _fetched(f"timm:{name}", lambda: timm.create_model(name, pretrained=True))
    config = network.pretrained_cfg
    trained_on = (tuple(config["mean"]), tuple(config["std"])) if config.get("mean") else None
    return Weights(source=f"timm:{name}", tensors=network.state_dict(), normalised=trained_on)


def _from_torchvision(name: str) -> Weights:
    from torchvision import models

    if name not in models.list_models():
        raise UsageError(f"init = torchvision:{name}: torchvision has no network of that name")
    network = _fetched(
        f"torchvision:{name}", lambda: models.get_model(name, weights="DEFAULT", progress=False)
    )
    view = models.get_model_weights(name).DEFAULT.transforms()
    trained_on = (tuple(view.mean), tuple(view.std))
    return Weights(
        source=f"torchvision:{name}", tensors=network.state_dict(), normalised=trained_on
    )


FETCH: dict[str, Callable[[str], Weights]] = {
    "timm": _from_timm,
    "torchvision": _from_torchvision,
}


def _fetched(source: str, fetch: Callable[[], Any]) -> Any:
    """Have a library build and fill a network; its random start moves no random state of ours."""
    try:
        with torch.random.fork_rng():
            return fetch()
    except (OSError, RuntimeError, ValueError) as error:
        raise CheckpointError(
            f"init = {source}: these weights could not be fetched ({_first_line(error)}). Where "
            "the hub cannot be reached, fetch the file elsewhere and give it: --init FILE"
        ) from error
