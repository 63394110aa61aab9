"""What a detector is examined on: cases, one a video, whatever the data are read from.

A case knows what is known of its video and, once asked, makes the clips of it that a scan would
cut, or says why there are none. Prepared data, face crops and raw videos each have a module that
makes cases; from there on nothing tells them apart.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from unmask.clips.mel import Sound
from unmask.clips.tensors import cut_views
from unmask.datasets.learned import Learned, Tie
from unmask.datasets.manifest import Kinship
from unmask.datasets.sources import Sights, Target
from unmask.datasets.splits import limit_rows
from unmask.errors import DataError
from unmask.evaluation.rows import Row
from unmask.scoring.verdict import DEFAULT_LIMITS
from unmask.types import Face, InputSpec
from unmask.video.corrupt import AppliedTo, Corruption

T = TypeVar("T")
Part = Literal["train", "calib", "val", "test", "all"]


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Which clips of which videos, and how."""

    spec: InputSpec
    part: Part = "test"
    target: Target = "any"
    clips: int | None = None  # of a person, spread over all there are; None = all
    corruption: Corruption | None = None
    n_frames: int = 32  # looked at in a raw video


@dataclass(frozen=True, kw_only=True, eq=False)
class Views:
    """Clips of one person ready for the network, or why there are none."""

    rows: tuple[Row, ...]  # of the clips, not yet scored; or the one of the failure
    frames: NDArray[np.uint8] | None = None  # (n, T, H, W, 3); None = a failure
    audio: Sound | None = None  # (n, F, S)


Piece = Callable[[], Views]  # made in any thread


@dataclass(frozen=True, kw_only=True, eq=False)
class Case:
    """One video."""

    facts: Row  # what is known of it
    n_clips: int  # about
    pieces: Callable[[Row], list[Piece]]  # of the video with these facts
    kin: Callable[[Learned], list[Tie]]


@dataclass(frozen=True, kw_only=True, eq=False)
class Exam:
    """All videos of one side of some data."""

    name: str  # as a table names it
    cases: tuple[Case, ...]
    digest: str  # of what was read beside the facts
    applied_to: AppliedTo  # what a corruption changes
    state: str = ""  # of files that may change while they are read
    unlabelled: int = 0  # videos left out because the target is not known of them
    overlaps: tuple[Kinship, ...] = ()  # kinships that the data set's own split leaves

    def limited(self, limit: int | None) -> Exam:
        """Return about so many videos, whole recordings of them."""
        if limit is None or not self.cases:
            return self
        kept = limit_rows([case.facts.source for case in self.cases], limit)
        return replace(self, cases=tuple(self.cases[i] for i in kept))

    def data_digest(self) -> str:
        """Return a hash of the videos, their labels and their kin."""
        facts = [(c.facts.video, c.facts.label, c.facts.source) for c in self.cases]
        return hashlib.sha256(json.dumps([self.digest, facts]).encode()).hexdigest()


def refuse_none(exam: Exam, part: Part) -> Exam:
    """Refuse an exam without a single video.

    Raises:
        DataError: naming the side.
    """
    if not exam.cases:
        others = " --part all takes every side." if part in ("val", "test") else ""
        raise DataError(f"{exam.name}: no video with a label on the side {part}.{others}")
    return exam


def failure(facts: Row, outcome: str, reason: str) -> Views:
    """Say why a video has no score."""
    return Views(rows=(replace(facts, outcome=outcome, reason=reason),))


def too_short(facts: Row, spec: InputSpec) -> Views:
    """Say that a clip system saw too little."""
    return failure(facts, "too_short", f"nobody was seen for half a clip of {spec.n_frames} frames")


def make_views(
    facts: Row,
    track: int | None,
    clips: Sequence[tuple[int, Sights]],
    spec: InputSpec,
    *,
    audio: Sound | None = None,
    reason: str = "",
) -> Views:
    """Cut the views of numbered clips of one person, with a row for each."""
    rows = tuple(
        replace(
            facts, track=track, clip=nth, t_s=sights[0].t_s, face_px=_face_px(sights), reason=reason
        )
        for nth, sights in clips
    )
    frames = np.stack([cut_views(sights, spec) for _, sights in clips])
    return Views(rows=rows, frames=frames, audio=audio)


def spread(items: Sequence[T], n: int | None) -> list[tuple[int, T]]:
    """Choose `n` of all items, spread over them, with their numbers; never the first n.

    >>> spread("abcdef", 2)
    [(1, 'b'), (4, 'e')]
    """
    if n is None or n >= len(items):
        return list(enumerate(items))
    places = [(2 * k + 1) * len(items) // (2 * n) for k in range(n)]
    return [(place, items[place]) for place in places]


def seen_often(people: Iterable[T], sightings: Callable[[T], int], n_sampled: int) -> list[T]:
    """Leave out passers-by, unless nobody else was seen: whom a scan's number is made of."""
    listed = list(people)
    needed = min(DEFAULT_LIMITS.min_faces, max(n_sampled, 1))
    return [person for person in listed if sightings(person) >= needed] or listed


def _face_px(sights: Sights) -> float | None:
    sides = [sight.quality.size_px for sight in sights if isinstance(sight, Face)]
    return float(median(sides)) if sides else None
