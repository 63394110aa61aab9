"""Moves a person's mouth, brows and eyes as another speaker's might, smoothly over time.

As in reenactment (Face2Face, lip-syncing networks) the person stays and the expression changes. A
handful of fields, drawn by us in face units, push skin about: the jaw drops, the lips part, the
corners of the mouth go out and up or in, brows rise, lids narrow. Each has its own slow or
speech-like course in time. The region is a little softened, as if drawn anew.

Differs from reenactment by networks: a closed mouth stretches and does not part, since the clip has
no picture of what is behind the lips; and the sound is not listened to.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from unmask.forge import landmarks as lm
from unmask.forge.canvas import Canvas
from unmask.forge.facepath import Whereabouts
from unmask.forge.selfblend import Mask, occupied
from unmask.types import Frame, Image

_CANVAS = Canvas(side_px=96)
_N_WAVES = 3
_ENDS = (1.45, 1.85)  # below the mouth, face units: from where on less moves, and nothing
_PEAK_WITHIN_S = 4.0
_RIM_UNITS = 0.012  # a shift below this is nothing: where the mask ends
_FULL_UNITS = 0.05  # a region that moves by so much at most is fully forged


@dataclass(frozen=True, kw_only=True)
class _Push:
    """Skin around a place that moves together: place, reach and direction in face units."""

    at: tuple[float, float]
    reach: tuple[float, float]
    by: tuple[float, float]


def _pair(
    at: tuple[float, float], reach: tuple[float, float], by: tuple[float, float]
) -> tuple[_Push, _Push]:
    """A push and its mirror image."""
    mirrored = _Push(at=(-at[0], at[1]), reach=reach, by=(-by[0], by[1]))
    return _Push(at=at, reach=reach, by=by), mirrored


# What one unit of each movement does.
_MOVES: dict[str, tuple[_Push, ...]] = {
    "open": (
        _Push(at=(0.0, 1.36), reach=(0.46, 0.26), by=(0.0, 1.0)),
        _Push(at=(0.0, 0.92), reach=(0.30, 0.14), by=(0.0, -0.16)),
    ),
    "smile": _pair((0.46, 1.06), (0.20, 0.18), (0.7, -0.7)),
    "brows": _pair((0.50, -0.42), (0.34, 0.16), (0.0, -1.0)),
    "lids": (
        *_pair((0.50, -0.16), (0.26, 0.09), (0.0, 1.0)),
        *_pair((0.50, 0.16), (0.26, 0.09), (0.0, -0.6)),
    ),
}


@dataclass(frozen=True, kw_only=True)
class ReenactConfig:
    """What may be drawn; all of it ours. Amplitudes are the most in face units, (least, most)."""

    open: tuple[float, float] = (0.10, 0.20)
    smile: tuple[float, float] = (0.03, 0.08)
    brows: tuple[float, float] = (0.02, 0.07)
    lids: tuple[float, float] = (0.0, 0.03)
    speech_hz: tuple[float, float] = (1.5, 4.5)  # syllables
    mood_hz: tuple[float, float] = (0.15, 0.6)  # everything but the jaw
    soften: tuple[float, float] = (0.003, 0.01)  # blur of the region drawn anew, face units


@dataclass(frozen=True, kw_only=True)
class Course:
    """How strongly a movement is made at any time: a sum of slow waves, in `least` .. 1."""

    amplitude: float
    hz: tuple[float, ...]
    phase: tuple[float, ...]
    least: float  # -1 for movements that go both ways

    def at(self, t_s: float) -> float:
        """Face units at a moment."""
        angle = 2 * np.pi * np.array(self.hz) * t_s + np.array(self.phase)
        wave = float(np.sin(angle).mean()) * 1.3
        low = self.least
        return self.amplitude * float(np.clip(low + (1 - low) * (wave + 1) / 2, low, 1.0))


@dataclass(frozen=True, kw_only=True)
class ReenactPlan:
    """Every random choice of one reenactment."""

    courses: dict[str, Course]
    soften: float

    def params(self) -> dict[str, Any]:
        """The choices as plain JSON values."""
        return asdict(self)


def draw_reenactment(rng: np.random.Generator, config: ReenactConfig) -> ReenactPlan:
    """Make every random choice of one reenactment."""
    courses = {}
    for name in _MOVES:
        band = config.speech_hz if name == "open" else config.mood_hz
        courses[name] = Course(
            amplitude=rng.uniform(*getattr(config, name)),
            hz=tuple(rng.uniform(*band, _N_WAVES).tolist()),
            phase=tuple(rng.uniform(0, 2 * np.pi, _N_WAVES).tolist()),
            least=-1.0 if name == "smile" else 0.0,
        )
    return ReenactPlan(courses=courses, soften=rng.uniform(*config.soften))


class Reenactor:
    """Reenacts one person of one clip."""

    def __init__(self, plan: ReenactPlan) -> None:
        self._plan = plan
        self._moves = {name: _field(pushes) for name, pushes in _MOVES.items()}
        self._region = self._touched()

    @property
    def peak_s(self) -> float:
        """When most is moved, of the first seconds: the moment for a still picture."""
        times_s = np.linspace(0, _PEAK_WITHIN_S, 100)
        moved = [sum(abs(c.at(t_s)) for c in self._plan.courses.values()) for t_s in times_s]
        return float(times_s[int(np.argmax(moved))])

    def __call__(self, frame: Frame, face: Whereabouts) -> tuple[Image, Mask]:
        """Reenact one frame."""
        rgb = frame.rgb
        to_frame = lm.invert_affine(_posed_canvas(face.landmarks_px))
        full = (rgb.shape[1], rgb.shape[0])
        mask = face.presence * cv2.warpAffine(self._region, to_frame, full)
        window = occupied(mask)
        if window is None:
            return rgb, mask
        rows, columns = window
        to_window = to_frame.copy()
        to_window[:, 2] -= (columns.start, rows.start)
        size = (columns.stop - columns.start, rows.stop - rows.start)
        course = {name: c.at(frame.t_s) for name, c in self._plan.courses.items()}
        moved = self._moved(rgb, course, to_window, window, size)
        weight = np.ascontiguousarray(mask[window])
        target = np.ascontiguousarray(rgb[window])
        fake = rgb.copy()
        fake[window] = cv2.blendLinear(moved, target, weight, 1 - weight)
        return fake, mask

    def _moved(
        self,
        rgb: Image,
        course: dict[str, float],
        to_window: NDArray[np.float64],
        window: tuple[slice, slice],
        size: tuple[int, int],
    ) -> Image:
        """The window with its skin pushed about."""
        push = sum(course[name] * field for name, field in self._moves.items())
        linear = to_window[:, :2] * _CANVAS.px_per_unit  # face units to pixels
        shift = cv2.warpAffine(np.asarray(push @ linear.T, np.float32), to_window, size)
        x, y = np.meshgrid(np.arange(size[0]), np.arange(size[1]))
        rows, columns = window
        look_x = (x + columns.start - shift[..., 0]).astype(np.float32)
        look_y = (y + rows.start - shift[..., 1]).astype(np.float32)
        moved = cv2.remap(rgb, look_x, look_y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
        unit_px = float(np.sqrt(abs(np.linalg.det(linear))))
        soft = cv2.GaussianBlur(moved, (0, 0), max(self._plan.soften * unit_px, 0.3))
        return np.asarray(soft, np.uint8)

    def _touched(self) -> Mask:
        """How far each place of the canvas is forged over the whole course."""
        most = np.zeros((_CANVAS.side_px, _CANVAS.side_px), np.float32)
        for name, field in self._moves.items():
            reach = self._plan.courses[name].amplitude * np.linalg.norm(field, axis=2)
            most = np.maximum(most, reach)
        ramp = np.clip((most - _RIM_UNITS) / (_FULL_UNITS - _RIM_UNITS), 0, 1)
        region = cv2.GaussianBlur((ramp * ramp * (3 - 2 * ramp)).astype(np.float32), (0, 0), 1.5)
        region[[0, -1], :] = 0
        region[:, [0, -1]] = 0
        return np.asarray(region, np.float32)


def _field(pushes: tuple[_Push, ...]) -> NDArray[np.float32]:
    """Shift of every place of the canvas in face units: (side, side, 2)."""
    x, y = _CANVAS.units()
    total = np.zeros((*x.shape, 2), np.float32)
    for push in pushes:
        square = ((x - push.at[0]) / push.reach[0]) ** 2 + ((y - push.at[1]) / push.reach[1]) ** 2
        total += np.exp(-0.5 * square)[..., None] * np.array(push.by, np.float32)
    return total * _within(y)


def _within(y: NDArray[np.float32]) -> NDArray[np.float32]:
    """1 on the face, falling to 0 below the chin before the canvas ends: (side, side, 1)."""
    ramp = np.clip((_ENDS[1] - y) / (_ENDS[1] - _ENDS[0]), 0, 1)
    return np.asarray(ramp * ramp * (3 - 2 * ramp), np.float32)[..., None]


def _posed_canvas(landmarks_px: lm.Points) -> NDArray[np.float64]:
    """Frame pixels to canvas pixels, turned and tilted like the head."""
    template = np.asarray(lm.MEAN_FACE[:, :2], np.float32)
    to_frame = lm.fit_affine(template, lm.fitted_points(landmarks_px))
    return lm.compose(_CANVAS.from_face, lm.invert_affine(to_frame))
