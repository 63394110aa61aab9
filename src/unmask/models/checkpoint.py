"""The checkpoint folder as the scanner sees it: metadata and hashes, without torch.

A checkpoint is a folder with `checkpoint.json`, `weights.safetensors` (to learn on) and, once
exported, `model.onnx` (to scan with), or `model.xml` and `model.bin` in its place, OpenVINO's own
form of a graph. No pickle is ever read.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, fields
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from unmask.config import REFERRING
from unmask.errors import CheckpointError
from unmask.models.table import TABLE
from unmask.types import Calibration, InputSpec, Thresholds

FORMAT: Literal["unmask.checkpoint/1"] = "unmask.checkpoint/1"
METADATA, WEIGHTS, GRAPH = "checkpoint.json", "weights.safetensors", "model.onnx"
OPENVINO_GRAPH = "model.xml"  # its weights are in model.bin
Precision = Literal["f32", "bf16", "int8"]
DEFAULT_MODEL = "default"
# Fields younger than the first checkpoints, which saw what their default says.
_LATER = {"region", "kind", "knots"}
_PICKLE_SUFFIXES = {".pt", ".pth", ".pkl", ".bin", ".ckpt", ".tar", ".t7"}


class Metadata(BaseModel):
    """Contents of `checkpoint.json`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal["unmask.checkpoint/1"]
    model: str  # name in the table of models
    config: dict[str, Any]  # of the network's Config
    input_spec: InputSpec
    calibration: Calibration | None
    thresholds: Thresholds | None
    trained: bool
    recipe: dict[str, Any] | None  # as resolved, every value
    data_digest: str | None
    metrics: dict[str, Any]
    licence: str
    version: str  # of unmask
    precision: Precision | None = None  # that the graph was exported for; None = the best there is
    mirrored: bool = False  # scores are means of a view's and its mirror image's
    scope: str = ""  # in a sentence: which forgeries it knows, and which it does not
    sha256: dict[str, str]  # file name -> hash

    @model_validator(mode="before")
    @classmethod
    def _says_everything(cls, raw: Any) -> Any:
        """Refuse a missing key: a default would change what the network sees, in silence."""
        parts = {"input_spec": InputSpec, "calibration": Calibration, "thresholds": Thresholds}
        for name, kind in parts.items():
            table = raw.get(name) if isinstance(raw, dict) else None
            if isinstance(table, dict) and (
                missing := sorted({f.name for f in fields(kind)} - table.keys() - _LATER)
            ):
                raise ValueError(f"{name} lacks {', '.join(missing)}")
        return raw

    @model_validator(mode="after")
    def _makes_sense(self) -> Metadata:
        """Refuse values that would turn an answer round or mean nothing."""
        spec, calibration, thresholds = self.input_spec, self.calibration, self.thresholds
        faults = {
            f"model {self.model!r} is not in the table": self.model not in TABLE,
            "input_spec needs positive sizes and deviations": min(
                spec.size_px, spec.n_frames, spec.stride, *spec.std
            )
            <= 0,
            "calibration needs a positive slope": calibration is not None
            and not calibration.slope > 0,
            "isotonic calibration needs knots that ascend": calibration is not None
            and not _ascend(calibration),
            "thresholds need a calibration": thresholds is not None and calibration is None,
            # A threshold just above 1 is one that no score reaches.
            "thresholds need 0 <= real <= fake <= 1": thresholds is not None
            and not 0 <= thresholds.real <= thresholds.fake <= 1 + 1e-9,
        }
        if wrong := [sentence for sentence, holds in faults.items() if holds]:
            raise ValueError("; ".join(wrong))
        return self


def _ascend(calibration: Calibration) -> bool:
    """Whether an isotonic calibration is one; the other kinds have no knots."""
    if calibration.kind != "isotonic":
        return not calibration.knots
    pairs = list(zip(calibration.knots, calibration.knots[1:], strict=False))
    return bool(calibration.knots) and (
        all(0 <= p <= 1 for _, p in calibration.knots)
        and all(a[0] < b[0] and a[1] <= b[1] for a, b in pairs)
    )


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A verified checkpoint folder."""

    folder: Path
    meta: Metadata

    @property
    def graph(self) -> Path | None:
        """Exported graph, if there is one."""
        graphs = (name for name in (OPENVINO_GRAPH, GRAPH) if name in self.meta.sha256)
        return next((self.folder / name for name in graphs), None)

    @property
    def weights(self) -> Path | None:
        """Weights to load into the network, if there are any."""
        return self.folder / WEIGHTS if WEIGHTS in self.meta.sha256 else None


def packaged(name: str) -> Path | None:
    """Folder of a checkpoint in the package, by its own name or its network's; None if absent."""
    shipped = Path(str(files("unmask") / "assets" / "checkpoints"))
    if (shipped / name / METADATA).is_file():
        return shipped / name
    default = shipped / DEFAULT_MODEL
    if not (default / METADATA).is_file():
        return None
    network = json.loads((default / METADATA).read_text(encoding="utf-8"))["model"]
    return default if network == name else None


def read_checkpoint(folder: Path) -> Checkpoint:
    """Read and verify a checkpoint folder: its format, every key, the hash of every file.

    Raises:
        CheckpointError: saying which file or key is wrong.
    """
    if folder.suffix.lower() in _PICKLE_SUFFIXES:
        raise CheckpointError(
            f"{folder}: this is a pickled checkpoint, which can run code when it is opened; unmask "
            f"reads folders with {METADATA} and {WEIGHTS} only. Convert it where you trust it: "
            "safetensors.torch.save_file(state_dict, 'weights.safetensors')"
        )
    path = folder / METADATA
    if not path.is_file():
        raise CheckpointError(f"{folder}: no {METADATA} here, so this is not a checkpoint folder")
    try:
        meta = Metadata.model_validate_json(path.read_bytes())
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, e['loc'])) or 'file'}: {e['msg']}" for e in error.errors()[:3]
        )
        raise CheckpointError(f"{path}: {problems}. Expected format {FORMAT}") from error
    for name, wanted in meta.sha256.items():
        _verify(folder / name, wanted)
    return Checkpoint(folder=folder, meta=meta)


def portable_recipe(recipe: dict[str, Any]) -> dict[str, Any]:
    """Leave out of a resolved recipe where files lay on the machine that trained.

    Of weights that it began with the name stays: a recipe's, a hub's, or a file's own.
    """
    begun = {key: recipe[key] for key in REFERRING if recipe.get(key)}
    named = {
        key: Path(name).name if Path(name).is_absolute() else name for key, name in begun.items()
    }
    return {**recipe, **named, "data": {**recipe.get("data", {}), "paths": []}}


def _verify(file: Path, wanted: str) -> None:
    if not file.is_file():
        raise CheckpointError(f"{file}: missing, though {METADATA} lists it; copy the whole folder")
    if sha256(file) != wanted:
        raise CheckpointError(
            f"{file}: its contents do not match the hash in {METADATA}; the file was changed or "
            "damaged. Get the checkpoint again"
        )


def sha256(file: Path) -> str:
    """SHA-256 of a file as hex digits."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
