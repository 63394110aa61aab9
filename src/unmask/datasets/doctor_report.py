"""What the doctor found, as text for a person and as a document for a program."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from unmask.datasets.doctor import KINDS, Examination, Finding, Severity
from unmask.datasets.holdings import COLUMNS, Column, Tally

SCHEMA = "unmask.doctor/1"
SHOWN = 3  # of each kind of finding; the document has all

_HEADINGS: dict[Column, str] = {
    "train": "train",
    "val": "val",
    "test": "test",
    "none": "no side",
    "all": "all",
}
_TITLES: dict[Severity, str] = {
    "mend": "To be mended first",
    "look": "Worth a look",
    "note": "Good to know",
}


def document(examination: Examination) -> dict[str, Any]:
    """Return everything as plain values; docs/datasets.md describes them."""
    manifest = examination.manifest
    return {
        "schema": SCHEMA,
        "dataset": manifest.dataset,
        "title": examination.title,
        "root": manifest.root,
        "split_rule": manifest.split_rule,
        "n_videos": len(manifest),
        "n_here": _n_here(examination),
        "decoded": {
            "n_files": examination.n_decoded,
            "all_frames": examination.deep,
            "seed": None if examination.deep else examination.seed,
        },
        "counts": [
            {
                "what": tally.what,
                "compression": tally.compression,
                "split": tally.column,
                "found": tally.found,
                "missing": tally.missing,
                "published": tally.published,
            }
            for tally in examination.tallies
        ],
        "absent_compressions": list(examination.absent),
        "findings": [_finding(finding) for finding in examination.findings],
        "uses": list(examination.uses),
        "usable": examination.usable,
    }


def lines(examination: Examination) -> Iterator[str]:
    """Give the lines of the text, none of them cut: paths are there to be copied."""
    manifest = examination.manifest
    here = f"{_n_here(examination)} of {len(manifest)} videos are here"
    yield f"{examination.title} in {manifest.root}"
    yield f"{here}; sides by the rule '{manifest.split_rule}'"
    yield ""
    yield from _table(examination.tallies)
    if examination.absent:
        yield f"nothing here of: {', '.join(examination.absent)}"
    for severity, title in _TITLES.items():
        grave = [finding for finding in examination.findings if finding.severity == severity]
        if grave:
            yield from ("", f"{title}:")
        for finding in grave:
            yield from _said(finding)
    yield from ("", "What this copy allows:")
    yield from (f"  {use}" for use in examination.uses)
    yield ""
    yield _decoded(examination)
    if examination.usable:
        yield "Nothing must be mended."
    else:
        yield "Mend what stands under 'To be mended first', then ask again."


def _table(tallies: tuple[Tally, ...]) -> Iterator[str]:
    """Give rows of what is here, of what is published where that is known."""
    rows: dict[tuple[str, str | None], dict[Column, Tally]] = {}
    for tally in tallies:
        rows.setdefault((tally.what, tally.compression), {})[tally.column] = tally
    cells = [["here/published", "", *(_HEADINGS[column] for column in COLUMNS)]]
    for (what, compression), row in rows.items():
        cells.append([what, compression or "", *(_cell(row[column]) for column in COLUMNS)])
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for line in cells:
        left = [cell.ljust(width) for cell, width in zip(line[:2], widths[:2], strict=True)]
        right = [cell.rjust(width) for cell, width in zip(line[2:], widths[2:], strict=True)]
        yield "  ".join(cell for cell in (*left, *right) if cell).rstrip()


def _cell(tally: Tally) -> str:
    if tally.published is not None:
        return f"{tally.found}/{tally.published}"
    return str(tally.found) if tally.found else "-"


def _said(finding: Finding) -> Iterator[str]:
    _, words, advice = KINDS[finding.kind]
    yield f"  {words}: {len(finding.items)}"
    yield from (f"      {path}: {reason}" for path, reason in finding.items[:SHOWN])
    if len(finding.items) > SHOWN:
        yield f"      and {len(finding.items) - SHOWN} more (--json has all)"
    yield f"    what to do: {advice}"


def _decoded(examination: Examination) -> str:
    if examination.deep:
        return f"All frames of {examination.n_decoded} files were decoded."
    return (
        f"Some frames of {examination.n_decoded} files, drawn with seed {examination.seed}, were "
        "decoded; --deep decodes all frames of all files."
    )


def _n_here(examination: Examination) -> int:
    return sum(video.outcome != "missing" for video in examination.manifest.videos)


def _finding(finding: Finding) -> dict[str, Any]:
    severity, words, advice = KINDS[finding.kind]
    return {
        "kind": finding.kind,
        "severity": severity,
        "n": len(finding.items),
        "what": words,
        "advice": advice,
        "items": [{"path": path, "reason": reason} for path, reason in finding.items],
    }
