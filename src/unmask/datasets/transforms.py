"""Pure transforms of pictures: what augmentation does once its dice have fallen.

A picture (H, W, 3) uint8 RGB and drawn values in, a new picture out. The geometric ones, listed in
`GEOMETRIC`, keep to axes 0 and 1, so they move a mask (H, W) exactly as they move its picture.
`shift_along_components` looks at all frames of a clip at once; the rest see one picture.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from unmask.errors import UsageError
from unmask.types import Image

_PIVOT = 0.3  # the level that contrast leaves alone: about where faces lie in indoor clips
_CLAHE_TILES = (8, 8)


def relight(image: Image, exposure: float, contrast: float, gamma: float) -> Image:
    """Apply all three as one table of 256 levels; dark faces must not drown in black."""
    levels = exposure * (np.arange(256) / 255) ** gamma
    levels = (levels - _PIVOT) * contrast + _PIVOT
    table = np.clip(np.rint(levels * 255), 0, 255).astype(np.uint8)
    return pixels(cv2.LUT(image, table))


def recolour(image: Image, saturation: float, hue_deg: float) -> Image:
    """Turn and stretch the colour plane of YCbCr; luma stays. One 3 x 3 matrix on RGB."""
    luma = np.array((0.299, 0.587, 0.114))
    to_colour = np.array([luma, (-0.168736, -0.331264, 0.5), (0.5, -0.418688, -0.081312)])
    turn = math.radians(hue_deg)
    cos, sin = saturation * math.cos(turn), saturation * math.sin(turn)
    stretch = np.array([(1, 0, 0), (0, cos, -sin), (0, sin, cos)])
    return pixels(cv2.transform(image, np.linalg.inv(to_colour) @ stretch @ to_colour))


def brighten(image: Image, contrast: float, brightness: float) -> Image:
    """Multiply levels by `contrast`, then add `brightness` (shares of full white)."""
    levels = np.arange(256) * contrast + 255 * brightness
    table = np.clip(np.rint(levels), 0, 255).astype(np.uint8)
    return pixels(cv2.LUT(image, table))


def shift_hsv(image: Image, hue_deg: float, saturation: float, value: float) -> Image:
    """Add to hue (round the circle), saturation and value (of 1, clipped)."""
    hsv = cv2.cvtColor(image.astype(np.float32) / np.float32(255), cv2.COLOR_RGB2HSV)
    hsv[..., 0] = (hsv[..., 0] + hue_deg) % 360
    hsv[..., 1:] = np.clip(hsv[..., 1:] + np.array((saturation, value), np.float32), 0, 1)
    return rounded(255 * np.asarray(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)))


def shift_along_components(clip: Sequence[Image], *weights: float) -> list[Image]:
    """Add one colour to a whole clip: weights times variance along its principal components.

    "Fancy PCA": Krizhevsky et al., NeurIPS 2012, section 4.1; the components are those of this
    clip's pixels on [0, 1], strongest first, each pointing towards white.
    """
    colours = np.concatenate([image.reshape(-1, 3) for image in clip]) / 255  # (N, 3)
    variances, components = np.linalg.eigh(np.cov(colours, rowvar=False))  # ascending, in columns
    components = components * np.where(components.sum(axis=0) < 0, -1.0, 1.0)
    shift = components[:, ::-1] @ (np.array(weights) * variances[::-1])
    return [rounded(image + 255 * shift) for image in clip]


def blur(image: Image, sigma_px: float) -> Image:
    """Gaussian blur, with a kernel as large as sigma needs."""
    return pixels(cv2.GaussianBlur(image, (0, 0), sigma_px))


def blur_kernel(image: Image, side_px: int) -> Image:
    """Gaussian blur by OpenCV's own kernel of an odd side; of side 3 it is 1 2 1."""
    return pixels(cv2.GaussianBlur(image, (side_px, side_px), 0))


def add_noise(image: Image, deviation: float, seed: int) -> Image:
    """Add white Gaussian noise, `deviation` of 255, to each channel."""
    grain = np.random.default_rng(seed).standard_normal(image.shape, np.float32)
    return rounded(image + np.float32(deviation) * grain)


def equalise(image: Image, clip_limit: float) -> Image:
    """Equalise lightness in 8 x 8 tiles with limited contrast (CLAHE); colour (a, b) stays."""
    lab = cv2.cvtColor(image, cv2.COLOR_RGB2LAB)
    lab[..., 0] = cv2.createCLAHE(clip_limit, _CLAHE_TILES).apply(lab[..., 0])
    return pixels(cv2.cvtColor(lab, cv2.COLOR_LAB2RGB))


def sharpen(image: Image, share: float, lightness: float) -> Image:
    """Mix in, by `share`, the picture's difference from its eight neighbours plus `lightness`."""
    effect = np.full((3, 3), -1.0)
    effect[1, 1] = 8 + lightness
    return _mixed_in(image, share, effect)


def emboss(image: Image, share: float, strength: float) -> Image:
    """Mix in, by `share`, a relief lit from the top left."""
    s = strength
    return _mixed_in(image, share, np.array([(-1 - s, -s, 0), (-s, 1, s), (0, s, 1 + s)]))


def _mixed_in(image: Image, share: float, effect: NDArray[np.float64]) -> Image:
    kernel = share * effect
    kernel[1, 1] += 1 - share
    return pixels(cv2.filter2D(image, -1, kernel))


def mirror(image: Image) -> Image:
    """Left becomes right."""
    return image[:, ::-1]


def upend(image: Image) -> Image:
    """Top becomes bottom."""
    return image[::-1]


def transpose(image: Image) -> Image:
    """Mirror at the diagonal from the top left."""
    _must_be_square(image)
    return image.swapaxes(0, 1)


def quarter_turns(image: Image, turns: int) -> Image:
    """Turn counter-clockwise by 90 degrees, so many times."""
    _must_be_square(image)
    return np.rot90(image, turns)


def move(
    image: Image, shift: tuple[float, float], scale: float, turn_deg: float, border: int
) -> Image:
    """Shift (shares of the sides, right and down), scale and turn (clockwise) about the middle.

    `border` is OpenCV's word for what fills the gap: black, or the picture reflected.
    """
    height, width = image.shape[:2]
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), -turn_deg, scale)
    matrix[:, 2] += shift[0] * width, shift[1] * height
    moved = cv2.warpAffine(
        np.ascontiguousarray(image),
        matrix,
        (width, height),
        flags=cv2.INTER_LINEAR,
        borderMode=border,
    )
    return pixels(moved)


def letterbox(image: Image, share: float) -> Image:
    """Blacken what lies outside the middle `share` of the width, as padding to a square does."""
    width = image.shape[1]
    bar = round(width * (1 - share) / 2)
    padded = image.copy()
    padded[:, :bar] = 0
    padded[:, width - bar :] = 0
    return padded


GEOMETRIC: tuple[Callable[..., Image], ...] = (
    mirror,
    upend,
    transpose,
    quarter_turns,
    move,
    letterbox,
)


def _must_be_square(image: Image) -> None:
    if image.shape[0] != image.shape[1]:
        raise UsageError(
            f"a view of {image.shape[1]} x {image.shape[0]} px is not square and cannot be turned "
            "by 90 degrees or transposed; set those probabilities of the augmentation to 0"
        )


def rounded(levels: NDArray[np.number]) -> Image:
    """Round levels of 255 to pixels, clipped."""
    return np.asarray(np.clip(np.rint(levels), 0, 255), np.uint8)


def pixels(image: object) -> Image:
    """State what OpenCV returns, which its stubs leave open."""
    return np.asarray(image, np.uint8)
