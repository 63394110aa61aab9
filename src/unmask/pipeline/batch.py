"""Many files: find them, scan each, and let no bad one stop the others."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from unmask.errors import UnmaskError, UnreadableMediaError
from unmask.pipeline.detector import Detector
from unmask.types import Report

log = logging.getLogger(__name__)

# What a folder is searched for. A file named outright is read whatever it is called.
MEDIA_SUFFIXES = frozenset(
    ".mp4 .m4v .mov .mkv .webm .avi .mpg .mpeg .ts .mts .3gp .flv .wmv .ogv .gif "
    ".jpg .jpeg .png .webp .avif .bmp .tif .tiff .heic".split()
)


@dataclass(frozen=True, kw_only=True)
class Failure:
    """A file that could not be answered, and why."""

    path: Path
    error: UnmaskError


def find_media(paths: Iterable[Path]) -> list[Path]:
    """Files to scan: those named, and all media below the folders named, in order of name."""
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            inside = (p for p in path.rglob("*") if p.suffix.lower() in MEDIA_SUFFIXES)
            found += sorted(p for p in inside if p.is_file())
        else:
            found.append(path)
    return found


def scan_all(
    detector: Detector, paths: Iterable[Path], *, n_frames: int, workers: int = 1
) -> Iterator[Report | Failure]:
    """Scan files in the order given; `workers` of them at a time, sharing one set of weights."""

    def answer(path: Path) -> Report | Failure:
        try:
            return detector.scan(path, n_frames=n_frames)
        except UnmaskError as error:
            return Failure(path=path, error=error)
        except Exception as error:  # noqa: BLE001  one strange file must not cost the others
            log.exception("%s: unexpected failure", path)
            reason = f"{path}: could not be analysed ({type(error).__name__}: {error})"
            return Failure(path=path, error=UnreadableMediaError(reason))

    if workers <= 1:
        yield from map(answer, paths)
        return
    with ThreadPoolExecutor(workers) as pool:
        # Only a few files ahead of the reader: reports hold pictures.
        waiting = iter(paths)
        running = [pool.submit(answer, path) for path in islice(waiting, 2 * workers)]
        while running:
            yield running.pop(0).result()
            running += [pool.submit(answer, path) for path in islice(waiting, 1)]
