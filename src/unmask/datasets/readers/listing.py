"""What a reader is asked and what it answers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Literal

from unmask.config import suggestion
from unmask.datasets.copies import with_digests
from unmask.datasets.manifest import Kinship, Manifest, Video
from unmask.datasets.splits import refuse_leaks
from unmask.errors import DataError, UsageError

# What a manifest cannot say, because there is no video to say it of, or too much to say.
ProblemKind = Literal[
    "unlisted",  # a file that the data set's own lists do not name: on no side of the split
    "odd_name",  # a file whose name does not say what it is: left out, its label is not known
    "two_sides",  # named by the lists of two sides: on none of them
    "no_lists",  # the lists that make the sides are not there: everything is on no side
    "no_reals",  # the real class of this data set is another data set that was not given
    "no_original",  # a fake names an original that is not here: nothing to compare it with
    "doubtful",  # anything else that a person should look at
]


@dataclass(frozen=True, kw_only=True)
class ReadOptions:
    """What a user may choose about the reading; each reader says what it makes of it."""

    split: str | None = None  # rule that makes the sides; None = the reader's first
    ff_roots: tuple[Path, ...] = ()  # FaceForensics++ trees, for data sets whose reals are there
    compressions: tuple[str, ...] = ()  # only these; () = all that are there


@dataclass(frozen=True, kw_only=True)
class Problem:
    """Something about one file or list that has no place in a manifest."""

    kind: ProblemKind
    path: str  # below the root
    reason: str


@dataclass(frozen=True, kw_only=True)
class Listing:
    """The videos of a tree, and what was odd about it."""

    manifest: Manifest
    problems: tuple[Problem, ...] = ()

    def checked(self) -> Manifest:
        """Return the manifest, or refuse it because its sides are not apart.

        Files of one size are read to find copies on two sides.

        Raises:
            DataError: lists contradict one another, or two sides share what they must not.
        """
        torn = [problem for problem in self.problems if problem.kind == "two_sides"]
        if torn:
            raise DataError(
                f"{self.manifest.root}: {torn[0].path} {torn[0].reason}, and {len(torn) - 1} more "
                "like it; a video is on one side of a split. Restore the data set's own lists"
            )
        manifest = with_digests(self.manifest)
        refuse_leaks(manifest)
        return manifest


@dataclass(frozen=True, kw_only=True)
class Reader:
    """One entry of the table of readers."""

    title: str
    read: Callable[[Path, ReadOptions], Listing]
    splits: tuple[str, ...]  # rules it knows, the default first


def choose_rule(name: str, wanted: str | None, known: tuple[str, ...]) -> str:
    """Return the split rule asked for, or the first.

    Raises:
        UsageError: nobody knows that rule.
    """
    if wanted is None:
        return known[0]
    if wanted not in known:
        raise UsageError(
            f"--split {wanted}: {name} knows no such rule; {suggestion(wanted, known)}"
        )
    return wanted


def make_listing(
    dataset: str,
    root: Path,
    videos: Iterable[Video],
    problems: Iterable[Problem],
    *,
    rule: str,
    tree: str,
    overlaps: tuple[Kinship, ...] = (),
) -> Listing:
    """Put a listing together, in order of id; `tree` says what was expected where nothing is.

    An original that is nowhere in the listing is dropped, which is a problem; recordings stay, so
    kin remain kin.

    Raises:
        DataError: there is not one video, or one is there twice.
    """
    listed = sorted(videos, key=lambda video: video.id)
    if not listed:
        raise DataError(f"{root}: nothing of {dataset} is here; expected {tree}")
    for first, second in pairwise(listed):
        if first.id == second.id:
            raise DataError(
                f"{root}: {first.path} and {second.path} are both {first.id}; take one of them away"
            )
    ids = {video.id for video in listed}
    orphans = [video for video in listed if video.original and video.original not in ids]
    lost = [
        Problem(kind="no_original", path=video.path, reason=f"{video.original} is not here")
        for video in orphans
    ]
    kept = [
        video if video.original is None or video.original in ids else replace(video, original=None)
        for video in listed
    ]
    manifest = Manifest(
        dataset=dataset,
        root=str(root),
        videos=tuple(kept),
        split_rule=rule,
        overlaps=overlaps,
    )
    return Listing(manifest=manifest, problems=(*problems, *lost))
