"""A prepared folder opened for reading: any rows of any row group, from any number of threads."""

from __future__ import annotations

import threading
from collections import OrderedDict, defaultdict
from collections.abc import Sequence
from typing import Any

import pyarrow.parquet as pq

from unmask.datasets.manifest import Manifest, read_manifest
from unmask.datasets.prepare import FORMAT
from unmask.datasets.sampling import Sampling
from unmask.datasets.shelf import Row
from unmask.datasets.store import INDEX, MANIFEST, RECORD, Store, shard_name
from unmask.errors import DataError

OPEN_FILES = 16  # for each thread


class Folder:
    """Prepared data in one place.

    Raises:
        DataError: there are none, or their preparation was interrupted.
    """

    def __init__(self, url: str) -> None:
        self.store = Store(url)
        record = self.store.read_json(RECORD)
        if record is None or record.get("format") != FORMAT:
            raise DataError(f"{url}: holds no prepared data; make them with unmask prepare")
        if not record["complete"]:
            raise DataError(f"{url}: was not finished; the same unmask prepare goes on with it")
        self.digest: str = record["digest"]
        self._group_rows: int = record["group_rows"]
        self.sampling = Sampling(**record["settings"]["sampling"])
        self._of_thread = threading.local()

    def manifest(self) -> Manifest:
        """Read what became of every video."""
        store = self.store
        return read_manifest(
            store.path(MANIFEST) if store.is_local else f"{store.url.rstrip('/')}/{MANIFEST}"
        )

    def index(self) -> list[dict[str, Any]]:
        """Read what lies in which row group."""
        with self.store.open(INDEX) as stream:
            rows: list[dict[str, Any]] = pq.read_table(stream).to_pylist()
        return rows

    def read(
        self, kind: str, shard: int, group: int, places: Sequence[int], columns: Sequence[str]
    ) -> list[Row]:
        """Read some rows, in any order, of a run that begins with a row group."""
        file = self._file(kind, shard)
        by_group: defaultdict[int, list[int]] = defaultdict(list)
        for place in dict.fromkeys(places):
            by_group[place // self._group_rows].append(place)
        found: dict[int, Row] = {}
        for number, inside in by_group.items():
            table = file.read_row_group(group + number, list(columns), use_threads=False)
            chosen = table.take([place % self._group_rows for place in inside]).to_pylist()
            found.update(zip(inside, chosen, strict=True))
        return [found[place] for place in places]

    def _file(self, kind: str, shard: int) -> pq.ParquetFile:
        """Open a shard, or take it from those that this thread has read last."""
        if not hasattr(self._of_thread, "files"):
            self._of_thread.files = OrderedDict()
        files: OrderedDict[str, pq.ParquetFile] = self._of_thread.files
        name = shard_name(kind, shard)
        if name not in files:
            if self.store.is_local:
                # Mapped pages need no buffer: a quarter of the time.
                path = self.store.path(name)
                files[name] = pq.ParquetFile(path, memory_map=True, pre_buffer=False)
            else:
                files[name] = pq.ParquetFile(self.store.open(name))
            if len(files) > OPEN_FILES:
                files.popitem(last=False)[1].close(force=True)
        files.move_to_end(name)
        return files[name]
