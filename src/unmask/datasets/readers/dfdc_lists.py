"""The lists of DFDC, which alone say what is fake: metadata.json in two forms, and labels.csv."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from unmask.datasets.readers.tree import find, read_json, read_lines
from unmask.errors import DataError

_LABELS = {"REAL": 0, "FAKE": 1}


def train_list(folder: Path) -> tuple[dict[str, int], dict[str, str | None]] | None:
    """Return label and original of every video of a train part; None without its list.

    Raises:
        DataError: a label that nobody knows, or a list of another form.
    """
    file = find(folder, "metadata.json")
    if file is None:
        return None
    entries = _entries(file)
    for name, entry in entries.items():
        if entry.get("label") not in _LABELS:
            raise DataError(f"{file}: label {entry.get('label')!r} of {name}; known: FAKE, REAL")
    labels = {name: _LABELS[entry["label"]] for name, entry in entries.items()}
    return labels, {name: entry.get("original") or None for name, entry in entries.items()}


def held_out_list(root: Path, folder: Path) -> dict[str, int] | None:
    """Return the labels of a test or validation folder, from either form of its list.

    Raises:
        DataError: a label that is neither 0 nor 1, or a list of another form.
    """
    known: dict[str, Any]
    if file := find(folder, "metadata.json"):
        known = {name: entry.get("is_fake") for name, entry in _entries(file).items()}
    elif file := find(folder, "labels.csv") or find(root, "labels.csv"):
        rows = csv.DictReader(read_lines(file))
        if not {"filename", "label"} <= set(rows.fieldnames or ()):
            raise DataError(f"{file}: expected the columns filename,label; download it again")
        known = {row["filename"]: {"0": 0, "1": 1}.get(row["label"]) for row in rows}
    else:
        return None
    odd = [name for name, label in known.items() if label not in (0, 1)]
    if odd:
        raise DataError(f"{file}: {len(odd)} labels are neither 0 nor 1, such as that of {odd[0]}")
    return {name: int(label) for name, label in known.items()}


def _entries(file: Path) -> dict[str, dict[str, Any]]:
    entries = read_json(file)
    if not (isinstance(entries, dict) and all(isinstance(e, dict) for e in entries.values())):
        raise DataError(f"{file}: expected an entry for each video's name; download it again")
    return entries
