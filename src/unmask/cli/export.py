"""`unmask export`: a checkpoint as a folder that only scans, for OpenVINO or any reader of ONNX."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from unmask.cli.output import consoles, progress


class Form(StrEnum):
    """File format of the graph."""

    onnx = "onnx"
    openvino = "openvino"


class PrecisionName(StrEnum):
    """What the graph is run in."""

    f32 = "f32"
    bf16 = "bf16"
    int8 = "int8"


def export(
    checkpoint: Annotated[
        str,
        typer.Argument(metavar="CHECKPOINT", help="A checkpoint folder, or a detector's name."),
    ],
    out: Annotated[Path, typer.Option(metavar="DIR", help="A new folder for the result.")],
    form: Annotated[Form, typer.Option("--format", help="Format of the graph.")] = Form.openvino,
    precision: Annotated[
        PrecisionName,
        typer.Option(help="What it runs in. int8 is calibrated, measured, and refused if wrong."),
    ] = PrecisionName.f32,
    faces: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="PATH", help="For int8: videos, images, or folders of them; may be repeated."
        ),
    ] = None,
    allow_untrained: Annotated[
        bool, typer.Option("--allow-untrained", help="Export random weights, to try them out.")
    ] = False,
) -> None:
    """Write a detector as a folder that `unmask scan --model` reads, without the weights to learn.

    What it takes in, its calibration and its thresholds go with it. Exit code 2: nothing was
    written, and the message says why.
    """
    from unmask.pipeline.batch import find_media
    from unmask.pipeline.detector import find_checkpoint, trained_checkpoint
    from unmask.pipeline.exporting import export as write

    found = find_checkpoint(checkpoint) if allow_untrained else trained_checkpoint(checkpoint)
    console, errors = consoles(stdout_is_data=False)
    with progress("exporting", 1, errors):
        agreement = write(
            found or trained_checkpoint(checkpoint),
            out,
            form=form.value,
            precision=precision.value,
            faces=find_media(faces or ()),
        )
    console.print(f"{out}: {form.value}, {precision.value}", soft_wrap=True, markup=False)
    if agreement is not None:
        console.print(
            f"against float32 on {agreement.n_clips} clips: p_fake differs by "
            f"{agreement.mean_p_fake:.4f} on average, {agreement.most_p_fake:.4f} at most; "
            f"{agreement.changed_sides:.1%} change sides of a threshold",
            soft_wrap=True,
            markup=False,
        )
