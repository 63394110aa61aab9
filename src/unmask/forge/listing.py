"""`manifest.csv` of a forged data set: a row per file, as the reader `folder` takes it."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from unmask.forge.record import ORIGINAL, Record, read_record, write_whole

COLUMNS = (
    *("file", "label", "method", "original", "sources"),
    *("picture_label", "audio_label", "mask"),
)


def write_listing(out: Path) -> Path:
    """List every file of a data set that has a record."""
    found = [
        (path, record)
        for path in sorted([*out.glob("real/*.json"), *out.glob("fake/*/*.json")])
        if (record := read_record(path)) is not None
    ]
    reals = {
        path.stem: _below(out, path, record.path)
        for path, record in found
        if record.method == ORIGINAL
    }
    text = io.StringIO()
    rows = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    rows.writeheader()
    rows.writerows(_row(out, path, record, reals) for path, record in found)
    write_whole(out / "manifest.csv", text.getvalue())
    return out / "manifest.csv"


def _row(out: Path, path: Path, record: Record, reals: dict[str, str]) -> dict[str, str | int]:
    """One file. Its kin are named by their reals, or by name where they are not of the data set."""
    own = reals.get(path.stem, "")
    kin = [own] if own else [Path(record.source).name]
    if record.donor:
        kin.append(reals.get(Path(record.donor).stem, Path(record.donor).name))
    fake = record.label == 1
    return {
        "file": _below(out, path, record.path),
        "label": "fake" if fake else "real",
        "method": record.method if fake else "",
        "original": own if fake else "",
        "sources": ";".join(kin),
        "picture_label": _cell(record.picture_label),
        "audio_label": _cell(record.audio_label),
        "mask": _below(out, path, record.mask) if record.mask else "",
    }


def _below(out: Path, record: Path, name: str) -> str:
    return record.with_name(name).relative_to(out).as_posix()


def _cell(label: int | None) -> int | str:
    return "" if label is None else label
