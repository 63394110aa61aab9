"""Contact sheets: what was forged, to be looked at.

For each clip a block: a row of the real at several times, and for each method a row of the fake and
one of its mask, cut to the forged face. For each still one row: the real, then fake and mask of
each method in the order of their names.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from unmask.errors import UnmaskError
from unmask.forge.record import ORIGINAL, Record, read_record
from unmask.forge.still import write_still
from unmask.types import Image
from unmask.video import open_media

N_TIMES = 6
N_SOURCES = 6
CELL_PX = 176
_LABEL_PX = 120
_ROOM = 1.5  # of the forged region that is shown
_FONT, _SIZE = cv2.FONT_HERSHEY_SIMPLEX, 0.42


@dataclass(frozen=True, kw_only=True, eq=False)
class _Row:
    name: str
    frames: list[Image]


def write_sheet(out: Path, file: Path, *, n_sources: int = N_SOURCES) -> Path:
    """Draw the sheet of a forged data set's first sources.

    Raises:
        UnmaskError: no forged picture is there. OutputError: it cannot be written.
    """
    rows: list[Image] = []
    for path in sorted(out.glob("real/*.json"))[:n_sources]:
        rows += [_drawn(row) for row in _block(out, path)]
    if not rows:
        raise UnmaskError(f"{out}: holds no forged pictures to show on a sheet")
    widest = max(row.shape[1] for row in rows)
    padded = [np.pad(row, ((0, 0), (0, widest - row.shape[1]), (0, 0))) for row in rows]
    write_still(file, np.concatenate(padded))
    return file


def _block(out: Path, real_record: Path) -> list[_Row]:
    """The rows of one source, those of a still in one; none if none of its pictures was forged."""
    fakes = list(_fakes(out, real_record.stem))
    real = read_record(real_record)
    if real is None or not fakes:
        return []
    rows: list[_Row] = []
    originals = _frames(real_record.with_name(real.path))
    for place, record in fakes:
        assert record.mask is not None
        masks = _frames(place.with_name(record.mask))
        forged = _frames(place.with_name(record.path))
        window = _window(masks)
        if not rows:
            rows.append(_Row(name="real", frames=_cut(originals, window)))
        rows.append(_Row(name=record.method, frames=_cut(forged, window)))
        rows.append(_Row(name="mask", frames=_cut(masks, window)))
    name = real_record.stem[:14]
    if len(originals) == 1:
        return [_Row(name=name, frames=[frame for row in rows for frame in row.frames])]
    return [_Row(name=f"{name}: real", frames=rows[0].frames), *rows[1:]]


def _fakes(out: Path, name: str) -> Iterator[tuple[Path, Record]]:
    for path in sorted(out.glob(f"fake/*/{_literally(name)}.json")):
        record = read_record(path)
        if record is not None and record.method != ORIGINAL and record.mask:
            yield path, record


def _literally(name: str) -> str:
    return "".join(f"[{c}]" if c in "*?[" else c for c in name)


def _frames(path: Path) -> list[Image]:
    """Frames at evenly spaced times."""
    with open_media(path) as reader:
        if reader.info.kind == "image":
            return [next(iter(reader.all_frames())).rgb]
        times_s = np.linspace(0, reader.info.duration_s * 0.98, N_TIMES)
        return [frame.rgb for frame in reader.frames(times_s.tolist())]


def _window(masks: list[Image]) -> tuple[slice, slice]:
    """A square around everything forged."""
    most = np.max([mask[..., 0] for mask in masks], axis=0)
    rows, columns = np.flatnonzero(most.max(axis=1) > 40), np.flatnonzero(most.max(axis=0) > 40)
    height, width = most.shape
    if not len(rows):
        return slice(0, height), slice(0, width)
    side = _ROOM * max(float(np.ptp(rows)), float(np.ptp(columns)), 24.0)
    y, x = (rows[0] + rows[-1]) / 2, (columns[0] + columns[-1]) / 2
    return (
        slice(max(0, int(y - side / 2)), min(height, int(y + side / 2))),
        slice(max(0, int(x - side / 2)), min(width, int(x + side / 2))),
    )


def _cut(frames: list[Image], window: tuple[slice, slice]) -> list[Image]:
    return [np.ascontiguousarray(frame[window]) for frame in frames]


def _drawn(row: _Row) -> Image:
    label = np.full((CELL_PX, _LABEL_PX, 3), 24, np.uint8)
    cv2.putText(label, row.name, (6, CELL_PX // 2), _FONT, _SIZE, (235, 235, 235), 1, cv2.LINE_AA)
    return np.concatenate([label, *(_cell(frame) for frame in row.frames)], axis=1)


def _cell(frame: Image) -> Image:
    """A frame in a square cell, whole."""
    scale = CELL_PX / max(frame.shape[:2])
    size = (max(1, round(frame.shape[1] * scale)), max(1, round(frame.shape[0] * scale)))
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    small = cv2.resize(frame, size, interpolation=way)
    cell = np.zeros((CELL_PX, CELL_PX, 3), np.uint8)
    top, left = (CELL_PX - size[1]) // 2, (CELL_PX - size[0]) // 2
    cell[top : top + size[1], left : left + size[0]] = small
    return cell
