"""The start of a run from weights made elsewhere: once, reported, and never on a run under way."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from unmask.errors import DataError, OutputError
from unmask.models.base import Network
from unmask.models.init_report import InitReport
from unmask.models.pretrained import load_pretrained
from unmask.training.state import STATE

REPORT = "init.json"


def initialise(network: Network, init: str | Sequence[str], folder: Path) -> list[InitReport]:
    """Fill a network from the sources of a recipe, one after the other.

    A run that has a saved state takes its weights from there, so nothing is loaded; one that was
    killed before the first save begins as it did before.
    """
    sources = (init,) if isinstance(init, str) else init
    if (folder / STATE).exists():
        return []
    return [load_pretrained(network, source) for source in sources]


def keep_reports(reports: Sequence[InitReport], folder: Path) -> None:
    """Write what became of every source to `init.json`.

    Raises:
        DataError: the run began before with another file of that name.
    """
    if not reports:
        return
    path = folder / REPORT
    if path.exists():
        _refuse_others(reports, json.loads(path.read_text(encoding="utf-8")), folder)
    document = {"sources": [report.document() for report in reports], "fresh": fresh(reports)}
    try:
        path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error}") from error


def fresh(reports: Sequence[InitReport]) -> list[str]:
    """Weights that no source filled: they keep their first values."""
    kept = [{left.name for left in report.missing} for report in reports]
    return sorted(set.intersection(*kept))


def _refuse_others(
    reports: Sequence[InitReport], before: dict[str, list[dict[str, str]]], folder: Path
) -> None:
    for report, began in zip(reports, before["sources"], strict=True):
        if report.sha256 != began["sha256"]:
            raise DataError(
                f"{report.source}: not the file the run in {folder} began with; restore it, or "
                "begin anew in another --out"
            )
