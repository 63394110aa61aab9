"""A checkpoint as a folder that only scans: a graph, and all that tells how to ask it.

InputSpec, calibration, thresholds and licence travel in `checkpoint.json`, so that
`unmask scan --model FOLDER` answers as the checkpoint does. Integers are another matter: the graph
is then calibrated on faces of yours, its answers are compared with those in float32 on others of
yours, and a graph that would change verdicts is refused.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

from unmask.errors import CheckpointError, MissingExtraError, OutputError, UsageError
from unmask.models.checkpoint import (
    GRAPH,
    METADATA,
    OPENVINO_GRAPH,
    Checkpoint,
    Precision,
    read_checkpoint,
    sha256,
)
from unmask.openvino_core import openvino_core
from unmask.pipeline.detector import Detector
from unmask.pipeline.integers import MEAN_LIMIT, SIDES_LIMIT, Agreement, compare, quantised
from unmask.pipeline.runtime import OpenVinoRuntime, looking
from unmask.types import Batch, Calibration

Format = Literal["onnx", "openvino"]

MOST_CLIPS = 300  # that are calibrated on, and compared; more cost minutes and change little


def export(
    checkpoint: Checkpoint,
    out: Path,
    *,
    form: Format,
    precision: Precision = "f32",
    faces: Sequence[Path] = (),
) -> Agreement | None:
    """Write a folder to scan with; returns how exact it is where that had to be measured (int8).

    Args:
        checkpoint: with weights (torch is needed then) or with a graph in ONNX.
        out: the folder, which must not be there yet, or be empty.
        form: ONNX for other tools, OpenVINO's own for scanning.
        precision: what the graph is run in; bf16 also halves a graph of OpenVINO's.
        faces: videos and images for int8; every other one is calibrated on, the rest compared.

    Raises:
        UsageError: what was asked for cannot be had. CheckpointError: int8 would change verdicts.
        OutputError: the folder cannot be written.
    """
    if precision == "int8" and form == "onnx":
        raise UsageError("int8 is written in OpenVINO's form only: use --format openvino")
    if precision == "int8" and len(faces) < 2:
        raise UsageError(
            "int8 is calibrated on some faces and compared on others: give --faces two or more "
            "videos or images, or a folder of them"
        )
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise OutputError(f"{out}: is there already and not an empty folder; choose another")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}-") as name:
            made = Path(name) / "made"
            made.mkdir(mode=0o755)
            onnx = _onnx(checkpoint, Path(name))
            agreement = _write(checkpoint, onnx, made, form=form, precision=precision, faces=faces)
            if out.exists():
                out.rmdir()
            made.rename(out)
    except OSError as error:
        raise OutputError(f"{out}: cannot be written ({error.strerror})") from error
    return agreement


def _write(
    checkpoint: Checkpoint,
    onnx: Path,
    out: Path,
    *,
    form: Format,
    precision: Precision,
    faces: Sequence[Path],
) -> Agreement | None:
    """Fill the folder; the metadata last.

    What the checkpoint remembers in files of text (what it learned from, what it was fitted on)
    stays true of any form of it and goes with it.
    """
    agreement = None
    if form == "onnx":
        shutil.copyfile(onnx, out / GRAPH)
    elif precision == "int8":
        agreement = _write_integers(checkpoint, onnx, out / OPENVINO_GRAPH, faces)
    else:
        _save(
            openvino_core().read_model(str(onnx)), out / OPENVINO_GRAPH, halved=precision == "bf16"
        )
    for record in (name for name in checkpoint.meta.sha256 if name.endswith(".txt")):
        shutil.copyfile(checkpoint.folder / record, out / record)
    meta = checkpoint.meta.model_copy(
        update={
            "precision": precision,
            "metrics": checkpoint.meta.metrics
            | ({} if agreement is None else {"int8_against_f32": asdict(agreement)}),
            "sha256": {file.name: sha256(file) for file in sorted(out.iterdir())},
        }
    )
    (out / METADATA).write_text(meta.model_dump_json(indent=1) + "\n", encoding="utf-8")
    read_checkpoint(out)
    return agreement


def _onnx(checkpoint: Checkpoint, scratch: Path) -> Path:
    """The network in float32 as ONNX: the checkpoint's own graph, or one made of its weights."""
    if checkpoint.graph is not None and checkpoint.graph.name == GRAPH:
        return checkpoint.graph
    if checkpoint.weights is None:
        raise UsageError(
            f"{checkpoint.folder}: was itself exported for OpenVINO; export the checkpoint that it "
            "was made of"
        )
    try:
        from unmask.models.export import export_onnx
        from unmask.models.weights import load_network
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f"exporting weights needs {error.name}; install it with: pip install 'unmask[train]'"
        ) from error
    export_onnx(load_network(checkpoint), scratch / GRAPH)
    return scratch / GRAPH


def _write_integers(
    checkpoint: Checkpoint, onnx: Path, file: Path, faces: Sequence[Path]
) -> Agreement:
    """Calibrate on every other file, compare on the rest."""
    meta = checkpoint.meta
    exact = looking(OpenVinoRuntime(onnx, "f32"), meta)
    detector = Detector(checkpoint, exact, "")
    model = openvino_core().read_model(str(onnx))
    _save(quantised(model, list(_clips(detector, faces[::2]))), file, halved=False)
    agreement = compare(
        exact,
        looking(OpenVinoRuntime(file, "int8"), meta),
        list(_clips(detector, faces[1::2])),
        meta.calibration or Calibration(),
        meta.thresholds,
    )
    if not agreement.is_close:
        raise CheckpointError(
            f"{checkpoint.folder}: int8 would change its answers: p_fake differs by "
            f"{agreement.mean_p_fake:.3f} on average (limit {MEAN_LIMIT:g}) and "
            f"{agreement.changed_sides:.1%} of {agreement.n_clips} clips change sides of a "
            f"threshold (limit {SIDES_LIMIT:.0%}). Use --precision bf16, or more faces that are "
            "like those to be scanned"
        )
    return agreement


def _clips(detector: Detector, files: Sequence[Path]) -> Iterator[Batch]:
    """Model inputs of files, clip by clip."""
    n = 0
    for file in files:
        for batch in detector.batches(file):
            for i in range(batch.size):
                audio = None if batch.audio is None else batch.audio[i : i + 1]
                yield Batch(frames=batch.frames[i : i + 1], audio=audio)
                n += 1
                if n == MOST_CLIPS:
                    return
    if n == 0:
        raise UsageError(f"--faces: nothing to calibrate on in {', '.join(map(str, files))}")


def _save(model: Any, file: Path, *, halved: bool) -> None:
    import openvino  # quiet by now: see `unmask.openvino_core`

    openvino.save_model(model, str(file), compress_to_fp16=halved)
