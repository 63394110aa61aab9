"""The augmentations of the publications: probabilities, ranges and order as they were.

Each preset has a frozen configuration whose defaults are the published values, and a function that
draws what happens to one clip, in the order of its source. The drawn values are the same for all
frames. What a source does with a library that we do not use is done by `datasets/transforms.py`;
ranges that the library chose are named after it ("library": albumentations 0.4, 0.5).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from unmask.clips.tensors import ViewJitter
from unmask.datasets import transforms
from unmask.datasets.augmented import AnyStep, Augmentation
from unmask.datasets.steps import ClipStep, Dice, Range, Step, check_probabilities
from unmask.video.distort import recompress


@dataclass(frozen=True, kw_only=True)
class HeoConfig:
    """Heo et al. 2021, whose base is Seferbekov 2020 (code, train_classifier.py), with its covers.

    Differs: views here are square cuts of the frame, in training and in scanning, so nothing needs
    padding and `p_pad` is 0; there a crop is as narrow as its face and padded in black.
    """

    p_jpeg: float = 0.5
    jpeg_quality: tuple[int, int] = (60, 100)
    p_noise: float = 0.1
    noise_variance: Range = (10.0, 50.0)  # of 255 squared; library
    p_blur: float = 0.05
    blur_kernel_px: int = 3
    p_flip: float = 0.5
    p_resize: float = 1.0  # one of three pairs of interpolations; else the cut is a scan's
    p_pad: float = 0.0  # ours, see above
    pad: Range = (0.7, 0.95)  # ours: width of a padded face, share of its height
    p_colour: float = 0.7  # one of brightness and contrast, components, hue and saturation
    brightness: float = 0.2  # up to, either way; library
    contrast: float = 0.2  # library
    components: float = 0.1  # deviation of the weights (Krizhevsky et al. 2012, 4.1); library
    hue_deg: float = 40.0  # library: 20 of 180
    saturation: float = 30 / 255  # library
    value: float = 20 / 255  # library
    p_grey: float = 0.2
    p_move: float = 0.5
    shift: float = 0.1
    scale: float = 0.2
    turn_deg: float = 10.0

    def __post_init__(self) -> None:
        check_probabilities(self, "heo")


@dataclass(frozen=True, kw_only=True)
class CvitConfig:
    """CViT (Wodajo & Atnafu 2021; code, augmentation.py), which Zhang et al. 2024 leave unlisted.

    Differs: half of its noise is grey grain of another library; here all of it is coloured.
    """

    p_any: float = 0.9  # else the clip stays as it is
    p_turn: float = 0.2  # by 0, 90, 180 or 270 degrees
    p_transpose: float = 0.2
    p_flip: float = 0.5
    p_upend: float = 0.5
    p_noise: float = 0.2
    noise_variance: Range = (10.0, 50.0)  # of 255 squared; library
    p_move: float = 0.2
    shift: float = 0.0625  # library, as all below but the limit of CLAHE
    scale: float = 0.1
    turn_deg: float = 45.0
    p_detail: float = 0.2  # one of CLAHE, sharpening, relief, brightness and contrast
    clahe_limit: Range = (1.0, 2.0)
    detail_share: Range = (0.2, 0.5)  # of a sharpened picture or of a relief, mixed in
    lightness: Range = (0.5, 1.0)  # of sharpening
    relief: Range = (0.2, 0.7)
    brightness: float = 0.2
    contrast: float = 0.2
    p_colour: float = 0.2
    hue_deg: float = 40.0
    saturation: float = 30 / 255
    value: float = 20 / 255

    def __post_init__(self) -> None:
        check_probabilities(self, "cvit")


@dataclass(frozen=True, kw_only=True)
class CropConfig:
    """Das et al. 2021: a crop of the clip (112 px of 3D ResNets), mirrored or not."""

    p_flip: float = 0.5
    crop: Range = (0.875, 1.0)  # side, share of the view (ours, about 224 of 256 px); any place

    def __post_init__(self) -> None:
        check_probabilities(self, "crop")


def draw_heo(config: HeoConfig, dice: Dice) -> Augmentation:
    """JPEG, noise, blur; mirror; cut with chosen interpolation; pad; colour; grey; move."""
    crop_steps = []
    if dice.happens(config.p_jpeg):
        low, high = config.jpeg_quality
        crop_steps.append(Step(recompress, (int(dice.rng.integers(low, high + 1)),)))
    if dice.happens(config.p_noise):
        crop_steps.append(_noise(config.noise_variance, dice))
    if dice.happens(config.p_blur):
        crop_steps.append(Step(transforms.blur_kernel, (config.blur_kernel_px,)))
    return Augmentation(
        crop_steps=tuple(crop_steps),
        flip=dice.happens(config.p_flip),
        jitter=_interpolation(dice) if dice.happens(config.p_resize) else None,
        view_steps=_heo_view_steps(config, dice),
    )


def draw_cvit(config: CvitConfig, dice: Dice) -> Augmentation:
    """Turn, transpose, mirror, upend; noise; move; detail or light; colour."""
    if not dice.happens(config.p_any):
        return Augmentation()
    steps: list[AnyStep] = []
    if dice.happens(config.p_turn):
        steps.append(Step(transforms.quarter_turns, (dice.one_of(range(4)),)))
    for probability, turn in (
        (config.p_transpose, transforms.transpose),
        (config.p_flip, transforms.mirror),
        (config.p_upend, transforms.upend),
    ):
        if dice.happens(probability):
            steps.append(Step(turn))
    if dice.happens(config.p_noise):
        steps.append(_noise(config.noise_variance, dice))
    if dice.happens(config.p_move):
        steps.append(_move(config, dice, cv2.BORDER_REFLECT_101))
    if dice.happens(config.p_detail):
        steps.append(_detail(config, dice))
    if dice.happens(config.p_colour):
        steps.append(_hsv(config, dice))
    return Augmentation(view_steps=tuple(steps))


def draw_crop(config: CropConfig, dice: Dice) -> Augmentation:
    """A smaller square anywhere inside the view's, cut from the full-resolution face."""
    flip, scale = dice.happens(config.p_flip), dice.within(config.crop)
    room = (1 - scale) / 2
    jitter = ViewJitter(scale=scale, shift_x=dice.about(room), shift_y=dice.about(room))
    return Augmentation(flip=flip, jitter=jitter)


def _heo_view_steps(config: HeoConfig, dice: Dice) -> tuple[AnyStep, ...]:
    steps: list[AnyStep] = []
    if dice.happens(config.p_pad):
        steps.append(Step(transforms.letterbox, (dice.within(config.pad),)))
    if dice.happens(config.p_colour):
        ways: tuple[Callable[[HeoConfig, Dice], AnyStep], ...] = (_brighten, _components, _hsv)
        steps.append(dice.one_of(ways)(config, dice))
    if dice.happens(config.p_grey):
        steps.append(Step(transforms.recolour, (0.0, 0.0)))
    if dice.happens(config.p_move):
        steps.append(_move(config, dice, cv2.BORDER_CONSTANT))
    return tuple(steps)


def _interpolation(dice: Dice) -> ViewJitter:
    area, linear, cubic = cv2.INTER_AREA, cv2.INTER_LINEAR, cv2.INTER_CUBIC
    pairs = ((area, cubic), (area, linear), (linear, linear))  # shrinking, enlarging
    return ViewJitter(methods=dice.one_of(pairs))


def _noise(variance: Range, dice: Dice) -> Step:
    return Step(transforms.add_noise, (math.sqrt(dice.within(variance)), dice.seed()))


def _move(config: HeoConfig | CvitConfig, dice: Dice, border: int) -> Step:
    shift = dice.about(config.shift), dice.about(config.shift)
    scale, turn_deg = 1 + dice.about(config.scale), dice.about(config.turn_deg)
    return Step(transforms.move, (shift, scale, turn_deg, border))


def _brighten(config: HeoConfig | CvitConfig, dice: Dice) -> Step:
    return Step(
        transforms.brighten, (1 + dice.about(config.contrast), dice.about(config.brightness))
    )


def _components(config: HeoConfig, dice: Dice) -> ClipStep:
    weights = np.float64(config.components) * dice.rng.standard_normal(3)
    return ClipStep(transforms.shift_along_components, tuple(weights.tolist()))


def _hsv(config: HeoConfig | CvitConfig, dice: Dice) -> Step:
    reaches = (config.hue_deg, config.saturation, config.value)
    return Step(transforms.shift_hsv, tuple(dice.about(reach) for reach in reaches))


def _detail(config: CvitConfig, dice: Dice) -> Step:
    kind = dice.one_of(("equalise", "sharpen", "emboss", "brighten"))
    if kind == "brighten":
        return _brighten(config, dice)
    if kind == "equalise":
        return Step(transforms.equalise, (dice.within(config.clahe_limit),))
    do, effect = {
        "sharpen": (transforms.sharpen, config.lightness),
        "emboss": (transforms.emboss, config.relief),
    }[kind]
    return Step(do, (dice.within(config.detail_share), dice.within(effect)))
