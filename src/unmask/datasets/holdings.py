"""What a copy of a data set holds: counts beside the published ones, and what they allow."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from unmask.datasets.manifest import ORIGINAL, Manifest, Video
from unmask.datasets.readers.published import ALL, FAKES, PUBLISHED, Published

Column = Literal["train", "val", "test", "none", "all"]  # none = on no side
COLUMNS: tuple[Column, ...] = get_args(Column)

_NOTHING = Published(source="", counts=())


@dataclass(frozen=True, kw_only=True)
class Tally:
    """Videos of one kind, compression and side."""

    what: str  # a method, or: fakes, all
    compression: str | None
    column: Column
    found: int
    missing: int  # promised by the data set's lists, but not there
    published: int | None  # None = no number is published for this cell


def tallies(manifest: Manifest) -> list[Tally]:
    """Count what is there, in rows of a kind and a compression, beside the published counts.

    Published counts of sides stand beside those of the rule `official` alone.
    """
    published = PUBLISHED.get(manifest.dataset, _NOTHING)
    heaps = Counter(
        (v.method, v.compression, v.split or "none", v.outcome == "missing")
        for v in manifest.videos
    )
    rows = []
    for what in _kinds(manifest, published):
        for compression in _compressions(manifest, published):
            of_kind = [
                (column, lost, n)
                for (method, how, column, lost), n in heaps.items()
                if _means(what, method) and compression in (None, how)
            ]
            for column in COLUMNS:
                cell = [(lost, n) for at, lost, n in of_kind if column in ("all", at)]
                tally = Tally(
                    what=what,
                    compression=compression,
                    column=column,
                    found=sum(n for lost, n in cell if not lost),
                    missing=sum(n for lost, n in cell if lost),
                    published=_published(what, column, manifest, published),
                )
                rows.append(tally)
    return rows


def absent_compressions(manifest: Manifest) -> list[str]:
    """Name the compressions that were published and of which nothing is there."""
    published = PUBLISHED.get(manifest.dataset, _NOTHING)
    here = {video.compression for video in manifest.videos}
    return [name for name in published.compressions if name is not None and name not in here]


def uses(manifest: Manifest) -> list[str]:
    """Say in sentences what this copy can be used for, and what it cannot."""
    here = [v for v in manifest.videos if v.outcome not in ("missing", "unreadable")]
    rows = tallies(manifest)
    sentences: list[str] = []
    for compression in dict.fromkeys(row.compression for row in rows):
        some = [v for v in here if compression in (None, v.compression)]
        said = [*_uses_of(some), *_completeness([r for r in rows if r.compression == compression])]
        sentences += [f"{compression}: {word}" if compression else word for word in said]
    return sentences


def _uses_of(videos: Sequence[Video]) -> Iterator[str]:
    counts = Counter((video.split, video.label) for video in videos)
    train, test = ((counts[side, 0], counts[side, 1]) for side in ("train", "test"))
    if all(train):
        yield f"training is possible ({_both(*train)})"
    elif train[0]:
        yield f"training is possible on fakes forged on the way ({_both(*train)}; self-blends)"
    elif train[1]:
        yield f"training is not possible ({_both(*train)})"
    if any(train) and not (counts["val", 0] and counts["val", 1]):
        yield "no val side with both: training sets recordings of train aside to choose on"
    if all(test):
        yield f"measuring is possible on the test side ({_both(*test)})"
    elif any(test):
        yield f"measuring is not possible on the test side ({_both(*test)})"
    if not any(split for split, _ in counts):
        yield "nothing is on a side, so neither training nor measuring is possible"


def _completeness(rows: Sequence[Tally]) -> Iterator[str]:
    """Say whether the official test side is the published one."""
    tested = [row for row in rows if row.column == "test" and row.published is not None]
    here = [row for row in tested if row.found]
    short = [row for row in here if row.found != row.published]
    if short:
        worst = ", ".join(f"{row.found} of {row.published} {row.what}" for row in short[:3])
        yield f"the test side is not the published one ({worst}): say so beside every number"
    elif here:
        yield f"the test side is the published one of {', '.join(row.what for row in here)}"


def _both(n_reals: int, n_fakes: int) -> str:
    return f"{n_reals} real, {n_fakes} fake"


def _kinds(manifest: Manifest, published: Published) -> list[str]:
    """Name the rows: what is published, then the methods that are not."""
    methods = sorted({v.method for v in manifest.videos}, key=lambda m: (m != ORIGINAL, m))
    return list(dict.fromkeys([*(count.method for count in published.counts), *methods]))


def _means(what: str, method: str) -> bool:
    return what in (ALL, method) or (what == FAKES and method != ORIGINAL)


def _compressions(manifest: Manifest, published: Published) -> list[str | None]:
    """Name those that are there; one None where they are no matter of this data set."""
    if published.compressions == (None,) and published.counts:
        return [None]
    here = {video.compression for video in manifest.videos}
    known = [name for name in published.compressions if name in here]
    return known or sorted(here, key=str)


def _published(what: str, column: Column, manifest: Manifest, published: Published) -> int | None:
    if column == "none" or (column != "all" and manifest.split_rule != "official"):
        return None
    side = None if column == "all" else column
    numbers = [c.n for c in published.counts if (c.method, c.split) == (what, side)]
    return numbers[0] if numbers else None
