"""Clips to look at: the same people for every network, with what is forged in them where known.

Figures of what a network sees need the same recordings for every method and for every network. They
are chosen by the recordings' names alone, so that a choice does not depend on what was seen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from unmask.clips.tensors import cut_views, normalise
from unmask.clips.windows import windows
from unmask.datasets.augmented import Mask
from unmask.datasets.dataconfig import DataConfig
from unmask.datasets.manifest import ORIGINAL
from unmask.datasets.prepared import Prepared
from unmask.datasets.samples import open_source
from unmask.datasets.sources import Sights, Source, heard, places_of_clips
from unmask.datasets.splits import position
from unmask.datasets.store import RECORD
from unmask.errors import DataError
from unmask.types import Batch, Face, InputSpec
from unmask.video.corrupt import Corruption, corrupt_faces, corrupt_frames

Part = Literal["train", "val", "test"]
Covered = NDArray[np.float32]  # (T, H, W), 0 .. 1


@dataclass(frozen=True, kw_only=True, eq=False)
class Example:
    """One clip of one person, before anything was cut for a network."""

    id: str  # recording and method
    method: str
    label: int  # 1 = fake
    source: str  # real recording
    sights: Sights
    forged: tuple[Mask, ...] | None  # in the pixels of each face's crop; None = not known
    sound: NDArray[np.float32] | None = None

    def views(self, spec: InputSpec) -> NDArray[np.uint8]:
        """What a network sees, (T, H, W, 3)."""
        return cut_views(self.sights, spec)

    def mask(self, spec: InputSpec) -> Covered | None:
        """Where its views are forged, (T, H, W) in 0 .. 1; None = not known."""
        return None if self.forged is None else cut_masks(self.faces, self.forged, spec)

    @property
    def faces(self) -> list[Face]:
        """Its sights, where they are faces.

        Raises:
            DataError: they are whole frames.
        """
        faces = [sight for sight in self.sights if isinstance(sight, Face)]
        if len(faces) < len(self.sights):
            raise DataError(f"{self.id}: whole frames, of which it is not known where the face is")
        return faces

    def corrupted(self, corruption: Corruption) -> Example:
        """The same clip, corrupted after it was prepared."""
        if self.sights and isinstance(self.sights[0], Face):
            return replace(self, sights=corrupt_faces(self.faces, corruption, video=self.id))
        frames = [sight for sight in self.sights if not isinstance(sight, Face)]
        return replace(self, sights=list(corrupt_frames(frames, corruption, video=self.id)))


def cut_masks(faces: Sequence[Face], masks: Sequence[Mask], spec: InputSpec) -> Covered:
    """Cut masks in the pixels of faces' crops exactly as the views are cut: (T, H, W) in 0 .. 1.

    Beside a crop nothing is known to be forged, though views repeat its border.
    """
    pictures = [
        replace(face, crop=np.repeat(mask[..., None], 3, axis=2))
        for face, mask in zip(faces, masks, strict=True)
    ]
    return cut_views(pictures, spec)[..., 0].astype(np.float32) / np.float32(255)


def arrays_of(examples: Sequence[Example], spec: InputSpec) -> Batch:
    """Network input of some examples, as arrays."""
    frames = normalise(np.stack([example.views(spec) for example in examples]), spec)
    heard_of = [example.sound for example in examples if example.sound is not None]
    return Batch(frames=frames, audio=np.stack(heard_of) if heard_of else None)


def examples_of(
    data: Path,
    spec: InputSpec,
    *,
    part: Part = "test",
    per_method: int = 8,
    methods: Sequence[str] = (),
) -> dict[str, list[Example]]:
    """Clips from the middle of `per_method` recordings of every method, reals first.

    Recordings are taken in an order of their names, the same for every network and method.

    Raises:
        DataError: there is nothing of that side, or none of the methods named.
    """
    source = _source(data, part, spec, methods)
    recordings = _recordings(source)
    grouped: dict[str, dict[str, int]] = {}
    for row in sorted(range(len(source)), key=lambda i: position(recordings[i], "examples")):
        method = source.methods[row] if source.labels[row] else ORIGINAL
        # Several people, or compressions, of one recording would count double.
        grouped.setdefault(method, {}).setdefault(recordings[row], row)
    order = sorted(grouped, key=lambda method: (method != ORIGINAL, method))
    return {
        method: [
            _example(source, row, recording, spec)
            for recording, row in list(grouped[method].items())[:per_method]
        ]
        for method in order
    }


def flat(examples: Mapping[str, Sequence[Example]]) -> list[Example]:
    """All examples in one list, method by method."""
    return [example for group in examples.values() for example in group]


def _recordings(source: Source) -> list[str]:
    """Recording whose scene every row shows: one name for a real and for its fakes."""
    if not isinstance(source, Prepared):
        return list(source.originals)
    named = zip(source.rows, source.originals, strict=True)
    return [next(iter(row.video.sources), original) for row, original in named]


def _example(source: Source, row: int, recording: str, spec: InputSpec) -> Example:
    stride = source.face_stride(row, spec)
    clips = places_of_clips(windows, source.times(row), spec, stride)
    places = clips[len(clips) // 2]
    label = int(source.labels[row])
    masks = source.masks(row, places)
    method = str(source.methods[row]) if label else ORIGINAL
    return Example(
        id=f"{recording}#{method}",
        method=method,
        label=label,
        source=recording,
        sights=source.sights(row, places),
        forged=None if masks is None else tuple(masks),
        sound=None if spec.audio is None else heard(source, row, places, spec),
    )


def _source(data: Path, part: Part, spec: InputSpec, methods: Sequence[str]) -> Source:
    if (data / RECORD).is_file() or "://" in str(data):
        config = DataConfig(reader="prepared", paths=(data,), methods=tuple(methods))
    else:
        crops = any(data.glob("*.parquet"))
        config = DataConfig(reader="parquet" if crops else "folder", paths=(data,))
        part = "val" if part == "test" else part  # crops have no test part
    return open_source(config, part, view=spec.view).serving(spec)
