"""What is known of one made file: `<name>.json` beside it, enough to make it again.

Written last and moved into place, so that a record beside a file says that both are complete.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from unmask.errors import DataError, OutputError

ORIGINAL = "original"  # method of a real
SCHEMA = "unmask.forged/1"


@dataclass(frozen=True, kw_only=True)
class Record:
    """One real or fake file. Paths are relative to the record's folder, sources as given."""

    path: str
    label: int
    method: str  # "original" of reals
    source: str  # the real file it was made from
    params: dict[str, Any]
    seed: int | None = None  # of `rng_of`; None of reals
    mask: str | None = None
    spans_s: list[tuple[float, float]] = field(default_factory=list)  # forged picture
    sound_spans_s: list[tuple[float, float]] = field(default_factory=list)  # forged sound
    donor: str | None = None
    picture_label: int | None = None
    audio_label: int | None = None  # None = no sound, or not looked at
    lost: str | None = None  # what of the source could not be decoded
    request: str | None = None  # hash of what was asked for; see `dataset`


def write_record(path: Path, record: Record) -> None:
    """Write a record, whole or not at all."""
    text = json.dumps({"schema": SCHEMA} | asdict(record), indent=2) + "\n"
    write_whole(path, text)


def read_record(path: Path) -> Record | None:
    """Read a record; None where there is none.

    Raises:
        DataError: it is not one of ours.
    """
    try:
        plain = json.loads(path.read_text(encoding="utf-8"))
        if plain.pop("schema") != SCHEMA:
            raise ValueError("another schema")  # noqa: TRY301  told below
        return Record(**plain)
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"{path}: is no record of this forge ({error}); delete it to forge the file again"
        ) from error


def write_whole(path: Path, text: str) -> None:
    """Write a text file under another name and move it into place."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(text, encoding="utf-8")
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise OutputError(f"{path}: cannot be written there ({error.strerror})") from error
