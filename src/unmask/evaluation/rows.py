"""Rows of a scores file: one scored clip each, or one video without a score and why.

They are kept as Arrow columns, because some files have millions of rows, and are shown as `Row`
objects to whoever looks at them one by one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Self, overload

import numpy as np
from numpy.typing import NDArray

from unmask.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

SCORED = "scored"  # outcome of a clip that has a logit
_AT_ONCE = 65536  # rows turned into objects together

Numbers = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Row:
    """One scored clip, or one video without a score (`logit` None, and why in `outcome`)."""

    video: str  # id of the video
    label: int  # 1 = fake
    source: str  # real recording it comes from: the unit of resampling
    dataset: str = ""
    method: str = ""
    compression: str | None = None
    split: str | None = None
    identities: tuple[str, ...] = ()
    group: str | None = None
    leak: bool = False  # shares a recording or a person with what the detector learned from
    track: int | None = None  # person; None = the whole scene, or nobody
    clip: int = 0  # which of the person's
    t_s: float | None = None  # where the clip begins
    face_px: float | None = None  # median side of the face in the clip
    logit: float | None = None
    outcome: str = SCORED  # or why there is no score: no_face, unreadable, too_short, ...
    reason: str = ""  # in words


_TEXTS = ("video", "source", "dataset", "method", "compression", "split", "group", "outcome")
_OF_VIDEO = ("label", "source", "method")  # what one video has one of


class Rows(Sequence[Row]):
    """Rows in columns."""

    def __init__(self, table: pa.Table) -> None:
        self.table = table

    @classmethod
    def of(cls, rows: Iterable[Row]) -> Self:
        """Put rows into columns."""
        import pyarrow as pa

        listed = list(rows)
        names = [field.name for field in fields(Row)]
        columns = {name: [getattr(row, name) for row in listed] for name in names}
        return cls(pa.table(columns, schema=row_schema()))

    @classmethod
    def joined(cls, parts: Sequence[Rows]) -> Self:
        """Put rows one after another."""
        import pyarrow as pa

        tables = [part.table.replace_schema_metadata() for part in parts]
        whole = pa.concat_tables(tables) if tables else row_schema().empty_table()
        return cls(whole.unify_dictionaries().combine_chunks())

    def __len__(self) -> int:
        return int(self.table.num_rows)

    @overload
    def __getitem__(self, index: int) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> Rows: ...
    def __getitem__(self, index: int | slice) -> Row | Rows:
        """Return one row, or some in columns."""
        if isinstance(index, slice):
            return self.take(np.arange(len(self))[index])
        place = range(len(self))[index]
        return _row(self.table.slice(place, 1).to_pylist()[0])

    def __iter__(self) -> Iterator[Row]:
        for batch in self.table.to_batches(max_chunksize=_AT_ONCE):
            yield from map(_row, batch.to_pylist())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and tuple(self) == tuple(other)

    __hash__ = None  # type: ignore[assignment]  # as of a list

    def take(self, chosen: NDArray[Any]) -> Rows:
        """Return the rows at some places, or those for which a mask holds."""
        import pyarrow as pa

        places = np.flatnonzero(chosen) if chosen.dtype == bool else chosen
        return Rows(self.table.take(pa.array(places, pa.int64())))

    def numbers(self, name: str) -> NDArray[np.float64]:
        """Return a column of numbers; what is missing is NaN."""
        column = self.table[name].to_numpy(zero_copy_only=False)
        return np.asarray(column, np.float64)

    def whole(self, name: str) -> Numbers:
        """Return a column of whole numbers from 0 on; -1 where there is none."""
        return np.nan_to_num(self.numbers(name), nan=-1.0).astype(np.int64)

    def codes(self, name: str) -> tuple[Numbers, list[str]]:
        """Return a column of words as places in a list of words; -1 where there is none."""
        import pyarrow as pa

        column = self.table[name].unify_dictionaries().combine_chunks()
        array = column.chunk(0) if isinstance(column, pa.ChunkedArray) else column
        places = array.indices.fill_null(-1).to_numpy(zero_copy_only=False)
        return places.astype(np.int64), array.dictionary.to_pylist()

    def words(self, name: str, places: Numbers) -> list[Any]:
        """Return what some rows have in a column."""
        import pyarrow as pa

        values: list[Any] = self.table[name].take(pa.array(places, pa.int64())).to_pylist()
        return values

    @property
    def scored(self) -> NDArray[np.bool_]:
        """Which rows have a score."""
        places, words = self.codes("outcome")
        return np.isin(places, [k for k, word in enumerate(words) if word == SCORED])

    def first_of_videos(self) -> tuple[Numbers, Numbers]:
        """Return for every row the number of its video, and for every video its first row."""
        return numbered(self.codes("video")[0])

    def refuse_mixed(self) -> None:
        """Refuse rows that cannot all be true, which numbers would hide.

        Raises:
            DataError: one id stands for two videos, a clip is there twice, or a score is missing
                where the outcome says there is one.
        """
        if wrong := np.flatnonzero(self.scored != np.isfinite(self.numbers("logit"))).tolist():
            raise DataError(f"{self[wrong[0]].video}: its outcome and its score contradict")
        video, first = self.first_of_videos()
        for name in _OF_VIDEO:
            own = self.numbers(name) if name == "label" else self.codes(name)[0]
            if odd := np.flatnonzero(own != own[first][video]).tolist():
                raise DataError(
                    f"{self[odd[0]].video}: this id stands for two videos, as their {name} "
                    "differs; an id names data set, method, compression and file"
                )
        clips = combined(video, self.whole("track"), self.whole("clip"))[self.scored]
        if len(np.unique(clips)) != len(clips):
            raise DataError("a clip of a video is there twice; was one file of scores added twice?")


def numbered(keys: Numbers) -> tuple[Numbers, Numbers]:
    """Number what is equal in order of appearance; also where each number appears first."""
    _, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
    order = np.argsort(first, kind="stable")
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    return rank[inverse], first[order]


def combined(*columns: Numbers) -> Numbers:
    """Make one number of several from -1 on: equal where all of them are."""
    key = columns[0]
    for column in columns[1:]:
        key = key * (column.max(initial=0) + 2) + column + 1
    return key


def row_schema() -> pa.Schema:
    """Columns of the file: one for each field of `Row`. Words that repeat are stored once."""
    import pyarrow as pa

    kinds: dict[str, Any] = dict.fromkeys(_TEXTS, pa.dictionary(pa.int32(), pa.string()))
    kinds |= {"identities": pa.list_(pa.string()), "reason": pa.string(), "leak": pa.bool_()}
    kinds |= dict.fromkeys(("label", "track", "clip"), pa.int32())
    return pa.schema([(f.name, kinds.get(f.name, pa.float64())) for f in fields(Row)])


def _row(values: dict[str, Any]) -> Row:
    return Row(**{**values, "identities": tuple(values["identities"])})
