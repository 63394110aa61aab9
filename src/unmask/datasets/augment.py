"""What training does to a face before the network sees it.

In the order in which it happens to real videos: light and colour, then lens and resolution, then
noise, then compression, all at the crop's own resolution, and only then the cut to the view, moved
a little (`ViewJitter`) and perhaps mirrored or partly covered. So the cut itself, the one step a
scan also makes, comes last and is the same code.

`draw` rolls every die once per clip; `degrade` and `finish` obey it frame by frame, so all frames
of a clip are treated alike, and the same generator gives the same picture.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from unmask.clips.tensors import ViewJitter
from unmask.types import Image

Range = tuple[float, float]

_PIVOT = 0.3  # the level that contrast leaves alone: about where faces lie in indoor clips
_RESIZES = (cv2.INTER_AREA, cv2.INTER_LINEAR, cv2.INTER_CUBIC, cv2.INTER_NEAREST)


@dataclass(frozen=True, kw_only=True)
class AugmentConfig:
    """Probabilities and ranges; all of them ours. `p_* = 0` switches a step off."""

    p_flip: float = 0.5
    p_move: float = 0.9
    scale: Range = (0.8, 1.6)  # of the view's side; 1 is the likeliest
    shift: float = 0.08  # largest shift, share of the side
    roll_deg: float = 8.0  # largest tilt
    p_roll: float = 0.3
    p_light: float = 0.5
    exposure: Range = (0.75, 1.3)  # factor on the levels
    contrast: Range = (0.7, 1.2)
    gamma: Range = (0.7, 1.2)  # above 1 darkens; kept low, since many faces are dark already
    p_colour: float = 0.4
    saturation: Range = (0.5, 1.5)
    hue_deg: float = 8.0
    p_grey: float = 0.05
    p_blur: float = 0.15
    blur_px: Range = (0.4, 1.6)  # sigma at the crop's own resolution
    p_resample: float = 0.3
    resample: Range = (0.35, 0.95)  # the crop is shrunk to this share and enlarged again
    p_noise: float = 0.15
    noise: Range = (1.0, 8.0)  # standard deviation, of 255
    p_jpeg: float = 0.6
    jpeg_quality: tuple[int, int] = (30, 95)
    p_cutout: float = 0.1
    cutout: Range = (0.08, 0.25)  # side of the covered rectangle, share of the view


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """One roll of the dice, for all frames of a clip; None = this step is left out."""

    flip: bool = False
    jitter: ViewJitter | None = None
    light: tuple[float, float, float] | None = None  # exposure, contrast, gamma
    colour: tuple[float, float] | None = None  # saturation, hue turn in degrees
    blur_px: float | None = None
    resample: tuple[float, int, int] | None = None  # share, OpenCV's method down and up
    noise: tuple[float, int] | None = None  # standard deviation, seed
    jpeg_quality: int | None = None
    cutout: tuple[float, float, float, float, int] | None = None  # x, y, w, h shares; grey level


NOTHING = Augmentation()


@dataclass(frozen=True, kw_only=True)
class _Dice:
    """A generator with the three rolls that `draw` needs."""

    rng: np.random.Generator = field(default_factory=np.random.default_rng)

    def happens(self, probability: float) -> bool:
        return bool(self.rng.random() < probability)

    def within(self, bounds: Range) -> float:
        return float(self.rng.uniform(*bounds))

    def log_within(self, bounds: Range) -> float:
        return math.exp(self.within((math.log(bounds[0]), math.log(bounds[1]))))


def draw(config: AugmentConfig, rng: np.random.Generator) -> Augmentation:
    """Decide everything that will happen to one clip."""
    dice = _Dice(rng=rng)
    return Augmentation(
        flip=dice.happens(config.p_flip),
        jitter=_draw_jitter(config, dice) if dice.happens(config.p_move) else None,
        light=_draw_light(config, dice) if dice.happens(config.p_light) else None,
        colour=_draw_colour(config, dice),
        blur_px=dice.log_within(config.blur_px) if dice.happens(config.p_blur) else None,
        resample=_draw_resample(config, dice) if dice.happens(config.p_resample) else None,
        noise=_draw_noise(config, dice) if dice.happens(config.p_noise) else None,
        jpeg_quality=_draw_quality(config, dice) if dice.happens(config.p_jpeg) else None,
        cutout=_draw_cutout(config, dice) if dice.happens(config.p_cutout) else None,
    )


def degrade(image: Image, augmentation: Augmentation) -> Image:
    """Light, colour, blur, resolution, noise and compression of one full-resolution crop."""
    a = augmentation
    if a.light is not None:
        image = _relight(image, *a.light)
    if a.colour is not None:
        image = _recolour(image, *a.colour)
    if a.blur_px is not None:
        image = _pixels(cv2.GaussianBlur(image, (0, 0), a.blur_px))
    full = image.shape[1], image.shape[0]
    if a.resample is not None:
        share, down, _ = a.resample
        small = max(round(full[0] * share), 8), max(round(full[1] * share), 8)
        image = _pixels(cv2.resize(image, small, interpolation=down))
    if a.noise is not None:
        image = _add_noise(image, *a.noise)
    if a.jpeg_quality is not None:
        image = recompress(image, a.jpeg_quality)
    if a.resample is not None:
        image = _pixels(cv2.resize(image, full, interpolation=a.resample[2]))
    return image


def finish(view: Image, augmentation: Augmentation) -> Image:
    """Mirror and cover one view after it was cut."""
    if augmentation.flip:
        view = view[:, ::-1]
    if augmentation.cutout is None:
        return view
    x, y, w, h, level = augmentation.cutout
    size = view.shape[0]
    view = view.copy()
    view[int(y * size) : int((y + h) * size), int(x * size) : int((x + w) * size)] = level
    return view


def recompress(image: Image, quality: int) -> Image:
    """Encode and decode as JPEG, `quality` 1..100."""
    bgr = image[..., ::-1]
    _, encoded = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return _pixels(cv2.imdecode(encoded, cv2.IMREAD_COLOR_RGB))


def _draw_jitter(config: AugmentConfig, dice: _Dice) -> ViewJitter:
    low, high = (math.log(bound) for bound in config.scale)
    turn = config.roll_deg if dice.happens(config.p_roll) else 0.0
    return ViewJitter(
        scale=math.exp(dice.rng.triangular(low, min(max(0.0, low), high), high)),
        shift_x=dice.within((-config.shift, config.shift)),
        shift_y=dice.within((-config.shift, config.shift)),
        roll_deg=dice.within((-turn, turn)),
    )


def _draw_light(config: AugmentConfig, dice: _Dice) -> tuple[float, float, float]:
    return (
        dice.log_within(config.exposure),
        dice.log_within(config.contrast),
        dice.log_within(config.gamma),
    )


def _draw_colour(config: AugmentConfig, dice: _Dice) -> tuple[float, float] | None:
    if dice.happens(config.p_grey):
        return 0.0, 0.0
    if dice.happens(config.p_colour):
        return dice.within(config.saturation), dice.within((-config.hue_deg, config.hue_deg))
    return None


def _draw_resample(config: AugmentConfig, dice: _Dice) -> tuple[float, int, int]:
    down, up = dice.rng.integers(0, len(_RESIZES), 2)
    return dice.log_within(config.resample), _RESIZES[down], _RESIZES[up]


def _draw_noise(config: AugmentConfig, dice: _Dice) -> tuple[float, int]:
    return dice.log_within(config.noise), int(dice.rng.integers(2**31))


def _draw_quality(config: AugmentConfig, dice: _Dice) -> int:
    low, high = config.jpeg_quality
    return int(dice.rng.integers(low, high + 1))


def _draw_cutout(config: AugmentConfig, dice: _Dice) -> tuple[float, float, float, float, int]:
    w, h = dice.within(config.cutout), dice.within(config.cutout)
    x, y = dice.within((0.0, 1.0 - w)), dice.within((0.0, 1.0 - h))
    return x, y, w, h, int(dice.rng.integers(256))


def _relight(image: Image, exposure: float, contrast: float, gamma: float) -> Image:
    """Apply all three as one table of 256 levels; dark faces must not drown in black."""
    levels = exposure * (np.arange(256) / 255) ** gamma
    levels = (levels - _PIVOT) * contrast + _PIVOT
    table = np.clip(np.rint(levels * 255), 0, 255).astype(np.uint8)
    return _pixels(cv2.LUT(image, table))


def _recolour(image: Image, saturation: float, hue_deg: float) -> Image:
    """Turn and stretch the colour plane of YCbCr; luma stays. One 3 x 3 matrix on RGB."""
    luma = np.array((0.299, 0.587, 0.114))
    to_colour = np.array([luma, (-0.168736, -0.331264, 0.5), (0.5, -0.418688, -0.081312)])
    turn = math.radians(hue_deg)
    cos, sin = saturation * math.cos(turn), saturation * math.sin(turn)
    stretch = np.array([(1, 0, 0), (0, cos, -sin), (0, sin, cos)])
    return _pixels(cv2.transform(image, np.linalg.inv(to_colour) @ stretch @ to_colour))


def _add_noise(image: Image, deviation: float, seed: int) -> Image:
    grain = np.random.default_rng(seed).standard_normal(image.shape, np.float32)
    noisy: NDArray[np.float32] = image + np.float32(deviation) * grain
    return np.clip(np.rint(noisy), 0, 255).astype(np.uint8)


def _pixels(image: object) -> Image:
    """State what OpenCV returns, which its stubs leave open."""
    return np.asarray(image, np.uint8)
