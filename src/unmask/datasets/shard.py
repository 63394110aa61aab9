"""A shard: a fixed slice of a manifest, prepared by one worker into one file of each kind.

Which videos form a shard follows from the manifest alone (`plan.py`), so any number of workers
makes the same bytes. Its journal entry is written last and declares it done.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Protocol

import fsspec
from fsspec.implementations.local import LocalFileSystem

from unmask.datasets.borrow import Borrowed, read_borrowed
from unmask.datasets.extract import Kept, Settings
from unmask.datasets.journal import ShardEntry, Span, VideoEntry
from unmask.datasets.shelf import Row
from unmask.datasets.store import (
    AUDIO,
    FACES,
    FRAMES,
    JOURNAL,
    ShardFile,
    Store,
    shard_name,
)
from unmask.datasets.tampering import TamperedParts, compare
from unmask.errors import UnreadableMediaError

LEGIBLE = frozenset({"prepared", "no_face"})  # outcomes of files that could be read
GROUP_ROWS = 128  # a longer run of pictures goes on in further row groups


@dataclass(frozen=True, kw_only=True)
class Task:
    """One video to prepare."""

    id: str
    url: str
    mask_url: str | None = None  # of the video that says what is forged
    real: tuple[int, VideoEntry] | None = None  # whose faces it takes, and their shard
    compared_with: str | None = None  # URL of the real that tells which part of it is forged
    crashed: str | None = None  # how it ended a worker twice: it is not read again


@dataclass(frozen=True, kw_only=True)
class Job:
    """One shard to prepare."""

    shard: int
    tasks: tuple[Task, ...]


class Extract(Protocol):
    """What looks at videos: `Extractor` at files."""

    settings: Settings

    def __call__(
        self, video: str, path: Path, *, mask: Path | None, borrowed: Borrowed | None
    ) -> Kept:
        """Keep what there is of one video."""
        ...


def make_shard(
    job: Job, store: Store, extractor: Extract, told: Callable[[Kept], None]
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
            parts_found = _compared(task) if kept.outcome in LEGIBLE else None
            entries.append(_entry(task, token, kept, parts_found, _spans(kept, files)))
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


def _kept(task: Task, store: Store, extractor: Extract) -> Kept:
    if task.crashed is not None:
        return Kept(outcome="unreadable", reason=task.crashed)
    borrowed = None if task.real is None else read_borrowed(store, *task.real)
    try:
        with ExitStack() as stack:
            path = stack.enter_context(local_copy(task.url))
            mask = stack.enter_context(local_copy(task.mask_url)) if task.mask_url else None
            return extractor(task.id, path, mask=mask, borrowed=borrowed)
    except OSError as error:
        return Kept(outcome="unreadable", reason=f"cannot be fetched ({error.strerror or error})")


def _compared(task: Task) -> TamperedParts | None:
    """Find out which part of a fake is forged; None where nothing can be compared."""
    if task.compared_with is None:
        return None
    try:
        with local_copy(task.url) as fake, local_copy(task.compared_with) as original:
            return compare(fake, original) if original.exists() else None
    except (UnreadableMediaError, OSError):  # of the real; its own row in the manifest says why
        return None


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
        face_px=median(row["size_px"] for row in rows) if kind == FACES else None,
    )


def _entry(
    task: Task, token: str, kept: Kept, parts: TamperedParts | None, spans: Iterator[Span]
) -> VideoEntry:
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
        picture_label=parts.picture_label if parts else None,
        audio_label=parts.audio_label if parts else None,
        spans=tuple(spans),
    )
