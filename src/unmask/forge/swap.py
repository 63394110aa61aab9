"""Puts a donor's face onto a person, frame by frame: the classic face swap, without a network.

After FaceSwap as used in FaceForensics++ (Rossler et al., ICCV 2019): the donor's face is warped to
the target's points, recoloured to the target's skin and blended in. Here the warp is triangulated
or smooth (`warp`), the colours are matched (`colour`), and the seam is feathered alone or Poisson
blended as well; the mask is a self-blend's. What gives such fakes away is the seam, the donor's
light and sharpness, and a mouth that does not fit the words.

One plan holds for a whole clip, colours follow the target's light slowly, and the donor's cuts play
without a jump; so a swap is as steady as its clip, unless `jitter` asks for trembling.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from unmask.forge import landmarks as lm
from unmask.forge.canvas import Canvas, resampled
from unmask.forge.colour import Field, Skin, matching, membrane, skin_of
from unmask.forge.donor import Cut, Playback, turned_apart
from unmask.forge.facepath import FADE_S, Whereabouts
from unmask.forge.masks import SEAMS, SeamConfig, draw_seam, seam_params
from unmask.forge.selfblend import BlendPlan, Mask, blend_mask, occupied
from unmask.forge.warp import Warp, Window, face_map
from unmask.types import Frame, Image

Blend = Literal["feather", "poisson"]

_SETTLE_S = 0.6  # time in which colours follow the target's light most of the way
_SEAM_CANVAS = Canvas(side_px=64)  # where the membrane is solved
_MOST_SHIFT = 45.0  # most that the membrane moves a level: hair at the seam must not dye a cheek
_APART = (0.14, 0.22)  # difference in turn below which a swap is shown, above which not
_PRESENT = (0.4, 0.6)  # presence of the face, likewise
_SEAM_LEVEL = 0.6  # of the mask: below it lies the seam, above it what the membrane recolours


@dataclass(frozen=True, kw_only=True)
class SwapConfig:
    """What may be drawn; all of it ours. A pair is (least, most)."""

    warps: tuple[Warp, ...] = ("triangulated", "smooth")
    blends: tuple[Blend, ...] = ("feather", "poisson")
    seam: SeamConfig = SEAMS
    colour: tuple[float, float] = (0.8, 1.0)  # share of the way to the target's colours
    membrane: tuple[float, float] = (0.7, 1.0)  # strength of Poisson blending
    face_px: tuple[int, ...] = (192, 256, 320)  # resolution of the donor's face, a square's side
    jitter: float = 0.0  # trembling from frame to frame, standard deviation in face units


@dataclass(frozen=True, kw_only=True, eq=False)
class SwapPlan:
    """Every random choice of one swap."""

    warp: Warp
    blend: Blend
    seam: BlendPlan
    colour: float
    membrane: float
    face_px: int
    jitter: float
    jitter_seed: int

    def params(self) -> dict[str, Any]:
        """The choices as plain JSON values."""
        plain = {name: getattr(self, name) for name in self.__dataclass_fields__ if name != "seam"}
        return plain | {"seam": seam_params(self.seam)}


def draw_swap(rng: np.random.Generator, config: SwapConfig) -> SwapPlan:
    """Make every random choice of one swap."""
    return SwapPlan(
        warp=config.warps[int(rng.integers(len(config.warps)))],
        blend=config.blends[int(rng.integers(len(config.blends)))],
        seam=draw_seam(rng, config.seam),
        colour=rng.uniform(*config.colour),
        membrane=rng.uniform(*config.membrane),
        face_px=int(rng.choice(config.face_px)),
        jitter=config.jitter,
        jitter_seed=int(rng.integers(2**31)),
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class _Place:
    """Where the target's face is in one frame."""

    landmarks_px: lm.Points
    points_px: lm.Points  # (81, 2)
    window: Window  # what the mask touches


class Swapper:
    """Swaps the donor's face onto one person of one clip, frames in order of time."""

    def __init__(self, plan: SwapPlan, playback: Playback) -> None:
        self._plan = plan
        self._playback = playback
        self._skin: Skin | None = None
        self._shift: Field | None = None
        self._last_s = 0.0
        self._wanted, self._share = False, -1.0  # whether the swap is shown, and how far it is
        self._tremble = np.random.default_rng(plan.jitter_seed)

    def __call__(self, frame: Frame, face: Whereabouts) -> tuple[Image, Mask]:
        """Swap one frame."""
        rgb, landmarks_px = frame.rgb, self._trembling(face.landmarks_px)
        passed_s, self._last_s = max(frame.t_s - self._last_s, 0.0), frame.t_s
        cut = self._playback.next_for(landmarks_px)
        seam = replace(self._plan.seam, ratio=self._shown(cut, face, passed_s))
        mask = blend_mask(landmarks_px, seam, (rgb.shape[0], rgb.shape[1]))
        window = occupied(mask)
        if window is None:
            return rgb, mask
        place = _Place(
            landmarks_px=landmarks_px, points_px=lm.fitted_points(landmarks_px), window=window
        )
        follow = 1.0 if self._skin is None else 1 - float(np.exp(-passed_s / _SETTLE_S))
        put = self._placed(cut, rgb, place, follow)
        weight = np.ascontiguousarray(mask[window])
        target = np.ascontiguousarray(rgb[window])
        if self._plan.blend == "poisson":
            put = self._poisson(put, target, weight, place, follow)
        fake = rgb.copy()
        fake[window] = cv2.blendLinear(put, target, weight, 1 - weight)
        return fake, mask

    def _shown(self, cut: Cut, face: Whereabouts, passed_s: float) -> float:
        """How far the swap is shown. It comes and goes quickly: half shown, it has four eyes."""
        apart = turned_apart(cut, face.landmarks_px)
        if apart > _APART[1] or face.presence < _PRESENT[0]:
            self._wanted = False
        elif apart < _APART[0] and face.presence > _PRESENT[1]:
            self._wanted = True
        goal = float(self._wanted)
        step = passed_s / FADE_S if self._share >= 0 else 2.0  # at the start there at once
        self._share = float(np.clip(goal, self._share - step, self._share + step))
        return max(0.0, min(self._share, 2 * face.presence))

    def _trembling(self, landmarks_px: lm.Points) -> lm.Points:
        if not self._plan.jitter:
            return landmarks_px
        unit_px = lm.eyes_px(lm.face_similarity(landmarks_px))
        moved = landmarks_px + self._tremble.normal(0, self._plan.jitter * unit_px, 2)
        return np.asarray(moved, np.float32)

    def _placed(self, cut: Cut, rgb: Image, place: _Place, follow: float) -> Image:
        """The donor's face in the target's colours and at its place: the picture of a window."""
        seen = skin_of(rgb, place.points_px)
        self._skin = self._skin.towards(seen, follow) if self._skin else seen
        skin = self._playback.donor.skin
        face = matching(cut.rgb, skin, skin.towards(self._skin, self._plan.colour))
        x, y = face_map(self._plan.warp, place.points_px, cut.points_px, place.window)
        put = cv2.remap(face, x, y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(put, np.uint8)

    def _poisson(
        self, put: Image, target: Image, weight: Mask, place: _Place, follow: float
    ) -> Image:
        """Recolour what is put in, so that it meets the target along the seam."""
        rows, columns = place.window
        corner = np.array([columns.start, rows.start])
        to_canvas = _SEAM_CANVAS.from_frame(place.landmarks_px)
        to_canvas[:, 2] += to_canvas[:, :2] @ corner  # from window pixels
        side = (_SEAM_CANVAS.side_px, _SEAM_CANVAS.side_px)
        levels = np.asarray(np.rint(255 * weight / max(float(weight.max()), 1e-6)), np.uint8)
        inside = resampled(levels, to_canvas, side) > 255 * _SEAM_LEVEL
        apart = resampled(target, to_canvas, side).astype(np.float32)
        apart -= resampled(put, to_canvas, side)
        shift = membrane(np.clip(apart, -_MOST_SHIFT, _MOST_SHIFT), inside)
        self._shift = shift if self._shift is None else self._shift + follow * (shift - self._shift)
        size = (put.shape[1], put.shape[0])
        spread = _spread(self._shift * self._plan.membrane, lm.invert_affine(to_canvas), size)
        return np.asarray(np.clip(np.rint(put + spread), 0, 255), np.uint8)


def _spread(field: Field, matrix: NDArray[np.float64], size: tuple[int, int]) -> Field:
    warped = cv2.warpAffine(
        field, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(warped, np.float32)
