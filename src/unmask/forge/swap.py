"""Puts a donor's face onto a person, frame by frame: the classic face swap, without a network.

The donor's face is cut out once, upright and at one size; for each frame of the target it is warped
to the target's points, recoloured to the target's skin (Reinhard et al., "Color transfer between
images", 2001) and blended in with the soft mask of a self-blend. What gives such fakes away is the
seam, the donor's light and sharpness, and a mouth that does not fit the words.

Donors are bounded in memory: at most `MAX_FACES` cuts, played forwards and backwards.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from unmask.forge import landmarks as lm
from unmask.forge.facepath import FacePath, Whereabouts
from unmask.forge.selfblend import BlendPlan, Mask, blend_mask, occupied
from unmask.types import Frame, Image

MAX_FACES = 250  # cuts of a donor kept: ten seconds at 25 fps, 50 MB
_CUT_PX = 256
_CUT_PX_PER_UNIT = 80.0
_CUT_ORIGIN = (1.6, 1.3)  # the point between the eyes, face units from the top left corner
_FACE_TO_CUT = np.array(
    [
        [_CUT_PX_PER_UNIT, 0.0, _CUT_PX_PER_UNIT * _CUT_ORIGIN[0]],
        [0.0, _CUT_PX_PER_UNIT, _CUT_PX_PER_UNIT * _CUT_ORIGIN[1]],
    ]
)
_SETTLE = 0.05  # how fast the colour transfer follows the target's light, share per frame
_LEAST_SPREAD, _MOST_SPREAD = 0.7, 1.4  # how much the transfer may change the contrast


@dataclass(frozen=True, kw_only=True, eq=False)
class _Cut:
    """A donor's face, upright, with its mean-face points in cut pixels."""

    rgb: Image
    points_px: lm.Points  # (81, 2)


@dataclass(frozen=True, kw_only=True)
class _Skin:
    """Mean and spread of a face's colours in Lab."""

    mean: NDArray[np.float64]  # (3,)
    spread: NDArray[np.float64]  # (3,)


@dataclass(frozen=True, kw_only=True, eq=False)
class Donor:
    """A face to be put onto others."""

    cuts: tuple[_Cut, ...]
    skin: _Skin

    def at(self, index: int) -> _Cut:
        """The cut for the `index`-th frame: forwards, backwards, forwards, ... without a jump."""
        period = max(1, 2 * (len(self.cuts) - 1))
        place = index % period
        return self.cuts[min(place, period - place)]


def collect_donor(frames: Iterable[Frame], path: FacePath) -> Donor | None:
    """Cut the first `MAX_FACES` faces along a path out of consecutive frames; None without any."""
    cuts: list[_Cut] = []
    skins: list[_Skin] = []
    for frame in frames:
        face = path.at(frame.t_s)
        if face is None:
            continue
        cut = _cut(frame.rgb, face.landmarks_px)
        cuts.append(cut)
        skins.append(_skin(cut.rgb, cut.points_px))
        if len(cuts) == MAX_FACES:
            break
    if not cuts:
        return None
    skin = _Skin(
        mean=np.mean([skin.mean for skin in skins], axis=0),
        spread=np.mean([skin.spread for skin in skins], axis=0),
    )
    return Donor(cuts=tuple(cuts), skin=skin)


def _cut(rgb: Image, landmarks_px: lm.Points) -> _Cut:
    shrink = max(1.0, lm.eyes_px(lm.face_similarity(landmarks_px)) / _CUT_PX_PER_UNIT)
    size = (max(1, round(rgb.shape[1] / shrink)), max(1, round(rgb.shape[0] / shrink)))
    # Shrunk by area first: warping alone would skip pixels of a large face.
    small = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA) if shrink > 1 else rgb
    placed = (landmarks_px + 0.5) / shrink - 0.5  # pixel centres
    to_cut = lm.compose(_FACE_TO_CUT, lm.invert_affine(lm.face_similarity(placed)))
    picture = cv2.warpAffine(small, to_cut, (_CUT_PX, _CUT_PX), borderMode=cv2.BORDER_REFLECT_101)
    points = lm.apply_affine(_FACE_TO_CUT, lm.posed_mean_face(landmarks_px))
    return _Cut(rgb=np.asarray(picture, np.uint8), points_px=points)


class Swapper:
    """Swaps the donor's face onto one person of one clip, frames in order of time."""

    def __init__(self, donor: Donor, plan: BlendPlan, *, start: int) -> None:
        """Of `plan` only the shape of the mask is used; `start` is the first cut shown.

        Two faces half laid over each other would show four eyes, so the blend is always full.
        """
        self._donor = donor
        self._plan = replace(plan, shift=(0.0, 0.0), scale=1.0, ratio=1.0)
        self._next = start
        self._target_skin: _Skin | None = None

    def __call__(self, rgb: Image, face: Whereabouts) -> tuple[Image, Mask]:
        """Swap one frame."""
        cut = self._donor.at(self._next)
        self._next += 1
        plan = replace(self._plan, ratio=face.presence)
        mask = blend_mask(face.landmarks_px, plan, (rgb.shape[0], rgb.shape[1]))
        window = occupied(mask)
        if window is None:
            return rgb, mask
        points_px = lm.dense_points(face.landmarks_px)
        self._follow_light(rgb, points_px)
        warp = lm.fit_affine(cut.points_px, points_px)
        rows, columns = window
        warp[:, 2] -= (columns.start, rows.start)
        size = (columns.stop - columns.start, rows.stop - rows.start)
        warped = cv2.warpAffine(
            self._recoloured(cut.rgb), warp, size, borderMode=cv2.BORDER_REPLICATE
        )
        weight = np.ascontiguousarray(mask[window])
        fake = rgb.copy()
        target = np.ascontiguousarray(rgb[window])
        fake[window] = cv2.blendLinear(np.asarray(warped, np.uint8), target, weight, 1 - weight)
        return fake, mask

    def _follow_light(self, rgb: Image, points_px: lm.Points) -> None:
        """Let the colours to match drift slowly, so that they never flicker."""
        now = _skin(rgb, points_px)
        if self._target_skin is None:
            self._target_skin = now
            return
        before = self._target_skin
        self._target_skin = _Skin(
            mean=before.mean + _SETTLE * (now.mean - before.mean),
            spread=before.spread + _SETTLE * (now.spread - before.spread),
        )

    def _recoloured(self, rgb: Image) -> Image:
        """The cut in the target's colours."""
        assert self._target_skin is not None
        lab = cv2.cvtColor(rgb, cv2.COLOR_RGB2LAB)
        gain = np.clip(
            self._target_skin.spread / np.maximum(self._donor.skin.spread, 1.0),
            _LEAST_SPREAD,
            _MOST_SPREAD,
        )
        offset = self._target_skin.mean - gain * self._donor.skin.mean
        matched = cv2.transform(lab, np.column_stack([np.diag(gain), offset]))
        return np.asarray(cv2.cvtColor(matched, cv2.COLOR_LAB2RGB), np.uint8)


def _skin(rgb: Image, points_px: lm.Points) -> _Skin:
    """Colours between brows, cheeks and mouth: little hair and no background."""
    hull = cv2.convexHull(points_px[list(lm.NOSE + lm.EYES + lm.MOUTH)])
    x0, y0, width, height = cv2.boundingRect(hull)
    left, top = max(x0, 0), max(y0, 0)
    window = np.ascontiguousarray(rgb[top : max(y0 + height, 1), left : max(x0 + width, 1)])
    if not window.size:
        window = rgb
    inside = np.zeros(window.shape[:2], np.uint8)
    cv2.fillConvexPoly(inside, np.rint(hull - (left, top)).astype(np.int32), 1)
    if not inside.any():
        inside[:] = 1
    mean, spread = cv2.meanStdDev(cv2.cvtColor(window, cv2.COLOR_RGB2LAB), mask=inside)
    return _Skin(mean=np.ravel(mean), spread=np.ravel(spread))
