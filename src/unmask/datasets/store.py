"""A folder of prepared data, on the local disk or behind any fsspec URL: names, schemas, writing.

What is guaranteed when the process is killed at any moment: on a local disk a name stands for a
complete file or for none, also after a power cut (written aside, flushed, renamed). Elsewhere a
file is written in one go under its own name; object stores show it once it is complete, others may
keep a part of it. So a shard counts only once its journal entry, written last, names its files and
they have the sizes that it names.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
from fsspec.implementations.local import LocalFileSystem

from unmask.errors import OutputError

RECORD, MANIFEST, INDEX = "prepare.json", "manifest.parquet", "index.parquet"
FACES, AUDIO, FRAMES, JOURNAL = "faces", "audio", "frames", "journal"  # folders

_PART = ".part"  # ending of what is being written

_KEPT = [
    ("video", pa.string()),
    ("frame", pa.int32()),  # number in the source, at its average rate
    ("t_s", pa.float64()),
    ("image", pa.binary()),  # encoded, as cut out of the frame
]
SCHEMAS: dict[str, pa.Schema] = {
    FACES: pa.schema(
        [
            *_KEPT,
            ("track", pa.int32()),
            ("mask", pa.binary()),  # PNG, what is forged in these pixels; null = not known
            ("crop_x", pa.int32()),  # of the crop's first pixel in the frame
            ("crop_y", pa.int32()),
            ("crop_w", pa.int32()),
            ("crop_h", pa.int32()),
            ("box", pa.list_(pa.float64(), 4)),  # x0, y0, x1, y1 in the frame
            ("landmarks", pa.list_(pa.float32(), 10)),  # x, y of eyes, nose, mouth corners
            ("confidence", pa.float64()),
            ("size_px", pa.float64()),
            ("sharpness", pa.float64()),
            ("yaw", pa.float64()),
            ("roll_deg", pa.float64()),
            ("boxes_from", pa.string()),  # the real whose boxes were taken; null = found here
        ]
    ),
    AUDIO: pa.schema(
        [
            ("video", pa.string()),
            ("rate_hz", pa.int32()),
            ("n_samples", pa.int64()),
            ("sound", pa.binary()),  # FLAC, mono, from the first frame on
        ]
    ),
    FRAMES: pa.schema(_KEPT),
}


class Store:
    """A folder anywhere."""

    def __init__(self, url: str | Path) -> None:
        self.url = str(url)
        self.fs, self._root = fsspec.core.url_to_fs(self.url)
        self.is_local = isinstance(self.fs, LocalFileSystem)

    def path(self, name: str) -> str:
        """Where a name lies, as the file system wants it."""
        return f"{self._root.rstrip('/')}/{name}"

    def open(self, name: str) -> BinaryIO:
        """Open a file for reading from any place in it."""
        return cast("BinaryIO", self.fs.open(self.path(name), "rb"))

    def size(self, name: str) -> int | None:
        """Bytes of a file; None if there is none."""
        try:
            return int(self.fs.size(self.path(name)))
        except FileNotFoundError:
            return None

    def read(self, name: str) -> bytes | None:
        """Return a whole file; None if there is none."""
        try:
            return cast("bytes", self.fs.cat_file(self.path(name)))
        except FileNotFoundError:
            return None
        except NotADirectoryError as error:
            raise OutputError(f"{self.url}: is a file; name a folder") from error

    def names(self, folder: str) -> list[str]:
        """Names of the files in a folder, sorted; parts of files that were never completed too."""
        try:
            found = self.fs.ls(self.path(folder), detail=False)
        except FileNotFoundError:
            return []
        return sorted(f"{folder}/{path.rsplit('/', 1)[-1]}" for path in found)

    def remove(self, name: str) -> None:
        """Remove a file if it is there."""
        try:
            self.fs.rm_file(self.path(name))
        except FileNotFoundError:
            return

    def write(self, name: str, data: bytes) -> None:
        """Put a whole file in its place."""
        with self.writing(name) as part:
            part.write_bytes(data)

    def write_json(self, name: str, document: Any) -> None:
        """Put a JSON document in its place."""
        self.write(name, (json.dumps(document, indent=1) + "\n").encode())

    def read_json(self, name: str) -> Any:
        """Return a JSON document; None if there is none."""
        data = self.read(name)
        return None if data is None else json.loads(data)

    @contextmanager
    def writing(self, name: str) -> Iterator[Path]:
        """Yield a local file to write to; it takes its place when the block ends well.

        Raises:
            OutputError: it cannot be written.
        """
        try:
            if self.is_local:
                with self._renamed(Path(self.path(name))) as part:
                    yield part
            else:
                with tempfile.TemporaryDirectory(prefix="unmask-") as folder:
                    yield (part := Path(folder) / "part")
                    self.fs.makedirs(self.path(name).rpartition("/")[0], exist_ok=True)
                    self.fs.put_file(str(part), self.path(name))
        except OSError as error:
            raise OutputError(
                f"{self.url}: {name} cannot be written ({error.strerror or error}); what is "
                "finished is kept, and the same command goes on"
            ) from error

    @staticmethod
    @contextmanager
    def _renamed(path: Path) -> Iterator[Path]:
        path.parent.mkdir(parents=True, exist_ok=True)
        # A name of this process's own: of a killed run a worker may still be at its last file.
        part = path.with_name(f".{path.name}.{os.getpid()}{_PART}")
        try:
            yield part
            with part.open("rb+") as file:
                os.fsync(file.fileno())
            part.replace(path)
            _flush_folder(path.parent)
        finally:
            part.unlink(missing_ok=True)

    def remove_parts(self) -> None:
        """Remove what killed runs left half written."""
        for folder in (FACES, AUDIO, FRAMES, JOURNAL):
            for name in self.names(folder):
                if name.endswith(_PART):
                    self.remove(name)
        if self.is_local:
            for part in Path(self._root).glob(f".*{_PART}"):
                part.unlink(missing_ok=True)


def shard_name(folder: str, shard: int) -> str:
    """Name of a shard's file."""
    return f"{folder}/{shard:05d}.{'json' if folder == JOURNAL else 'parquet'}"


@dataclass(frozen=True, kw_only=True)
class Written:
    """A file of a shard, so that its journal entry can name it."""

    size: int  # bytes
    sha256: str


class ShardFile:
    """A Parquet file that grows by row groups."""

    def __init__(self, path: Path, folder: str) -> None:
        self._path, self._schema = path, SCHEMAS[folder]
        self.n_groups = 0
        # Pictures and sound are compressed already, and limits of their values say nothing.
        self._writer = pq.ParquetWriter(
            path,
            self._schema,
            compression="none",
            use_dictionary=["video", "boxes_from"],
            write_statistics=["video", "track", "frame", "t_s"],
        )

    def add(self, rows: list[dict[str, Any]]) -> None:
        """Write rows as one row group."""
        table = pa.Table.from_pylist(rows, self._schema)
        self._writer.write_table(table, row_group_size=max(1, len(rows)))
        self.n_groups += 1

    def close(self) -> Written:
        """Complete the file."""
        self._writer.close()
        with self._path.open("rb") as file:
            sha = hashlib.file_digest(file, "sha256").hexdigest()
        return Written(size=self._path.stat().st_size, sha256=sha)


def _flush_folder(folder: Path) -> None:
    """Make a renaming survive a power cut, where folders can be flushed."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
