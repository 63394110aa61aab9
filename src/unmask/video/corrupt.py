"""The seven corruptions of DeeperForensics-1.0, and true JPEG, at levels 0 (none) to 5.

Source: Jiang et al., "DeeperForensics-1.0", CVPR 2020, with the values of its published code.
Arithmetic is on float RGB in [0, 1] and rounded once at the end. Chance (where blocks lie, what
noise looks like) is a function of video, frame, kind and level, and of nothing else.

Differs from that code: (1) results are clipped and rounded; it truncates, and colours out of range
wrap round. (2) YCbCr is that of BT.601 with luma in 16..235 of 255 throughout, as its comments
mean it; noise comes out as strong as there. (3) Its number of grey blocks is multiplied by the
whole part of (shorter side / 256), which below 256 px gives none; here the factor is at least 1,
so a small crop is covered much more densely than a frame: 80 blocks take up to half of a 100 px
square. (4) Its "JPEG" scales down and up: `pixelation` here; `jpeg` is real JPEG, an eighth kind.
(5) `video` is x264 in one thread without macroblock tree, see `video/recode.py`.

On what it is applied changes the result: to whole frames before faces are detected
(`corrupt_frames`), or to crops that were stored before (`corrupt_faces`). On crops the detector
saw the clean picture, H.264 sees no background, and frames may lie seconds apart. Tables say which
(`caption`).
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Literal, get_args

import cv2
import numpy as np

from unmask.config import suggestion
from unmask.errors import ConfigError, UsageError
from unmask.types import Face, Frame, Image
from unmask.video.distort import DISTORTIONS
from unmask.video.recode import recode

Kind = Literal["saturation", "contrast", "blocks", "noise", "blur", "pixelation", "video", "jpeg"]
AppliedTo = Literal["frame", "crop"]

KINDS: tuple[Kind, ...] = get_args(Kind)
SEVEN: tuple[Kind, ...] = KINDS[:-1]  # a curve each in Fig. 5 of Zhang et al. 2024
LEVELS = (1, 2, 3, 4, 5)
CODES: dict[str, Kind] = {  # DeeperForensics' names; its "JPEG" would mislead, so it has no code
    "cs": "saturation",
    "cc": "contrast",
    "bw": "blocks",
    "gnc": "noise",
    "gb": "blur",
    "vc": "video",
}


@dataclass(frozen=True, kw_only=True)
class Severities:
    """The value behind each level 1..5, as published (jpeg: see there)."""

    saturation: tuple[float, ...] = (0.4, 0.3, 0.2, 0.1, 0.0)  # chroma is multiplied by it
    contrast: tuple[float, ...] = (0.85, 0.725, 0.6, 0.475, 0.35)  # so are all levels
    blocks: tuple[int, ...] = (16, 32, 48, 64, 80)  # per whole 256 px of the shorter side
    noise: tuple[float, ...] = (0.001, 0.002, 0.005, 0.01, 0.05)  # variance, of [0, 1]
    blur: tuple[int, ...] = (7, 9, 13, 17, 21)  # side of the kernel, px; sigma is a sixth of it
    pixelation: tuple[int, ...] = (2, 3, 4, 5, 6)  # both sides are divided by it
    video: tuple[int, ...] = (30, 32, 35, 38, 40)  # x264's constant rate factor
    # Zhang et al. 2024 print 20 25 30 45 40 and "larger = stronger", which no quality is: read as
    # 60 minus 20 25 30 35 40.
    jpeg: tuple[int, ...] = (40, 35, 30, 25, 20)  # quality

    def __post_init__(self) -> None:
        for field in fields(self):
            if len(getattr(self, field.name)) != len(LEVELS):
                raise ConfigError(f"{field.name}: expected {len(LEVELS)} values, one per level")


PUBLISHED = Severities()


@dataclass(frozen=True, kw_only=True)
class Corruption:
    """A kind at a level; level 0 leaves every picture as it is."""

    kind: Kind
    level: int

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise UsageError(f"corruption {self.kind}: unknown; {suggestion(self.kind, KINDS)}")
        if self.level not in (0, *LEVELS):
            raise UsageError(f"corruption {self.kind}:{self.level}: levels are 0 (none) to 5")

    def __str__(self) -> str:
        return f"{self.kind}:{self.level}"

    def value(self, severities: Severities = PUBLISHED) -> float:
        """What the level means for its kind; there is none for level 0."""
        assert self.level, f"{self} has no value"
        values: tuple[float, ...] = getattr(severities, self.kind)
        return values[self.level - 1]


def parse_corruptions(word: str) -> tuple[Corruption, ...]:
    """Read `KIND:LEVEL`, `KIND` (its five levels), `all:LEVEL`, or `all` (seven at five levels).

    A kind may be given by DeeperForensics' code. `jpeg` is named alone: it is none of the seven.

    Raises:
        UsageError: no such kind or level.

    >>> [str(corruption) for corruption in parse_corruptions("blur:3")]
    ['blur:3']
    >>> len(parse_corruptions("all")), len(parse_corruptions("GB"))
    (35, 5)
    """
    name, colon, level = word.strip().lower().partition(":")
    kinds = SEVEN if name == "all" else (CODES.get(name, name),)
    if colon and not level.isdecimal():
        raise UsageError(f"corruption {word}: expected KIND:LEVEL, e.g. blur:3, with 0 to 5")
    levels = (int(level),) if colon else LEVELS
    return tuple(
        Corruption(kind=kind, level=step)  # type: ignore[arg-type]  # it checks the word
        for kind in kinds
        for step in levels
    )


def caption(
    corruption: Corruption, applied_to: AppliedTo, severities: Severities = PUBLISHED
) -> str:
    """Say for a table what was done, how strongly, and to what.

    >>> caption(Corruption(kind="video", level=2), "frame")
    'video:2 (32), on the frame before detection'
    """
    place = {"frame": "on the frame before detection", "crop": "on the stored crop"}[applied_to]
    if corruption.level == 0:
        return "none"
    return f"{corruption} ({corruption.value(severities):g}), {place}"


def corrupt(
    rgb: Image,
    corruption: Corruption,
    *,
    video: str,
    frame: int,
    severities: Severities = PUBLISHED,
) -> Image:
    """Corrupt one picture (H, W, 3). `video` and `frame` name it: the same name, the same chance.

    `video` corruption codes the picture as a still; for a run of frames use `corrupt_frames`.
    """
    if corruption.level == 0:
        return rgb
    value = corruption.value(severities)
    if corruption.kind == "video":
        return next(recode([rgb], int(value)))
    return DISTORTIONS[corruption.kind](rgb, value, _chance(corruption, video, frame))


def corrupt_frames(
    frames: Iterable[Frame],
    corruption: Corruption,
    *,
    video: str,
    severities: Severities = PUBLISHED,
) -> Iterator[Frame]:
    """Corrupt the frames of a video one for one, in order, in constant memory.

    A frame is named by its time in milliseconds, so which others were sampled does not matter;
    except for `video`, which predicts from frame to frame: give it every frame and sample after.
    """
    if corruption.kind != "video" or corruption.level == 0:
        for frame in frames:
            name = round(1000 * frame.t_s)
            rgb = corrupt(frame.rgb, corruption, video=video, frame=name, severities=severities)
            yield replace(frame, rgb=rgb)
        return
    waiting: deque[Frame] = deque()  # in the encoder, which looks ahead

    def pictures() -> Iterator[Image]:
        for frame in frames:
            waiting.append(frame)
            yield frame.rgb

    for rgb in recode(pictures(), int(corruption.value(severities))):
        yield replace(waiting.popleft(), rgb=rgb)


def corrupt_faces(
    faces: Sequence[Face],
    corruption: Corruption,
    *,
    video: str,
    severities: Severities = PUBLISHED,
) -> tuple[Face, ...]:
    """Corrupt the stored crops of one person; boxes and landmarks stay what they were.

    For `video` the crops are one run: each is laid in the middle of a picture as large as the
    largest, its border repeated, and cut out again. Sampled crops may lie seconds apart; then the
    encoder finds little to predict from, as at a cut, and spends more bits than within a scene.
    """
    if corruption.kind == "video" and corruption.level:
        side = max((max(face.crop.shape[:2]) for face in faces), default=0)
        run = recode(
            (_centred(face.crop, side) for face in faces), int(corruption.value(severities))
        )
        return tuple(
            replace(face, crop=_uncentred(rgb, face.crop.shape))
            for face, rgb in zip(faces, run, strict=True)
        )
    frames = [Frame(t_s=face.t_s, rgb=face.crop) for face in faces]
    run = (f.rgb for f in corrupt_frames(frames, corruption, video=video, severities=severities))
    return tuple(replace(face, crop=rgb) for face, rgb in zip(faces, run, strict=True))


def _chance(corruption: Corruption, video: str, frame: int) -> np.random.Generator:
    name = f"{corruption}\0{frame}\0{video}".encode()
    return np.random.default_rng(int.from_bytes(hashlib.sha256(name).digest()))


def _centred(crop: Image, side: int) -> Image:
    height, width = crop.shape[:2]
    top, left = (side - height) // 2, (side - width) // 2
    bottom, right = side - height - top, side - width - left
    grown = cv2.copyMakeBorder(crop, top, bottom, left, right, cv2.BORDER_REPLICATE)
    return np.asarray(grown, np.uint8)


def _uncentred(rgb: Image, shape: tuple[int, ...]) -> Image:
    height, width = shape[:2]
    top, left = (rgb.shape[0] - height) // 2, (rgb.shape[1] - width) // 2
    return rgb[top : top + height, left : left + width]
