"""Pure distortions of one picture: what `video/corrupt.py` applies at its levels.

Each takes a picture (H, W, 3), a value and a generator, and returns a new picture of the same
shape. Arithmetic is on float RGB in [0, 1], clipped and rounded once at the end.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from unmask.types import Image

_UnitImage = NDArray[np.float32]  # (H, W, 3) RGB in [0, 1]
_Matrix = NDArray[np.float64]
_BLOCK_PX = 8
_BLOCK_GREY = 128


def _studio_matrix() -> _Matrix:
    """RGB to the Y, Cb, Cr of BT.601, 219 and 224 steps of 255 wide, without their offsets."""
    luma = np.array((0.299, 0.587, 0.114))
    blue = (np.array((0.0, 0.0, 1.0)) - luma) / (2 * (1 - luma[2]))
    red = (np.array((1.0, 0.0, 0.0)) - luma) / (2 * (1 - luma[0]))
    return np.array((219 * luma, 224 * blue, 224 * red), np.float64) / 255


_TO_YCBCR = _studio_matrix()
_TO_RGB = np.linalg.inv(_TO_YCBCR)


def saturation(rgb: Image, share: float, _: np.random.Generator) -> Image:
    """Multiply chroma by `share`; 0 is grey."""
    matrix = _TO_RGB @ np.diag((1.0, share, share)) @ _TO_YCBCR
    return _pixels(cv2.transform(_unit(rgb), matrix))


def contrast(rgb: Image, share: float, _: np.random.Generator) -> Image:
    """Multiply all levels by `share`."""
    return _pixels(_unit(rgb) * np.float32(share))


def blocks(rgb: Image, count: float, chance: np.random.Generator) -> Image:
    """Lay grey squares of 8 px anywhere, `count` for every whole 256 px of the shorter side."""
    height, width = rgb.shape[:2]
    number = int(count) * max(min(height, width) // 256, 1)
    lefts = chance.integers(0, max(width - _BLOCK_PX, 0) + 1, number)
    tops = chance.integers(0, max(height - _BLOCK_PX, 0) + 1, number)
    covered = rgb.copy()
    for x, y in zip(lefts, tops, strict=True):
        covered[y : y + _BLOCK_PX, x : x + _BLOCK_PX] = _BLOCK_GREY
    return covered


def noise(rgb: Image, variance: float, chance: np.random.Generator) -> Image:
    """Add white Gaussian noise to Y, Cb and Cr."""
    grain = chance.standard_normal(rgb.shape, np.float32)
    grain = np.asarray(cv2.transform(grain, np.sqrt(variance) * _TO_RGB), np.float32)
    return _pixels(_unit(rgb) + grain)


def blur(rgb: Image, kernel: float, _: np.random.Generator) -> Image:
    """Gaussian blur with a kernel of odd side, whose sigma is a sixth of it."""
    side = int(kernel)
    return _pixels(cv2.GaussianBlur(_unit(rgb), (side, side), side / 6))


def pixelation(rgb: Image, factor: float, _: np.random.Generator) -> Image:
    """Divide both sides and enlarge again, linear both ways as published: fine detail aliases."""
    height, width = rgb.shape[:2]
    small = max(width // int(factor), 1), max(height // int(factor), 1)
    shrunk = cv2.resize(_unit(rgb), small, interpolation=cv2.INTER_LINEAR)
    return _pixels(cv2.resize(shrunk, (width, height), interpolation=cv2.INTER_LINEAR))


def jpeg(rgb: Image, quality: float, _: np.random.Generator) -> Image:
    """Compress as JPEG; see `recompress`."""
    return recompress(rgb, int(quality))


def recompress(rgb: Image, quality: int) -> Image:
    """Encode and decode as JPEG, `quality` 1..100, chroma at half resolution."""
    _, encoded = cv2.imencode(".jpg", rgb[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(encoded, cv2.IMREAD_COLOR_RGB), np.uint8)


Distortion = Callable[[Image, float, np.random.Generator], Image]
DISTORTIONS: dict[str, Distortion] = {
    "saturation": saturation,
    "contrast": contrast,
    "blocks": blocks,
    "noise": noise,
    "blur": blur,
    "pixelation": pixelation,
    "jpeg": jpeg,
}


def _unit(rgb: Image) -> _UnitImage:
    return rgb.astype(np.float32) / np.float32(255)


def _pixels(unit: object) -> Image:
    levels = np.rint(np.asarray(unit, np.float32) * 255)
    return np.clip(levels, 0, 255).astype(np.uint8)
