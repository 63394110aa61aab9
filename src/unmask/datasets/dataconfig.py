"""The [data] table of a recipe: which faces, and what one epoch of them is."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from unmask.datasets.augment import AugmentConfig
from unmask.datasets.sources import Target
from unmask.errors import ConfigError
from unmask.forge.methods import FaceMethod
from unmask.forge.selfblend import SelfBlendConfig


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """Which faces, and what one epoch of them is."""

    reader: Literal["parquet", "folder", "prepared"] = "parquet"
    paths: tuple[Path, ...] = ()  # files, folders with train* and val*, or prepared data sets
    target: Target = "any"  # what makes a prepared video a fake: its picture, its sound, or either
    methods: tuple[str, ...] = ()  # of the fakes of prepared data, as the manifest has them; all
    compressions: tuple[str, ...] = ()  # of prepared data; all
    train_share: float = 1.0  # of the recordings left to learn from: how much do data matter?
    min_faces: int = 1  # sightings of a person in prepared data; more keeps passers-by out
    calib_share: float = 0.08  # of the recordings, set aside to choose on
    choose_on: Literal["share", "val"] = "share"  # or on the data's own validation part
    valid_clips: int = 1  # of a row, spread over it, where nothing is drawn
    draw: Literal["balanced", "all"] = "balanced"  # as many fakes as reals, or every row once
    fakes_by: Literal["row", "method"] = "row"  # which take turns; method: each as often as others
    forged_share: float = 0.5  # of the fakes drawn: forged from reals instead of fakes on disk
    forge_methods: tuple[FaceMethod, ...] = ("self_blend",)  # of these forged fakes, drawn evenly
    forge_first: Literal["any", "lone"] = "any"  # lone: reals of which there is no fake on disk
    landmarks: Literal["measured", "typical"] = "measured"  # of a crop without its frame, to forge
    real_repeat: int = 1  # how often an epoch shows every real as a real
    limit: int | None = None  # about so many rows, for trying out
    seed: int = 0
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    self_blend: SelfBlendConfig = field(default_factory=SelfBlendConfig)

    def __post_init__(self) -> None:
        for name in ("calib_share", "forged_share", "train_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"data.{name} = {getattr(self, name)}: a share lies in [0, 1]")
        for name in ("real_repeat", "valid_clips", "min_faces", "limit"):
            if (count := getattr(self, name)) is not None and count < 1:
                raise ConfigError(f"data.{name} = {count}: is a count, at least 1")
        if not self.forge_methods:
            raise ConfigError(
                "data.forge_methods is empty; set data.forged_share = 0 to forge none"
            )
        if self.draw == "all" and self.forged_share:
            raise ConfigError(
                "data.draw = all shows what there is; set data.forged_share = 0, or draw balanced"
            )
