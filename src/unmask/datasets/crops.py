"""Write prepared faces as Parquet files of crops, to be learned from together with other crops.

    python -m unmask.datasets.crops PREPARED... --out DIR

`DIR/train.parquet` and `DIR/val.parquet` hold what dlib's face detector would have cut, 224 px wide
as DFDC's crops in circulation are, one row for each sighting of a person. A test side is left out:
crops have none. Rows know their recording but no people, so a share that is set aside to choose on
keeps recordings apart only.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from unmask.clips.tensors import cut_view, view_region
from unmask.datasets.faces import CUT_FROM, SIDES, Part
from unmask.datasets.folders import Folder
from unmask.datasets.prepared import Prepared, open_prepared
from unmask.datasets.shelf import encode_picture
from unmask.errors import DataError
from unmask.types import InputSpec

CUT = InputSpec(size_px=224, alignment="dlib")
_COLUMNS = {
    "image": pa.binary(),
    "label": pa.int8(),
    "video": pa.string(),
    "original": pa.string(),
    "orig_crop_px": pa.int32(),
}


def write_crops(folders: Sequence[str], out: Path) -> dict[Part, int]:
    """Write the crops of prepared folders; returns how many there are on each side.

    A fake is one of the picture; videos of which that is not known are left out.

    Raises:
        DataError: not prepared, no face on a side that has videos, or a file is there already.
    """
    there = {video.split for folder in folders for video in Folder(folder).manifest().videos}
    sides = {
        side: open_prepared(folders, part=side, target="picture") for side in SIDES if side in there
    }
    if not sides:
        raise DataError(f"{', '.join(folders)}: no video is on the side train or val")
    files = {side: out / f"{side}.parquet" for side in sides}
    for file in files.values():
        if file.exists():
            raise DataError(f"{file} is there already; name another folder, or delete it")
    out.mkdir(parents=True, exist_ok=True)
    return {side: _write(faces, files[side]) for side, faces in sides.items()}


def _write(faces: Prepared, file: Path) -> int:
    schema = pa.schema(_COLUMNS, metadata={CUT_FROM: faces.learned().document()})
    part = file.with_name(file.name + ".part")
    count = 0
    with pq.ParquetWriter(part, schema) as writer:
        for nth in range(len(faces)):
            rows = _rows(faces, nth)
            writer.write_table(pa.Table.from_pylist(rows, schema=schema))
            count += len(rows)
    part.replace(file)
    return count


def _rows(faces: Prepared, nth: int) -> list[dict[str, Any]]:
    """One person's sightings."""
    return [
        {
            "image": encode_picture(cut_view(face, CUT), lossless=False),
            "label": int(faces.labels[nth]),
            "video": faces.rows[nth].video.id,
            "original": faces.originals[nth],
            "orig_crop_px": round(view_region(face, CUT).side),
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
