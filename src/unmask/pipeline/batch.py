"""Many files: find them, scan each, and let no bad one stop the others."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import CancelledError, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from threading import Event

from unmask.cores import usable_cores
from unmask.errors import UnmaskError, UnreadableMediaError, UsageError
from unmask.pipeline.detector import Detector
from unmask.types import Report

log = logging.getLogger(__name__)

# What a folder is searched for. A file named outright is read whatever it is called.
_ENDINGS = (
    "mp4 m4v mov mkv webm avi mpg mpeg ts mts m2ts 3gp flv wmv ogv gif "
    "jpg jpeg jfif png apng webp avif bmp tif tiff heic heif"
)
MEDIA_SUFFIXES = frozenset(f".{ending}" for ending in _ENDINGS.split())
_MOST_WORKERS = 4  # by default: each holds some frames, and the network alone keeps cores busy


@dataclass(frozen=True, kw_only=True)
class Failure:
    """A file that could not be answered, and why."""

    path: Path
    error: UnmaskError


def find_media(paths: Iterable[Path]) -> list[Path]:
    """Files to scan: those named, and all media below the folders named, in order of name.

    Hidden files in folders are passed over: they are other programs' (macOS's `._clip.mp4`). A
    folder without media stands for itself, and is answered for like a file that is not there.

    Raises:
        UsageError: there is no media in any folder, and no file was named.
    """
    found: list[Path] = []
    for path in paths:
        if not _is_folder(path):
            found.append(path)
            continue
        inside = sorted(p for p in path.rglob("*") if _is_visible_media(p.relative_to(path)))
        files = [p for p in inside if p.is_file()]
        found += files or [path]
    if found and all(map(_is_folder, found)):
        raise UsageError(_nothing_in(found[0]))
    return found


def scan_all(
    detector: Detector, paths: Iterable[Path], *, n_frames: int, workers: int = 1
) -> Iterator[Report | Failure]:
    """Scan files in the order given; `workers` of them at a time, sharing one set of weights.

    Who stops early, or interrupts, ends the scans under way within a frame or a batch.
    """
    cancelled = Event()

    def answer(path: Path) -> Report | Failure:
        if _is_folder(path):
            return Failure(path=path, error=UnreadableMediaError(_nothing_in(path)))
        try:
            return detector.scan(path, n_frames=n_frames, is_cancelled=cancelled.is_set)
        except UnmaskError as error:
            return Failure(path=path, error=error)
        except CancelledError:
            raise
        except Exception as error:  # one strange file must not cost the others
            log.info("%s: unexpected failure", path, exc_info=True)
            reason = f"{path}: could not be analysed ({type(error).__name__}: {error})"
            return Failure(path=path, error=UnreadableMediaError(reason))

    if workers <= 1:
        yield from map(answer, paths)
        return
    waiting = iter(paths)
    pool = ThreadPoolExecutor(workers, thread_name_prefix="unmask-scan")
    try:
        # Only a few files ahead of the reader: reports hold pictures.
        running = deque(pool.submit(answer, path) for path in islice(waiting, 2 * workers))
        while running:
            yield running.popleft().result()
            running.extend(pool.submit(answer, path) for path in islice(waiting, 1))
    finally:  # also when the reader has had enough
        cancelled.set()
        pool.shutdown(cancel_futures=True)


def usual_workers(n_files: int) -> int:
    """How many files to scan at once: one a core, so that one is decoded while another is scored.

    All share the network; each holds a face detector and a few frames of its own.
    """
    return max(1, min(n_files, usable_cores(), _MOST_WORKERS))


def _nothing_in(folder: Path) -> str:
    return f"{folder}: no video or image in this folder, going by the names"


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # a name too long, say; reading it will tell
        return False


def _is_visible_media(path: Path) -> bool:
    hidden = any(part.startswith(".") for part in path.parts)
    return not hidden and path.suffix.lower() in MEDIA_SUFFIXES
