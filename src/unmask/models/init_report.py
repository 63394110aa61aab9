"""What became of weights made elsewhere: every tensor of the file, every weight of the network."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Match:
    """A tensor that found its place."""

    theirs: tuple[str, ...]  # names in the file; none where a layout implies the value
    ours: str
    change: str = ""  # what was done to its values; "" = nothing


@dataclass(frozen=True, kw_only=True)
class Mismatch:
    """A tensor whose place has another shape: it was not loaded."""

    theirs: tuple[str, ...]
    ours: str
    file_shape: tuple[int, ...]
    network_shape: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Left:
    """A name without a partner, and why."""

    name: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class InitReport:
    """What became of every tensor of a file and of every weight of a network."""

    source: str
    sha256: str | None
    layout: str
    parts: tuple[str, ...]  # of the network, that were filled
    matched: tuple[Match, ...]
    mismatched: tuple[Mismatch, ...]
    unmatched: tuple[Left, ...]  # in the file
    missing: tuple[Left, ...]  # in the network: these keep their first values
    notes: tuple[str, ...] = ()

    def document(self) -> dict[str, Any]:
        """As in a run's `init.json`."""
        return asdict(self)

    def lines(self) -> list[str]:
        """For a person: a sentence on what was loaded, then one for each reason."""
        into = " and ".join(self.parts)
        said = [f"{self.source}: {self.layout} into {into}: {len(self.matched)} tensors loaded"]
        said += [f"  note: {note}" for note in self.notes]
        changes = _grouped((m.change, m.ours) for m in self.matched if m.change)
        said += [f"  changed, {why}: {names}" for why, names in changes]
        said += [
            f"  not loaded, {m.ours}: {by(m.file_shape)} in the file, "
            f"{by(m.network_shape)} in the network"
            for m in self.mismatched
        ]
        unmatched = _grouped((left.reason, left.name) for left in self.unmatched)
        said += [f"  left out of the file, {why}: {names}" for why, names in unmatched]
        missing = _grouped((left.reason, left.name) for left in self.missing)
        return said + [f"  keeps its first values, {why}: {names}" for why, names in missing]


def _grouped(pairs: Iterable[tuple[str, str]], shown: int = 3) -> Iterable[tuple[str, str]]:
    """Names by reason, the first few of each and how many more."""
    groups: dict[str, list[str]] = {}
    for reason, name in pairs:
        groups.setdefault(reason, []).append(name)
    for reason, names in groups.items():
        more = f" and {len(names) - shown} more" if len(names) > shown else ""
        yield reason, ", ".join(names[:shown]) + more


def by(shape: tuple[int, ...]) -> str:
    """Write a shape for a person: 64x3x7x7."""
    return "x".join(map(str, shape)) or "one value"
