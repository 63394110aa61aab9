"""Dividing rows by the recording they come from, never by row, and finding what is on two sides.

A fake and its original show the same scene; on two sides of a split they would give each other
away. The side is a hash of the recording's id: it does not depend on order, on other rows or on a
random state, so more data never moves a recording to the other side.

Videos are kin if they share a recording, a person, an original or all their bytes. `split_by_kin`
keeps kin together, `split_by_identity` divides people and leaves out who would stand on both
sides, `check_leaks` finds kin on two sides and `refuse_leaks` refuses them.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from unmask.datasets.manifest import ORIGINAL, Kinship, Manifest, Split, Video
from unmask.errors import DataError

Shares = Mapping[Split, float]  # of recordings or people; they add up to 1
SHARES: Shares = {"train": 0.7, "val": 0.1, "test": 0.2}  # ours; FF++ has .72 / .14 / .14


def position(original: str, salt: str = "calib") -> float:
    """Return where a recording falls in [0, 1)."""
    digest = hashlib.sha256(f"{salt}/{original}".encode()).digest()
    return int.from_bytes(digest[:8]) / 2**64


def split_rows(
    originals: Sequence[str], calib_share: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the rows to learn from and those to choose on (early stop, calibration, thresholds).

    `calib_share` is the share of recordings, in [0, 1).

    Raises:
        DataError: one side is left without rows although both are wanted.
    """
    chosen = np.array([position(original) < calib_share for original in originals], bool)
    train, calib = np.flatnonzero(~chosen), np.flatnonzero(chosen)
    if not len(train) or (calib_share > 0 and not len(calib)):
        raise DataError(
            f"{len(set(originals))} recordings are too few to set {calib_share:.0%} of them aside"
        )
    return train, calib


def limit_rows(originals: Sequence[str], n_rows: int) -> NDArray[np.int64]:
    """Return about `n_rows` rows, whole recordings chosen by hash, in their old order."""
    places = np.array([position(original, "limit") for original in originals])
    cut = np.sort(places)[min(n_rows, len(places)) - 1]
    return np.flatnonzero(places <= cut)


@dataclass(frozen=True, kw_only=True)
class Leak:
    """Something that videos of two sides share."""

    kind: Kinship
    shared: str  # the recording, person, original or digest
    examples: tuple[tuple[Split, str], ...]  # a side and the id of a video there, for each side
    n_videos: int

    @property
    def shown(self) -> str:
        """The examples in words."""
        return "is in " + " and ".join(f"{name} ({side})" for side, name in self.examples)

    def __str__(self) -> str:
        return f"{WORDS[self.kind]} {self.shared} {self.shown}"


WORDS: dict[Kinship, str] = {
    "source": "recording",
    "identity": "person",
    "original": "original",
    "content": "file content",
}


def side_of(key: str, shares: Shares, salt: str) -> Split:
    """Return the side that a recording or person falls on."""
    reached = 0.0
    place = position(key, salt)
    for side, share in shares.items():
        reached += share
        if place < reached:
            return side
    return next(reversed(list(shares)))


def split_by_kin(
    videos: Iterable[Video], shares: Shares = SHARES, *, salt: str = "kin"
) -> list[Video]:
    """Put every family of videos on one side.

    A family is all that hangs together by recordings, originals and people, through any number of
    others. Its side is the hash of its first recording's name, so it moves only if a new video
    joins two families.
    """
    listed = list(videos)
    heads = _families(listed)
    return [
        replace(
            video,
            split=side_of(head, shares, salt),
            split_reason="our split by recording and person",
        )
        for video, head in zip(listed, heads, strict=True)
    ]


def split_by_identity(
    videos: Iterable[Video], shares: Shares = SHARES, *, salt: str = "identity"
) -> list[Video]:
    """Divide people; a video that shows people of two sides is on none, with the reason.

    A video without names is divided by its recordings.
    """
    divided = []
    for video in videos:
        names = video.identities or video.sources or (video.id,)
        sides = {name: side_of(name, shares, salt) for name in names}
        if len(set(sides.values())) == 1:
            side, reason = sides[names[0]], "our split by person"
        else:
            shown = " and ".join(f"{name} ({side})" for name, side in sides.items())
            side, reason = None, f"shows people of two sides: {shown}"
        divided.append(replace(video, split=side, split_reason=reason))
    return divided


def check_leaks(manifest: Manifest) -> list[Leak]:
    """Find what videos on two sides of a manifest share, whether or not its rule admits it."""
    return _leaks((video.split, video) for video in manifest.videos if video.split is not None)


def shared_kin(learnt_from: Iterable[Video], measured_on: Iterable[Video]) -> list[Leak]:
    """Find what training videos share with test videos of another data set, called train and test.

    DeeperForensics' reals are FF++'s, so this is no idle question.
    """
    sided: list[tuple[Split, Video]] = [("train", video) for video in learnt_from]
    return _leaks([*sided, *(("test", video) for video in measured_on)])


def refuse_leaks(manifest: Manifest) -> None:
    """Refuse a manifest two sides of which share what they must not.

    What the data set's own split is known to share is admitted only where the manifest says so
    (`overlaps`).

    Raises:
        DataError: with the first leaks and what to do.
    """
    leaks = [leak for leak in check_leaks(manifest) if leak.kind not in manifest.overlaps]
    if leaks:
        shown = "; ".join(map(str, leaks[:3]))
        more = f"; and {len(leaks) - 3} more" if len(leaks) > 3 else ""
        raise DataError(
            f"{manifest.root}: its sides are not apart: {shown}{more}. `unmask doctor` lists them "
            "all; mend the lists, take the copies away or choose another rule with --split"
        )


def _leaks(sided: Iterable[tuple[Split, Video]]) -> list[Leak]:
    bearers: dict[tuple[Kinship, str], list[tuple[Split, Video]]] = defaultdict(list)
    for side, video in sided:
        for kinship in kinships(video):
            bearers[kinship].append((side, video))
    return [
        _leak(kind, shared, found)
        for (kind, shared), found in sorted(bearers.items(), key=lambda item: item[0])
        if len({side for side, _ in found}) > 1 and not _known_by_source(kind, found)
    ]


def _known_by_source(kind: Kinship, found: Sequence[tuple[Split, Video]]) -> bool:
    """Whether videos with one original are reported already, as they have a recording in common."""
    return kind == "original" and bool(set.intersection(*(set(v.sources) for _, v in found)))


def _leak(kind: Kinship, shared: str, found: Sequence[tuple[Split, Video]]) -> Leak:
    first: dict[Split, str] = {}
    for side, video in found:
        first.setdefault(side, video.id)
    return Leak(kind=kind, shared=shared, examples=tuple(first.items()), n_videos=len(found))


def kinships(video: Video) -> Iterator[tuple[Kinship, str]]:
    """Name what other videos may share with one."""
    for source in video.sources:
        yield "source", source
    for identity in video.identities:
        yield "identity", f"{video.dataset}/{identity}"
    if video.original or video.method == ORIGINAL:
        yield "original", video.original or video.id
    if video.sha256:
        yield "content", video.sha256


def _families(videos: Sequence[Video]) -> list[str]:
    """Return the name of each video's family: its smallest key."""
    parents: dict[str, str] = {}

    def head(key: str) -> str:
        while parents.setdefault(key, key) != key:
            parents[key] = parents[parents[key]]
            key = parents[key]
        return key

    for video in videos:
        first, *others = _keys(video)
        for other in others:
            low, high = sorted((head(first), head(other)))
            parents[high] = low
    return [head(_keys(video)[0]) for video in videos]


def _keys(video: Video) -> list[str]:
    return [f"{kind}:{shared}" for kind, shared in kinships(video)] or [f"id:{video.id}"]
