"""`unmask scan`: verdicts on videos, images and folders."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from unmask.cli.output import check_writable, consoles, json_lines, progress

if TYPE_CHECKING:
    from unmask.types import Report


class Device(StrEnum):
    """Where the network runs."""

    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"


class Backend(StrEnum):
    """What runs the network."""

    auto = "auto"
    torch = "torch"
    openvino = "openvino"


ModelOption = Annotated[
    str,
    typer.Option(
        "--model",
        "-m",
        metavar="NAME|DIR",
        help="A detector's name (see: unmask models), or a checkpoint folder.",
    ),
]


def scan(
    paths: Annotated[
        list[Path],
        typer.Argument(metavar="PATH", help="Videos, images, or folders of them."),
    ],
    model: ModelOption = "default",
    allow_untrained: Annotated[
        bool,
        typer.Option("--allow-untrained", help="Run a network on random weights, to try it out."),
    ] = False,
    frames: Annotated[
        int,
        typer.Option(min=1, metavar="N", help="Frames to look at, spread evenly over a video."),
    ] = 32,
    device: Annotated[Device, typer.Option(help="Where the network runs.")] = Device.auto,
    backend: Annotated[
        Backend,
        typer.Option(help="What runs it; torch needs unmask[train]."),
    ] = Backend.auto,
    json: Annotated[
        str | None,
        typer.Option(metavar="FILE|-", help="Write one JSON line for every file; - is stdout."),
    ] = None,
    html: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write one self-contained HTML report of all files."),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            min=1, metavar="N", help="Files to scan at once; default: one a core, at most 4."
        ),
    ] = None,
) -> None:
    """Say of each file whether a face in it was manipulated.

    Exit code 0: every file was answered (undecided is an answer). 1: some files could not be read;
    the others were answered. 2: wrong usage, or a detector that cannot be used.
    """
    from unmask.pipeline.batch import Failure, find_media, scan_all, usual_workers
    from unmask.pipeline.detector import load
    from unmask.report.terminal import (
        Tally,
        print_error,
        print_line,
        print_report,
        print_summary,
    )

    files = find_media(paths)
    single = len(paths) == len(files) == 1 and not paths[0].is_dir()
    for target in (html, None if json in (None, "-") else Path(json)):
        if target is not None:
            check_writable(target, files)
    console, errors = consoles(stdout_is_data=json == "-")
    torn = json == "-" and sys.stdout.isatty()  # a bar and data on one terminal
    detector = load(
        model, backend=backend.value, device=device.value, allow_untrained=allow_untrained
    )
    tally = Tally()
    reports: list[Report] = []  # for a page of all; else they would only fill the memory
    failures: list[Failure] = []
    with (
        json_lines(json) as write,
        progress("scanning", len(files), errors, hidden=torn) as advance,
    ):
        n_workers = workers or usual_workers(len(files))
        for answer in scan_all(detector, files, n_frames=frames, workers=n_workers):
            write(answer)
            advance()
            if isinstance(answer, Failure):
                failures.append(answer)
                print_error(answer.path, str(answer.error), errors)
            else:
                (print_report if single else print_line)(answer, console)
                tally.add(answer)
                if html:
                    reports.append(answer)
    if not single:
        print_summary(tally, len(failures), console)
    if html:
        from unmask.report.html import write_html

        write_html(reports, html, [(failure.path, str(failure.error)) for failure in failures])
        console.print(f"report written to {html}", soft_wrap=True, markup=False)
    raise typer.Exit(1 if failures else 0)
