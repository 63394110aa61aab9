"""What a detector said, once and for all: a Parquet file that every number is computed from.

A row is one clip that was scored (for image systems a clip is a frame), or one video that was not,
with the reason. What is known of the video stands in every row, so that a scores file needs nothing
beside it. Who said it, about which data and how they were corrupted is in the file's header.

Levels are made from clips by a named rule (protocols.md): a person's score is the mean probability
of their clips, a video's that of its most suspicious person.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from unmask.config import build
from unmask.errors import ConfigError, DataError
from unmask.evaluation.levels import Floats, Level, Rule, scores_at
from unmask.evaluation.rows import SCORED, Numbers, Row, Rows, row_schema
from unmask.scoring.calibrate import calibrated
from unmask.types import Calibration, Thresholds

__all__ = ["SCORED", "Header", "Level", "Row", "Rows", "Rule", "Scored", "ScoresFile"]

FORMAT = "unmask.scores/1"
_ABOUT = b"unmask"  # key of the header among the file's metadata
_NO_SCORES = (
    f"no scores file ({FORMAT}). `unmask evaluate` writes these, as "
    "DIR/scores/DETECTOR/DATA.parquet"
)


@dataclass(frozen=True, kw_only=True)
class Header:
    """Who scored what."""

    detector: str  # as a table names it
    model: str  # a name of `unmask models`
    sha256: str  # of the weights or the graph that ran
    data: str  # as a table names it: data set and side
    data_digest: str  # of the videos, their labels and their kin
    part: str = ""  # side: train, calib, val, test, or all
    corruption: str = "none"  # TYPE:LEVEL
    applied_to: str = ""  # a corruption: frame (before faces are looked for) or crop
    clips_per_track: int | None = None  # at most so many; None = all that a scan would cut
    target: str = "any"  # what makes a fake: any forgery, the picture's, the sound's
    # Videos that there were before --limit took some of their recordings; None = it took all.
    limited_from: int | None = None
    unlabelled: int = 0  # videos left out because the target is not known of them
    trained_on: tuple[str, ...] = ()  # data sets that the detector learned from or chose on
    # What the detector was trained by, every value but where its data lay; empty = not known.
    recipe: dict[str, Any] = field(default_factory=dict)
    leaks: int | None = None  # videos akin to what it learned from; None = that is not recorded
    leaks_allowed: bool = False  # by whoever measured: every table must say so
    overlaps: tuple[str, ...] = ()  # kinships with it that the data set's own split leaves
    # Videos akin to those that calibration and thresholds were fitted on; None = not recorded.
    fitted: int | None = None
    runtime: str = ""  # what computed, e.g. openvino bf16
    calibration: Calibration | None = None
    thresholds: Thresholds | None = None
    version: str = ""
    made: str = ""  # date and time, UTC
    key: str = ""  # hash of everything that the rows depend on


@dataclass(frozen=True, kw_only=True, eq=False)
class Scored:
    """Scores at one level; arrays of one length, in the order of the file."""

    level: Level
    id: Sequence[str]
    p_fake: Floats
    label: NDArray[np.int8]
    source: Sequence[str]
    video: Sequence[str]
    first_row: Numbers  # of the file, for whatever else is known of each
    missed: Counter[str]  # videos without a score, by outcome
    missed_label: Counter[int]

    def __len__(self) -> int:
        return len(self.id)

    @cached_property
    def n_videos(self) -> int:
        """How many videos there were, scored or not."""
        return self._n_scored + sum(self.missed.values())

    @property
    def coverage(self) -> float:
        """Share of videos that have a score."""
        return self._n_scored / self.n_videos if self.n_videos else 0.0

    @cached_property
    def _n_scored(self) -> int:
        return len(set(self.video))


@dataclass(frozen=True, kw_only=True, eq=False)
class ScoresFile:
    """A scores file in memory."""

    header: Header
    rows: Sequence[Row]

    @cached_property
    def columns(self) -> Rows:
        """The rows in columns, once it is known that they can all be true.

        Raises:
            DataError: one id stands for two videos, or a clip is there twice.
        """
        rows = self.rows if isinstance(self.rows, Rows) else Rows.of(self.rows)
        rows.refuse_mixed()
        return rows

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a scores file.

        Raises:
            DataError: missing, damaged, or not a scores file of this format.
        """
        rows, told = read_table(path)
        try:
            header = build(Header, told, where=str(path))
        except ConfigError as error:
            raise DataError(str(error)) from error
        return cls(header=header, rows=rows)

    def write(self, path: Path) -> None:
        """Write the file whole, or not at all."""
        write_table(self.columns, asdict(self.header), path)

    def where(self, keep: Callable[[Row], bool]) -> ScoresFile:
        """Return the rows for which something holds."""
        return self.take(np.fromiter(map(keep, self.rows), bool, len(self.rows)))

    def where_video(self, keep: Callable[[Row], bool]) -> ScoresFile:
        """Return the videos for which something holds, asked of the first row of each.

        Much faster than `where` in large files; for what all rows of a video share.
        """
        of_row, first = self.columns.first_of_videos()
        kept = np.fromiter((keep(row) for row in self.columns.take(first)), bool, len(first))
        return self.take(kept[of_row])

    def take(self, mask: NDArray[np.bool_]) -> ScoresFile:
        """Return the rows for which a mask holds."""
        return ScoresFile(header=self.header, rows=self.columns.take(mask))

    def p_fake(self, logits: Floats) -> Floats:
        """Calibrate logits, where the detector is calibrated."""
        return calibrated(self._calibration, logits)

    def at(self, level: Level, rule: Rule = "mean") -> Scored:
        """Gather the clips into one score for every clip, person or video.

        Raises:
            DataError: the rows contradict one another.
        """
        rows = self.columns
        p_fake, first = scores_at(rows, self._calibration, level, rule)
        video = rows.words("video", first)
        return Scored(
            level=level,
            id=_names(rows, first, video, level),
            p_fake=p_fake,
            label=rows.numbers("label")[first].astype(np.int8),
            source=rows.words("source", first),
            video=video,
            first_row=first,
            **_missed(rows),
        )

    @property
    def _calibration(self) -> Calibration:
        return self.header.calibration or Calibration()


def write_table(rows: Rows, about: dict[str, object], path: Path) -> None:
    """Write rows with words about them; the file appears whole, or not at all."""
    import pyarrow.parquet as pq

    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    told = json.dumps({"format": FORMAT, **about})
    table = rows.table.replace_schema_metadata({_ABOUT: told})
    pq.write_table(table, part, compression="zstd")
    part.replace(path)


def read_header(path: Path) -> Header | None:
    """Read who scored what without reading the scores; None where it is not a scores file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        told = json.loads((pq.read_schema(path).metadata or {}).get(_ABOUT, b"{}"))
    except (OSError, ValueError, pa.ArrowException):
        return None
    if told.pop("format", None) != FORMAT:
        return None
    return build(Header, told, where=str(path))


def read_table(path: Path) -> tuple[Rows, dict[str, object]]:
    """Read rows and the words about them.

    Raises:
        DataError: missing, damaged, or not a scores file of this format.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path)
        told = json.loads((table.schema.metadata or {}).get(_ABOUT, b"{}"))
    except (OSError, ValueError, pa.ArrowException) as error:
        raise DataError(f"{path}: {_why_unread(path)}") from error
    if told.pop("format", None) != FORMAT:
        raise DataError(f"{path}: {_NO_SCORES}")
    wanted, found = ({field.name: field.type for field in s} for s in (row_schema(), table.schema))
    if odd := sorted(k for k in wanted.keys() | found.keys() if wanted.get(k) != found.get(k)):
        raise DataError(
            f"{path}: the columns {', '.join(odd)} are missing, unknown or of another type; the "
            "file was changed or made by another version. Score again"
        )
    return Rows(table), told


def _why_unread(path: Path) -> str:
    """Say why a file cannot be read, in words of whoever named it."""
    if not path.is_file():
        return "there is no such file"
    with path.open("rb") as stream:
        is_parquet = stream.read(4) == b"PAR1"
    return "damaged, or not written to its end; score again" if is_parquet else _NO_SCORES


def _names(rows: Rows, first: Numbers, video: Sequence[str], level: Level) -> Sequence[str]:
    """Name every score: video, video#person, video#person#clip; a scene's person is `-`."""
    if level == "video":
        return video
    numbers = [rows.whole(name)[first].tolist() for name in ("track", "clip")]
    of_level = numbers[:1] if level == "track" else numbers
    said: Iterable[str] = video
    for column in of_level:
        said = [f"{name}#{n if n >= 0 else '-'}" for name, n in zip(said, column, strict=True)]
    return list(said)


def _missed(rows: Rows) -> dict[str, Counter]:  # type: ignore[type-arg]  # of words, of numbers
    """Count videos that have no score, each once, by its first reason and by its label."""
    of_row, first = rows.first_of_videos()
    has_score = np.zeros(len(first), bool)
    has_score[of_row[rows.scored]] = True
    lost = first[~has_score]
    labels = rows.numbers("label")[lost].astype(int).tolist()
    return {"missed": Counter(rows.words("outcome", lost)), "missed_label": Counter(labels)}
