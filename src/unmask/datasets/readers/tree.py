"""Looking at a data set's folders as they are on disk.

Folders are found whatever the case of their letters, and with `videos/` put in between or not:
copies differ, and on a disk that minds the case a wrong letter once cost a benchmark 70 videos in
silence. Symbolic links are followed; hidden files are other programs' and passed over.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from unmask.errors import DataError

VIDEO_SUFFIXES = frozenset({".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v"})
COMPRESSIONS = {"raw": "raw", "c0": "raw", "c23": "c23", "c40": "c40"}  # folder: as we call it


def find(root: Path, *parts: str) -> Path | None:
    """Return the file or folder of that name below `root`, letter case aside; None if absent."""
    place = root
    for part in parts:
        if (place / part).exists():
            place /= part
            continue
        near = [name for name in _names(place) if name.lower() == part.lower()]
        if not near:
            return None
        place /= min(near)
    return place


def folders(root: Path) -> list[Path]:
    """Return the folders directly in `root`, by name."""
    return [root / entry.name for entry in _entries(root) if entry.is_dir()]


def by_compression(folder: Path | None, wanted: Sequence[str]) -> Iterator[tuple[str, Path]]:
    """Give the compressions below a folder of FaceForensics++, those wanted or all."""
    for inside in folders(folder) if folder else []:
        name = COMPRESSIONS.get(inside.name)
        if name and (not wanted or name in wanted):
            yield name, inside


def videos_in(folder: Path | None) -> dict[str, Path]:
    """Return the videos of a folder, or of `videos/` in it, by file name."""
    if folder is None:
        return {}
    inside = find(folder, "videos")
    place = inside if inside is not None and inside.is_dir() else folder
    return {name: place / name for name in _names(place) if is_video(name)}


def masks_in(folder: Path) -> dict[str, Path]:
    """Return the masks of a method of FaceForensics++ by name, endings aside."""
    return {path.stem: path for path in videos_in(find(folder, "masks")).values()}


def videos_below(folder: Path) -> Iterator[Path]:
    """Give all videos below a folder, by name."""
    return (path for path in files_below(folder) if is_video(path.name))


def files_below(folder: Path) -> Iterator[Path]:
    """Give all files below a folder, by name; a folder that links lead to twice is seen once."""
    seen: set[Path] = set()
    for here, inside, names in os.walk(folder, followlinks=True):
        inside[:] = sorted(name for name in inside if not name.startswith("."))
        place = Path(here).resolve()
        if place in seen:
            inside.clear()
            continue
        seen.add(place)
        for name in sorted(names):
            if not name.startswith("."):
                yield Path(here) / name


def is_video(name: str) -> bool:
    """Whether a file's name ends like a video's."""
    return os.path.splitext(name)[1].lower() in VIDEO_SUFFIXES  # noqa: PTH122  names, no paths


def below(root: Path, path: Path) -> str:
    """Spell a path as a manifest does: below the root with forward slashes, whole elsewhere."""
    whole, start = path.as_posix(), f"{root.as_posix().rstrip('/')}/"
    return whole.removeprefix(start)


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        DataError: it is not JSON, or cannot be read.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: not a JSON file ({error}); download it again") from error


def read_lines(path: Path) -> list[str]:
    """Read the lines of a list that say something, without the mark that Windows puts first.

    Raises:
        DataError: it is not text, or cannot be read.
    """
    try:
        return [line.strip() for line in path.read_text("utf-8-sig").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"{path}: cannot be read as text ({error}); save it as UTF-8 or download it again"
        ) from error


def existing_folder(root: Path | str) -> Path:
    """Return the root of a data set as an absolute path.

    Raises:
        DataError: no such folder.
    """
    place = Path(root).expanduser().absolute()
    if not place.exists():
        raise DataError(f"{root}: no such folder or file")
    return place


def _names(folder: Path) -> list[str]:
    return [entry.name for entry in _entries(folder)]


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            seen = [entry for entry in entries if not entry.name.startswith(".")]
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise DataError(f"{folder}: cannot be looked into ({error.strerror})") from error
    return sorted(seen, key=lambda entry: entry.name)
