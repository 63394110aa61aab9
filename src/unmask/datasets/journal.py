"""Journal entries: what became of every video of a shard, and in which row groups it lies.

They are what a killed run goes on from. Nothing in them depends on when or in which order things
were done.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from unmask.datasets.manifest import Outcome
from unmask.datasets.store import JOURNAL, Store, Written, shard_name


@dataclass(frozen=True, kw_only=True)
class Span:
    """Row groups that hold one run of rows: the faces of a person, frames, or sound."""

    kind: str  # folder
    track: int  # of faces, from 1; 0 = of no person
    group: int  # the first one
    n_groups: int
    frames: tuple[int, ...] = ()  # numbers, row by row
    t_s: tuple[float, ...] = ()
    face_px: float | None = None  # median shorter side of the face


@dataclass(frozen=True, kw_only=True)
class VideoEntry:
    """What became of one video."""

    id: str
    source: str  # size and time of the file, by which a change is noticed; "" = there was none
    outcome: Outcome
    reason: str
    width_px: int | None = None
    height_px: int | None = None
    fps: str | None = None  # where it is constant
    boxes_from: str | None = None  # the real whose faces it took
    picture_label: int | None = None  # found by comparing it with its real
    audio_label: int | None = None
    spans: tuple[Span, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ShardEntry:
    """The journal entry of a shard."""

    shard: int
    files: Mapping[str, Written]  # by kind
    videos: tuple[VideoEntry, ...]

    def document(self) -> dict[str, Any]:
        """Return it as JSON."""
        return asdict(self)

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> ShardEntry:
        """Read it from JSON."""
        videos = tuple(
            VideoEntry(**(v | {"spans": tuple(_span(s) for s in v["spans"])}))
            for v in document["videos"]
        )
        files = {kind: Written(**file) for kind, file in document["files"].items()}
        return cls(shard=document["shard"], files=files, videos=videos)


def read_entry(store: Store, shard: int) -> ShardEntry | None:
    """Read an entry; None where the shard is not done or a file of it is not whole."""
    document = store.read_json(shard_name(JOURNAL, shard))
    if document is None:
        return None
    entry = ShardEntry.of(document)
    whole = all(store.size(shard_name(k, shard)) == file.size for k, file in entry.files.items())
    return entry if whole else None


def _span(document: Mapping[str, Any]) -> Span:
    lists = {name: tuple(document[name]) for name in ("frames", "t_s")}
    return Span(**(document | lists))  # type: ignore[arg-type,operator]
