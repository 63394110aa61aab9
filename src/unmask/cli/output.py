"""Places that results are written to, opened before the work begins so that no result is lost."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from unmask.errors import OutputError

if TYPE_CHECKING:
    from rich.console import Console

    from unmask.pipeline.batch import Failure
    from unmask.types import Report


def consoles(*, stdout_is_data: bool) -> tuple[Console, Console]:
    """Open the consoles for answers and for errors.

    They are one where both are the same terminal, since only then does a progress bar make way
    for lines, and where stdout is for data.
    """
    from rich.console import Console

    errors = Console(stderr=True, highlight=False)
    together = stdout_is_data or (sys.stdout.isatty() and sys.stderr.isatty())
    return (errors if together else Console(highlight=False)), errors


@contextmanager
def progress(
    what: str, total: int, console: Console, *, hidden: bool = False
) -> Iterator[Callable[[], None]]:
    """Show a bar on stderr until the block ends; the function yielded moves it on by one.

    A single step cannot be halved, so its bar only shows that work goes on.
    """
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn

    several = (MofNCompleteColumn(),) if total > 1 else ()
    bar = Progress(
        what,
        BarColumn(),
        *several,
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=hidden or not console.is_terminal,
        redirect_stdout=False,  # or what is printed as data would end up on stderr
    )
    with bar:
        task = bar.add_task("", total=total if total > 1 else None)
        yield lambda: bar.advance(task)


def check_writable(file: Path, inputs: Sequence[Path]) -> None:
    """Refuse a file that cannot be written, or must not be, before anything is computed.

    Raises:
        OutputError: naming the file and the reason.
    """
    from unmask.pipeline.batch import MEDIA_SUFFIXES

    if file.suffix.lower() in MEDIA_SUFFIXES or any(_same(file, path) for path in inputs):
        raise OutputError(
            f"{file}: a report must not take the place of a video or an image; was it meant to be "
            "scanned? Name the report first, for example: --html report.html"
        )
    try:
        existed = file.exists()
        with file.open("ab"):
            pass
        if not existed:
            file.unlink()
    except OSError as error:
        raise _refusal(file, error) from error


def _same(file: Path, other: Path) -> bool:
    """Whether two paths, however they are spelt or linked, are one file."""
    return file.exists() and other.exists() and file.samefile(other)


def make_folder(folder: Path) -> None:
    """Make a folder for results.

    Raises:
        OutputError: naming the folder and the reason.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"{folder}: cannot be made ({error.strerror}); choose another with --out"
        ) from error


@contextmanager
def json_lines(target: str | None) -> Iterator[Callable[[Report | Failure], None]]:
    """Yield a function that writes an answer as one line of JSON, at once.

    `target`: a file, "-" for stdout, or None for nowhere.
    """
    if target is None:
        yield lambda _: None
        return
    if target == "-":
        yield lambda answer: print(_document(answer), file=sys.stdout, flush=True)
        return
    try:
        stream = Path(target).open("w", encoding="utf-8")  # noqa: SIM115  closed below
    except OSError as error:
        raise _refusal(Path(target), error) from error
    with stream:
        yield lambda answer: print(_document(answer), file=stream, flush=True)


def _document(answer: Report | Failure) -> str:
    from unmask.report.schema import error_to_json, to_json
    from unmask.types import Report

    if isinstance(answer, Report):
        return to_json(answer)
    return error_to_json(answer.path, str(answer.error))


def _refusal(file: Path, error: OSError) -> OutputError:
    return OutputError(
        f"{file}: cannot be written ({error.strerror}). Choose another place for the result"
    )
