"""Cached codes: what a network's frozen part makes of every picture, computed once and kept.

Where the first part of a network never learns, as the autoencoder's encoder in front of `av_cae`'s
transformers, every epoch would decode the same pictures and compute the same codes of them. Here
they are computed once, in float32, and kept as Parquet beside the run, in a folder named by what
they follow from: the frozen weights, the data and the views that are cut. Other weights or data
mean another folder, so codes are never those of something else; runs that have all of it in common
share them. An interrupted computation goes on with the next shard.

Codes are of pictures as they are: where training forges or augments, there is nothing to keep.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator, Sequence, Sized
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from numpy.typing import NDArray
from rich.console import Console
from torch import nn

from unmask import __version__
from unmask.clips.tensors import cut_views, normalise
from unmask.datasets import loader
from unmask.datasets.samples import DataConfig, DrawnSamples, PlainSamples, Source
from unmask.datasets.sources import Places
from unmask.datasets.store import Store
from unmask.errors import DataError, UsageError
from unmask.models.base import Network
from unmask.training.crew import Crew
from unmask.training.log import Display
from unmask.types import Batch, InputSpec

FORMAT = 1
CODES = "codes"  # folder beside a run's own
RECORD = "codes.json"
SHARD_ROWS = 256  # rows of the data in one file: what an interruption costs at most
AT_ONCE = 32  # pictures that are encoded together

Codes = NDArray[np.float32]


class CodeStore:
    """Codes of all sightings of a source's rows, on disk; read from any number of threads."""

    def __init__(self, folder: Path, width: int) -> None:
        self.folder, self.width = folder, width
        self._files: dict[int, pq.ParquetFile] = {}
        self._lock = threading.Lock()  # an open Parquet file serves one thread at a time

    def path(self, shard: int) -> Path:
        """Where a shard lies; it is there as a whole or not at all."""
        return self.folder / f"{shard:05d}.parquet"

    def read(self, row: int, places: Places) -> Codes:
        """Return the codes (T, D) of some sightings of a row.

        Raises:
            DataError: the file is damaged.
        """
        shard, group = divmod(row, SHARD_ROWS)
        try:
            with self._lock:
                if shard not in self._files:
                    self._files[shard] = pq.ParquetFile(self.path(shard), memory_map=True)
                table = self._files[shard].read_row_group(group, use_threads=False)
        except (OSError, pa.ArrowException) as error:
            raise DataError(
                f"{self.path(shard)}: these codes are damaged ({error}); remove the file, and they "
                "are computed again"
            ) from error
        values = table.column(0).combine_chunks().buffers()[1]
        return np.frombuffer(values, "<f4").reshape(-1, self.width)[list(places)]

    def write(self, shard: int, rows: Iterator[Codes]) -> None:
        """Write the codes (T, D) of a shard's rows, each as a row group."""
        schema = pa.schema([("code", pa.binary(4 * self.width))])  # D numbers of float32
        with (
            Store(self.folder).writing(self.path(shard).name) as part,
            pq.ParquetWriter(part, schema, compression="none", use_dictionary=False) as writer,
        ):
            for codes in rows:
                data = pa.py_buffer(np.ascontiguousarray(codes, "<f4"))
                column = pa.Array.from_buffers(schema[0].type, len(codes), [None, data])
                writer.write_table(pa.table([column], schema), row_group_size=len(codes))


@dataclass(frozen=True, kw_only=True, eq=False)
class CodedSamples:
    """Samples that give codes in place of views."""

    samples: DrawnSamples | PlainSamples
    store: CodeStore

    def __len__(self) -> int:
        return len(self.samples)


def make_coded_batch(coded: CodedSamples, indices: Sequence[int], epoch: int) -> Batch:
    """Make one batch of chosen samples: codes (B, T, D), and sound where it is heard."""
    clips = [coded.samples.clip(index, epoch) for index in indices]
    audio = None
    if coded.samples.input_spec.audio is not None:
        audio = np.stack([coded.samples.sound(index, epoch) for index in indices])
    codes = np.stack([coded.store.read(row, places) for row, places, _ in clips])
    label = np.array([label for *_, label in clips], np.float32)
    return Batch(frames=None, codes=codes, audio=audio, label=label)


class CodesLoader:
    """`datasets/loader.py` for samples of codes."""

    def batches(self, samples: Any, batch_size: int, **place: Any) -> Iterator[Batch]:
        """One epoch of training batches."""
        return loader.batches(samples, batch_size, make=make_coded_batch, **place)

    def ordered(self, samples: Any, batch_size: int, *, workers: int) -> Iterator[Batch]:
        """Every example once, in order."""
        return loader.ordered(samples, batch_size, workers=workers, make=make_coded_batch)


def refuse_changing_codes(network: Network, data: DataConfig) -> None:
    """Refuse what would make another code of the same picture every time, or no code at all.

    Raises:
        UsageError: with the key to change.
    """
    augment, why = data.augment, ""
    if network.frozen_part is None:
        why = "this network has no frozen part before what learns"
    elif network.input_spec.region == "clip":
        why = "the views of this network are cut for a clip, so a picture has no code of its own"
    elif augment.preset != "none" or augment.cover is not None or augment.p_corrupt:
        why = "augmented pictures have other codes every time (data.augment.preset = none has not)"
    elif data.forged_share:
        why = "fakes forged on the spot have other codes every time (data.forged_share = 0 has not)"
    if why:
        raise UsageError(f"cached_codes = true: {why}; or set cached_codes = false")


def with_codes_of(
    samples: Sized, network: Network, place: Path, *, crew: Crew, workers: int
) -> CodedSamples:
    """Let samples give codes, from a store in `place`; what is missing there is computed.

    Several processes share the work.
    """
    assert isinstance(samples, DrawnSamples | PlainSamples)
    source, spec = samples.source, replace(samples.input_spec, audio=None)
    key = key_of(network, source, spec)
    name = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:16]
    store = CodeStore(place / name, key["width"])
    shards = range(-(-len(source) // SHARD_ROWS))
    missing = crew.agreed([shard for shard in shards if not store.path(shard).exists()])
    if missing and crew.leads:
        Store(store.folder).write_json(RECORD, key)
    mine = missing[crew.rank :: crew.size]
    console = Console(stderr=True, quiet=not crew.leads)
    with Display(min(len(mine) * SHARD_ROWS, len(source)), 0, console) as display:
        if missing:
            display.say(f"codes of {len(source)} rows are computed once, into {store.folder}")
        for nth, shard in enumerate(mine):
            rows = np.arange(shard * SHARD_ROWS, min((shard + 1) * SHARD_ROWS, len(source)))
            codes = encoded(network, source.take(rows), spec, workers)
            store.write(shard, _shown(codes, display, nth * SHARD_ROWS))
    crew.wait()
    return CodedSamples(samples=samples, store=store)


def key_of(network: Network, source: Source, spec: InputSpec) -> dict[str, Any]:
    """Everything that codes follow from."""
    part = network.frozen_part
    assert part is not None
    device = next(part.parameters()).device
    with torch.no_grad():
        width = network.frozen_codes(torch.zeros(1, 3, *spec.shape_px, device=device)).shape[1]
    return {
        "format": FORMAT,
        "unmask": __version__,
        "encoder": digest_of(part),
        "data": source.digest(),
        "input": asdict(spec),
        "width": width,
    }


def digest_of(part: nn.Module) -> str:
    """Return the sha256 of a module's structure and of all its weights and buffers."""
    sha = hashlib.sha256(repr(part).encode())
    for name, value in sorted(part.state_dict().items()):
        sha.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        sha.update(value.cpu().contiguous().flatten().view(torch.uint8).numpy())
    return sha.hexdigest()


def encoded(network: Network, source: Source, spec: InputSpec, workers: int) -> Iterator[Codes]:
    """Codes (T, D) of all sightings of every row; workers decode ahead."""

    def pictures(rows: Source, indices: Sequence[int], epoch: int) -> Batch:  # noqa: ARG001
        (row,) = indices
        views = cut_views(rows.sights(row, tuple(range(len(rows.times(row))))), spec)
        return Batch(frames=normalise(views, spec))  # (T, 3, H, W)

    device = next(network.parameters()).device
    for batch in loader.ordered(source, 1, workers=workers, make=pictures):
        images = torch.from_numpy(batch.frames)
        parts = [images[first : first + AT_ONCE] for first in range(0, len(images), AT_ONCE)]
        with torch.no_grad():
            codes = [network.frozen_codes(part.to(device)).float().cpu() for part in parts]
        yield torch.cat(codes).numpy()


def _shown(rows: Iterator[Codes], display: Display, done: int) -> Iterator[Codes]:
    for nth, codes in enumerate(rows, start=done + 1):
        yield codes
        display.step(nth)
