"""Readers of data sets as they are downloaded: `read_dataset(name, root)` lists what is there.

One short file for each data set says its tree, its traps and its rules for sides. Nothing is moved
or copied, and a part of a data set will do. A new reader is a function in its own file and a line
in READERS.
"""

from __future__ import annotations

from pathlib import Path

from unmask.config import suggestion
from unmask.datasets.readers import (
    celebdf,
    deeperforensics,
    dfd,
    dfdc,
    dfdc_folds,
    dfdc_preview,
    ffpp,
    folder,
)
from unmask.datasets.readers.listing import Listing, Problem, Reader, ReadOptions
from unmask.datasets.readers.tree import existing_folder
from unmask.errors import UsageError

READERS: dict[str, Reader] = {
    "ffpp": Reader(title="FaceForensics++", read=ffpp.read_ffpp, splits=ffpp.SPLITS),
    "dfd": Reader(title="DeepFakeDetection", read=dfd.read_dfd, splits=dfd.SPLITS),
    "dfdc": Reader(
        title="DeepFake Detection Challenge", read=dfdc.read_dfdc, splits=dfdc_folds.SPLITS
    ),
    "dfdc-preview": Reader(
        title="DFDC-Preview", read=dfdc_preview.read_dfdc_preview, splits=dfdc_preview.SPLITS
    ),
    "celebdf-v1": Reader(
        title="Celeb-DF v1", read=celebdf.reader_of("celebdf-v1"), splits=celebdf.SPLITS
    ),
    "celebdf-v2": Reader(
        title="Celeb-DF v2", read=celebdf.reader_of("celebdf-v2"), splits=celebdf.SPLITS
    ),
    "deeperforensics": Reader(
        title="DeeperForensics-1.0",
        read=deeperforensics.read_deeperforensics,
        splits=deeperforensics.SPLITS,
    ),
    "folder": Reader(
        title="A collection of your own",
        read=folder.read_folder,
        splits=folder.SPLITS,
    ),
}

__all__ = ["READERS", "Listing", "Problem", "ReadOptions", "Reader", "read_dataset"]


def read_dataset(name: str, root: Path | str, *, options: ReadOptions | None = None) -> Listing:
    """List the videos of a data set on the local disk, with what is odd about them.

    Use `.checked()` of the answer for anything but looking: it refuses sides that are not apart.

    Raises:
        UsageError: nobody knows this data set or this rule for sides.
        DataError: there is nothing of it, or its lists are damaged.
    """
    if name not in READERS:
        raise UsageError(f"{name}: no such data set; {suggestion(name, list(READERS))}")
    return READERS[name].read(existing_folder(root), options or ReadOptions())
