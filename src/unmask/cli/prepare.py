"""`unmask prepare`: a data set as downloaded in, faces, sound and labels for training out."""

from __future__ import annotations

import sys
import time
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Self

import typer

from unmask.cli.output import consoles
from unmask.cores import usable_cores
from unmask.errors import MissingExtraError

if TYPE_CHECKING:
    from rich.console import Console

    from unmask.datasets.crew import Done
    from unmask.datasets.extract import Spent
    from unmask.datasets.prepare import Result

LINE_EVERY_S = 30.0  # where stderr is no terminal and a bar would fill a log file
SHOWN_REASONS = 5  # of each outcome


class People(StrEnum):
    """Who is kept."""

    all = "all"
    main = "main"


class DetectorChoice(StrEnum):
    """What finds faces."""

    mtcnn = "mtcnn"
    dlib = "dlib"


class Boxes(StrEnum):
    """Where the faces of a fake are taken from."""

    original = "original"
    own = "own"


def prepare(
    dataset: Annotated[
        str, typer.Argument(metavar="DATASET", help="Name of a data set, or: folder.")
    ],
    root: Annotated[Path, typer.Argument(metavar="ROOT", help="Where it lies, as downloaded.")],
    out: Annotated[str, typer.Option(metavar="DIR", help="Folder or URL for the result.")],
    workers: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Processes; default: one a core.")
    ] = None,
    frames: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Frames of a video to look at.")
    ] = None,
    sampling: Annotated[
        str,
        typer.Option(
            metavar="PRESET", help="evenly32, every, every10, clips16, clips8x32, next3, ..."
        ),
    ] = "evenly32",
    people: Annotated[People, typer.Option(help="Keep all people or the main one.")] = People.all,
    whole_frames: Annotated[
        bool, typer.Option("--whole-frames", help="Keep whole frames beside the faces.")
    ] = False,
    lossless: Annotated[bool, typer.Option("--lossless", help="PNG instead of JPEG.")] = False,
    detector: Annotated[
        DetectorChoice, typer.Option(help="What finds faces.")
    ] = DetectorChoice.mtcnn,
    boxes: Annotated[
        Boxes, typer.Option(help="A fake takes the faces of its real, where known, or its own.")
    ] = Boxes.original,
    compare: Annotated[
        bool,
        typer.Option(
            "--compare",
            help="Compare fakes with their reals: is the picture forged, the sound, or both?",
        ),
    ] = False,
    split: Annotated[
        str | None, typer.Option(metavar="RULE", help="Rule that divides train, val and test.")
    ] = None,
    ff_root: Annotated[
        list[Path] | None,
        typer.Option(metavar="DIR", help="FaceForensics++, where the reals come from it."),
    ] = None,
    compression: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Only this one; may be repeated.")
    ] = None,
) -> None:
    """Cut the faces out of a data set, once for all systems of the same sampling.

    Interrupted at any moment, the same command goes on, and the result is the same.
    """
    try:
        from unmask.datasets.extract import Settings
        from unmask.datasets.prepare import prepare as run
        from unmask.datasets.readers import ReadOptions, read_dataset
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("unmask"):
            raise
        raise MissingExtraError(
            f"preparing needs {error.name}; install it with: pip install 'unmask[train]'"
        ) from error

    options = ReadOptions(
        split=split, ff_roots=tuple(ff_root or ()), compressions=tuple(compression or ())
    )
    manifest = read_dataset(dataset, root, options=options).checked()
    settings = Settings(
        sampling=sampling,
        n_frames=frames,
        people=people.value,
        whole_frames=whole_frames,
        lossless=lossless,
        detector=detector.value,
        boxes=boxes.value,
        parts="compared" if compare else "given",
    )
    n_workers = workers or usable_cores()
    _, errors = consoles(stdout_is_data=True)
    try:
        with _Progress(errors) as progress:
            result = run(
                manifest,
                out,
                settings,
                n_workers=n_workers,
                expect=progress.expect,
                told=progress.told,
            )
    except KeyboardInterrupt:
        print("interrupted; the same command goes on from here", file=sys.stderr)
        raise typer.Exit(130) from None
    _print_coverage(result, out)
    if progress.n_done:
        print(f"{progress.rates()} with {n_workers} workers; {_shares(result.spent)}")
    outcomes = result.coverage.outcomes
    raise typer.Exit(1 if outcomes.get("missing") or outcomes.get("unreadable") else 0)


class _Progress:
    """Rate and time left on stderr: a bar on a terminal, now and then a line in a log."""

    def __init__(self, console: Console) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
        from rich.progress import TimeRemainingColumn as TimeLeft

        self.n_done = self.n_faces = 0
        self._console, self._n, self._started = console, 0, time.monotonic()
        self._said_s = self._started
        columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"), TimeLeft())
        self._bar = Progress(
            "preparing", *columns, console=console, transient=True, disable=not console.is_terminal
        )
        self._task = self._bar.add_task("", total=None)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def expect(self, n_videos: int) -> None:
        """So many videos are to be prepared."""
        self._n = n_videos
        self._bar.update(self._task, total=n_videos)

    def told(self, done: Done) -> None:
        """One of them is finished."""
        self.n_done += 1
        self.n_faces += done.n_faces
        self._bar.update(self._task, advance=1, description=self.rates())
        now_s = time.monotonic()
        if not self._console.is_terminal and now_s - self._said_s >= LINE_EVERY_S:
            left_s = (self._n - self.n_done) * (now_s - self._started) / self.n_done
            line = f"{self.n_done}/{self._n} videos, {self.rates()}, {left_s / 60:.0f} min left"
            print(line, file=sys.stderr, flush=True)
            self._said_s = now_s

    def rates(self) -> str:
        """Videos and faces per second so far."""
        seconds = max(time.monotonic() - self._started, 1e-6)
        return f"{self.n_done / seconds:.2f} videos/s, {self.n_faces / seconds:.1f} faces/s"


def _shares(spent: Spent) -> str:
    """On what the workers' time went."""
    total = max(spent.decode_s + spent.detect_s + spent.write_s, 1e-6)
    parts = {"decode": spent.decode_s, "detect": spent.detect_s, "write": spent.write_s}
    return ", ".join(f"{name} {seconds / total:.0%}" for name, seconds in parts.items())


def _print_coverage(result: Result, out: str) -> None:
    """Say what can be used, and of the rest why not."""
    coverage = result.coverage
    prepared = coverage.outcomes.get("prepared", 0)
    print(f"{prepared} of {coverage.n_videos} videos prepared, {coverage.n_faces} faces: {out}")
    if coverage.n_borrowed:
        print(f"  {coverage.n_borrowed} fakes took the faces of their real")
    for outcome, number in coverage.outcomes.items():
        if outcome != "prepared":
            print(f"  {number} {outcome.replace('_', ' ')}")
        reasons = list(coverage.reasons.get(outcome, {}).items())
        for reason, times in reasons[:SHOWN_REASONS]:
            print(f"    {times} x {reason}")
        if len(reasons) > SHOWN_REASONS:
            print(f"    and {len(reasons) - SHOWN_REASONS} other reasons; manifest.parquet has all")
    if result.n_changed:
        print(f"  {result.n_changed} files had changed since the last run and were read again")
    if result.n_earlier == coverage.n_videos:
        print("  nothing was left to do")
    elif result.n_earlier:
        print(f"  {result.n_earlier} were prepared by an earlier run")
