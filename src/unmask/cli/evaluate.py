"""`unmask evaluate`: detectors on data sets, into one table with intervals."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast, get_args

import typer

from unmask.cli.grids import WIDE, print_grid
from unmask.cli.output import consoles, make_folder
from unmask.errors import MissingExtraError, UsageError

if TYPE_CHECKING:
    from rich.console import Console

    from unmask.evaluation.cells import How
    from unmask.evaluation.suite import Table
    from unmask.evaluation.suite_file import Data, Suite


def evaluate(
    checkpoints: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[CHECKPOINT]...",
            help="Checkpoint folders or packaged detectors; others are compared with the first.",
        ),
    ] = None,
    data: Annotated[
        list[Path] | None,
        typer.Option(metavar="DIR", help="Prepared data or face crops; may be repeated."),
    ] = None,
    out: Annotated[
        Path, typer.Option(metavar="DIR", help="Where scores and table.md, .csv, .json go.")
    ] = Path("evaluation"),
    suite: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="A TOML file that names detectors, data and protocols."),
    ] = None,
    dataset: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Reader of data as downloaded: ffpp, celebdf-v2, ..."),
    ] = None,
    protocol: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="overall (default), within, cross, manipulation, one-to-others, leave-one-out, "
            "compression, face-size, group, or all; may be repeated.",
        ),
    ] = None,
    part: Annotated[
        str | None,
        typer.Option(
            metavar="SIDE",
            help="What is reported: test (default), val, or all of it.",
        ),
    ] = None,
    corrupt: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TYPE:LEVEL", help="Also through a corruption, or all seven; may be repeated."
        ),
    ] = None,
    clips: Annotated[
        int | None, typer.Option(min=1, help="At most so many of a person; default: all.")
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="About so many of each data set, for trying out.")
    ] = None,
    level: Annotated[
        str | None,
        typer.Option(help="What is counted: clip, track (a person) or video (default)."),
    ] = None,
    rule: Annotated[
        str | None,
        typer.Option(help="From clips to a person: mean (default), mean_logit, confident."),
    ] = None,
    calibrate_on: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Fix what a checkpoint does not bring on the val side of these data; default: of "
            "the same data.",
        ),
    ] = None,
    target: Annotated[
        str | None,
        typer.Option(
            metavar="WHAT", help="What makes a fake: any, picture or sound; default: as learned."
        ),
    ] = None,
    allow_leaks: Annotated[
        bool,
        typer.Option(
            "--allow-leaks", help="Measure also on people that a detector learned from, and say so."
        ),
    ] = False,
    workers: Annotated[int, typer.Option(min=1, help="Threads that read and cut.")] = 1,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    backend: Annotated[str, typer.Option(help="auto, torch or openvino.")] = "auto",
    resamples: Annotated[int, typer.Option(min=100, help="Draws behind each interval.")] = 1000,
    json: Annotated[bool, typer.Option("--json", help="Print the table as JSON.")] = False,
) -> None:
    """Measure detectors on labelled data: every number with its interval and its coverage.

    Scores are kept below --out: the same command goes on where it was interrupted, and never scores
    twice. Thresholds that a checkpoint lacks are fixed on validation data, never on what is
    reported.
    """
    _require_packages()
    from unmask.evaluation.cells import How
    from unmask.evaluation.suite_file import settled
    from unmask.evaluation.table_files import document, write_table

    entries = [_data(path, dataset, target) for path in data or ()]
    told = _suite(suite, checkpoints or [], entries)
    given = {
        "protocols": _protocols(protocol or []),
        "part": _one_of("--part", part, ("test", "val", "all")),
        "corrupt": tuple(corrupt or ()),
        "clips": clips,
        "limit": limit,
        "level": _one_of("--level", level, ("clip", "track", "video")),
        "rule": _one_of("--rule", rule, ("mean", "mean_logit", "confident")),
        "calibrate_on": calibrate_on,
        "allow_leaks": allow_leaks,
    }
    asked = settled(replace(told, **{k: v for k, v in given.items() if v}))  # type: ignore[arg-type]
    make_folder(out)
    answers, errors = consoles(stdout_is_data=json)
    if not answers.is_terminal:
        answers.width = WIDE
    how = How(level=asked.level, rule=asked.rule, resamples=resamples)
    speed = {
        "workers": workers,
        "device": _one_of("--device", device, ("auto", "cpu", "cuda")),
        "backend": _one_of("--backend", backend, ("auto", "torch", "openvino")),
    }
    table = _measured(asked, out, how, speed, errors)
    command = shlex.join(["unmask", *sys.argv[1:]])
    write_table(table, out, command=command)
    if json:
        import json as codec

        codec.dump(document(table, command=command), sys.stdout, indent=1, ensure_ascii=False)
        print()
    else:
        _show(table, answers)
    where = f"table.md, table.csv, table.json and the scores are in {out}"
    errors.print(where, markup=False, soft_wrap=True)
    raise typer.Exit(0 if any(cell.numbers for cell in table.cells) else 1)


def _require_packages() -> None:
    try:
        import pyarrow  # noqa: F401  only asks whether it is there
        import scipy  # noqa: F401
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f"evaluation needs {error.name}; install it with: pip install 'unmask[train]'"
        ) from error


def _suite(file: Path | None, checkpoints: Sequence[str], data: Sequence[Data]) -> Suite:
    """What the command line names, or a file, or both together."""
    from unmask.evaluation.suite_file import Detector, Suite, read_suite

    base = read_suite(file) if file else Suite()
    return replace(
        base,
        detectors=(*base.detectors, *(Detector(checkpoint=Path(name)) for name in checkpoints)),
        data=(*base.data, *data),
    )


def _data(path: Path, dataset: str | None, target: str | None) -> Data:
    from unmask.datasets.sources import Target
    from unmask.evaluation.suite_file import Data

    known = _one_of("--target", target, get_args(Target))
    return Data(path=path, dataset=dataset, target=cast("Target | None", known))


def _protocols(named: Sequence[str]) -> tuple[str, ...]:
    from unmask.evaluation.protocols import PROTOCOLS

    # Corruptions follow from --corrupt.
    return tuple(p for p in PROTOCOLS if p != "corruption") if "all" in named else tuple(named)


def _one_of(option: str, value: str | None, known: Sequence[str]) -> str | None:
    if value is not None and value not in known:
        raise UsageError(f"{option} {value}: known are {', '.join(known)}")
    return value


def _measured(asked: Suite, out: Path, how: How, speed: dict[str, Any], errors: Console) -> Table:
    from functools import partial

    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from unmask.evaluation.predict import predict
    from unmask.evaluation.suite import run_suite

    bar = Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=errors,
        transient=True,
        disable=not errors.is_terminal,
        redirect_stdout=False,
    )
    with bar:
        task = bar.add_task("")

        def tell(words: str, done: int, total: int) -> None:
            bar.update(task, description=words, completed=done, total=total)

        return run_suite(asked, out, predict=partial(predict, **speed), how=how, tell=tell)


def _show(table: Table, console: Console) -> None:
    from unmask.evaluation.grids import grids_of

    for grid in grids_of(table.cells, table.notes):
        print_grid(grid, console)
    if table.also:
        console.print(
            "These data would also allow: " + " ".join(f"--protocol {n}" for n in table.also)
        )
