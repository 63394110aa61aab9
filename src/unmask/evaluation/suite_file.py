"""A suite: which detectors on which data by which protocols, from the command line or a file.

    [[detector]]
    checkpoint = "runs/dtn-paper/best"      # or a packaged name
    label = "DTN"
    [[data]]
    path = "prepared/celebdf"
    label = "Celeb-DF v2"
    protocols = ["overall", "manipulation"]

Paths in a file begin at the file's folder.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from unmask.config import build, read_toml
from unmask.datasets.sources import Target
from unmask.errors import UsageError
from unmask.evaluation.protocols import find_protocol
from unmask.evaluation.scores import Level, Rule
from unmask.models.checkpoint import METADATA, packaged
from unmask.video.corrupt import parse_corruptions

Part = Literal["test", "val", "all"]


@dataclass(frozen=True, kw_only=True)
class Detector:
    """A checkpoint under the name that tables call it by."""

    checkpoint: Path
    label: str = ""
    learned_from: tuple[str, ...] = ()  # data sets, where the checkpoint does not say
    methods: tuple[str, ...] = ()  # of their fakes; all


@dataclass(frozen=True, kw_only=True)
class Data:
    """A data set under the name that tables call it by."""

    path: Path
    label: str = ""
    dataset: str | None = None  # its reader, where it lies as it was downloaded
    split: str | None = None  # the reader's rule for sides
    target: Target | None = None  # what makes a fake; none: what each detector learned


@dataclass(frozen=True, kw_only=True)
class Suite:
    """Everything that a table is made from."""

    detectors: tuple[Detector, ...] = ()
    data: tuple[Data, ...] = ()
    protocols: tuple[str, ...] = ("overall",)
    part: Part = "test"
    corrupt: tuple[str, ...] = ()  # TYPE:LEVEL, or all
    clips: int | None = None  # of a person; None = all that a scan would cut
    limit: int | None = None  # about so many videos of each data set
    level: Level = "video"
    rule: Rule = "mean"
    calibrate_on: Path | None = None  # in place of the validation side of each data set
    allow_leaks: bool = False


def read_suite(path: Path) -> Suite:
    """Read a suite file.

    Raises:
        ConfigError: a key that nobody knows, or a value of the wrong kind.
    """
    table = read_toml(path)
    base = path.resolve().parent
    detectors = [
        build(Detector, entry, where=f"{path}: detector {k + 1}")
        for k, entry in enumerate(_entries(table, "detector", path))
    ]
    data = [
        build(Data, entry, where=f"{path}: data {k + 1}")
        for k, entry in enumerate(_entries(table, "data", path))
    ]
    suite = build(Suite, table, where=str(path))
    return replace(
        suite,
        detectors=tuple(replace(d, checkpoint=_below(base, d.checkpoint)) for d in detectors),
        data=tuple(replace(d, path=base / d.path) for d in data),
        calibrate_on=base / suite.calibrate_on if suite.calibrate_on else None,
    )


def settled(suite: Suite) -> Suite:
    """Find every checkpoint and data set, name each, and refuse what cannot be done.

    Raises:
        UsageError: nothing to evaluate, an unknown name, or a folder that is not there.
    """
    if not suite.detectors or not suite.data:
        raise UsageError(
            "an evaluation needs a detector and data: unmask evaluate CHECKPOINT --data DIR --out "
            "DIR, or --suite FILE"
        )
    for name in suite.protocols:
        find_protocol(name)
    corrupt = tuple(
        str(corruption) for name in suite.corrupt for corruption in parse_corruptions(name)
    )
    found = [replace(d, checkpoint=_checkpoint(d.checkpoint)) for d in suite.detectors]
    labels = _labels([d.label for d in found], [_shown(d.checkpoint) for d in found])
    for entry in (*suite.data, *((Data(path=suite.calibrate_on),) if suite.calibrate_on else ())):
        if not entry.path.exists():
            raise UsageError(f"{entry.path}: there are no data here")
    names = _labels([d.label for d in suite.data], [d.path.resolve().parts for d in suite.data])
    return replace(
        suite,
        detectors=tuple(replace(d, label=n) for d, n in zip(found, labels, strict=True)),
        data=tuple(replace(d, label=n) for d, n in zip(suite.data, names, strict=True)),
        corrupt=tuple(dict.fromkeys(corrupt)),
    )


def _entries(table: dict[str, Any], name: str, path: Path) -> list[dict[str, Any]]:
    entries = table.pop(name, [])
    if not isinstance(entries, list):
        raise UsageError(f"{path}: write [[{name}]] above each {name}, with two brackets")
    return entries


def _below(base: Path, checkpoint: Path) -> Path:
    below = base / checkpoint
    return checkpoint if not below.exists() and packaged(str(checkpoint)) else below


def _checkpoint(named: Path) -> Path:
    if (named / METADATA).is_file():
        return named
    if shipped := packaged(str(named)):
        return shipped
    raise UsageError(
        f"{named}: neither a checkpoint folder (with {METADATA}) nor a packaged detector; "
        "`unmask models` names these"
    )


def _shown(checkpoint: Path) -> tuple[str, ...]:
    """Parts of a path that tell checkpoints apart; `best` in a run folder is the run's."""
    parts = checkpoint.resolve().parts
    return parts[:-1] if parts[-1] == "best" and len(parts) > 1 else parts


def _labels(given: Sequence[str], parts: Sequence[tuple[str, ...]]) -> list[str]:
    """Name each: as asked for, or by the end of its path, as long as it takes to be unique.

    Raises:
        UsageError: two have one name.
    """
    names = list(given)
    for length in range(1, max(map(len, parts)) + 1):
        tried = [name or "-".join(part[-length:]) for name, part in zip(given, parts, strict=True)]
        names = tried
        if len(set(tried)) == len(tried):
            break
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        raise UsageError(f"{twice[0]}: named twice; in a suite file, give each a label of its own")
    return names
