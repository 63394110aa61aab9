"""Finds the main person of a clip and where their face goes.

The main person is the one with the most face to see: size times time. Sightings are five points
each, so memory grows by some hundred bytes per sampled frame, whatever the resolution.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Protocol

import numpy as np

from unmask.forge.facepath import FacePath
from unmask.forge.landmarks import Points
from unmask.types import Frame, Image

FRAMES_AT_ONCE = 8  # detected together; more holds more full frames in memory
MEMORY_S = 3.0  # a face that comes back near its old place within this time is the same person's
REACH = 0.5  # a face is the same person's if it moved by less than this share of its size


class Detected(Protocol):
    """A face in one frame, as the detector gives it."""

    @property
    def landmarks_px(self) -> Points:
        """Left eye, right eye, nose, mouth left, mouth right: (5, 2)."""
        ...

    @property
    def size_px(self) -> float:
        """Longer side of the face's box."""
        ...


class Detector(Protocol):
    """Finds the faces of several pictures at once."""

    def detect(self, images: Sequence[Image], /) -> Sequence[Sequence[Detected]]:
        """The faces of each picture."""
        ...


@dataclass(kw_only=True)
class _Person:
    """Sightings that follow one another closely in place and time."""

    times_s: list[float] = field(default_factory=list)
    landmarks_px: list[Points] = field(default_factory=list)
    seen_px: float = 0.0  # sum of sizes

    def add(self, t_s: float, face: Detected) -> None:
        self.times_s.append(t_s)
        self.landmarks_px.append(face.landmarks_px)
        self.seen_px += face.size_px

    def misses(self, t_s: float, face: Detected) -> float:
        """How far the face lies from the last sighting, in face sizes; infinite if that is old."""
        if t_s - self.times_s[-1] > MEMORY_S:
            return np.inf
        jump = (face.landmarks_px - self.landmarks_px[-1]).mean(axis=0)
        return float(np.hypot(*jump) / face.size_px)


def follow_main_face(frames: Iterable[Frame], detector: Detector) -> FacePath | None:
    """Follow the main person through frames in order of time; None if there is no face at all."""
    people: list[_Person] = []
    looked_s: list[float] = []
    for chunk in _chunks(frames):
        found = detector.detect([frame.rgb for frame in chunk])
        for frame, faces in zip(chunk, found, strict=True):
            looked_s.append(frame.t_s)
            _assign(people, frame.t_s, faces)
    if not people:
        return None
    main = max(people, key=lambda person: person.seen_px)
    return FacePath(
        np.array(main.times_s),
        np.array(main.landmarks_px),
        looked_s=(looked_s[0], looked_s[-1]),
    )


def _assign(people: list[_Person], t_s: float, faces: Sequence[Detected]) -> None:
    """Give each face to the nearest person in reach, or to a new one; nearest pairs first."""
    pairs = sorted(
        (person.misses(t_s, face), p, f)
        for p, person in enumerate(people)
        for f, face in enumerate(faces)
    )
    taken_people: set[int] = set()
    taken_faces: set[int] = set()
    for distance, p, f in pairs:
        if distance < REACH and p not in taken_people and f not in taken_faces:
            people[p].add(t_s, faces[f])
            taken_people.add(p)
            taken_faces.add(f)
    for f, face in enumerate(faces):
        if f not in taken_faces:
            people.append(_Person())
            people[-1].add(t_s, face)


def _chunks(frames: Iterable[Frame]) -> Iterator[list[Frame]]:
    iterator = iter(frames)
    while chunk := list(islice(iterator, FRAMES_AT_ONCE)):
        yield chunk
