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
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from unmask.config import build
from unmask.errors import DataError
from unmask.scoring.aggregate import confident, mean_probability, sigmoid_of_mean_logit
from unmask.scoring.calibrate import calibrated
from unmask.types import Calibration, Thresholds

if TYPE_CHECKING:
    import pyarrow as pa

FORMAT = "unmask.scores/1"
SCORED = "scored"  # outcome of a clip that has a logit

Level = Literal["clip", "track", "video"]
Rule = Literal["mean", "mean_logit", "confident"]
Logits = NDArray[np.float64]
Combine = Callable[[Logits, NDArray[np.float64]], float]

_RULES: dict[Rule, Combine] = {
    "mean": lambda _, p: mean_probability(p.tolist()),
    "mean_logit": lambda z, _: sigmoid_of_mean_logit(z.tolist()),
    "confident": lambda _, p: confident(p.tolist()),
}


@dataclass(frozen=True, kw_only=True)
class Header:
    """Who scored what."""

    detector: str  # as a table names it
    model: str  # a name of `unmask models`
    sha256: str  # of the weights or the graph that ran
    data: str  # as a table names it: data set and side
    data_digest: str
    corruption: str = "none"  # TYPE:LEVEL
    clips_per_track: int = 1
    target: str = "any"  # what makes a fake: any forgery, the picture's, the sound's
    trained_on: tuple[str, ...] = ()  # sources (recordings) the detector learned from or chose on
    # What the detector was trained by, every value; empty where the checkpoint names none.
    recipe: dict[str, Any] = field(default_factory=dict)
    calibration: Calibration | None = None
    thresholds: Thresholds | None = None
    version: str = ""
    made: str = ""  # date and time, UTC


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
    track: int | None = None  # person; None = the whole scene, or nobody
    clip: int = 0  # which of the person's
    t_s: float | None = None  # where the clip begins
    face_px: float | None = None  # median side of the face in the clip
    logit: float | None = None
    outcome: str = SCORED  # or the reason there is no score: no_face, unreadable, too_short, ...
    reason: str = ""  # in words


@dataclass(frozen=True, kw_only=True, eq=False)
class Scored:
    """Scores at one level; arrays of one length, in the order of the file."""

    level: Level
    id: Sequence[str]
    p_fake: NDArray[np.float64]
    label: NDArray[np.int8]
    source: Sequence[str]
    video: Sequence[str]
    missed: Counter[str]  # videos without a score, by outcome
    missed_label: Counter[int]

    def __len__(self) -> int:
        return len(self.id)

    @property
    def n_videos(self) -> int:
        """How many videos there were, scored or not."""
        return len(set(self.video)) + sum(self.missed.values())

    @property
    def coverage(self) -> float:
        """Share of videos that have a score."""
        return len(set(self.video)) / self.n_videos if self.n_videos else 0.0


@dataclass(frozen=True, kw_only=True, eq=False)
class ScoresFile:
    """A scores file in memory."""

    header: Header
    rows: tuple[Row, ...]

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a scores file.

        Raises:
            DataError: missing, damaged, or not a scores file of this format.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            table = pq.read_table(path)
        except (OSError, pa.ArrowException) as error:
            raise DataError(f"{path}: cannot be read as a scores file ({error})") from error
        about = (table.schema.metadata or {}).get(b"unmask")
        told = json.loads(about) if about else {}
        if told.pop("format", None) != FORMAT:
            raise DataError(f"{path}: not a scores file ({FORMAT}); `unmask evaluate` makes them")
        header = build(Header, told, where=str(path))
        rows = tuple(
            Row(**{**row, "identities": tuple(row["identities"])}) for row in table.to_pylist()
        )
        return cls(header=header, rows=rows)

    def write(self, path: Path) -> None:
        """Write the file whole, or not at all."""
        import pyarrow.parquet as pq

        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(path.name + ".part")
        pq.write_table(table_of(self.rows, self.header), part, compression="zstd")
        part.replace(path)

    def where(self, keep: Callable[[Row], bool]) -> ScoresFile:
        """Return the rows for which something holds."""
        return ScoresFile(header=self.header, rows=tuple(row for row in self.rows if keep(row)))

    def p_fake(self, logits: Logits) -> NDArray[np.float64]:
        """Calibrate logits, where the detector is calibrated."""
        return calibrated(self.header.calibration or Calibration(), logits)

    def at(self, level: Level, rule: Rule = "mean") -> Scored:
        """Gather the clips into one score for every clip, person or video."""
        scored = [row for row in self.rows if row.logit is not None]
        tracks = self._gathered(scored, level, rule)
        done = {row.video for row in scored}
        missed = {row.video: row for row in self.rows if row.video not in done}
        first = [rows[0] for rows, _ in tracks.values()]
        return Scored(
            level=level,
            id=list(tracks),
            p_fake=np.array([p for _, p in tracks.values()], np.float64),
            label=np.array([row.label for row in first], np.int8),
            source=[row.source for row in first],
            video=[row.video for row in first],
            missed=Counter(row.outcome for row in missed.values()),
            missed_label=Counter(row.label for row in missed.values()),
        )

    def _gathered(
        self, scored: Sequence[Row], level: Level, rule: Rule
    ) -> dict[str, tuple[list[Row], float]]:
        if level == "clip":
            p = self.p_fake(np.array([row.logit for row in scored], np.float64))
            return {
                f"{row.video}#{row.track}#{row.clip}": ([row], float(p[i]))
                for i, row in enumerate(scored)
            }
        people: dict[str, list[Row]] = {}
        for row in scored:
            people.setdefault(f"{row.video}#{row.track}", []).append(row)
        combined = {key: (rows, self._combine(rows, rule)) for key, rows in people.items()}
        if level == "track":
            return combined
        videos: dict[str, tuple[list[Row], float]] = {}
        for rows, p_fake in combined.values():
            held = videos.get(rows[0].video)
            if held is None or p_fake > held[1]:
                videos[rows[0].video] = (rows, p_fake)
        return videos

    def _combine(self, rows: Sequence[Row], rule: Rule) -> float:
        logits = np.array([row.logit for row in rows], np.float64)
        return _RULES[rule](logits, self.p_fake(logits))


def table_of(rows: Sequence[Row], header: Header) -> pa.Table:
    """Rows as an Arrow table with the header in its metadata."""
    import pyarrow as pa

    columns: dict[str, list[Any]] = {name: [] for name in _SCHEMA}
    for row in rows:
        for name, values in columns.items():
            values.append(getattr(row, name))
    about = json.dumps({"format": FORMAT, **asdict(header)})
    kinds = {"string": pa.string(), "int": pa.int32(), "float": pa.float64()}
    kinds["strings"] = pa.list_(pa.string())
    schema = pa.schema([(n, kinds[k]) for n, k in _SCHEMA.items()], metadata={"unmask": about})
    return pa.table(columns, schema=schema)


_SCHEMA = {
    "video": "string",
    "label": "int",
    "source": "string",
    "dataset": "string",
    "method": "string",
    "compression": "string",
    "split": "string",
    "identities": "strings",
    "group": "string",
    "track": "int",
    "clip": "int",
    "t_s": "float",
    "face_px": "float",
    "logit": "float",
    "outcome": "string",
    "reason": "string",
}
