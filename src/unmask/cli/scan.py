"""`unmask scan`: verdicts on videos, images and folders."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from unmask.cli.output import check_writable, json_lines

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
    str, typer.Option("--model", "-m", help="A detector's name, or a checkpoint folder.")
]
FramesOption = Annotated[
    int, typer.Option("--frames", min=1, help="Frames to look at, spread evenly over the video.")
]


def scan(
    paths: Annotated[list[Path], typer.Argument(help="Videos, images, or folders of them.")],
    model: ModelOption = "default",
    allow_untrained: Annotated[
        bool, typer.Option("--allow-untrained", help="Run a network on random weights.")
    ] = False,
    frames: FramesOption = 32,
    device: Annotated[Device, typer.Option(help="Where to compute.")] = Device.auto,
    backend: Annotated[Backend, typer.Option(help="What computes.")] = Backend.auto,
    json: Annotated[
        str | None, typer.Option("--json", help="Write JSON Lines to FILE, or to stdout with -.")
    ] = None,
    html: Annotated[
        Path | None, typer.Option("--html", help="Write one self-contained HTML report.")
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="Files scanned at the same time.")] = 1,
) -> None:
    """Say of each file whether a face in it was manipulated.

    Exit code 0: every file was answered (undecided is an answer). 1: some could not be read.
    """
    from rich.console import Console

    from unmask.pipeline.batch import Failure, find_media, scan_all
    from unmask.pipeline.detector import load
    from unmask.report.terminal import print_error, print_line, print_report, print_summary

    files = find_media(paths)
    single = len(paths) == len(files) == 1 and not paths[0].is_dir()
    console = Console(stderr=json == "-", highlight=False)
    errors = Console(stderr=True, highlight=False)
    check_writable(html)
    with json_lines(json) as write:
        detector = load(
            model, backend=backend.value, device=device.value, allow_untrained=allow_untrained
        )
        reports: list[Report] = []
        failures: list[Failure] = []
        with _progress(len(files), hidden=single) as advance:
            for answer in scan_all(detector, files, n_frames=frames, workers=workers):
                write(answer)
                advance()
                if isinstance(answer, Failure):
                    failures.append(answer)
                    print_error(answer.path, str(answer.error), errors)
                else:
                    (print_report if single else print_line)(answer, console)
                    reports.append(answer if html else replace(answer, evidence=()))
    if not single:
        print_summary(reports, len(failures), console)
    if html:
        from unmask.report.html import write_html

        write_html(reports, html, [(failure.path, str(failure.error)) for failure in failures])
        console.print(f"report written to {html}", soft_wrap=True)
    raise typer.Exit(1 if failures else 0)


@contextmanager
def _progress(total: int, *, hidden: bool) -> Iterator[Callable[[], None]]:
    """Show a bar on stderr while many files are scanned."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    columns = ("scanning", BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    bar = Progress(*columns, console=Console(stderr=True), transient=True, disable=hidden)
    with bar:
        task = bar.add_task("", total=total)
        yield lambda: bar.advance(task)
