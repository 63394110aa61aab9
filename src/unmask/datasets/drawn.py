"""What training sees in one epoch: which rows, forged how, augmented how.

All chance is a function of (seed, epoch, index), so an interrupted epoch goes on where it stopped
and the number of workers changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from unmask.clips.mel import Sound
from unmask.clips.windows import every_window
from unmask.datasets.augment import draw
from unmask.datasets.augmented import Mask, augmented_masks, augmented_views
from unmask.datasets.dataconfig import DataConfig
from unmask.datasets.sources import Landmarks, Places, Sights, Source, heard, places_of_clips
from unmask.errors import DataError
from unmask.forge.methods import FaceMethod, forge_face
from unmask.forge.selfblend import BlendPlan, SelfBlend, apply_plan, draw_plan
from unmask.types import Face, Image, InputSpec

Views = NDArray[np.uint8]  # (T, H, W, 3), before normalisation
Kind = Literal["real", "fake", "forged"]


@dataclass(frozen=True, kw_only=True)
class Pick:
    """What stands at one index of an epoch: a row, and what is made of it."""

    row: int
    kind: Kind
    twin: int | None  # a forged face and the real it is made from share a twin number


class DrawnSamples:
    """One epoch of training: reals first, then fakes; the loader shuffles.

    Balanced: every real `real_repeat` times and as many fakes, a share of them forged from reals. A
    self-blended real and its fake twin share one plan, and the twin's target is what the real
    shows: else the recolouring of the target would give the label away. With `config.forge_first`
    "lone" reals of which there is no fake on disk are forged as often as they are shown: of data of
    reals alone, beside others, the look would else tell of most that they are real. Fakes on disk
    take turns over the epochs. Not balanced: every real `real_repeat` times and every fake once.

    A clip may begin anywhere in its track.
    """

    def __init__(self, source: Source, input_spec: InputSpec, config: DataConfig) -> None:
        self.source, self.input_spec, self.config = source, input_spec, config
        self._reals = np.flatnonzero(source.labels == 0)
        self._is_lone = _are_lone(source, self._reals, config)
        self._n_lone = int(self._is_lone.sum())
        self._turns = _turns(source, config)
        self._n_real = len(self._reals) * config.real_repeat
        n_on_disk = int((source.labels == 1).sum())
        self._n_fake = n_on_disk if config.draw == "all" else self._n_real
        self._n_forged = round(self._n_fake * config.forged_share)
        if not self._n_real:
            raise DataError("no real faces to learn from")
        if self._n_forged < (needed := self._n_lone * config.real_repeat):
            raise DataError(
                f"data.forge_first = lone: {needed} of {self._n_real} reals of an epoch have no "
                f"fake on disk; set data.forged_share to {needed / self._n_real:.2f} at least"
            )
        if self._n_forged < self._n_real and not n_on_disk:
            raise DataError("no fakes to learn from; data.forged_share = 1 makes all of them")

    def __len__(self) -> int:
        return self._n_real + self._n_fake

    def pick(self, index: int, epoch: int) -> Pick:
        """Say what stands at an index of an epoch."""
        if not 0 <= index < len(self):
            raise IndexError(f"index {index} of {len(self)} samples")
        is_real = index < self._n_real
        slot = index if is_real else index - self._n_real
        if is_real or slot < self._n_forged:
            row = self._real(slot, epoch)
            kind: Kind = "real" if is_real else "forged"
            return Pick(row=row, kind=kind, twin=slot if slot < self._n_forged else None)
        drawn = epoch * (self._n_fake - self._n_forged) + slot - self._n_forged
        nth, group = divmod(drawn, len(self._turns))
        lap, place = divmod(nth, len(self._turns[group]))
        return Pick(row=self._turn(self._turns[group], "fake", lap, place), kind="fake", twin=None)

    def get(self, index: int, epoch: int) -> tuple[Views, float]:
        """Return augmented views (T, H, W, 3) of one clip and its label."""
        pick, places, rng = self._clip(index, epoch)
        sights = self.source.sights(pick.row, places)
        if pick.twin is not None:
            sights = self._forged(_faces(sights), pick, epoch)
        views = augmented_views(sights, self.input_spec, draw(self.config.augment, rng))
        return views, 0.0 if pick.kind == "real" else 1.0

    def masks(self, index: int, epoch: int) -> NDArray[np.uint8] | None:
        """Return where the same views are forged, (T, H, W), moved like them; None = not known."""
        pick, places, rng = self._clip(index, epoch)
        faces = _faces(self.source.sights(pick.row, places))
        if pick.kind == "fake":
            masks = self.source.masks(pick.row, places)
        elif pick.kind == "forged":
            masks = self._forged_masks(faces, pick, epoch)
        else:
            masks = [np.zeros(face.crop.shape[:2], np.uint8) for face in faces]
        if masks is None:
            return None
        return augmented_masks(masks, faces, self.input_spec, draw(self.config.augment, rng))

    def sound(self, index: int, epoch: int) -> Sound:
        """Return what is heard with the same clip."""
        pick, places, _ = self._clip(index, epoch)
        return heard(self.source, pick.row, places, self.input_spec)

    def clip(self, index: int, epoch: int) -> tuple[int, Places, float]:
        """Return the row that a clip is of, which of its sightings, and the label."""
        pick, places, _ = self._clip(index, epoch)
        return pick.row, places, 0.0 if pick.kind == "real" else 1.0

    def _clip(self, index: int, epoch: int) -> tuple[Pick, Places, np.random.Generator]:
        """Choose the clip of an index; the generator goes on with its augmentation."""
        pick = self.pick(index, epoch)
        rng = seeded("sample", self.config.seed, epoch, index)
        stride = self.source.face_stride(pick.row, self.input_spec)
        times_s = self.source.times(pick.row)
        clips = places_of_clips(every_window, times_s, self.input_spec, stride)
        return pick, clips[int(rng.integers(len(clips)))], rng

    def _forged(self, faces: list[Face], pick: Pick, epoch: int) -> list[Face]:
        """Return the faces of a clip as fakes, or as the real twins of these fakes."""
        method = self._method(pick, epoch)
        if method == "self_blend":
            plan = self._plan(pick, epoch)
            if pick.kind == "real" and plan.altered == "source":
                return faces  # the target stays as it is
            blends = self._blends(faces, plan, pick)
            crops = [blend.fake if pick.kind == "forged" else blend.real for blend in blends]
        elif pick.kind == "real":
            return faces
        else:
            crops = [fake for fake, _ in self._made(faces, method, pick, epoch)]
        return [replace(face, crop=crop) for face, crop in zip(faces, crops, strict=True)]

    def _forged_masks(self, faces: list[Face], pick: Pick, epoch: int) -> list[Mask]:
        method = self._method(pick, epoch)
        if method == "self_blend":
            masks = [blend.mask for blend in self._blends(faces, self._plan(pick, epoch), pick)]
        else:
            masks = [mask for _, mask in self._made(faces, method, pick, epoch)]
        return [np.rint(mask * 255).astype(np.uint8) for mask in masks]

    def _blends(self, faces: list[Face], plan: BlendPlan, pick: Pick) -> list[SelfBlend]:
        return [apply_plan(crop, points, plan) for crop, points in self._placed(faces, pick)]

    def _made(
        self, faces: list[Face], method: FaceMethod, pick: Pick, epoch: int
    ) -> list[tuple[Image, NDArray[np.float32]]]:
        return [
            forge_face(crop, points, method, self._dice(method, pick, epoch))
            for crop, points in self._placed(faces, pick)
        ]

    def _placed(self, faces: list[Face], pick: Pick) -> Iterator[tuple[Image, Landmarks]]:
        """Every crop with the landmarks in it."""
        crops = (face.crop for face in faces)
        return zip(crops, self.source.landmarks(pick.row, faces), strict=True)

    def _method(self, pick: Pick, epoch: int) -> FaceMethod:
        """Say how a twin is forged; one method alone needs no die."""
        methods = self.config.forge_methods
        if len(methods) == 1:
            return methods[0]
        return methods[int(self._dice("method", pick, epoch).integers(len(methods)))]

    def _dice(self, purpose: str, pick: Pick, epoch: int) -> np.random.Generator:
        """Return the same generator for every frame of a twin: all are forged alike."""
        assert pick.twin is not None
        return seeded(purpose, self.config.seed, epoch, pick.twin)

    def _plan(self, pick: Pick, epoch: int) -> BlendPlan:
        return draw_plan(self._dice("blend", pick, epoch), self.config.self_blend)

    def _real(self, slot: int, epoch: int) -> int:
        """Return the real at a slot of an epoch, which begins with those to be forged."""
        repeat, n_lone = self.config.real_repeat, self._n_lone
        is_lone = slot < n_lone * repeat
        size = n_lone if is_lone else len(self._reals) - n_lone
        lap, place = divmod(slot if is_lone else slot - n_lone * repeat, size)
        order = _lap_order(len(self._reals), self.config.seed, "real", epoch * repeat + lap)
        return int(self._reals[order[self._is_lone[order] == is_lone][place]])

    def _turn(self, rows: NDArray[np.int64], kind: Kind, lap: int, place: int) -> int:
        """Return the row at a place of one shuffled lap over rows."""
        return int(rows[_lap_order(len(rows), self.config.seed, kind, lap)[place]])

    def class_weights(self) -> tuple[float, float]:
        """Weights of reals and fakes in a loss: inverse to how often each is shown, of mean 1."""
        n_real, n_fake = self._n_real, self._n_fake
        return 2 * n_fake / (n_real + n_fake), 2 * n_real / (n_real + n_fake)


def seeded(purpose: str, *numbers: int) -> np.random.Generator:
    """Return a generator that is a function of its arguments alone."""
    return np.random.default_rng((int.from_bytes(purpose.encode()), *numbers))


def _turns(source: Source, config: DataConfig) -> list[NDArray[np.int64]]:
    """Fakes on disk that take turns: all together, or each method by itself."""
    fakes = np.flatnonzero(source.labels == 1)
    if config.fakes_by == "row" or not len(fakes):
        return [fakes]
    methods = np.array(source.methods)[fakes]
    return [fakes[methods == method] for method in np.unique(methods)]


def _are_lone(source: Source, reals: NDArray[np.int64], config: DataConfig) -> NDArray[np.bool_]:
    """Say which reals are forged first: those of which there is no fake on disk, or none."""
    if config.forge_first == "any":
        return np.zeros(len(reals), bool)
    faked = {source.originals[int(i)] for i in np.flatnonzero(source.labels == 1)}
    return np.array([source.originals[int(i)] not in faked for i in reals], bool)


def _faces(sights: Sights) -> list[Face]:
    faces = [sight for sight in sights if isinstance(sight, Face)]
    if len(faces) < len(sights):
        raise DataError(
            "only faces can be forged on the spot; for a system that looks at whole frames set "
            "data.forged_share = 0"
        )
    return faces


@lru_cache(maxsize=64)
def _lap_order(n_rows: int, seed: int, kind: Kind, lap: int) -> NDArray[np.int64]:
    return seeded(kind, seed, lap).permutation(n_rows)
