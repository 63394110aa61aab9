"""Examples to learn from or to measure on: `get(index, epoch)` gives views and a label.

`PlainSamples` are all rows in order, untouched, as a scan would see them. `DrawnSamples`
(datasets/drawn.py) are what training sees in one epoch: as many fakes as reals, some of the fakes
forged on the spot from reals (self-blends), everything augmented.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, Protocol

import numpy as np

from unmask.clips.mel import Sound
from unmask.clips.tensors import cut_views
from unmask.clips.windows import windows
from unmask.datasets.dataconfig import DataConfig
from unmask.datasets.drawn import DrawnSamples, Pick, Views, seeded
from unmask.datasets.faces import read_folder, read_parquet
from unmask.datasets.prepared import open_prepared
from unmask.datasets.sources import Places, Source, heard, places_of_clips
from unmask.datasets.splits import limit_rows, position
from unmask.errors import DataError
from unmask.types import InputSpec, View

__all__ = [
    "DataConfig",
    "DrawnSamples",
    "Pick",
    "PlainSamples",
    "Samples",
    "Source",
    "Split",
    "Views",
    "open_samples",
    "open_source",
    "seeded",
]

Split = Literal["train", "calib", "val", "test", "all"]


class Samples(Protocol):
    """What the loader makes batches of."""

    @property
    def input_spec(self) -> InputSpec:
        """What the views are cut for."""
        ...

    @property
    def source(self) -> Source:
        """What they are drawn from."""
        ...

    def __len__(self) -> int: ...

    def get(self, index: int, epoch: int) -> tuple[Views, float]:
        """Return the views of one clip and its label."""
        ...

    def sound(self, index: int, epoch: int) -> Sound:
        """Return what is heard with the same clip, (F, S); silence where there is no sound."""
        ...

    def clip(self, index: int, epoch: int) -> tuple[int, Places, float]:
        """Return the row that a clip is of, which of its sightings, and the label."""
        ...


@dataclass(frozen=True, kw_only=True, eq=False)
class PlainSamples:
    """Every row in order, untouched: clips spread over its track, as a scan cuts them."""

    source: Source
    input_spec: InputSpec
    clips_per_row: int = 1  # 1: the one in the middle

    def __len__(self) -> int:
        return len(self.source) * self.clips_per_row

    def row(self, index: int) -> int:
        """Return the row of the source that an index shows."""
        return index // self.clips_per_row

    def get(self, index: int, epoch: int = 0) -> tuple[Views, float]:  # noqa: ARG002  same each epoch
        """Return the views of one clip and its label."""
        row, places = self._clip(index)
        views = cut_views(self.source.sights(row, places), self.input_spec)
        return views, float(self.source.labels[row])

    def sound(self, index: int, epoch: int = 0) -> Sound:  # noqa: ARG002
        """Return what is heard with the same clip."""
        return heard(self.source, *self._clip(index), self.input_spec)

    def clip(self, index: int, epoch: int = 0) -> tuple[int, Places, float]:  # noqa: ARG002
        """Return the row that a clip is of, which of its sightings, and the label."""
        row, places = self._clip(index)
        return row, places, float(self.source.labels[row])

    def _clip(self, index: int) -> tuple[int, Places]:
        row, nth = divmod(index, self.clips_per_row)
        stride = self.source.face_stride(row, self.input_spec)
        clips = places_of_clips(windows, self.source.times(row), self.input_spec, stride)
        return row, clips[(2 * nth + 1) * len(clips) // (2 * self.clips_per_row)]


def open_source(
    config: DataConfig, part: Literal["train", "val", "test"] = "train", *, view: View = "face"
) -> Source:
    """Read the faces a configuration names, at most about `config.limit` rows of them.

    Raises:
        DataError: nothing there, or not what the reader expects.
    """
    if not config.paths:
        raise DataError("no data was named: give a folder of faces with --data (data.paths)")
    source: Source
    if config.reader == "prepared":
        urls = [_url(path) for path in config.paths]
        prepared = open_prepared(
            urls, part=part, target=config.target, view=view, min_faces=config.min_faces
        )
        source = prepared.chosen(config.methods, config.compressions)
    elif config.methods or config.compressions:
        raise DataError(f"a {config.reader} of crops does not say by which method a face is forged")
    elif part == "test":
        raise DataError(f"a {config.reader} of crops has no test part; prepared data sets have")
    else:
        crops = {"parquet": read_parquet, "folder": read_folder}[config.reader](config.paths, part)
        source = replace(crops, looks_for_landmarks=config.landmarks == "measured")
    if config.limit is None:
        return source
    return source.take(limit_rows(source.originals, config.limit))


def open_samples(config: DataConfig, input_spec: InputSpec, split: Split) -> Samples:
    """Open one side of the data: `train` drawn and augmented, the others plain and in order.

    `train` and `calib` divide the training part by recording, or `calib` is the data's own
    validation part (`data.choose_on`); `all` is the training part undivided. `val` and `test` are
    the separate parts that are only reported on.

    Raises:
        DataError: nothing there, or not what the reader expects.
    """
    own = config.choose_on == "val"
    part: Literal["train", "val", "test"] = "train"
    if split in ("val", "test") or (own and split == "calib"):
        part = "test" if split == "test" else "val"
    source = open_source(config, part, view=input_spec.view).serving(input_spec)
    if split == "train" and own:
        return DrawnSamples(_share(source, config), input_spec, config)
    if split in ("train", "calib") and not own:
        train, calib = source.halves(config.calib_share)
        if split == "train":
            return DrawnSamples(_share(source.take(train), config), input_spec, config)
        source = source.take(calib)
    return PlainSamples(source=source, input_spec=input_spec, clips_per_row=config.valid_clips)


def _share(source: Source, config: DataConfig) -> Source:
    """Keep some of the recordings to learn from; a larger share holds a smaller one."""
    if config.train_share == 1:
        return source
    places = np.array([position(original, "train_share") for original in source.originals])
    kept = np.flatnonzero(places < config.train_share)
    if not len(kept):
        recordings = len(set(source.originals))
        raise DataError(f"data.train_share = {config.train_share} of {recordings} recordings: none")
    return source.take(kept)


def _url(path: Path) -> str:
    """Undo what a `Path` does to the two slashes of an fsspec URL."""
    return re.sub(r"^([a-z][a-z0-9+]+):/(?!/)", r"\1://", path.as_posix())
