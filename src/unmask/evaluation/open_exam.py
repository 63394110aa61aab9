"""What a path holds that a detector can be examined on: prepared data, face crops or raw videos."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

from unmask.config import build
from unmask.datasets.dataconfig import DataConfig
from unmask.datasets.faces import (
    IMAGE_SUFFIXES,
    KINDS,
    FaceTable,
    name_of,
    read_folder,
    read_parquet,
)
from unmask.datasets.prepared import Prepared
from unmask.datasets.readers.tree import is_video
from unmask.datasets.samples import PlainSamples, open_samples
from unmask.datasets.store import RECORD
from unmask.errors import DataError, UsageError
from unmask.evaluation.crop_exam import crop_exam
from unmask.evaluation.exam import Exam, Wanted
from unmask.evaluation.prepared_exam import prepared_exam
from unmask.evaluation.raw_exam import raw_exam

Recipe = dict[str, Any]  # as a checkpoint holds it


def open_exam(
    data: str | Path,
    wanted: Wanted,
    *,
    dataset: str | None = None,
    split: str | None = None,
    recipe: Recipe | None = None,
) -> Exam:
    """Open one side of some data.

    Args:
        data: a prepared folder (or its URL), Parquet files of crops, a folder with real/ and fake/
            of pictures (crops) or of videos, a CSV list of videos, or the tree of a data set.
        wanted: which clips of which side.
        dataset: name of the data set of such a tree (`unmask doctor`).
        split: its rule for sides.
        recipe: that of the detector, which says what was set aside to choose on (`calib`).

    Raises:
        DataError: there is nothing of the kind. UsageError: it cannot be asked for this.
    """
    place = re.sub(r"^([a-z][a-z0-9+]+):/(?!/)", r"\1://", str(data))  # a Path eats a slash
    if dataset is not None:
        return raw_exam(dataset, Path(data), wanted, split=split)
    if wanted.part == "calib":
        return _calib_exam(Path(data), wanted, recipe)
    if "://" in place or (Path(data) / RECORD).is_file():
        return prepared_exam(place, wanted)
    if _holds_crops(Path(data)):
        return crop_exam(_crops(Path(data), wanted), name_of(Path(data)), wanted)
    if Path(data).suffix.lower() == ".csv" or _first_of_kinds(Path(data), is_video):
        return raw_exam("folder", Path(data), wanted, split=split)
    raise DataError(
        f"{data}: holds neither prepared data ({RECORD}) nor Parquet files of faces nor real/ and "
        "fake/ with pictures or videos; for a data set as downloaded name it (--dataset ffpp, ...)"
    )


def _holds_crops(data: Path) -> bool:
    if data.suffix.lower() == ".parquet" or any(data.glob("*.parquet")):
        return True
    return _first_of_kinds(data, lambda name: Path(name).suffix.lower() in IMAGE_SUFFIXES)


def _first_of_kinds(data: Path, is_one: Any) -> bool:
    """Whether there is such a file in real/ or fake/, of the folder or of one of its sides."""
    sides = [data, *(data / side for side in ("train", "val", "test"))]
    files = (path for side in sides for kind in KINDS for path in (side / kind).rglob("*"))
    return any(is_one(path.name) for path in files)


def _crops(data: Path, wanted: Wanted) -> FaceTable:
    is_parquet = data.suffix.lower() == ".parquet" or any(data.glob("*.parquet"))
    if wanted.part not in ("train", "val"):
        raise UsageError(
            f"{data}: face crops have the sides train and val, not {wanted.part}; choose --part val"
        )
    read = read_parquet if is_parquet else read_folder
    return read((data,), wanted.part)


def _calib_exam(data: Path, wanted: Wanted, recipe: Recipe | None) -> Exam:
    """Open what a detector's own recipe set aside to choose on."""
    if recipe is None:
        raise UsageError("this detector names no recipe, so what it was chosen on is not known")
    config = build(DataConfig, recipe["data"], where="the detector's recipe")
    config = replace(config, paths=(data,), valid_clips=1)
    samples = open_samples(config, wanted.spec, "calib")
    assert isinstance(samples, PlainSamples), "calib is not drawn"
    source = samples.source
    if isinstance(source, Prepared):
        videos = {row.video.id for row in source.rows}
        return prepared_exam(data.as_posix(), wanted, only=videos)
    assert isinstance(source, FaceTable), "there are two kinds of sources"
    return crop_exam(source, name_of(data), wanted)
