"""Examples to learn from or to measure on: `get(index, epoch)` gives views and a label.

`PlainSamples` are all rows in order, untouched, as a scan would see them. `DrawnSamples` are what
training sees in one epoch: as many fakes as reals, some of the fakes forged on the spot from reals
(self-blends), everything augmented. All chance is a function of (seed, epoch, index), so an
interrupted epoch goes on where it stopped and the number of workers changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from unmask.clips.tensors import cut_views
from unmask.clips.windows import clip_windows
from unmask.datasets.augment import AugmentConfig, draw
from unmask.datasets.augmented import augmented_views
from unmask.datasets.faces import read_folder, read_parquet
from unmask.datasets.splits import limit_rows, split_rows
from unmask.errors import ConfigError, DataError
from unmask.forge.selfblend import BlendPlan, SelfBlendConfig, apply_plan, draw_plan
from unmask.types import Face, InputSpec, Track

Views = NDArray[np.uint8]  # (T, H, W, 3), before normalisation
Split = Literal["train", "calib", "val", "all"]
Kind = Literal["real", "fake", "forged"]


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """Which faces, and what one epoch of them is."""

    reader: Literal["parquet", "folder"] = "parquet"
    paths: tuple[Path, ...] = ()  # files, or folders with train* and val*
    calib_share: float = 0.08  # of the recordings, set aside to choose on
    forged_share: float = 0.5  # of the fakes drawn: self-blends of reals instead of fakes on disk
    real_repeat: int = 1  # how often an epoch shows every real as a real
    limit: int | None = None  # about so many rows, for trying out
    seed: int = 0
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    self_blend: SelfBlendConfig = field(default_factory=SelfBlendConfig)

    def __post_init__(self) -> None:
        for name in ("calib_share", "forged_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"data.{name} = {getattr(self, name)}: a share lies in [0, 1]")
        if self.real_repeat < 1 or (self.limit is not None and self.limit < 1):
            raise ConfigError("data.real_repeat and data.limit are counts: at least 1")


class Source(Protocol):
    """Labelled tracks, whatever they are read from."""

    @property
    def labels(self) -> NDArray[np.int8]:
        """1 = fake, for every row."""
        ...

    @property
    def originals(self) -> Sequence[str]:
        """Id of the real recording that every row comes from."""
        ...

    def __len__(self) -> int: ...

    def take(self, rows: NDArray[np.int64]) -> Source:
        """Return some of the rows."""
        ...

    def track(self, row: int) -> Track:
        """Return the faces of one row."""
        ...

    def digest(self) -> str:
        """Return a hash of all that is learned from."""
        ...


class Samples(Protocol):
    """What the loader makes batches of."""

    @property
    def input_spec(self) -> InputSpec:
        """What the views are cut for."""
        ...

    def __len__(self) -> int: ...

    def get(self, index: int, epoch: int) -> tuple[Views, float]:
        """Return the views of one clip and its label."""
        ...


@dataclass(frozen=True, kw_only=True, eq=False)
class PlainSamples:
    """Every row once, in order: the middle clip of its track, as a scan sees it."""

    source: Source
    input_spec: InputSpec

    def __len__(self) -> int:
        return len(self.source)

    def get(self, index: int, epoch: int = 0) -> tuple[Views, float]:  # noqa: ARG002  same each epoch
        """Return the views of one row and its label."""
        clips = clip_windows(self.source.track(index), self.input_spec)
        views = cut_views(clips[len(clips) // 2].faces, self.input_spec)
        return views, float(self.source.labels[index])


@dataclass(frozen=True, kw_only=True)
class Pick:
    """What stands at one index of an epoch: a row, and what is made of it."""

    row: int
    kind: Kind
    twin: int | None  # a self-blend and the real it is made from share a twin number


class DrawnSamples:
    """One epoch: every real `real_repeat` times and as many fakes, a share of them self-blends.

    Indices below half the length are real, the others fake; the loader shuffles. A forged real and
    its fake twin share one plan, and the twin's target is what the real shows: else the recolouring
    of the target would give the label away. Fakes on disk take turns over the epochs.
    """

    def __init__(self, source: Source, input_spec: InputSpec, config: DataConfig) -> None:
        self.source, self.input_spec, self.config = source, input_spec, config
        self._reals = np.flatnonzero(source.labels == 0)
        self._fakes = np.flatnonzero(source.labels == 1)
        self._half = len(self._reals) * config.real_repeat
        self._n_forged = round(self._half * config.forged_share)
        if not self._half:
            raise DataError("no real faces to learn from")
        if self._n_forged < self._half and not len(self._fakes):
            raise DataError("no fakes to learn from; data.forged_share = 1 makes all of them")

    def __len__(self) -> int:
        return 2 * self._half

    def pick(self, index: int, epoch: int) -> Pick:
        """Say what stands at an index of an epoch."""
        if not 0 <= index < len(self):
            raise IndexError(f"index {index} of {len(self)} samples")
        slot = index % self._half
        if slot == index or slot < self._n_forged:
            lap, place = divmod(slot, len(self._reals))
            row = self._turn(self._reals, "real", epoch * self.config.real_repeat + lap, place)
            kind: Kind = "real" if slot == index else "forged"
            return Pick(row=row, kind=kind, twin=slot if slot < self._n_forged else None)
        drawn = epoch * (self._half - self._n_forged) + slot - self._n_forged
        lap, place = divmod(drawn, len(self._fakes))
        return Pick(row=self._turn(self._fakes, "fake", lap, place), kind="fake", twin=None)

    def get(self, index: int, epoch: int) -> tuple[Views, float]:
        """Return augmented views (T, H, W, 3) of one clip and its label."""
        pick = self.pick(index, epoch)
        rng = seeded("sample", self.config.seed, epoch, index)
        clips = clip_windows(self.source.track(pick.row), self.input_spec)
        faces: Sequence[Face] = clips[int(rng.integers(len(clips)))].faces
        if pick.twin is not None:
            dice = seeded("blend", self.config.seed, epoch, pick.twin)
            plan = draw_plan(dice, self.config.self_blend)
            faces = [_blended(face, plan, pick.kind) for face in faces]
        return self._augmented(faces, rng), 0.0 if pick.kind == "real" else 1.0

    def _turn(self, rows: NDArray[np.int64], kind: Kind, lap: int, place: int) -> int:
        """Return the row at a place of one shuffled lap over rows."""
        return int(rows[_lap_order(len(rows), self.config.seed, kind, lap)[place]])

    def _augmented(self, faces: Sequence[Face], rng: np.random.Generator) -> Views:
        return augmented_views(faces, self.input_spec, draw(self.config.augment, rng))


def open_source(config: DataConfig, part: Literal["train", "val"] = "train") -> Source:
    """Read the faces a configuration names, at most about `config.limit` rows of them.

    Raises:
        DataError: nothing there, or not what the reader expects.
    """
    if not config.paths:
        raise DataError("no data was named: give files or folders of faces (data.paths)")
    table = {"parquet": read_parquet, "folder": read_folder}[config.reader](config.paths, part)
    if config.limit is None:
        return table
    return table.take(limit_rows(table.originals, config.limit))


def open_samples(config: DataConfig, input_spec: InputSpec, split: Split) -> Samples:
    """Open one side of the data: `train` drawn and augmented, the others plain and in order.

    `train` and `calib` divide the training part by recording; `all` is that part undivided. `val`
    is the separate part that is only reported on.

    Raises:
        DataError: nothing there, or not what the reader expects.
    """
    source = open_source(config, "val" if split == "val" else "train")
    if split in ("val", "all"):
        return PlainSamples(source=source, input_spec=input_spec)
    train, calib = split_rows(source.originals, config.calib_share)
    if split == "calib":
        return PlainSamples(source=source.take(calib), input_spec=input_spec)
    return DrawnSamples(source.take(train), input_spec, config)


def seeded(purpose: str, *numbers: int) -> np.random.Generator:
    """Return a generator that is a function of its arguments alone."""
    return np.random.default_rng((int.from_bytes(purpose.encode()), *numbers))


def _blended(face: Face, plan: BlendPlan, kind: Kind) -> Face:
    """Return a face with its crop made a fake, or the real one that this fake was made from."""
    if kind == "real" and plan.altered == "source":
        return face  # the target stays as it is
    blend = apply_plan(face.crop, face.landmarks_px - face.crop_origin_px, plan)
    return replace(face, crop=blend.fake if kind == "forged" else blend.real)


@lru_cache(maxsize=16)
def _lap_order(n_rows: int, seed: int, kind: Kind, lap: int) -> NDArray[np.int64]:
    return seeded(kind, seed, lap).permutation(n_rows)
