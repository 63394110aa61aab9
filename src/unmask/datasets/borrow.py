"""The faces of a real, for fakes made from it.

A fake shows the same people at the same places and times. Its real's boxes are found more surely
than its own, and both get the same cut, so that nothing but the forgery tells them apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import pyarrow.parquet as pq

from unmask.datasets.journal import VideoEntry
from unmask.datasets.shelf import Row
from unmask.datasets.store import FACES, Store, shard_name
from unmask.faces.detect import Detection
from unmask.types import VideoInfo


@dataclass(frozen=True, kw_only=True, eq=False)
class Sighting:
    """Where a person was in one frame of a real video."""

    track: int
    frame: int  # number
    detection: Detection


@dataclass(frozen=True, kw_only=True, eq=False)
class Borrowed:
    """The faces of a real, for fakes made from it."""

    video: str
    size_px: tuple[int, int]
    fps: Fraction
    sightings: tuple[Sighting, ...]

    def at(self, frame: int) -> list[Sighting]:
        """Who is in a frame."""
        return [sighting for sighting in self.sightings if sighting.frame == frame]

    def times(self, info: VideoInfo) -> list[float]:
        """When to look at a video that shows the same frames as large; else never."""
        same = (info.width_px, info.height_px) == self.size_px and info.fps == self.fps
        if not same or info.variable_frame_rate:
            return []
        numbers = sorted({sighting.frame for sighting in self.sightings})
        middles = (float((number + Fraction(1, 2)) / self.fps) for number in numbers)
        return [t for t in middles if t < info.duration_s]


def read_borrowed(store: Store, shard: int, real: VideoEntry) -> Borrowed | None:
    """Read where the people of a prepared real are."""
    spans = [span for span in real.spans if span.kind == FACES]
    if not spans or real.fps is None or real.width_px is None or real.height_px is None:
        return None
    columns = ["track", "frame", "box", "landmarks", "confidence"]
    with store.open(shard_name(FACES, shard)) as stream, pq.ParquetFile(stream) as file:
        groups = [g for span in spans for g in range(span.group, span.group + span.n_groups)]
        rows = file.read_row_groups(groups, columns=columns).to_pylist()
    return Borrowed(
        video=real.id,
        size_px=(real.width_px, real.height_px),
        fps=Fraction(real.fps),
        sightings=tuple(_sighting(row) for row in rows),
    )


def _sighting(row: Row) -> Sighting:
    x0, y0, x1, y1 = row["box"]
    detection = Detection(
        box_xyxy_px=(x0, y0, x1, y1),
        landmarks_px=np.array(row["landmarks"], np.float32).reshape(5, 2),
        confidence=row["confidence"],
    )
    return Sighting(track=row["track"], frame=row["frame"], detection=detection)
