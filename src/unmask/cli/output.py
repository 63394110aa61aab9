"""Places that results are written to, opened before the work begins so that no result is lost."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from unmask.errors import OutputError

if TYPE_CHECKING:
    from unmask.pipeline.batch import Failure
    from unmask.types import Report


def check_writable(file: Path | None) -> None:
    """Refuse a file that cannot be written, before anything is computed.

    Raises:
        OutputError: naming the file and the reason.
    """
    if file is None:
        return
    try:
        existed = file.exists()
        with file.open("ab"):
            pass
        if not existed:
            file.unlink()
    except OSError as error:
        raise _refusal(file, error) from error


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
