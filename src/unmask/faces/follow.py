"""Finds the faces of frames in order of time, searching all of only every fourth.

A search looks at all of a frame, at ten sizes; between two searches that found the same people at
about the same places, the frames in between are looked at there alone. Nothing is taken on trust: a
face in between is measured in its own frame as a search measures it, and any doubt, a cut, a face
too many or too few, one that is faint or not where it must be, has the frame searched.

Whoever comes and goes between two searches is not seen: in at most three sampled frames, one fewer
than a verdict on a person rests on, and within two seconds.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from unmask.faces.appearance import Look, look_of_scene
from unmask.faces.boxes import Boxes, overlaps
from unmask.faces.detect import Detection
from unmask.types import Box, Frame, Image

STEP = 4  # from one frame that is searched to the next, at most,
STEP_S = 2.0  # and in time
SAME_SCENE = 0.85  # likeness of two frames; of one scene, 99 % are above .89 (see `track`)
STAYED = 0.3  # share that a face's boxes overlap by from one search to the next
SURE = 0.9  # confidence below which a face is searched for, and what is found there not followed
KEPT = 0.5  # overlap with the place where a face must be, on its way between two searches

Found = tuple[Detection, ...]


@runtime_checkable
class NearFinder(Protocol):
    """Finds faces, at less cost near places where they are expected."""

    def detect(self, images: Sequence[Image]) -> list[Found]:
        """Faces of every picture, best first."""
        ...

    def detect_near(self, images: Sequence[Image], places: Sequence[Sequence[Box]]) -> list[Found]:
        """Faces of every picture at about these places, and no others."""
        ...


def follow(frames: Iterable[Frame], finder: NearFinder) -> Iterator[tuple[Frame, Found]]:
    """Give every frame with its faces, in order; at most `STEP` frames are held.

    What is found in a frame depends on the frames around it and on nothing else.
    """
    start: _Searched | None = None
    waiting: list[Frame] = []
    for frame in frames:
        if start is not None and waiting and frame.t_s - start.frame.t_s > STEP_S:
            start = yield from _close(start, waiting, finder)
            waiting = []
        if start is None or frame.t_s - start.frame.t_s > STEP_S:
            start = _search(frame, finder)
            yield frame, start.found
            continue
        waiting.append(frame)
        if len(waiting) == STEP:
            start = yield from _close(start, waiting, finder)
            waiting = []
    if start is not None and waiting:
        yield from _close(start, waiting, finder)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Searched:
    """A frame that was searched all over."""

    frame: Frame
    found: Found

    @cached_property
    def look(self) -> Look:
        """What the frame looks like."""
        return look_of_scene(self.frame.rgb)

    @property
    def boxes(self) -> Boxes:
        """Where its faces are, (N, 4)."""
        return _boxes(self.found)

    @property
    def is_sure(self) -> bool:
        """Whether there are faces and all of them are beyond doubt."""
        return bool(self.found) and min(face.confidence for face in self.found) >= SURE


def _search(frame: Frame, finder: NearFinder) -> _Searched:
    return _Searched(frame=frame, found=finder.detect([frame.rgb])[0])


def _close(
    start: _Searched, frames: Sequence[Frame], finder: NearFinder
) -> Generator[tuple[Frame, Found], None, _Searched]:
    """Answer for the frames after a search: search the last, and in between if need be."""
    *between, last = frames
    end = _search(last, finder)
    for frame, found in zip(between, _look_between(start, between, end, finder), strict=True):
        yield frame, finder.detect([frame.rgb])[0] if found is None else found
    yield end.frame, end.found
    return end


def _look_between(
    start: _Searched, frames: Sequence[Frame], end: _Searched, finder: NearFinder
) -> list[Found | None]:
    """Faces of the frames between two searches; None where that is not certain."""
    doubtful: list[Found | None] = [None for _ in frames]
    if not (frames and start.is_sure and end.is_sure):
        return doubtful
    if (order := _same_people(start.boxes, end.boxes)) is None:
        return doubtful
    length_s = end.frame.t_s - start.frame.t_s
    shares = [(frame.t_s - start.frame.t_s) / length_s for frame in frames]
    places = [(1 - share) * start.boxes + share * end.boxes[order] for share in shares]
    found = finder.detect_near(
        [frame.rgb for frame in frames], [[_box(row) for row in boxes] for boxes in places]
    )
    return [
        faces if _is_sure(faces, boxes) and _is_one_scene(start, frame, end) else None
        for frame, faces, boxes in zip(frames, found, places, strict=True)
    ]


def _same_people(boxes: Boxes, later: Boxes) -> NDArray[np.intp] | None:
    """For each box the later one in its place; None unless each has one and none is left."""
    shares = overlaps(boxes, later)  # (N, M)
    order = shares.argmax(axis=1)
    one_to_one = len(boxes) == len(later) == len(set(order.tolist()))
    return order if one_to_one and shares.max(axis=1).min() >= STAYED else None


def _is_sure(faces: Found, places: Boxes) -> bool:
    """Whether there is one face at each place, beyond doubt."""
    if len(faces) != len(places) or min(face.confidence for face in faces) < SURE:
        return False
    shares = overlaps(places, _boxes(faces))
    return bool(shares.max(axis=1).min() >= KEPT and shares.max(axis=0).min() >= KEPT)


def _is_one_scene(start: _Searched, frame: Frame, end: _Searched) -> bool:
    look = look_of_scene(frame.rgb)
    return min(float(look @ start.look), float(look @ end.look)) >= SAME_SCENE


def _boxes(faces: Found) -> Boxes:
    return np.array([face.box_xyxy_px for face in faces], np.float32).reshape(-1, 4)


def _box(row: NDArray[np.float32]) -> Box:
    x0, y0, x1, y1 = row.tolist()
    return x0, y0, x1, y1
