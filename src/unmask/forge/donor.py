"""Another person's face, cut out of their clip, to be put onto somebody.

A donor is bounded in memory: so many cuts as `MOST_BYTES` hold, played one per frame. `PoseMatched`
walks through them so that the donor's head is turned like the target's; `ToAndFro` plays them
forwards and backwards and is for a donor who is the target at another moment, whom matching would
lead back to the very same frame.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from unmask.forge import landmarks as lm
from unmask.forge.canvas import Canvas
from unmask.forge.colour import Skin, skin_of
from unmask.forge.facepath import FacePath, turn_of
from unmask.types import Frame, Image

MOST_BYTES = 64_000_000  # of cuts kept: 13 seconds of 25 frames/s at 256 px
_LEAST_CUTS = 25
_AHEAD = 10  # cuts that the walk looks ahead and back
_TURN_GAIN = 0.02  # face units of pose that going back must gain


@dataclass(frozen=True, kw_only=True, eq=False)
class Cut:
    """A donor's face at one moment, upright, with its points in canvas pixels."""

    rgb: Image
    points_px: lm.Points  # (81, 2)
    pose: NDArray[np.float32]  # (5, 2) the five points in face units


@dataclass(frozen=True, kw_only=True, eq=False)
class Donor:
    """A face to be put onto others."""

    cuts: tuple[Cut, ...]
    skin: Skin


class Playback(Protocol):
    """Which cut is shown on the next frame."""

    @property
    def donor(self) -> Donor:
        """Whose cuts they are."""
        ...

    def next_for(self, landmarks_px: lm.Points) -> Cut:
        """The cut for a target with these landmarks."""
        ...


def turned_apart(cut: Cut, landmarks_px: lm.Points) -> float:
    """How differently a donor's and a target's head are turned; see `turn_of`."""
    return abs(turn_of(cut.pose) - turn_of(landmarks_px))


def collect_donor(frames: Iterable[Frame], path: FacePath, canvas: Canvas) -> Donor | None:
    """Cut the first faces along a path out of consecutive frames; None without any."""
    most = max(_LEAST_CUTS, MOST_BYTES // (3 * canvas.side_px**2))
    cuts: list[Cut] = []
    for frame in frames:
        face = path.at(frame.t_s)
        if face is not None and face.presence > 0:
            cuts.append(_cut(frame.rgb, face.landmarks_px, canvas))
        if len(cuts) == most:
            break
    if not cuts:
        return None
    skins = [skin_of(cut.rgb, cut.points_px) for cut in cuts]
    skin = Skin(
        mean=np.mean([skin.mean for skin in skins], axis=0),
        spread=np.mean([skin.spread for skin in skins], axis=0),
    )
    return Donor(cuts=tuple(cuts), skin=skin)


def facing(donor: Donor, landmarks_px: NDArray[np.floating]) -> Donor:
    """The donor, or the donor mirrored if that way the head turns more like the target's.

    `landmarks_px` (5, 2) are typical of the target.
    """
    pose = _pose(landmarks_px)
    mirrored = tuple(_mirrored(cut) for cut in donor.cuts)
    plain, other = (
        float(np.mean([np.abs(cut.pose - pose).mean() for cut in cuts]))
        for cuts in (donor.cuts, mirrored)
    )
    return donor if plain <= other else Donor(cuts=mirrored, skin=donor.skin)


def _mirrored(cut: Cut) -> Cut:
    points = cut.points_px[list(lm.MIRROR)]
    points[:, 0] = cut.rgb.shape[1] - 1 - points[:, 0]
    pose = cut.pose[[1, 0, 2, 4, 3]] * np.array([-1, 1], np.float32)
    return Cut(rgb=np.ascontiguousarray(cut.rgb[:, ::-1]), points_px=points, pose=pose)


def _cut(rgb: Image, landmarks_px: lm.Points, canvas: Canvas) -> Cut:
    points = lm.apply_affine(canvas.from_frame(landmarks_px), lm.fitted_points(landmarks_px))
    return Cut(rgb=canvas.cut(rgb, landmarks_px), points_px=points, pose=_pose(landmarks_px))


def _pose(landmarks_px: lm.Points) -> NDArray[np.float32]:
    return lm.in_face_units(lm.five_points(landmarks_px))


class ToAndFro:
    """Forwards, backwards, forwards, ... without a jump, from half of the collected time on."""

    def __init__(self, donor: Donor) -> None:
        self.donor = donor
        self._next = len(donor.cuts) // 2

    def next_for(self, landmarks_px: lm.Points) -> Cut:  # noqa: ARG002  plays on regardless
        """The cut after the last one."""
        period = max(1, 2 * (len(self.donor.cuts) - 1))
        place = self._next % period
        self._next += 1
        return self.donor.cuts[min(place, period - place)]


class PoseMatched:
    """From the best fitting pose on, back and forth, turning where that fits the target better."""

    def __init__(self, donor: Donor) -> None:
        self.donor = donor
        self._poses = np.stack([cut.pose for cut in donor.cuts])
        self._at: int | None = None
        self._step = 1

    def next_for(self, landmarks_px: lm.Points) -> Cut:
        """The neighbour of the last cut that fits the pose, in the direction played if it can."""
        apart = self._poses - _pose(landmarks_px)
        misfit = np.sqrt((apart**2).mean(axis=(1, 2)))
        if self._at is None:
            self._at = int(misfit.argmin())
        else:
            self._turn_if_better(self._at, misfit)
            self._at = int(np.clip(self._at + self._step, 0, len(misfit) - 1))
        return self.donor.cuts[self._at]

    def _turn_if_better(self, at: int, misfit: NDArray[np.floating]) -> None:
        last = len(misfit) - 1
        ahead, behind = (
            int(np.clip(at + way * _AHEAD, 0, last)) for way in (self._step, -self._step)
        )
        stuck = not 0 <= at + self._step <= last
        if stuck or misfit[behind] < misfit[ahead] - _TURN_GAIN:
            self._step = -self._step
