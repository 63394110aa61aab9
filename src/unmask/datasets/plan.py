"""Which shards there are, which of them are done, and what a worker must know of the others.

Shards are fixed slices of the manifest. The first wave are videos that stand alone, the second
fakes that take their faces from videos of the first, or are compared with them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from unmask.datasets.extract import Settings
from unmask.datasets.journal import ShardEntry, read_entry
from unmask.datasets.manifest import Manifest, Video
from unmask.datasets.shard import Job, Task, source_token
from unmask.datasets.store import JOURNAL, Store, shard_name

LARGEST_SHARD = 16  # videos; a killed run loses one unfinished shard for each worker
MOST_SHARDS = 256  # in smaller data sets there are so many, so that workers share the work evenly


@dataclass(frozen=True, kw_only=True)
class Shard:
    """A slice of the manifest, with what the journal says of it."""

    number: int
    videos: Sequence[Video]
    entry: ShardEntry | None  # None = it is to be prepared


def make_plan(
    manifest: Manifest, settings: Settings, store: Store
) -> tuple[list[list[Shard]], int]:
    """Cut the manifest into shards and see which are done; what is out of date is forgotten.

    The first wave are videos that stand alone, the second fakes that need them. Also counts the
    videos whose file has changed.
    """
    reals = _reals(manifest) if _looks_at_reals(settings) else {}
    size = _shard_size(len(manifest))
    alone = [video for video in manifest.videos if video.id not in reals]
    borrowers = [video for video in manifest.videos if video.id in reals]
    tokens = {v.id: source_token(manifest.locate(v.path)) for v in manifest.videos}
    waves: list[list[Shard]] = []
    redone: set[str] = set()
    n_changed = number = 0
    for videos in (alone, borrowers):
        wave = []
        for part in _slices(videos, size):
            entry = read_entry(store, number)
            stale = [v for v in entry.videos if v.source != tokens[v.id]] if entry else []
            n_changed += len(stale)
            if entry and (stale or any(reals.get(v.id) in redone for v in part)):
                store.remove(shard_name(JOURNAL, number))
                entry = None
            if entry is None:
                redone.update(video.id for video in part)
            wave.append(Shard(number=number, videos=part, entry=entry))
            number += 1
        waves.append(wave)
    return waves, n_changed


def _looks_at_reals(settings: Settings) -> bool:
    """Whether what is kept of a fake depends on its real."""
    return settings.boxes == "original" or settings.parts == "compared"


def _reals(manifest: Manifest) -> dict[str, str]:
    """Fakes whose real is in the manifest -> that real."""
    labels = {video.id: video.label for video in manifest.videos}
    return {
        video.id: video.original
        for video in manifest.videos
        if video.label == 1 and video.original is not None and labels.get(video.original) == 0
    }


def make_jobs(
    wave: Iterable[Shard], manifest: Manifest, settings: Settings, done: Iterable[ShardEntry]
) -> list[Job]:
    """Say what is to be prepared in a wave, of which the waves before it are done."""
    reals = _reals(manifest)
    lender = reals if settings.boxes == "original" else {}
    judge = reals if settings.parts == "compared" else {}
    urls = {video.id: manifest.locate(video.path) for video in manifest.videos}
    prepared = {video.id: (entry.shard, video) for entry in done for video in entry.videos}
    return [
        Job(
            shard=shard.number,
            tasks=tuple(
                Task(
                    id=video.id,
                    url=urls[video.id],
                    mask_url=None if video.mask is None else manifest.locate(video.mask),
                    real=prepared[lender[video.id]] if video.id in lender else None,
                    compared_with=urls[judge[video.id]] if video.id in judge else None,
                )
                for video in shard.videos
            ),
        )
        for shard in wave
        if shard.entry is None
    ]


def _slices(videos: Sequence[Video], size: int) -> Iterator[Sequence[Video]]:
    """Cut into shards."""
    return (videos[first : first + size] for first in range(0, len(videos), size))


def _shard_size(n_videos: int) -> int:
    """How many videos form a shard."""
    return max(1, min(LARGEST_SHARD, -(-n_videos // MOST_SHARDS)))
