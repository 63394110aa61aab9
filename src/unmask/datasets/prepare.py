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
from unmask.datasets.journal import ShardEntry, VideoEntry
from unmask.datasets.manifest import Manifest, Video, write_manifest
from unmask.datasets.plan import make_jobs, make_plan
from unmask.datasets.sampling import sampling
from unmask.datasets.shard import GROUP_ROWS, Extract
from unmask.datasets.store import FACES, INDEX, MANIFEST, RECORD, Store
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
        ("face_px", pa.float64()),  # median shorter side of a person's face
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


def prepare(
    manifest: Manifest,
    url: str,
    settings: Settings,
    *,
    n_workers: int = 1,
    extractor: Extract | None = None,
    expect: Callable[[int], None] = lambda _: None,
    told: Told = lambda _: None,
) -> Result:
    """Prepare a data set into a folder (or any fsspec URL), or go on with it.

    Args:
        manifest: the videos; what becomes of them is found out anew.
        url: where to; empty, or a preparation of the same videos with the same settings.
        settings: what is kept.
        n_workers: processes; 0 = in this one. The result does not depend on it.
        extractor: who looks at the videos, in this process; none = a face detector, in workers.
        expect: hears how many videos are to be prepared, once.
        told: hears of each.

    Raises:
        DataError: the folder holds another preparation, or the system ends workers.
        OutputError: it cannot be written.
    """
    store, record = Store(url), _record(manifest, settings)
    old = store.read_json(RECORD)
    _refuse_other(store, old, record)
    waves, changed = make_plan(manifest, settings, store)
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
            jobs = make_jobs(wave, manifest, settings, entries.values())
            for entry in run_jobs(
                jobs, url, settings, n_workers=n_workers, told=heard, extractor=extractor
            ):
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
        "group_rows": GROUP_ROWS,
        "settings": asdict(settings) | {"sampling": asdict(preset), "n_frames": preset.n_frames},
        "versions": {"unmask": __version__, **{name: version(name) for name in VERSIONS_OF}},
    }


def _refuse_other(store: Store, old: Mapping[str, Any] | None, record: Mapping[str, Any]) -> None:
    if old is None:
        return
    if old.get("format") != FORMAT:
        raise DataError(f"{store.url}: {RECORD} is of format {old.get('format')}, not {FORMAT}")
    fixed = ("dataset", "videos", "settings", "group_rows")
    changes = differences({k: old[k] for k in fixed}, {k: record[k] for k in fixed})
    if changes:
        lines = [
            "the list of videos: other files, sides, labels or kin"
            if key == "videos.sha256"
            else f"{key}: {was!r} -> {now!r}"
            for key, (was, now) in changes.items()
        ]
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


def _finish(
    store: Store, manifest: Manifest, shards: Sequence[ShardEntry], record: Mapping[str, Any]
) -> dict[str, Any]:
    """Write the tables over all shards, then the record that declares the folder complete."""
    entries = {video.id: video for shard in shards for video in shard.videos}
    videos = tuple(_with_fate(video, entries[video.id]) for video in manifest.videos)
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


def _with_fate(video: Video, entry: VideoEntry) -> Video:
    """Add what became of a video; a part's label that the data set gives is never overruled."""
    found = {
        name: getattr(entry, name)
        for name in ("picture_label", "audio_label")
        if getattr(video, name) is None
    }
    return replace(video, outcome=entry.outcome, reason=entry.reason, **found)


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
