"""A shard: a fixed slice of a manifest, prepared by one worker into one file of each kind.

Which videos form a shard follows from the manifest alone, so any number of workers makes the same
bytes. Its journal entry, written last, says what became of every video and in which row groups its
faces, sound and frames lie. Nothing in it depends on when or in which order things were done.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pyarrow.parquet as pq
from fsspec.implementations.local import LocalFileSystem

from unmask.datasets.extract import Borrowed, Extractor, Kept, Sighting
from unmask.datasets.manifest import Outcome, Video
from unmask.datasets.shelf import Row
from unmask.datasets.store import (
    AUDIO,
    FACES,
    FRAMES,
    JOURNAL,
    ShardFile,
    Store,
    Written,
    shard_name,
)
from unmask.faces.detect import Detection

LARGEST_SHARD = 16  # videos; a killed run loses one unfinished shard for each worker
MOST_SHARDS = 256  # in smaller data sets there are so many, so that workers share the work evenly
GROUP_ROWS = 128  # a longer run of pictures goes on in further row groups


@dataclass(frozen=True, kw_only=True)
class Span:
    """Row groups that hold one run of rows: the faces of a person, frames, or sound."""

    kind: str  # folder
    track: int  # of faces, from 1; 0 = of no person
    group: int  # the first one
    n_groups: int
    frames: tuple[int, ...] = ()  # numbers, row by row
    t_s: tuple[float, ...] = ()


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


@dataclass(frozen=True, kw_only=True)
class Task:
    """One video to prepare."""

    id: str
    url: str
    real: tuple[int, VideoEntry] | None = None  # whose faces it takes, and their shard
    crashed: str | None = None  # how it ended a worker twice: it is not read again


@dataclass(frozen=True, kw_only=True)
class Job:
    """One shard to prepare."""

    shard: int
    tasks: tuple[Task, ...]


def slices(videos: Sequence[Video], size: int) -> Iterator[Sequence[Video]]:
    """Cut into shards."""
    return (videos[first : first + size] for first in range(0, len(videos), size))


def shard_size(n_videos: int) -> int:
    """How many videos form a shard."""
    return max(1, min(LARGEST_SHARD, -(-n_videos // MOST_SHARDS)))


def make_shard(
    job: Job, store: Store, extractor: Extractor, told: Callable[[Kept], None]
) -> ShardEntry:
    """Prepare the videos of a shard and write its files; `told` hears of each video.

    Raises:
        OutputError: the files cannot be written.
    """
    settings = extractor.settings
    kinds = [FACES, AUDIO, *([FRAMES] if settings.whole_frames else [])]
    entries = []
    with ExitStack() as stack:
        parts = {k: stack.enter_context(store.writing(shard_name(k, job.shard))) for k in kinds}
        files = {kind: ShardFile(part, kind) for kind, part in parts.items()}
        for task in job.tasks:
            token = source_token(task.url)
            kept = _kept(task, store, extractor)
            entries.append(_entry(task, token, kept, _spans(kept, files)))
            told(kept)
        written = {kind: file.close() for kind, file in files.items()}
    entry = ShardEntry(shard=job.shard, files=written, videos=tuple(entries))
    store.write_json(shard_name(JOURNAL, job.shard), entry.document())
    return entry


def source_token(url: str) -> str:
    """Describe the state of a source file: it differs once the file was changed. "" = none."""
    fs, path = fsspec.core.url_to_fs(url)
    try:
        if isinstance(fs, LocalFileSystem):
            state = Path(path).stat()
            return f"{state.st_size} bytes, {state.st_mtime_ns} ns"
        return str(fs.ukey(path))
    except OSError:  # not there, or out of reach: reading it will tell
        return ""


@contextmanager
def local_copy(url: str) -> Iterator[Path]:
    """Yield a path that can be decoded from: the file itself, or a passing copy of a remote one."""
    fs, path = fsspec.core.url_to_fs(url)
    if isinstance(fs, LocalFileSystem):
        yield Path(path)
        return
    with tempfile.TemporaryDirectory(prefix="unmask-") as folder:
        copy = Path(folder) / path.rpartition("/")[2]
        if fs.exists(path):
            fs.get_file(path, str(copy))
        yield copy


def _kept(task: Task, store: Store, extractor: Extractor) -> Kept:
    if task.crashed is not None:
        return Kept(outcome="unreadable", reason=task.crashed)
    borrowed = None if task.real is None else _borrowed(store, *task.real)
    try:
        with local_copy(task.url) as path:
            return extractor(task.id, path, borrowed)
    except OSError as error:
        return Kept(outcome="unreadable", reason=f"cannot be fetched ({error.strerror or error})")


def _borrowed(store: Store, shard: int, real: VideoEntry) -> Borrowed | None:
    """Read where the people of a prepared real are."""
    spans = [span for span in real.spans if span.kind == FACES]
    if not spans or real.fps is None or real.width_px is None or real.height_px is None:
        return None
    columns = ["track", "frame", "box", "landmarks", "confidence"]
    with store.open(shard_name(FACES, shard)) as stream, pq.ParquetFile(stream) as file:
        groups = [g for span in spans for g in range(span.group, span.group + span.n_groups)]
        rows = file.read_row_groups(groups, columns=columns).to_pylist()
    return Borrowed(
        video=real.id,
        size_px=(real.width_px, real.height_px),
        fps=Fraction(real.fps),
        sightings=tuple(_sighting(row) for row in rows),
    )


def _sighting(row: Row) -> Sighting:
    x0, y0, x1, y1 = row["box"]
    detection = Detection(
        box_xyxy_px=(x0, y0, x1, y1),
        landmarks_px=np.array(row["landmarks"], np.float32).reshape(5, 2),
        confidence=row["confidence"],
    )
    return Sighting(track=row["track"], frame=row["frame"], detection=detection)


def _spans(kept: Kept, files: Mapping[str, ShardFile]) -> Iterator[Span]:
    """Write what is kept of a video, and say where."""
    for rows in kept.tracks:
        yield _write(files[FACES], FACES, rows, rows[0]["track"])
    if kept.sound is not None:
        yield _write(files[AUDIO], AUDIO, [kept.sound], 0)
    if kept.frames:
        yield _write(files[FRAMES], FRAMES, kept.frames, 0)


def _write(file: ShardFile, kind: str, rows: Sequence[Row], track: int) -> Span:
    first = file.n_groups
    for start in range(0, len(rows), GROUP_ROWS):
        file.add(list(rows[start : start + GROUP_ROWS]))
    timed = kind != AUDIO
    return Span(
        kind=kind,
        track=track,
        group=first,
        n_groups=file.n_groups - first,
        frames=tuple(row["frame"] for row in rows) if timed else (),
        t_s=tuple(row["t_s"] for row in rows) if timed else (),
    )


def _entry(task: Task, token: str, kept: Kept, spans: Iterator[Span]) -> VideoEntry:
    info = kept.info
    steady = info is not None and info.fps is not None and not info.variable_frame_rate
    return VideoEntry(
        id=task.id,
        source=token,
        outcome=kept.outcome,
        reason=kept.reason,
        width_px=info.width_px if info else None,
        height_px=info.height_px if info else None,
        fps=str(info.fps) if info and steady else None,
        boxes_from=kept.boxes_from,
        spans=tuple(spans),
    )


def _span(document: Mapping[str, Any]) -> Span:
    lists = {name: tuple(document[name]) for name in ("frames", "t_s")}
    return Span(**(document | lists))  # type: ignore[arg-type,operator]
