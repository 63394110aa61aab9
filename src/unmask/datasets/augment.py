"""What training may do to a face before the network sees it: configuration and dice.

`draw` rolls every die once per clip; `augmented_views` (datasets/augmented.py) obeys it, so all
frames of a clip are treated alike, and the same generator gives the same picture.

The preset `ours` follows what happens to real videos: light and colour, then lens and resolution,
then noise, then compression, all at the crop's own resolution, and only then the cut to the view,
moved a little and perhaps mirrored or partly covered. `heo`, `cvit` and `crop` are those of
publications (datasets/presets.py); `flip` mirrors and no more (Lu et al. 2021); `none` does
nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields, replace
from typing import Literal

import cv2
import numpy as np

from unmask.clips.tensors import ViewJitter
from unmask.datasets.augmented import NOTHING, Augmentation, degrade, finish
from unmask.datasets.cover import CoverConfig, draw_cover
from unmask.datasets.presets import (
    CropConfig,
    CvitConfig,
    HeoConfig,
    draw_crop,
    draw_cvit,
    draw_heo,
)
from unmask.datasets.steps import Dice, Range, check_probabilities
from unmask.errors import ConfigError
from unmask.video.corrupt import parse_corruptions
from unmask.video.distort import recompress

__all__ = [
    "NOTHING",
    "AugmentConfig",
    "Augmentation",
    "degrade",
    "draw",
    "finish",
    "recompress",
]

Preset = Literal["ours", "none", "flip", "crop", "heo", "cvit"]

_RESIZES = (cv2.INTER_AREA, cv2.INTER_LINEAR, cv2.INTER_CUBIC, cv2.INTER_NEAREST)
_PRESETS_OWN = ("crop", "heo", "cvit")  # tables of the presets of that name
_FOR_EVERY_PRESET = ("preset", "cover", "p_corrupt", "corrupt", *_PRESETS_OWN)


@dataclass(frozen=True, kw_only=True)
class AugmentConfig:
    """A preset, and the probabilities and ranges of `ours`. `p_* = 0` switches a step off.

    `cover` and `corrupt` go with every preset; the tables `crop`, `heo` and `cvit` change the
    preset of their name. What a preset does not use must keep its default.
    """

    preset: Preset = "ours"
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
    cover: CoverConfig | None = None  # of parts of the face; None: as the preset has it
    p_corrupt: float = 0.0
    corrupt: tuple[str, ...] = ("all",)  # one of these, as `--corrupt` takes them
    crop: CropConfig = field(default_factory=CropConfig)
    heo: HeoConfig = field(default_factory=HeoConfig)
    cvit: CvitConfig = field(default_factory=CvitConfig)

    def __post_init__(self) -> None:
        check_probabilities(self, "augment")
        for word in self.corrupt:
            parse_corruptions(word)
        if not self.corrupt:
            raise ConfigError("augment.corrupt is empty; use p_corrupt = 0 to corrupt nothing")
        unused = [name for name in self._unused() if getattr(self, name) != _default(self, name)]
        if unused:
            raise ConfigError(
                f"augment.{unused[0]} means nothing to the preset {self.preset}; leave it out"
            )

    def _unused(self) -> list[str]:
        """Fields that the preset does not look at."""
        own = [field.name for field in fields(self) if field.name not in _FOR_EVERY_PRESET]
        others = [name for name in _PRESETS_OWN if name != self.preset]
        return others if self.preset == "ours" else others + own


def _default(config: AugmentConfig, name: str) -> object:
    entry = next(entry for entry in fields(config) if entry.name == name)
    return entry.default_factory() if callable(entry.default_factory) else entry.default


def draw(config: AugmentConfig, rng: np.random.Generator) -> Augmentation:
    """Decide everything that will happen to one clip.

    What is off for every preset rolls no die: it must not move the draws of recipes without it.
    """
    dice = Dice(rng=rng)
    augmentation = _draw_preset(config, dice)
    cover = config.cover or (CoverConfig() if config.preset == "heo" else None)
    if cover is not None:
        augmentation = replace(augmentation, cover=draw_cover(cover, dice))
    if config.p_corrupt and dice.happens(config.p_corrupt):
        what = dice.one_of([c for word in config.corrupt for c in parse_corruptions(word)])
        augmentation = replace(augmentation, corruption=(what, dice.seed()))
    return augmentation


def _draw_preset(config: AugmentConfig, dice: Dice) -> Augmentation:
    match config.preset:
        case "ours":
            return _draw_ours(config, dice)
        case "heo":
            return draw_heo(config.heo, dice)
        case "cvit":
            return draw_cvit(config.cvit, dice)
        case "crop":
            return draw_crop(config.crop, dice)
        case "flip":
            return Augmentation(flip=dice.happens(0.5))
        case "none":
            return NOTHING


def _draw_ours(config: AugmentConfig, dice: Dice) -> Augmentation:
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


def _draw_jitter(config: AugmentConfig, dice: Dice) -> ViewJitter:
    low, high = (math.log(bound) for bound in config.scale)
    turn = config.roll_deg if dice.happens(config.p_roll) else 0.0
    return ViewJitter(
        scale=math.exp(dice.rng.triangular(low, min(max(0.0, low), high), high)),
        shift_x=dice.within((-config.shift, config.shift)),
        shift_y=dice.within((-config.shift, config.shift)),
        roll_deg=dice.within((-turn, turn)),
    )


def _draw_light(config: AugmentConfig, dice: Dice) -> tuple[float, float, float]:
    return (
        dice.log_within(config.exposure),
        dice.log_within(config.contrast),
        dice.log_within(config.gamma),
    )


def _draw_colour(config: AugmentConfig, dice: Dice) -> tuple[float, float] | None:
    if dice.happens(config.p_grey):
        return 0.0, 0.0
    if dice.happens(config.p_colour):
        return dice.within(config.saturation), dice.within((-config.hue_deg, config.hue_deg))
    return None


def _draw_resample(config: AugmentConfig, dice: Dice) -> tuple[float, int, int]:
    down, up = dice.rng.integers(0, len(_RESIZES), 2)
    return dice.log_within(config.resample), _RESIZES[down], _RESIZES[up]


def _draw_noise(config: AugmentConfig, dice: Dice) -> tuple[float, int]:
    return dice.log_within(config.noise), int(dice.rng.integers(2**31))


def _draw_quality(config: AugmentConfig, dice: Dice) -> int:
    low, high = config.jpeg_quality
    return int(dice.rng.integers(low, high + 1))


def _draw_cutout(config: AugmentConfig, dice: Dice) -> tuple[float, float, float, float, int]:
    w, h = dice.within(config.cutout), dice.within(config.cutout)
    x, y = dice.within((0.0, 1.0 - w)), dice.within((0.0, 1.0 - h))
    return x, y, w, h, int(dice.rng.integers(256))
