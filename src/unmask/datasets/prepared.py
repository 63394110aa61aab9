"""Prepared data as a source of samples: a row is a person, or a whole video, with its label.

A clip is chosen by the index alone; then the row group that holds it is read, one range of bytes,
and only its own pictures are decoded. Nothing is held in memory but the index, and any number of
threads may read.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections import Counter
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unmask.clips.windows import windows
from unmask.datasets.augmented import Mask
from unmask.datasets.folders import Folder
from unmask.datasets.learned import Learned
from unmask.datasets.manifest import Split, Video
from unmask.datasets.shelf import decode_picture, face_of, mask_of
from unmask.datasets.sound import decode_flac, piece
from unmask.datasets.sources import (
    Landmarks,
    Places,
    Rows,
    Sights,
    Target,
    places_of_clips,
    stated_landmarks,
)
from unmask.datasets.splits import Shares, split_by_identity, split_by_kin
from unmask.datasets.store import AUDIO, FACES, FRAMES, SCHEMAS
from unmask.errors import DataError
from unmask.types import AudioSpec, Face, Frame, InputSpec, Track, View

log = logging.getLogger(__name__)

_KINDS: dict[View, str] = {"face": FACES, "frame": FRAMES, "none": AUDIO}
_FACE_COLUMNS = [name for name in SCHEMAS[FACES].names if name != "mask"]
_FRAME_COLUMNS = ["video", "t_s", "image"]
_UNSEEN = np.zeros((8, 8, 3), np.uint8)  # what a system that only listens is shown


@dataclass(frozen=True, kw_only=True, eq=False)
class PreparedRow:
    """A person of a video, its whole frames, or its sound."""

    folder: Folder
    video: Video
    label: int
    kind: str  # which shards hold it
    track: int
    shard: int
    group: int  # first row group
    t_s: tuple[float, ...]  # of the sightings
    face_px: float | None  # median shorter side of the face
    sound_group: int | None  # of the same shard's sound


@dataclass(frozen=True, kw_only=True, eq=False)
class Prepared:
    """Rows of one or several prepared folders."""

    rows: tuple[PreparedRow, ...]

    def __len__(self) -> int:
        return len(self.rows)

    @cached_property
    def labels(self) -> NDArray[np.int8]:
        """1 = fake, in what the target names."""
        return np.array([row.label for row in self.rows], np.int8)

    @cached_property
    def originals(self) -> Sequence[str]:
        """Id of the real recording; of a fake whose real is not known, its first source."""
        return [original_of(row.video) for row in self.rows]

    @cached_property
    def methods(self) -> Sequence[str]:
        """How each row was forged."""
        return [row.video.method for row in self.rows]

    def take(self, rows: Rows) -> Prepared:
        """Return some of the rows."""
        return Prepared(rows=tuple(self.rows[i] for i in rows))

    def chosen(self, methods: Sequence[str], compressions: Sequence[str]) -> Prepared:
        """Return the rows of some compressions: reals, and fakes of some methods (none named: all).

        Raises:
            DataError: one that is named is not there.
        """
        there = {row.video.method for row in self.rows if row.video.label}
        _refuse_absent("methods", methods, there)
        _refuse_absent("compressions", compressions, {row.video.compression for row in self.rows})
        return Prepared(
            rows=tuple(
                row
                for row in self.rows
                if (not methods or row.video.label == 0 or row.video.method in methods)
                and (not compressions or row.video.compression in compressions)
            )
        )

    def serving(self, spec: InputSpec) -> Prepared:
        """Return the rows of which at least half a clip of a system was seen.

        Raises:
            DataError: the frames prepared are not those that the system's clips are made of.
        """
        kept = [i for i in range(len(self)) if self._is_long_enough(i, spec)]
        if len(kept) < len(self):
            log.info("%d rows are too short for clips; left out", len(self) - len(kept))
        return self.take(np.array(kept, np.int64))

    def halves(self, calib_share: float) -> tuple[Rows, Rows]:
        """Divide rows to learn from and to choose on, so that no kin are on both sides.

        By families of kin; where those are too large (all people of Celeb-DF are swapped with one
        another), by person, and a video that shows people of both sides is on none.

        Raises:
            DataError: one side is left without rows although both are wanted.
        """
        videos = list({row.video.id: row.video for row in self.rows}.values())
        shares: Shares = {"val": calib_share, "train": 1 - calib_share}
        divided = split_by_kin(videos, shares, salt="calib")
        sides = Counter(video.split for video in divided)
        if calib_share and not 0 < sides["val"] <= max(2 * calib_share, 0.5) * len(videos):
            divided = split_by_identity(videos, shares, salt="calib")
        side = {video.id: video.split for video in divided}
        train, calib = (
            np.array([i for i, row in enumerate(self.rows) if side[row.video.id] == name], np.int64)
            for name in ("train", "val")
        )
        if not len(train) or (calib_share > 0 and not len(calib)):
            raise DataError(
                f"{len(videos)} videos are too few, or too much akin, to set {calib_share:.0%} of "
                "them aside; raise data.calib_share, or choose on the data's own validation part "
                "(data.choose_on = val)"
            )
        return train, calib

    def times(self, row: int) -> Sequence[float]:
        """When the sightings of a row were made."""
        return self.rows[row].t_s

    def face_stride(self, row: int, spec: InputSpec) -> int:
        """How many kept frames lie from one frame of a clip to the next."""
        return self.rows[row].folder.sampling.face_stride(spec)

    def track(self, row: int) -> Track:
        """Read all faces of a person."""
        entry = self.rows[row]
        rows = self._read(entry, range(len(entry.t_s)), _FACE_COLUMNS)
        return Track(id=entry.track, faces=tuple(map(face_of, rows)))

    def sights(self, row: int, places: Places) -> Sights:
        """Read the frames of a clip."""
        entry = self.rows[row]
        if entry.kind == AUDIO:
            return [Frame(t_s=entry.t_s[place], rgb=_UNSEEN) for place in places]
        if entry.kind == FACES:
            return [face_of(found) for found in self._read(entry, places, _FACE_COLUMNS)]
        return [
            Frame(t_s=found["t_s"], rgb=decode_picture(found["image"], found["video"]))
            for found in self._read(entry, places, _FRAME_COLUMNS)
        ]

    def landmarks(self, row: int, faces: Sequence[Face]) -> Sequence[Landmarks]:  # noqa: ARG002
        """Where preparing them found the landmarks."""
        return stated_landmarks(faces)

    def masks(self, row: int, places: Places) -> Sequence[Mask] | None:
        """Read where the faces of a clip are forged; None where that is not known."""
        entry = self.rows[row]
        if entry.kind != FACES:
            return None
        masks = [mask_of(found) for found in self._read(entry, places, ["video", "mask"])]
        known = [mask for mask in masks if mask is not None]
        return known if len(known) == len(masks) else None

    def sound(self, row: int, start_s: float, spec: AudioSpec) -> NDArray[np.float32] | None:
        """Read what is heard from a time on, at the rate wanted; None if the file has no sound."""
        entry = self.rows[row]
        if entry.sound_group is None:
            return None
        columns = ["rate_hz", "sound"]
        (found,) = entry.folder.read(AUDIO, entry.shard, entry.sound_group, [0], columns)
        whole = decode_flac(found["sound"])
        return piece(whole, found["rate_hz"], spec.rate_hz, start_s, spec.n_samples)

    def digest(self) -> str:
        """Return a hash of what was prepared and of which rows of it these are."""
        rows = [(r.folder.digest, r.video.id, r.kind, r.track, r.label) for r in self.rows]
        return hashlib.sha256(json.dumps(rows).encode()).hexdigest()

    def learned(self) -> Learned:
        """Remember the recordings and people."""
        return Learned.of_videos(row.video for row in self.rows)

    @staticmethod
    def _read(
        entry: PreparedRow, places: Sequence[int], columns: Sequence[str]
    ) -> list[dict[str, Any]]:
        return entry.folder.read(entry.kind, entry.shard, entry.group, places, columns)

    def _is_long_enough(self, row: int, spec: InputSpec) -> bool:
        clips = places_of_clips(windows, self.times(row), spec, self.face_stride(row, spec))
        return any(2 * len(set(places)) >= spec.n_frames for places in clips)


def open_prepared(
    urls: Sequence[str],
    *,
    part: Split,
    target: Target = "any",
    view: View = "face",
    min_faces: int = 1,
) -> Prepared:
    """Open one side of prepared data sets.

    Args:
        urls: folders that `unmask prepare` has filled, on disk or behind fsspec URLs.
        part: side of each data set's split.
        target: what makes a fake: any forgery, one of the picture, or one of the sound. A video of
            which that is not known is left out.
        view: what rows are: people, whole frames, or sound alone.
        min_faces: sightings of a person; who was seen in fewer frames is left out.

    Raises:
        DataError: nothing there, or nothing on that side.
    """
    rows: list[PreparedRow] = []
    counts: Counter[str] = Counter()
    for url in urls:
        folder = Folder(url)
        videos = {video.id: video for video in folder.manifest().videos}
        counts.update(video.split or "none" for video in videos.values())
        sided = {name: video for name, video in videos.items() if video.split == part}
        found = rows_of(folder, sided, target, view)
        rows += [row for row in found if row.kind != FACES or len(row.t_s) >= min_faces]
    names = Counter((row.video.id, row.track) for row in rows)
    twice = next((name for (name, _), count in names.items() if count > 1), None)
    if twice:
        raise DataError(f"{twice} is in two of the prepared folders; name each data set once")
    if not rows:
        held = ", ".join(f"{count} {side}" for side, count in sorted(counts.items()))
        raise DataError(
            f"{', '.join(urls)}: nothing to use on the side {part} (videos: {held or 'none'}; "
            f"wanted: {_WANTED[view]}, with a label for data.target = {target})"
        )
    return Prepared(rows=tuple(rows))


def _refuse_absent(key: str, named: Sequence[str], there: Set[str | None]) -> None:
    absent = [name for name in named if name not in there]
    if absent:
        known = ", ".join(sorted(map(str, there - {None}))) or "none"
        raise DataError(
            f"data.{key} names {', '.join(absent)}, of which the prepared data have nothing on "
            f"this side; there are: {known}"
        )


_WANTED: dict[View, str] = {
    "face": "faces",
    "frame": "whole frames (unmask prepare --whole-frames)",
    "none": "sound",
}


def rows_of(
    folder: Folder, videos: dict[str, Video], target: Target, view: View
) -> Iterator[PreparedRow]:
    """Rows of those videos of a folder that have a label for the target, in order of its index."""
    index = [entry for entry in folder.index() if entry["video"] in videos]
    heard = {entry["video"]: entry["group"] for entry in index if entry["kind"] == AUDIO}
    seen = {entry["video"]: tuple(entry["t_s"]) for entry in reversed(index) if entry["t_s"]}
    unknown = 0
    for entry in index:
        if entry["kind"] != _KINDS[view]:
            continue
        video = videos[entry["video"]]
        label = label_of(video, target)
        if label is None:
            unknown += 1
            continue
        yield PreparedRow(
            folder=folder,
            video=video,
            label=label,
            kind=entry["kind"],
            track=entry["track"],
            shard=entry["shard"],
            group=entry["group"],
            t_s=tuple(entry["t_s"]) or seen.get(video.id, (0.0,)),
            face_px=entry["face_px"],
            sound_group=heard.get(video.id),
        )
    if unknown:
        log.warning("%s: %d rows have no label for %s; left out", folder.store.url, unknown, target)


def label_of(video: Video, target: Target) -> int | None:
    """1 = fake; None = not known. A real is real in both picture and sound."""
    if target == "any" or video.label == 0:
        return video.label
    return video.picture_label if target == "picture" else video.audio_label


def original_of(video: Video) -> str:
    """Recording of a video's picture, the same for a real and its fakes, however compressed.

    A manifest names it first among the sources; where it names none, the real video stands for it.
    """
    return next(iter(video.sources), video.original or video.id)
