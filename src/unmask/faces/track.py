"""Links the faces of one person through sampled frames, which may be seconds apart.

Two kinds of evidence, weighed by the time that has passed since a person was last seen: where the
face is (all that counts between neighbouring frames, nothing after a cut) and what it looks like
(all that counts after seconds). Tracks are never closed, so who leaves and returns is known again.

Pairs are made greedily, best score first. An optimal assignment maximises the sum, and so may break
a certain pair to make two doubtful ones; for identities the certain pair is worth more.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from unmask.faces.align import cut_face
from unmask.faces.appearance import Look, look_of_face, look_of_scene
from unmask.faces.detect import Detection
from unmask.types import Box, Face, Image, Track


@dataclass(frozen=True, kw_only=True)
class TrackerConfig:
    """When two sightings are one person. Likeness is that of `appearance`, 0 to 1.

    Likeness was measured on 373 faces of 47 clips: 99 % of pairs from one clip are above .91, half
    of those from two clips above .52, 1 % above .85; frames: .89 and .33, .84.
    """

    trust_s: float = 0.25  # gap after which position is worth half as much as looks
    reach: float = 0.5  # how far a face may be from where it was, in box sides, at once ...
    speed: float = 1.0  # ... and how much further after a second
    growth: float = 0.3  # log of the change of size, at once and, the same again, per second
    unlike: float = 0.5  # likeness at and below which two faces are never one person
    alike: float = 0.9  # likeness that proves a person on its own
    position_needed: float = 0.3  # evidence, 0 to 1, enough to go on a track by position alone
    looks_needed: float = 0.9  # ... and by looks alone: likeness .86
    scene_alike: float = 0.8  # likeness of two frames below which the scene was cut
    looks_memory: float = 0.7  # share of the old in a track's mean look


@dataclass(kw_only=True)
class _Person:
    """A track as it grows."""

    faces: list[Face]
    look: Look  # running mean over the sightings, of length 1
    scene: int  # number of cuts before the last sighting
    last_look: Look = field(init=False)

    def __post_init__(self) -> None:
        self.last_look = self.look


class Tracker:
    """Takes sampled frames in order of time and keeps every face, cut out, with its person."""

    def __init__(
        self, config: TrackerConfig | None = None, *, keep: Callable[[Face], Face] | None = None
    ):
        """`keep` is given every face once and returns what is held of it, say without its pixels.

        Position, size and time are needed to follow a person; the crop, once seen, is not.
        """
        self.config = config or TrackerConfig()
        self._keep = keep or (lambda face: face)
        self._people: list[_Person] = []
        self._scene = 0
        self._scene_look: Look | None = None
        self._last_s = -math.inf

    def update(self, t_s: float, image: Image, detections: Sequence[Detection]) -> None:
        """Add a frame. Its faces are copied out of it, so the frame may be let go.

        Raises:
            ValueError: the frame is earlier than the one before.
        """
        if t_s < self._last_s:
            raise ValueError(f"frame at {t_s:.3f} s comes after one at {self._last_s:.3f} s")
        self._last_s = t_s
        self._watch_for_cuts(image)
        faces = [cut_face(image, detection, t_s) for detection in detections]
        looks = [look_of_face(face) for face in faces]
        taken = _greedy_pairs(self._scores(faces, looks))
        for i, (face, look) in enumerate(zip(map(self._keep, faces), looks, strict=True)):
            if i in taken:
                self._continue(self._people[taken[i]], face, look)
            else:
                self._people.append(_Person(faces=[face], look=look, scene=self._scene))

    def tracks(self, min_faces: int = 1) -> tuple[Track, ...]:
        """People seen in at least `min_faces` frames, the most seen first, numbered from 1.

        What is probably no face is left out: a track that never reached a confidence of .9 and has
        less than a tenth of the faces of the longest one. The longest is thus always kept.
        """
        people = sorted(self._people, key=lambda person: (-len(person.faces), person.faces[0].t_s))
        kept = [
            person
            for person in people
            if len(person.faces) >= min_faces
            and (
                10 * len(person.faces) >= len(people[0].faces)
                or max(face.confidence for face in person.faces) >= 0.9
            )
        ]
        return tuple(Track(id=i, faces=tuple(person.faces)) for i, person in enumerate(kept, 1))

    def _watch_for_cuts(self, image: Image) -> None:
        look = look_of_scene(image)
        if self._scene_look is not None:
            self._scene += float(look @ self._scene_look) < self.config.scene_alike
        self._scene_look = look

    def _scores(self, faces: Sequence[Face], looks: Sequence[Look]) -> NDArray[np.float64]:
        """Evidence, above what is needed, that a face is a person's: (faces, people)."""
        config = self.config
        if not faces or not self._people:
            return np.empty((len(faces), len(self._people)))
        likeness = np.maximum(
            np.stack(looks) @ np.stack([person.look for person in self._people]).T,
            np.stack(looks) @ np.stack([person.last_look for person in self._people]).T,
        ).astype(np.float64)  # (faces, people)
        alike = (likeness - config.unlike) / (config.alike - config.unlike)
        gap_s = np.array([faces[0].t_s - person.faces[-1].t_s for person in self._people])
        same_scene = np.array([person.scene == self._scene for person in self._people])
        weight = np.where(same_scene, config.trust_s / (config.trust_s + gap_s), 0.0)
        evidence = weight * self._nearness(faces, gap_s) + (1 - weight) * alike.clip(0, 1)
        needed = weight * config.position_needed + (1 - weight) * config.looks_needed
        return np.where(likeness > config.unlike, evidence - needed, -np.inf)

    def _nearness(self, faces: Sequence[Face], gap_s: NDArray[np.float64]) -> NDArray[np.float64]:
        """1 where a face has not moved, towards 0 as it is further off than the gap explains."""
        config = self.config
        x, y, side = _centre_and_side([face.box_xyxy_px for face in faces])[..., None]
        x0, y0, side0 = _centre_and_side([person.faces[-1].box_xyxy_px for person in self._people])
        moved = np.hypot(x - x0, y - y0) / np.maximum(side, side0)
        moved /= config.reach + config.speed * gap_s
        grown = np.log(side / side0) / (config.growth * (1 + gap_s))
        nearness: NDArray[np.float64] = np.exp(-(moved**2 + grown**2) / 2)
        return nearness

    def _continue(self, person: _Person, face: Face, look: Look) -> None:
        memory = self.config.looks_memory
        mean = memory * person.look + (1 - memory) * look
        person.faces.append(face)
        person.look = (mean / np.linalg.norm(mean)).astype(np.float32)
        person.last_look = look
        person.scene = self._scene


def _greedy_pairs(scores: NDArray[np.float64]) -> dict[int, int]:
    """Row -> column, best score first, each used once; negative scores are no pair."""
    pairs: dict[int, int] = {}
    for index in np.argsort(-scores, axis=None, kind="stable"):
        i, j = (int(k) for k in np.unravel_index(index, scores.shape))
        if scores[i, j] < 0:
            break
        if i not in pairs and j not in pairs.values():
            pairs[i] = j
    return pairs


def _centre_and_side(boxes: Sequence[Box]) -> NDArray[np.float64]:
    """Centre x, centre y and longer side of boxes: (3, N)."""
    x0, y0, x1, y1 = np.array(boxes, np.float64).T
    return np.stack([(x0 + x1) / 2, (y0 + y1) / 2, np.maximum(x1 - x0, y1 - y0)])
