"""Write prepared faces as Parquet files of crops, to be learned from together with other crops.

    python -m unmask.datasets.crops PREPARED --out DIR

`DIR/train.parquet`, and one file more for each other side, hold what dlib's face detector would
have cut, 224 px wide as DFDC's crops in circulation are, one row for each sighting of a person.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

import pyarrow as pa
import pyarrow.parquet as pq

from unmask.clips.tensors import cut_view, view_region
from unmask.datasets.folders import Folder
from unmask.datasets.manifest import Split
from unmask.datasets.prepared import Prepared, open_prepared
from unmask.datasets.shelf import encode_picture
from unmask.errors import DataError
from unmask.types import InputSpec

VIEW = InputSpec(size_px=224, alignment="dlib")
_ROWS = pa.schema(
    {
        "image": pa.binary(),
        "label": pa.int8(),
        "video": pa.string(),
        "original": pa.string(),
        "orig_crop_px": pa.int32(),
    }
)


def write_crops(prepared: Sequence[str], out: Path) -> dict[Split, int]:
    """Write `<side>.parquet` for every side of prepared data; returns the rows of each.

    Raises:
        DataError: not prepared, no face on a side, or a file is there already.
    """
    there = {video.split for url in prepared for video in Folder(url).manifest().videos}
    sides = [side for side in get_args(Split) if side in there]
    if not sides:
        raise DataError(f"{', '.join(prepared)}: no video is on any side of a split")
    out.mkdir(parents=True, exist_ok=True)
    return {
        side: _write(open_prepared(prepared, part=side), out / f"{side}.parquet") for side in sides
    }


def _write(faces: Prepared, file: Path) -> int:
    if file.exists():
        raise DataError(f"{file} is there already; name another folder, or delete it")
    rows = [row for nth in range(len(faces)) for row in _rows(faces, nth)]
    pq.write_table(pa.Table.from_pylist(rows, schema=_ROWS), file)
    return len(rows)


def _rows(faces: Prepared, nth: int) -> list[dict[str, Any]]:
    """One person's sightings."""
    return [
        {
            "image": encode_picture(cut_view(face, VIEW), lossless=False),
            "label": int(faces.labels[nth]),
            "video": faces.rows[nth].video.id,
            "original": faces.originals[nth],
            "orig_crop_px": round(view_region(face, VIEW).side),
        }
        for face in faces.track(nth).faces
    ]


def main() -> None:
    """Write crops from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("prepared", nargs="+", help="folders that `unmask prepare` has filled")
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    for side, count in write_crops(given.prepared, given.out).items():
        print(f"{side}: {count} faces in {given.out / f'{side}.parquet'}")  # noqa: T201


if __name__ == "__main__":
    main()
