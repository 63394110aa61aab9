"""Manifest + files -> prepared data: what `unmask prepare` does.

    DIR/prepare.json     settings, versions, coverage and digest; says whether it is complete
        manifest.parquet a row per video, with what became of it
        index.parquet    a row per person, sound and set of frames: in which row groups it lies
        faces/ audio/ frames/   shards, one row group per person (see store.py)
        journal/         an entry per shard: it is what a killed run goes on from

A run may be killed at any moment: the same command goes on with the shards that are missing, and
the result is that of a run that was never stopped. Files that have changed, come or gone since are
prepared again, with the fakes that take their faces from them.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from unmask import __version__
from unmask.config import differences
from unmask.datasets.crew import Done, Told, run_jobs
from unmask.datasets.extract import Settings, Spent
from unmask.datasets.manifest import Manifest, Video, write_manifest
from unmask.datasets.sampling import sampling
from unmask.datasets.shard import (
    Job,
    ShardEntry,
    Task,
    VideoEntry,
    shard_size,
    slices,
    source_token,
)
from unmask.datasets.store import FACES, INDEX, JOURNAL, MANIFEST, RECORD, Store, shard_name
from unmask.errors import DataError, UsageError

FORMAT = "unmask.prepared/1"
VERSIONS_OF = ("av", "opencv-python-headless", "openvino", "numpy", "pyarrow")
INDEX_SCHEMA = pa.schema(
    [
        ("video", pa.string()),
        ("kind", pa.string()),  # folder
        ("track", pa.int32()),  # 0 = of no person
        ("shard", pa.int32()),
        ("group", pa.int32()),
        ("n_groups", pa.int32()),
        ("frames", pa.list_(pa.int32())),
        ("t_s", pa.list_(pa.float64())),
    ]
)


@dataclass(frozen=True, kw_only=True)
class Coverage:
    """How many videos can be used, and why the others cannot."""

    n_videos: int
    n_faces: int
    n_borrowed: int  # fakes that took the faces of their real
    outcomes: Mapping[str, int]
    reasons: Mapping[str, Mapping[str, int]]  # by outcome; of prepared videos what was lost


@dataclass(frozen=True, kw_only=True)
class Result:
    """What a run did."""

    coverage: Coverage
    digest: str
    n_earlier: int  # videos that an earlier run had prepared
    n_changed: int  # videos prepared again because a file had changed
    spent: Spent  # by all workers together, in this run


@dataclass(frozen=True, kw_only=True)
class _Shard:
    """A slice of the manifest, with what the journal says of it."""

    number: int
    videos: Sequence[Video]
    entry: ShardEntry | None  # None = it is to be prepared


def prepare(
    manifest: Manifest,
    url: str,
    settings: Settings,
    *,
    n_workers: int = 1,
    expect: Callable[[int], None] = lambda _: None,
    told: Told = lambda _: None,
) -> Result:
    """Prepare a data set into a folder (or any fsspec URL), or go on with it.

    Args:
        manifest: the videos; what becomes of them is found out anew.
        url: where to; empty, or a preparation of the same videos with the same settings.
        settings: what is kept.
        n_workers: processes; 0 = in this one. The result does not depend on it.
        expect: hears how many videos are to be prepared, once.
        told: hears of each.

    Raises:
        DataError: the folder holds another preparation, or the system ends workers.
        OutputError: it cannot be written.
    """
    store, record = Store(url), _record(manifest, settings)
    old = store.read_json(RECORD)
    _refuse_other(store, old, record)
    waves, changed = _plan(manifest, settings, store)
    shards = [shard for wave in waves for shard in wave]
    n_todo = sum(len(shard.videos) for shard in shards if shard.entry is None)
    expect(n_todo)
    spent = Spent()
    if n_todo or not (old and old["complete"]):
        _refuse_other_versions(store, old, record)
        store.write_json(RECORD, record)
        entries = {shard.number: shard.entry for shard in shards if shard.entry}

        def heard(done: Done) -> None:
            spent.add(done.spent)
            told(done)

        for wave in waves:
            jobs = _jobs(wave, manifest, settings, entries.values())
            for entry in run_jobs(jobs, url, settings, n_workers=n_workers, told=heard):
                entries[entry.shard] = entry
        old = _finish(store, manifest, [entries[shard.number] for shard in shards], record)
    return Result(
        coverage=Coverage(**old["coverage"]),
        digest=old["digest"],
        n_earlier=len(manifest) - n_todo,
        n_changed=changed,
        spent=spent,
    )


def _record(manifest: Manifest, settings: Settings) -> dict[str, Any]:
    """Everything that the result depends on, as it stands in prepare.json while work goes on."""
    preset = sampling(settings.sampling, settings.n_frames)
    videos = [
        (*vars(replace(v, outcome="pending", reason="", sha256=None)).values(),)
        for v in manifest.videos
    ]
    return {
        "format": FORMAT,
        "complete": False,
        "dataset": manifest.dataset,
        "videos": {"count": len(videos), "sha256": _sha256(videos)},
        "settings": asdict(settings) | {"sampling": asdict(preset), "n_frames": preset.n_frames},
        "versions": {"unmask": __version__, **{name: version(name) for name in VERSIONS_OF}},
    }


def _refuse_other(store: Store, old: Mapping[str, Any] | None, record: Mapping[str, Any]) -> None:
    if old is None:
        return
    if old.get("format") != FORMAT:
        raise DataError(f"{store.url}: {RECORD} is of format {old.get('format')}, not {FORMAT}")
    fixed = ("dataset", "videos", "settings")
    changes = differences({k: old[k] for k in fixed}, {k: record[k] for k in fixed})
    if changes:
        lines = [f"{key}: {was!r} -> {now!r}" for key, (was, now) in changes.items()]
        raise UsageError(
            f"{store.url}: holds data that were prepared otherwise:\n  "
            + "\n  ".join(lines)
            + "\nUse the same settings, or choose another --out"
        )


def _refuse_other_versions(
    store: Store, old: Mapping[str, Any] | None, record: Mapping[str, Any]
) -> None:
    """Half of a data set must not be decoded or cut by another library than the rest."""
    changes = differences(old["versions"], record["versions"]) if old else {}
    if changes:
        lines = [f"{name} {was} -> {now}" for name, (was, now) in changes.items()]
        raise DataError(
            f"{store.url}: was begun with other versions ({', '.join(lines)}); go on with those, "
            "or prepare anew into another --out"
        )


def _plan(manifest: Manifest, settings: Settings, store: Store) -> tuple[list[list[_Shard]], int]:
    """Cut the manifest into shards and see which are done; what is out of date is forgotten.

    The first wave are videos that stand alone, the second fakes that take faces from them. Also
    counts the videos whose file has changed.
    """
    reals = _reals(manifest, settings)
    size = shard_size(len(manifest))
    alone = [video for video in manifest.videos if video.id not in reals]
    borrowers = [video for video in manifest.videos if video.id in reals]
    tokens = {v.id: source_token(manifest.locate(v.path)) for v in manifest.videos}
    waves: list[list[_Shard]] = []
    redone: set[str] = set()
    n_changed = number = 0
    for videos in (alone, borrowers):
        wave = []
        for part in slices(videos, size):
            entry = _entry(store, number)
            stale = [v for v in entry.videos if v.source != tokens[v.id]] if entry else []
            n_changed += len(stale)
            if entry and (stale or any(reals.get(v.id) in redone for v in part)):
                store.remove(shard_name(JOURNAL, number))
                entry = None
            if entry is None:
                redone.update(video.id for video in part)
            wave.append(_Shard(number=number, videos=part, entry=entry))
            number += 1
        waves.append(wave)
    return waves, n_changed


def _reals(manifest: Manifest, settings: Settings) -> dict[str, str]:
    """Fakes that are to take the faces of a real in the manifest -> that real."""
    if settings.boxes == "own":
        return {}
    labels = {video.id: video.label for video in manifest.videos}
    return {
        video.id: video.original
        for video in manifest.videos
        if video.label == 1 and video.original is not None and labels.get(video.original) == 0
    }


def _entry(store: Store, shard: int) -> ShardEntry | None:
    """Read a journal entry; None where the shard is not done or a file of it is not whole."""
    document = store.read_json(shard_name(JOURNAL, shard))
    if document is None:
        return None
    entry = ShardEntry.of(document)
    whole = all(store.size(shard_name(k, shard)) == file.size for k, file in entry.files.items())
    return entry if whole else None


def _jobs(
    wave: Iterable[_Shard], manifest: Manifest, settings: Settings, done: Iterable[ShardEntry]
) -> list[Job]:
    reals = _reals(manifest, settings)
    prepared = {video.id: (entry.shard, video) for entry in done for video in entry.videos}
    return [
        Job(
            shard=shard.number,
            tasks=tuple(
                Task(
                    id=video.id,
                    url=manifest.locate(video.path),
                    real=prepared[reals[video.id]] if video.id in reals else None,
                )
                for video in shard.videos
            ),
        )
        for shard in wave
        if shard.entry is None
    ]


def _finish(
    store: Store, manifest: Manifest, shards: Sequence[ShardEntry], record: Mapping[str, Any]
) -> dict[str, Any]:
    """Write the tables over all shards, then the record that declares the folder complete."""
    entries = {video.id: video for shard in shards for video in shard.videos}
    videos = tuple(
        replace(video, outcome=entries[video.id].outcome, reason=entries[video.id].reason)
        for video in manifest.videos
    )
    with store.writing(MANIFEST) as part:
        write_manifest(replace(manifest, videos=videos), part)
    with store.writing(INDEX) as part:
        pq.write_table(_index(shards), part)
    store.remove_parts()
    files = [file.sha256 for shard in shards for file in shard.files.values()]
    became = [(video.id, video.outcome) for video in videos]
    finished = {
        **record,
        "complete": True,
        "coverage": asdict(_coverage(list(entries.values()))),
        "digest": _sha256([record["settings"], record["videos"], files, became]),
    }
    store.write_json(RECORD, finished)
    return finished


def _index(shards: Iterable[ShardEntry]) -> pa.Table:
    rows = [
        {"video": video.id, "shard": shard.shard, **asdict(span)}
        for shard in shards
        for video in shard.videos
        for span in video.spans
    ]
    return pa.Table.from_pylist(rows, INDEX_SCHEMA)


def _coverage(entries: Sequence[VideoEntry]) -> Coverage:
    outcomes = Counter(entry.outcome for entry in entries)
    reasons = {
        outcome: Counter(e.reason for e in entries if e.outcome == outcome and e.reason)
        for outcome in outcomes
    }
    return Coverage(
        n_videos=len(entries),
        n_faces=sum(len(s.frames) for e in entries for s in e.spans if s.kind == FACES),
        n_borrowed=sum(entry.boxes_from is not None for entry in entries),
        outcomes=dict(outcomes.most_common()),
        reasons={name: dict(counts.most_common()) for name, counts in reasons.items() if counts},
    )


def _sha256(value: Any) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()
