"""Sends a face through a bottleneck and back, as a generator network would.

The face is cut out upright at a low resolution, squeezed, and enlarged again in steps of two by
zero insertion and a small filter, which is what a transposed convolution does. Where kernel size
and stride do not go together, its outputs overlap unevenly: a faint checkerboard and peaks in the
spectrum (Odena et al., "Deconvolution and Checkerboard Artifacts", 2016; Durall et al., "Watch your
Up-Convolution", CVPR 2020). Then it is sharpened, as post-processing does, and blended back.

Differs from a generator: nothing is learned, so identity and expression stay; what remains are lost
detail, traces of enlarging, and the seam.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from unmask.forge import landmarks as lm
from unmask.forge.canvas import SPAN, Canvas
from unmask.forge.facepath import Whereabouts
from unmask.forge.masks import SEAMS, SeamConfig, draw_seam, seam_params
from unmask.forge.selfblend import BlendPlan, Mask, blend_mask, occupied
from unmask.types import Frame, Image

Squeeze = Literal["resize", "spectrum"]
Plane = NDArray[np.float32]

_NATIVE_STEPS = 3.0  # the bottleneck never shrinks a face by more: else it is a mere blur


@dataclass(frozen=True, kw_only=True)
class ResynthesiseConfig:
    """What may be drawn; all of it ours. A pair is (least, most)."""

    squeezes: tuple[Squeeze, ...] = ("resize", "spectrum")
    bottleneck_px: tuple[int, ...] = (64, 80, 96)  # side of the face at its narrowest
    doublings: tuple[int, ...] = (1, 2)  # steps of enlarging
    uneven: tuple[float, float] = (
        0.002,
        0.01,
    )  # of the overlap: relative gain of every other pixel
    sharpen: tuple[float, float] = (0.3, 1.0)  # weight of the unsharp mask
    levels: tuple[int, ...] = (48, 96, 255)  # shades kept at the bottleneck
    seam: SeamConfig = SEAMS


@dataclass(frozen=True, kw_only=True, eq=False)
class ResynthesisPlan:
    """Every random choice of one resynthesis."""

    squeeze: Squeeze
    bottleneck_px: int
    doublings: int
    uneven: float
    sharpen: float
    levels: int
    seam: BlendPlan

    def params(self) -> dict[str, Any]:
        """The choices as plain JSON values."""
        return asdict(replace(self)) | {"seam": seam_params(self.seam)}


def draw_resynthesis(rng: np.random.Generator, config: ResynthesiseConfig) -> ResynthesisPlan:
    """Make every random choice of one resynthesis."""
    return ResynthesisPlan(
        squeeze=config.squeezes[int(rng.integers(len(config.squeezes)))],
        bottleneck_px=int(rng.choice(config.bottleneck_px)),
        doublings=int(rng.choice(config.doublings)),
        uneven=rng.uniform(*config.uneven),
        sharpen=rng.uniform(*config.sharpen),
        levels=int(rng.choice(config.levels)),
        seam=draw_seam(rng, config.seam),
    )


class Resynthesiser:
    """Resynthesises one face; every frame by itself and all alike."""

    def __init__(self, plan: ResynthesisPlan) -> None:
        self._plan = plan

    def __call__(self, frame: Frame, face: Whereabouts) -> tuple[Image, Mask]:
        """Resynthesise one frame."""
        rgb = frame.rgb
        seam = replace(self._plan.seam, ratio=face.presence)
        mask = blend_mask(face.landmarks_px, seam, (rgb.shape[0], rgb.shape[1]))
        window = occupied(mask)
        if window is None:
            return rgb, mask
        made, canvas = self._made(rgb, face.landmarks_px)
        rows, columns = window
        back = lm.invert_affine(canvas.from_frame(face.landmarks_px))
        back[:, 2] -= (columns.start, rows.start)
        size = (columns.stop - columns.start, rows.stop - rows.start)
        placed = cv2.warpAffine(
            made, back, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
        )
        weight = np.ascontiguousarray(mask[window])
        target = np.ascontiguousarray(rgb[window])
        fake = rgb.copy()
        fake[window] = cv2.blendLinear(np.asarray(placed, np.uint8), target, weight, 1 - weight)
        return fake, mask

    def _made(self, rgb: Image, landmarks_px: lm.Points) -> tuple[Image, Canvas]:
        """The face as it comes out of the bottleneck, and the canvas it is on."""
        plan = self._plan
        narrow_px = self._narrowest_px(landmarks_px)
        wide = Canvas(side_px=narrow_px * 2**plan.doublings)
        cut = wide.cut(rgb, landmarks_px).astype(np.float32)
        code = {"resize": _resized, "spectrum": _low_spectrum}[plan.squeeze](cut, narrow_px)
        step = 255 / plan.levels
        plane = (np.rint(code / step) * step).astype(np.float32)
        for _ in range(plan.doublings):
            plane = doubled(plane, plan.uneven)
        soft = cv2.GaussianBlur(plane, (0, 0), 1.5)
        crisp = plane + plan.sharpen * (plane - soft)
        return np.clip(np.rint(crisp), 0, 255).astype(np.uint8), wide

    def _narrowest_px(self, landmarks_px: lm.Points) -> int:
        native_px = lm.eyes_px(lm.face_similarity(landmarks_px)) * SPAN
        least = int(np.ceil(native_px / _NATIVE_STEPS))
        return max(self._plan.bottleneck_px, least)


def doubled(plane: Plane, uneven: float) -> Plane:
    """Enlarge (h, w, C) twofold by zero insertion and a filter of three taps on either axis.

    With `uneven` = 0 that is linear interpolation. Otherwise every other row and column is lighter
    by that share and those between darker: the taps overlap unevenly.
    """
    height, width, channels = plane.shape
    wide = np.zeros((2 * height, 2 * width, channels), np.float32)
    wide[::2, ::2] = plane
    side, middle = 0.5 * (1 - uneven), 1 + uneven
    taps = np.array([side, middle, side], np.float32)
    return np.asarray(
        cv2.sepFilter2D(wide, -1, taps, taps, borderType=cv2.BORDER_REFLECT_101), np.float32
    )


def _resized(cut: Plane, side_px: int) -> Plane:
    return np.asarray(cv2.resize(cut, (side_px, side_px), interpolation=cv2.INTER_AREA), np.float32)


def _low_spectrum(cut: Plane, side_px: int) -> Plane:
    """The lowest frequencies alone: what a linear code of that many numbers keeps best."""
    even = side_px // 2 * 2
    scale = even / len(cut)
    planes = [cv2.dct(cut[..., c])[:even, :even] * scale for c in range(cut.shape[2])]
    small = np.stack([cv2.idct(np.ascontiguousarray(plane)) for plane in planes], axis=-1)
    return _resized(np.asarray(small, np.float32), side_px)
