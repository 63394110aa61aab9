"""Scores that are not all there yet: FILE.parts/, which a killed run goes on from.

Cases are scored in chunks, whose bounds follow from the data alone. Each chunk is a file that is
written whole and then renamed, so that what is there is true. `key.json` says what everything in
the folder depends on: other weights, data or settings never get mixed in.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from unmask.config import differences
from unmask.errors import DataError, UsageError
from unmask.evaluation.exam import Case
from unmask.evaluation.rows import Rows
from unmask.evaluation.scores import Header, ScoresFile, read_table, write_table

CLIPS_EACH = 256  # of a chunk, about: what a kill may cost
MOST_CHUNKS = 1000  # of a file, about
_KEY = "key.json"

Key = dict[str, Any]


def make_chunks(cases: Sequence[Case]) -> list[Sequence[Case]]:
    """Cut cases into chunks of about equal work."""
    size = max(CLIPS_EACH, sum(case.n_clips for case in cases) // MOST_CHUNKS)
    chunks: list[Sequence[Case]] = []
    first = weight = 0
    for end, case in enumerate(cases, start=1):
        weight += max(case.n_clips, 1)
        if weight >= size or end == len(cases):
            chunks.append(cases[first:end])
            first, weight = end, 0
    return chunks


def digest_of(key: Key) -> str:
    """Return one hash for everything that rows depend on."""
    return hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()


def finished(file: Path, key: Key) -> ScoresFile | None:
    """Return the scores that are there already; None if there is no such file.

    Raises:
        UsageError: they are of something else.
    """
    if not file.exists():
        return None
    scores = ScoresFile.read(file)
    if scores.header.key != digest_of(key):
        held = scores.header
        raise UsageError(
            f"{file}: holds scores of {held.detector} ({held.sha256[:12]}) on {held.data}, "
            f"corruption {held.corruption}, made with other weights, data or settings than are "
            "asked for now. Delete it to score anew, or choose another file"
        )
    shutil.rmtree(_folder(file), ignore_errors=True)  # of a run killed while it tidied up
    return scores


class Parts:
    """Finished chunks of a scores file."""

    def __init__(self, file: Path, key: Key) -> None:
        """Begin a folder of parts, or go on with the one that is there.

        Raises:
            UsageError: it was begun with other weights, data or settings.
        """
        self._file, self._where = file, _folder(file)
        self._where.mkdir(parents=True, exist_ok=True)
        path = self._where / _KEY
        if path.exists():
            _refuse_changes(self._where, json.loads(path.read_text(encoding="utf-8")), key)
            return
        part = path.with_name(path.name + ".part")
        part.write_text(json.dumps(key, indent=1), encoding="utf-8")
        part.replace(path)

    def read(self, number: int) -> Rows | None:
        """Return a finished chunk; None if it is still to be scored."""
        path = self._path(number)
        try:
            return read_table(path)[0] if path.exists() else None
        except DataError:  # by a failing disk, say: it is scored again
            return None

    def write(self, number: int, rows: Rows) -> None:
        """Keep a finished chunk."""
        write_table(rows, {}, self._path(number))

    def finish(self, header: Header, chunks: Sequence[Rows]) -> ScoresFile:
        """Make the file of all chunks, and take the parts away."""
        scores = ScoresFile(header=header, rows=Rows.joined(chunks))
        scores.write(self._file)
        shutil.rmtree(self._where)
        return scores

    def _path(self, number: int) -> Path:
        return self._where / f"{number:05d}.parquet"


def _folder(file: Path) -> Path:
    return file.with_name(file.name + ".parts")


def _refuse_changes(folder: Path, old: Key, new: Key) -> None:
    changes = differences(old, new)
    if changes:
        lines = [f"{name}: {was!r} -> {now!r}" for name, (was, now) in changes.items()]
        raise UsageError(
            f"{folder}: scores were begun with something else:\n  "
            + "\n  ".join(lines)
            + "\nGo on with that, delete this folder to begin anew, or choose another file"
        )
