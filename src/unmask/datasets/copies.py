"""Which files of a data set are one and the same: by size first, then by sha256.

Only files that share their size are read, so that a look at a large data set costs little. Copies
under two names are no oddity: DFDC has recordings twice, and a file copied over another's name
gives two labels, or two sides, to one video.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from unmask.datasets.manifest import Manifest, Video

Track = Callable[[str, Sequence[Video]], Iterable[Video]]  # shows progress while it is walked


def untold(_: str, videos: Sequence[Video]) -> Iterable[Video]:
    """Show no progress."""
    return videos


def size_of(manifest: Manifest, video: Video) -> int | None:
    """Return a file's size in bytes; None where there is no such file."""
    try:
        return Path(manifest.locate(video.path)).stat().st_size
    except OSError:
        return None


def with_digests(manifest: Manifest, track: Track = untold) -> Manifest:
    """Return the manifest with the sha256 of every file on the local disk that may be a copy."""
    by_size: dict[int, list[Video]] = defaultdict(list)
    for video in manifest.videos:
        if video.outcome not in ("missing", "unreadable") and (size := size_of(manifest, video)):
            by_size[size].append(video)
    alike = [video for videos in by_size.values() if len(videos) > 1 for video in videos]
    digests = {
        video.id: _digest(Path(manifest.locate(video.path)))
        for video in track("comparing files", alike)
    }
    videos = (
        replace(video, sha256=digests[video.id]) if digests.get(video.id) else video
        for video in manifest.videos
    )
    return replace(manifest, videos=tuple(videos))


def _digest(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:  # decoding it will say so
        return None
