"""The ways to forge, by name: what each does to picture and sound, and how its choices are drawn.

Every choice is drawn from a frozen config by (seed, method), once per clip, and is recorded.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from unmask.errors import UsageError
from unmask.forge.facepath import Whereabouts
from unmask.forge.reenact import ReenactConfig, Reenactor, draw_reenactment
from unmask.forge.resynthesise import ResynthesiseConfig, Resynthesiser, draw_resynthesis
from unmask.forge.selfblend import BlendPlan, Mask, SelfBlendConfig, apply_plan, draw_plan
from unmask.forge.swap import SwapConfig
from unmask.types import Frame, Image

PictureMethod = Literal["self_blend", "swap", "reenact", "resynthesise"]
FaceMethod = Literal["self_blend", "reenact", "resynthesise"]  # those that need one face alone
SoundMethod = Literal["vocoder", "splice", "pitch_shift", "desync"]
Forger = Callable[[Frame, Whereabouts], tuple[Image, Mask]]

# Unlike a training image, a clip is there to be told from its original: what lies outside the mask
# stays as it was, and the blend is never the faintest.
TWIN_CONFIG = SelfBlendConfig(
    augment_target=0.0,
    ratios=(0.75, 1.0, 1.0),
    regions=(("face", 0.4), ("below_forehead", 0.3), ("inner", 0.3)),
)


@dataclass(frozen=True, kw_only=True)
class Method:
    """What a method forges."""

    picture: PictureMethod | None = None
    sound: SoundMethod | None = None

    @property
    def needs_donor(self) -> bool:
        """Whether another person takes part."""
        return self.picture == "swap" or self.sound == "splice"


METHODS: dict[str, Method] = {
    "self_blend": Method(picture="self_blend"),
    "swap": Method(picture="swap"),
    "reenact": Method(picture="reenact"),
    "resynthesise": Method(picture="resynthesise"),
    "vocoder": Method(sound="vocoder"),
    "splice": Method(sound="splice"),
    "pitch_shift": Method(sound="pitch_shift"),
    "desync": Method(sound="desync"),
    "impersonate": Method(picture="swap", sound="splice"),  # face and voice of the same donor
}


@dataclass(frozen=True, kw_only=True)
class ForgeConfig:
    """What may be drawn, per picture method."""

    self_blend: SelfBlendConfig = TWIN_CONFIG
    swap: SwapConfig = field(default_factory=SwapConfig)
    reenact: ReenactConfig = field(default_factory=ReenactConfig)
    resynthesise: ResynthesiseConfig = field(default_factory=ResynthesiseConfig)


def rng_of(seed: int, method: str) -> np.random.Generator:
    """All chance of one forgery. A self-blend's is that of its seed alone, as it always was."""
    if method == "self_blend":
        return np.random.default_rng(seed)
    return np.random.default_rng((seed, int.from_bytes(method.encode())))


def forger_of(
    method: FaceMethod, rng: np.random.Generator, config: ForgeConfig
) -> tuple[Forger, dict[str, Any]]:
    """Draw a forgery of one face, and say what was drawn.

    Raises:
        UsageError: no such method works on a face alone.
    """
    if method == "self_blend":
        blend = draw_plan(rng, config.self_blend)
        return _self_blender(blend), blend.params()
    if method == "reenact":
        acting = draw_reenactment(rng, config.reenact)
        return Reenactor(acting), acting.params()
    if method == "resynthesise":
        code = draw_resynthesis(rng, config.resynthesise)
        return Resynthesiser(code), code.params()
    raise UsageError(
        f"{method!r} cannot forge a face alone; there are: {', '.join(get_args(FaceMethod))}"
    )


def forge_face(
    face_crop: Image,
    landmarks_px: NDArray[np.floating],
    method: FaceMethod,
    rng: np.random.Generator,
    config: ForgeConfig | None = None,
) -> tuple[Image, Mask]:
    """Forge one picture of a face; landmarks (5, 2), or 68 or 81 points, in its pixels.

    The same state of `rng` makes the same choices, so that all frames of a clip can be forged
    alike. Outside the mask the picture stays as it was.

    >>> grey = np.full((64, 64, 3), 128, np.uint8)
    >>> points = np.array([(16, 13), (48, 13), (32, 30), (19, 47), (45, 47)])
    >>> fake, mask = forge_face(grey, points, "reenact", np.random.default_rng(0))
    >>> fake.shape, mask.shape
    ((64, 64, 3), (64, 64))
    """
    forger, _ = forger_of(method, rng, config or ForgeConfig())
    face = Whereabouts(landmarks_px=np.asarray(landmarks_px, np.float32), presence=1.0)
    frame = Frame(t_s=still_moment_s(forger), rgb=np.ascontiguousarray(face_crop))
    return forger(frame, face)


def still_moment_s(forger: Forger) -> float:
    """The moment of a forgery that a still shows: one at which there is something to see."""
    return forger.peak_s if isinstance(forger, Reenactor) else 0.0


def _self_blender(plan: BlendPlan) -> Forger:
    def forge(frame: Frame, face: Whereabouts) -> tuple[Image, Mask]:
        now = replace(plan, ratio=plan.ratio * face.presence)
        blend = apply_plan(frame.rgb, face.landmarks_px, now)
        return blend.fake, blend.mask

    return forge
