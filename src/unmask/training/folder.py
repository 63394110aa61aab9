"""The run folder: what it must hold before a run begins or goes on.

`config.json` records recipe, data and versions. A run that was killed before it saved anything
begins anew, with whatever recipe; one that has learned goes on only as it began.
"""

from __future__ import annotations

import json
import platform
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

from unmask import __version__
from unmask.config import differences
from unmask.errors import ConfigError, DataError, OutputError, UsageError
from unmask.training.plan import FREE_ON_RESUME
from unmask.training.state import STATE

CONFIG = "config.json"
VERSIONS_OF = ("torch", "lightning-fabric", "numpy", "opencv-python-headless", "timm")


def versions() -> dict[str, str]:
    """What computed this run."""
    return {
        "unmask": __version__,
        "python": platform.python_version(),
        **{name: version(name) for name in VERSIONS_OF},
    }


def open_folder(folder: Path, record: dict[str, Any], *, resume: bool) -> None:
    """Begin a run folder, or make sure that the run in it is the one to go on with."""
    path = folder / CONFIG
    if path.exists() and (folder / STATE).exists():
        if not resume:
            raise UsageError(
                f"{folder}: holds a run already; go on with --resume, or choose another --out"
            )
        refuse_changes(json.loads(path.read_text(encoding="utf-8")), record, folder)
        return
    if resume and not path.exists():
        raise UsageError(f"{folder}: holds no run to resume; leave --resume out to begin one")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise OutputError(f"{folder}: the run folder cannot be written: {error}") from error


@contextmanager
def replacing(folder: Path) -> Iterator[Path]:
    """Yield an empty folder to write to; it takes the other's place when the block ends well.

    Whatever goes wrong, what was there stays as it was. Killed between the two moves, the state
    still has the best weights, and the resumed run writes them again.
    """
    part, old = (folder.with_name(folder.name + ending) for ending in (".part", ".old"))
    for left_by_a_kill in (part, old):
        shutil.rmtree(left_by_a_kill, ignore_errors=True)
    try:
        yield part
        if folder.exists():
            folder.rename(old)
        part.rename(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


def refuse_changes(old: dict[str, Any], new: dict[str, Any], folder: Path) -> None:
    """Refuse to go on with another recipe or other data than the run began with."""
    if old["data_digest"] != new["data_digest"]:
        was, now = old["data_digest"][:12], new["data_digest"][:12]
        raise DataError(
            f"{folder}: the training data are not those the run began with (digest {was}..., now "
            f"{now}...); restore them, or begin anew in another --out"
        )
    if old.get("teacher_sha256") != new.get("teacher_sha256"):
        raise DataError(
            f"{folder}: the teacher is not the one the run began with; restore it, or begin anew "
            "in another --out"
        )
    # Where data and teacher lie may change: the digests have just shown that they are the same.
    # So may the first weights: the state has taken their place.
    free = {f"train.{key}" for key in FREE_ON_RESUME} | {"data.paths", "teacher", "init_from"}
    changes = {
        key: values
        for key, values in differences(old["recipe"], new["recipe"]).items()
        if key not in free
    }
    if changes:
        lines = [f"{key}: {was!r} -> {now!r}" for key, (was, now) in changes.items()]
        raise ConfigError(
            f"{folder}: a run goes on as it began, but the recipe changed:\n  "
            + "\n  ".join(lines)
            + f"\nOnly {', '.join(sorted(free))} may change; for the rest choose another --out"
        )
