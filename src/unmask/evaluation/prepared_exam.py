"""Cases from prepared data: clips are cut as a scan cuts them, failures are the manifest's.

A corruption changes the stored crops (or whole frames) before the system's own cut.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import partial
from typing import cast

import numpy as np

from unmask.clips.mel import Sound
from unmask.clips.windows import windows
from unmask.datasets.folders import Folder
from unmask.datasets.learned import Learned, Tie
from unmask.datasets.manifest import Video
from unmask.datasets.prepared import Prepared, label_of, original_of, rows_of
from unmask.datasets.sources import Places, Sights, heard, places_of_clips
from unmask.errors import DataError
from unmask.evaluation.exam import (
    Case,
    Exam,
    Piece,
    Views,
    Wanted,
    failure,
    make_views,
    refuse_none,
    seen_often,
    spread,
    too_short,
)
from unmask.evaluation.rows import Row
from unmask.types import Face, Frame, View
from unmask.video.corrupt import corrupt_faces, corrupt_frames

CLIPS_AT_ONCE = 32  # of a person, read and cut by one thread


def prepared_exam(url: str, wanted: Wanted, *, only: Collection[str] | None = None) -> Exam:
    """Make cases of one side of a prepared folder, or of some of its videos.

    Raises:
        DataError: nothing there, or prepared for systems of another kind.
    """
    folder = Folder(url)
    folder.sampling.face_stride(wanted.spec)
    manifest = folder.manifest()
    chosen = [v for v in manifest.videos if _is_wanted(v, wanted, only)]
    labelled = {v.id: v for v in chosen if label_of(v, wanted.target) is not None}
    rows = tuple(rows_of(folder, labelled, wanted.target, wanted.spec.view))
    if not rows and any(v.outcome == "prepared" for v in labelled.values()):
        what = "whole frames (unmask prepare --whole-frames)"
        raise DataError(f"{url}: holds no {what if wanted.spec.view == 'frame' else 'sound'}")
    people: defaultdict[str, list[int]] = defaultdict(list)
    for i, row in enumerate(rows):
        people[row.video.id].append(i)
    side = _Side(prepared=Prepared(rows=rows), wanted=wanted)
    exam = Exam(
        name=f"{manifest.dataset} {wanted.part}",
        cases=tuple(_case(side, video, people[video.id]) for video in labelled.values()),
        digest=folder.digest,
        applied_to="crop" if wanted.spec.view == "face" else "frame",
        unlabelled=len(chosen) - len(labelled),
        overlaps=manifest.overlaps,
    )
    return refuse_none(exam, wanted.part)


def facts_of(video: Video, label: int) -> Row:
    """Return what a manifest says of a video."""
    return Row(
        video=video.id,
        label=label,
        source=original_of(video),
        dataset=video.dataset,
        method=video.method,
        compression=video.compression,
        split=video.split,
        identities=video.identities,
        group=video.group,
    )


def kin_of(video: Video, learned: Learned) -> list[Tie]:
    """Say what a video shares with those that a detector learned from."""
    return learned.kin_of(video)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Side:
    """Rows of the side, and what is wanted of them."""

    prepared: Prepared
    wanted: Wanted

    def pieces(self, video: Video, people: Sequence[int], facts: Row) -> list[Piece]:
        """Cut the clips of a video's people."""
        spec = self.wanted.spec
        if not people:
            return [partial(failure, facts, *_lost(video, spec.view))]
        if spec.audio is not None and self.prepared.rows[people[0]].sound_group is None:
            return [lambda: failure(facts, "no_sound", "the video has no sound")]
        found: list[Piece] = []
        for row in seen_often(people, self._sightings, self._n_sampled(people)):
            clips = spread(self._clips(row), self.wanted.clips)
            for some in self._portions(clips):
                found.append(partial(self._views, facts, row, some))
        return found or [lambda: too_short(facts, spec)]

    def _sightings(self, row: int) -> int:
        return len(self.prepared.times(row))

    def _n_sampled(self, people: Sequence[int]) -> int:
        """How many frames were looked at, as far as the people tell."""
        folder = self.prepared.rows[people[0]].folder
        return folder.sampling.n_frames or len({t for i in people for t in self.prepared.times(i)})

    def _clips(self, row: int) -> list[Places]:
        """Say which sightings form clips; none where less than half a clip was seen."""
        spec = self.wanted.spec
        stride = self.prepared.face_stride(row, spec)
        clips = places_of_clips(windows, self.prepared.times(row), spec, stride)
        return [places for places in clips if 2 * len(set(places)) >= spec.n_frames]

    def _portions(self, clips: list[tuple[int, Places]]) -> list[list[tuple[int, Places]]]:
        """Cut a person's clips into portions; H.264 wants the whole run at once."""
        corruption = self.wanted.corruption
        whole = corruption is not None and corruption.kind == "video"
        size = len(clips) if whole else CLIPS_AT_ONCE
        return [clips[i : i + size] for i in range(0, len(clips), max(size, 1))]

    def _views(self, facts: Row, row: int, clips: list[tuple[int, Places]]) -> Views:
        spec = self.wanted.spec
        sights = self._sights(row, clips)
        audio: Sound | None = None
        if spec.audio is not None:
            audio = np.stack([heard(self.prepared, row, places, spec) for _, places in clips])
        cut = [(nth, cast("Sights", [sights[p] for p in places])) for nth, places in clips]
        track = self.prepared.rows[row].track if spec.view == "face" else None
        return make_views(facts, track, cut, spec, audio=audio)

    def _sights(self, row: int, clips: list[tuple[int, Places]]) -> dict[int, Face | Frame]:
        """Read what is needed of a person, corrupted where that is wanted."""
        corruption, video = self.wanted.corruption, self.prepared.rows[row].video.id
        places = sorted({place for _, clip in clips for place in clip})
        if corruption is not None and corruption.kind == "video":
            places = list(range(self._sightings(row)))
        sights = self.prepared.sights(row, tuple(places))
        if corruption is None:
            return dict(zip(places, sights, strict=True))
        faces = [sight for sight in sights if isinstance(sight, Face)]
        frames = [sight for sight in sights if isinstance(sight, Frame)]
        changed: list[Face | Frame] = [
            *corrupt_faces(faces, corruption, video=video),
            *corrupt_frames(frames, corruption, video=video),
        ]
        return dict(zip(places, changed, strict=True))


def _is_wanted(video: Video, wanted: Wanted, only: Collection[str] | None) -> bool:
    return video.id in only if only is not None else wanted.part in ("all", video.split)


def _case(side: _Side, video: Video, people: Sequence[int]) -> Case:
    label = label_of(video, side.wanted.target)
    assert label is not None, "videos without a label are left out"
    facts = facts_of(video, label)
    n_sights = sum(len(side.prepared.times(row)) for row in people)
    most = len(people) * (side.wanted.clips or n_sights)
    return Case(
        facts=facts,
        n_clips=min(most, -(-n_sights // side.wanted.spec.n_frames)),
        pieces=partial(side.pieces, video, people),
        kin=partial(kin_of, video),
    )


def _lost(video: Video, view: View) -> tuple[str, str]:
    """Say why nothing was prepared of a video that this system could be shown."""
    if video.outcome not in ("prepared", "no_face"):
        return video.outcome, video.reason
    if view == "face":
        return "no_face", video.reason
    if view == "none":
        return "no_sound", "the video has no sound"
    return "no_frames", "no whole frames of it were prepared"
