"""What a detector learned from, kept in its checkpoint, so that nobody measures on it unawares.

A checkpoint holds hashes of every recording and person that it learned from or was chosen on
(`learned_from.txt`, a line each): enough to recognise kin among the videos of any test, without
naming anybody. Kin are found across data sets, since DeeperForensics' reals are FaceForensics++'s.

Prepared videos are known by their recording's full name (`ffpp/000`), face crops by a bare name.
Between the two, bare names are compared where they are long enough to mean one thing. Crops that
`datasets/crops` wrote bring the record of the videos that they were cut out of.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from unmask.datasets.manifest import Video
from unmask.datasets.splits import WORDS, kinships
from unmask.errors import CheckpointError

LEARNED = "learned_from.txt"
FORMAT = "unmask.learned/1"
_DIGITS = 12  # of a hash: among a million recordings one in 280 million strangers is taken for kin
DISTINCT = 8  # characters of a bare name from which on it is no mere number
_ABOUT = (
    f"# {FORMAT}",
    "# Hashes of the recordings and people this detector learned from or was chosen on.",
)

Tie = tuple[str, str]  # what kind of thing two videos may share, and which


@dataclass(frozen=True, kw_only=True)
class Learned:
    """What a detector learned from or was chosen on, by itself or through what it began with."""

    keys: frozenset[str] = frozenset()
    datasets: frozenset[str] = field(default_factory=frozenset)
    unrecorded: tuple[str, ...] = ()  # checkpoints it began with that keep no record

    def __or__(self, other: Learned) -> Learned:
        return Learned(
            keys=self.keys | other.keys,
            datasets=self.datasets | other.datasets,
            unrecorded=tuple(dict.fromkeys((*self.unrecorded, *other.unrecorded))),
        )

    @classmethod
    def of_videos(cls, videos: Iterable[Video]) -> Self:
        """Remember prepared videos."""
        listed = {video.id: video for video in videos}.values()
        ties = {tie for video in listed for tie in (*kinships(video), *_bare("named", video))}
        datasets = frozenset(video.dataset for video in listed)
        return cls(keys=frozenset(map(hash_of, ties)), datasets=datasets)

    @classmethod
    def of_crops(cls, originals: Iterable[str], datasets: Iterable[str] = ()) -> Self:
        """Remember face crops by the recordings they come from, and by the names of their data."""
        keys = frozenset(hash_of(("crop", name)) for name in originals)
        return cls(keys=keys, datasets=frozenset(datasets))

    def kin_of(self, video: Video) -> list[Tie]:
        """Say what a video shares with those learned from."""
        return self._known((*kinships(video), *_bare("crop", video)))

    def kin_of_crop(self, original: str) -> list[Tie]:
        """Say the same of a face crop."""
        named = [("named", original)] if len(original) >= DISTINCT else []
        return self._known([("crop", original), *named])

    def document(self) -> bytes:
        """Write it as the text that a checkpoint holds."""
        lines = [f"dataset {name}" for name in sorted(self.datasets)]
        lines += [f"unrecorded {source}" for source in self.unrecorded]
        return ("\n".join([*_ABOUT, *lines, *sorted(self.keys)]) + "\n").encode()

    def _known(self, ties: Iterable[Tie]) -> list[Tie]:
        return [tie for tie in ties if hash_of(tie) in self.keys]


def read_learned(checkpoint_folder: Path) -> Learned | None:
    """Read what a checkpoint remembers; None if it keeps no record.

    Raises:
        CheckpointError: the record is not one.
    """
    path = checkpoint_folder / LEARNED
    if not path.is_file():
        return None
    try:
        return parse_learned(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise CheckpointError(f"{path}: {error}") from error


def parse_learned(document: str) -> Learned:
    """Read what `Learned.document` wrote.

    Raises:
        ValueError: it is no such text.
    """
    lines = document.splitlines()
    if lines[:1] != list(_ABOUT[:1]):
        raise ValueError(f"not a record of what was learned from ({FORMAT})")
    words = [line.partition(" ") for line in lines if not line.startswith("#")]
    return Learned(
        keys=frozenset(first for first, _, rest in words if not rest),
        datasets=frozenset(rest for first, _, rest in words if first == "dataset"),
        unrecorded=tuple(rest for first, _, rest in words if first == "unrecorded"),
    )


def in_words(tie: Tie) -> str:
    """Say what is shared.

    >>> in_words(("source", "ffpp/000"))
    'recording ffpp/000'
    """
    kind, shared = tie
    words: dict[str, str] = dict(WORDS.items())  # of crops: a recording
    return f"{words.get(kind, 'recording')} {shared}"


def _bare(kind: str, video: Video) -> Iterator[Tie]:
    for source in video.sources:
        name = source.rpartition("/")[2]
        if len(name) >= DISTINCT:
            yield kind, name


def hash_of(tie: Tie) -> str:
    """Return what a record keeps in place of a name."""
    return hashlib.sha256("\0".join(tie).encode()).hexdigest()[:_DIGITS]
