"""A list of videos in a CSV file: the form for collections that no reader knows.

UTF-8, one line of column names, one line for each video. `file` and `label` must be there; a column
that nobody knows is refused, because a misspelt one would be ignored in silence.
"""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import cast, get_args

from unmask.config import suggestion
from unmask.datasets.manifest import ORIGINAL, Split, Video
from unmask.datasets.readers.tree import read_lines
from unmask.errors import DataError

# Column: what it says. Several values in one cell are separated by semicolons.
COLUMNS: dict[str, str] = {
    "file": "path of the video, below the folder of the CSV file or whole; required",
    "label": "real or fake (or 0 and 1, 1 = fake); required",
    "split": "train, val or test; empty = on no side",
    "method": "how it was forged; fakes only",
    "compression": "as you call it, e.g. c23",
    "original": "file of the real video that a fake was made from, spelt as in its own row",
    "sources": "recordings whose pixels are in it; default: its original, else itself",
    "identities": "people seen in it",
    "picture_label": "1 = the picture is forged, 0 = it is not, empty = not known",
    "audio_label": "1 = the sound is forged, 0 = it is not, empty = not known",
    "group": "a group whose error rates are to be compared",
    "mask": "video of what was forged, spelt like file",
}

_LABELS = {"real": 0, "0": 0, "fake": 1, "1": 1}
_FAKE = "fake"


def read_rows(file: Path, dataset: str) -> list[Video]:
    """Return the videos of a CSV file, those that are not there marked as missing.

    Raises:
        DataError: a column is missing or unknown, or a cell has a value of the wrong kind.
    """
    rows = csv.DictReader(read_lines(file), restkey="", restval="")
    _check_header(file, list(rows.fieldnames or ()))
    named: dict[str, Video] = {}
    for number, row in enumerate(rows, start=2):
        if "" in row:
            raise DataError(f"{file}, line {number}: more values than columns; quote commas")
        video = _video(file, number, row, dataset)
        if row["file"].strip() in named:
            raise DataError(f"{file}, line {number}: {row['file']} has a row already")
        named[row["file"].strip()] = video
    return [_related(file, video, named) for video in named.values()]


def _check_header(file: Path, names: list[str]) -> None:
    if len(names) == 1 and any(mark in names[0] for mark in ";\t"):
        raise DataError(f"{file}: its columns must be separated by commas; save it as such")
    for name in ("file", "label"):
        if name not in names:
            raise DataError(f"{file}: lacks the column {name}; it has {', '.join(names) or 'none'}")
    odd = [name for name in names if name not in COLUMNS]
    if odd:
        hint = suggestion(odd[0], list(COLUMNS))
        raise DataError(
            f"{file}: nobody knows the columns {', '.join(odd)}; {hint}. "
            "Rename them or take them out: a misspelt column would be ignored in silence"
        )


def _video(file: Path, number: int, row: dict[str, str], dataset: str) -> Video:
    cells = {name: value.strip() for name, value in row.items() if value.strip()}
    where = f"{file}, line {number}"
    label = _LABELS.get(cells.get("label", "").lower())
    if label is None or "file" not in cells:
        raise DataError(f"{where}: needs a file, and real or fake (or 0, 1) as its label")
    if cells.get("split") not in (None, *get_args(Split)):
        raise DataError(f"{where}: split '{cells['split']}'; a side is train, val or test")
    method = cells.get("method", _FAKE) if label else ORIGINAL
    path = PurePosixPath(cells["file"].replace("\\", "/"))
    parts = (dataset, method, cells.get("compression"), path.as_posix().lstrip("/"))
    here = (file.parent / path).is_file()
    return Video(
        id="/".join(part for part in parts if part),
        path=path.as_posix(),
        dataset=dataset,
        method=method,
        label=label,
        compression=cells.get("compression"),
        split=cast("Split | None", cells.get("split")),
        split_reason=f"column split of {file.name}" if "split" in cells else "no split given",
        original=cells.get("original"),  # its file; an id once all rows are read
        sources=_several(dataset, cells.get("sources")),
        identities=_several(None, cells.get("identities")),
        picture_label=_part(where, "picture_label", cells, label),
        audio_label=_part(where, "audio_label", cells, label),
        group=cells.get("group"),
        mask=cells.get("mask"),
        outcome="pending" if here else "missing",
        reason="" if here else f"named by {file.name}, but not there",
    )


def _several(prefix: str | None, cell: str | None) -> tuple[str, ...]:
    values = (value.strip() for value in (cell or "").split(";"))
    return tuple(f"{prefix}/{value}" if prefix else value for value in values if value)


def _part(where: str, name: str, cells: dict[str, str], label: int) -> int | None:
    """Return the label of picture or sound; what is real is real in both."""
    if name not in cells:
        return 0 if label == 0 and name == "picture_label" else None
    if cells[name] not in ("0", "1"):
        raise DataError(f"{where}: {name} '{cells[name]}'; expected 0, 1 or nothing")
    return int(cells[name])


def _related(file: Path, video: Video, named: dict[str, Video]) -> Video:
    """Turn the file of an original into its id, and let kin be known by it."""
    original = None
    if video.original is not None:
        original = named.get(video.original)
        if original is None or original.label != 0:
            raise DataError(
                f"{file}: {video.path} names {video.original} as its original, which is no real "
                "video of this list"
            )
    first = original or video
    own = first.sources or (f"{video.dataset}/{first.path}",)
    return replace(video, original=original.id if original else None, sources=video.sources or own)
