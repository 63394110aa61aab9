"""Scores files as figures want them: several detectors on the same videos, in one order.

Curves of detectors that answered about different videos cannot be laid over one another, so that
is refused. Videos that some detector could not score are left out for all, and counted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from unmask.errors import DataError, UsageError
from unmask.evaluation.figures import Asked
from unmask.evaluation.intervals import Estimate, intervals, resampled, too_few
from unmask.evaluation.metrics import Metric
from unmask.evaluation.ranking import Floats, Ranking, rank
from unmask.evaluation.scores import Header, Level, Scored, ScoresFile

Estimates = Mapping[str, Estimate]

UNIT: dict[Level, str] = {"clip": "clips", "track": "people", "video": "videos"}


@dataclass(frozen=True, kw_only=True, eq=False)
class Compared:
    """k detectors and the n examples that all of them scored."""

    level: Level
    names: tuple[str, ...]  # (k,)
    files: tuple[ScoresFile, ...]  # (k,)
    id: tuple[str, ...]  # (n,)
    label: Floats  # (n,) 1 = fake
    source: tuple[str, ...]  # (n,)
    p_fake: Floats  # (k, n)
    n_videos: int  # asked about
    n_scored: int  # videos that every detector scored

    @cached_property
    def rankings(self) -> tuple[Ranking, ...]:
        """What numbers are made from, one for each detector."""
        return tuple(rank(self.label, p_fake) for p_fake in self.p_fake)

    @property
    def counts(self) -> dict[str, Any]:
        """What the numbers are of."""
        fakes = int(self.label.sum())
        return {
            "level": self.level,
            "n_fake": fakes,
            "n_real": len(self.label) - fakes,
            "n_videos": self.n_videos,
            "n_videos_scored": self.n_scored,
            "coverage": self.n_scored / self.n_videos,
        }

    @property
    def note(self) -> str:
        """The same in a line."""
        told = self.counts
        by = "every detector" if len(self.names) > 1 else "the detector"
        return (
            f"{places(self.files)}: {told['n_fake']} fake and {told['n_real']} real "
            f"{UNIT[self.level]}; {by} scored {self.n_scored} of {self.n_videos} videos "
            f"({told['coverage']:.1%})" + leaks(self.files)
        )

    def measured(self, wanted: Mapping[str, Metric]) -> tuple[Estimates, ...]:
        """Numbers of every detector, with intervals."""
        return tuple(intervals(ranking, self.source, wanted) for ranking in self.rankings)

    def told(self, found: Sequence[Estimates]) -> dict[str, Any]:
        """Numbers for a program: what they are of, and each detector's by its name."""
        named = zip(self.names, map(numbers_of, found), strict=True)
        return {**self.counts, "detectors": dict(named)}

    def band(self, i: int, curve: Callable[[Ranking], Floats]) -> tuple[Floats, Floats] | None:
        """Both edges of the 95 % band of a detector's curve, point by point.

        None where there are too few recordings to draw from.
        """
        if too_few(self.label, self.source):
            return None
        drawn = [curve(resample) for resample in resampled(self.rankings[i], self.source)]
        low, high = np.nanquantile(drawn, [0.025, 0.975], axis=0)
        return low, high


def compared(asked: Asked) -> Compared:
    """Read the scores files asked for and lay them beside one another.

    Raises:
        DataError: they are of different videos, or of one class.
    """
    files = read(asked.scores)
    names = names_of(files)
    n_videos = _same_videos(files, names)
    scored = [file.at(asked.level, asked.rule) for file in files]
    places_of = [{key: i for i, key in enumerate(said.id)} for said in scored]
    common = [key for key in scored[0].id if all(key in held for held in places_of)]
    if not common:
        raise DataError(f"no {UNIT[asked.level]} were scored by all of {', '.join(names)}")
    picked = [[held[key] for key in common] for held in places_of]
    _one_truth(scored, picked, names)
    said = Compared(
        level=asked.level,
        names=names,
        files=files,
        id=tuple(common),
        label=scored[0].label[picked[0]].astype(np.float64),
        source=tuple(scored[0].source[i] for i in picked[0]),
        p_fake=np.array([held.p_fake[at] for held, at in zip(scored, picked, strict=True)]),
        n_videos=n_videos,
        n_scored=len({scored[0].video[i] for i in picked[0]}),
    )
    assert said.rankings, "ranking refuses what has one class only"
    return said


def read(paths: Sequence[Path]) -> tuple[ScoresFile, ...]:
    """Read scores files."""
    return tuple(ScoresFile.read(path) for path in paths)


def videos_of(file: ScoresFile) -> set[str]:
    """Every video that was asked about, scored or not."""
    rows = file.columns
    return set(rows.words("video", rows.first_of_videos()[1]))


def names_of(files: Sequence[ScoresFile]) -> tuple[str, ...]:
    """A name for each file: its detector, and what else it takes to tell them apart.

    Raises:
        UsageError: two files are of the same detector, data and corruption.
    """
    headers = [file.header for file in files]
    for told in (_detector, _and_data, _and_corruption):
        names = tuple(map(told, headers))
        if len(set(names)) == len(names):
            return names
    twice = next(name for name in names if names.count(name) > 1)
    raise UsageError(f"two scores files are of {twice}; give one of them")


def places(files: Sequence[ScoresFile]) -> str:
    """The data that files are of, each named once, with its corruption."""
    return ", ".join(sorted({place(file.header) for file in files}))


def leaks(files: Sequence[ScoresFile]) -> str:
    """What a reader must know of kin of what was learned from, and of --limit; mostly nothing."""
    held = {file.header.detector: file.header.leaks for file in files if file.header.leaks}
    told = [f"LEAK: {n} videos are akin to what {name} learned from" for name, n in held.items()]
    if whole := {file.header.limited_from for file in files} - {None}:
        told.append(f"A PART: of {max(filter(None, whole))} videos --limit took some")
    return "".join(f". {sentence}" for sentence in told)


def inputs(files: Sequence[ScoresFile]) -> list[dict[str, Any]]:
    """Headers, for the record beside a figure; of the recipe, its name."""
    told = [asdict(file.header) for file in files]
    return [{**header, "recipe": header["recipe"].get("name")} for header in told]


def number(estimate: Estimate) -> dict[str, float | None]:
    """An estimate for a program."""
    return asdict(estimate)


def numbers_of(found: Estimates) -> dict[str, dict[str, float | None]]:
    """Estimates for a program."""
    return {name: number(estimate) for name, estimate in found.items()}


def words(estimate: Estimate) -> str:
    """An estimate for a legend.

    >>> words(Estimate(value=0.9, low=0.8, high=0.95)), words(Estimate(value=0.9))
    ('0.900 (0.800–0.950)', '0.900')
    """
    if estimate.low is None or estimate.high is None:
        return f"{estimate.value:.3f}"
    return f"{estimate.value:.3f} ({estimate.low:.3f}–{estimate.high:.3f})"


def _detector(header: Header) -> str:
    return header.detector


def _and_data(header: Header) -> str:
    return f"{header.detector} on {header.data}"


def _and_corruption(header: Header) -> str:
    return f"{header.detector} on {place(header)}"


def place(header: Header) -> str:
    """The data that a file is of, with its corruption."""
    corrupted = "" if header.corruption == "none" else f" ({header.corruption})"
    return f"{header.data}{corrupted}"


def _same_videos(files: Sequence[ScoresFile], names: Sequence[str]) -> int:
    held = [videos_of(file) for file in files]
    for videos, name in zip(held[1:], names[1:], strict=True):
        if videos != held[0]:
            raise DataError(
                f"{names[0]} was asked about {len(held[0])} videos and {name} about {len(videos)}, "
                f"of which {len(videos & held[0])} are the same; score both on the same data"
            )
    return len(held[0])


def _one_truth(
    scored: Sequence[Scored], picked: Sequence[Sequence[int]], names: Sequence[str]
) -> None:
    truth = scored[0].label[picked[0]]
    for said, at, name in zip(scored[1:], picked[1:], names[1:], strict=True):
        differ = np.flatnonzero(said.label[at] != truth)
        if len(differ):
            raise DataError(
                f"{said.id[at[differ[0]]]} is fake in the scores of one of {names[0]} and {name} "
                f"and real in the other's ({len(differ)} such); score both for the same target"
            )
