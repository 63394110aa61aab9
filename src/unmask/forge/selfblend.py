"""Self-blended images: a fake made of one real face, blended onto itself.

Paper: Shiohara, Yamasaki, "Detecting Deepfakes with Self-Blended Images", CVPR 2022. A copy of the
face (the source) is recoloured, sharpened or coarsened, shifted a little and blended back over the
original (the target) with a mask drawn from landmarks. What is left to see is the seam and the
mismatch that every face swap has, and nothing else; so a detector learns those.

Here: `draw_plan` makes every random choice, `apply_plan` carries them out. A plan is in face units
(see `landmarks`), so that one plan applied to all frames of a clip gives a steady fake.

Differs from the publication: (1) landmarks come from a mean face fitted to five points; (2) lengths
are shares of the face instead of the crop, so that tight and wide crops get the same fakes;
(3) hue and saturation turn in one linear map together with the other colour shifts; (4) sharpening
keeps the mean brightness; (5) coarsening averages pixels, where theirs picks the nearest; (6) both
axes are scaled alike; (7) the mask's edge is a ramp, where theirs keeps only what a blur leaves
whole. Values marked "ours" have no counterpart there; docs/forge.md has both side by side.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from unmask.forge import landmarks as lm
from unmask.types import Image

Mask = NDArray[np.float32]
Region = Literal["face", "below_forehead", "inner", "eyes_nose", "lower"]
Texture = Literal["sharpen", "coarsen"]

# Each region is the convex hull of these points.
_REGIONS: dict[Region, tuple[int, ...]] = {
    "face": tuple(range(81)),
    "below_forehead": tuple(range(68)),
    "inner": lm.BROWS + lm.NOSE + lm.EYES + lm.MOUTH,
    "eyes_nose": lm.BROWS + lm.NOSE + lm.EYES,
    "lower": lm.NOSE[4:] + lm.MOUTH + lm.JAW[3:14],
}
# The mask is drawn on a canvas in face units and warped into the picture once it is soft.
_CANVAS_PX = 192
_PX_PER_UNIT = 48.0
_CANVAS_ORIGIN = (2.0, 1.65)  # the point between the eyes, face units from the top left corner
_SUBPIXEL_BITS = 4
_FACE_TO_CANVAS = np.array(
    [
        [_PX_PER_UNIT, 0.0, _PX_PER_UNIT * _CANVAS_ORIGIN[0]],
        [0.0, _PX_PER_UNIT, _PX_PER_UNIT * _CANVAS_ORIGIN[1]],
    ]
)


@dataclass(frozen=True, kw_only=True)
class SelfBlendConfig:
    """What may be drawn. A pair is (least, most); probabilities of regions need not add up to 1."""

    augment_target: float = 0.5  # share of fakes whose target, not source, is altered (paper 3.1)
    rgb_shift: float = 20.0  # most, of 255, per channel (paper)
    p_rgb_shift: float = 0.3  # (paper)
    hue_deg: float = 8.0  # most (ours: the paper's 0.3 of 180 is invisible)
    saturation: float = 0.2  # most, relative (ours, likewise)
    brightness: float = 0.1  # most, of full scale (paper)
    contrast: float = 0.1  # most, relative (paper)
    sharpen: tuple[float, float] = (0.2, 0.5)  # weight of the sharpened picture (paper)
    coarsen: tuple[int, ...] = (2, 4)  # factors of down and up scaling (paper)
    coarsest_eyes_px: float = 14.0  # eye distance that coarsening keeps at least (ours)
    shift_x: float = 0.09  # most, face units (paper: 3 % of a crop about 3 units wide)
    shift_y: float = 0.045  # (paper: 1.5 %)
    scale: float = 0.95  # least, most is its inverse (paper)
    regions: tuple[tuple[Region, float], ...] = (  # (ours; paper: 3/4 with forehead, 1/4 without)
        ("face", 0.4),
        ("below_forehead", 0.2),
        ("inner", 0.2),
        ("eyes_nose", 0.1),
        ("lower", 0.1),
    )
    elastic: tuple[float, float] = (0.01, 0.05)  # rms displacement, face units (paper: about 0.02)
    elastic_cells: int = 12  # grid of the displacement, cells along a side of the canvas (ours)
    soften: tuple[float, float] = (0.07, 0.36)  # kernel of either blur, face units (paper: 5-25 px)
    erode: tuple[float, float] = (0.5, 0.95)  # level that becomes the mask's edge (paper: 1)
    ratios: tuple[float, ...] = (0.25, 0.5, 0.75, 1.0, 1.0, 1.0)  # strength of the blend (paper)


@dataclass(frozen=True, kw_only=True)
class ColourShift:
    """A change of colour of a whole picture."""

    rgb: tuple[float, float, float]  # added, of 255
    hue_deg: float
    saturation: float  # factor
    brightness: float  # added, of 255
    contrast: float  # factor about middle grey


@dataclass(frozen=True, kw_only=True, eq=False)
class BlendPlan:
    """Every random choice of one self-blend, in face units."""

    altered: Literal["source", "target"]
    colour: ColourShift
    texture: Texture
    sharpen: float
    coarsen: int
    coarsest_eyes_px: float
    shift: tuple[float, float]
    scale: float
    region: Region
    elastic: NDArray[np.float32]  # (cells, cells, 2) displacement of the mask
    soften: tuple[float, float]  # kernels before and after the erosion
    erode: float
    ratio: float

    def params(self) -> dict[str, Any]:
        """The choices as plain JSON values; of the elastic field only its strength."""
        values = asdict(self)
        values["elastic"] = float(np.sqrt((self.elastic**2).mean()))
        return values


@dataclass(frozen=True, kw_only=True, eq=False)
class SelfBlend:
    """A fake with its mask and its real counterpart.

    `real` is the target as it went into the blend: equal to the given picture unless the plan
    alters the target. Train on the pair (real, fake): with the given picture as the real one, the
    altered target's colour and sharpness would give the label away.
    """

    fake: Image
    real: Image
    mask: Mask  # (H, W), 0 outside .. 1 = source only
    params: dict[str, Any]


def self_blend(
    image: Image,
    landmarks_px: NDArray[np.floating],
    rng: np.random.Generator,
    config: SelfBlendConfig | None = None,
) -> SelfBlend:
    """Make a self-blended fake of the face at five landmarks (5, 2); all chance comes from `rng`.

    The face may reach beyond the picture; what lies outside is cut off.

    >>> rng = np.random.default_rng(0)
    >>> grey = np.full((64, 64, 3), 128, np.uint8)
    >>> points = np.array([(16, 13), (48, 13), (32, 30), (19, 47), (45, 47)])
    >>> blend = self_blend(grey, points, rng)
    >>> blend.fake.shape, blend.mask.shape
    ((64, 64, 3), (64, 64))
    """
    return apply_plan(image, landmarks_px, draw_plan(rng, config or SelfBlendConfig()))


def draw_plan(rng: np.random.Generator, config: SelfBlendConfig) -> BlendPlan:
    """Make every random choice of one fake."""
    names, weights = zip(*config.regions, strict=True)
    share = np.array(weights) / sum(weights)
    scale = config.scale ** rng.uniform(-1, 1)
    cells = config.elastic_cells
    return BlendPlan(
        altered="target" if rng.random() < config.augment_target else "source",
        colour=_draw_colour(rng, config),
        texture="sharpen" if rng.random() < 0.5 else "coarsen",
        sharpen=rng.uniform(*config.sharpen),
        coarsen=int(rng.choice(config.coarsen)),
        coarsest_eyes_px=config.coarsest_eyes_px,
        shift=(
            rng.uniform(-config.shift_x, config.shift_x),
            rng.uniform(-config.shift_y, config.shift_y),
        ),
        scale=scale,
        region=names[int(rng.choice(len(names), p=share))],
        elastic=(rng.standard_normal((cells, cells, 2)) * rng.uniform(*config.elastic)).astype(
            np.float32
        ),
        soften=(rng.uniform(*config.soften), rng.uniform(*config.soften)),
        erode=rng.uniform(*config.erode),
        ratio=float(rng.choice(config.ratios)),
    )


def _draw_colour(rng: np.random.Generator, config: SelfBlendConfig) -> ColourShift:
    shifts = rng.uniform(-config.rgb_shift, config.rgb_shift, 3)
    if rng.random() >= config.p_rgb_shift:
        shifts = np.zeros(3)
    return ColourShift(
        rgb=(float(shifts[0]), float(shifts[1]), float(shifts[2])),
        hue_deg=rng.uniform(-config.hue_deg, config.hue_deg),
        saturation=1 + rng.uniform(-config.saturation, config.saturation),
        brightness=255 * rng.uniform(-config.brightness, config.brightness),
        contrast=1 + rng.uniform(-config.contrast, config.contrast),
    )


def apply_plan(image: Image, landmarks_px: NDArray[np.floating], plan: BlendPlan) -> SelfBlend:
    """Carry out a plan on one picture."""
    real = np.ascontiguousarray(image)
    to_px = lm.face_similarity(landmarks_px)
    if plan.altered == "target":
        real = alter(real, plan, lm.eyes_px(to_px))
    mask = blend_mask(landmarks_px, plan, (image.shape[0], image.shape[1]))
    fake = real.copy()
    window = occupied(mask)
    if window is not None:
        # Only the part under the mask is warped: a face is a small part of a full frame.
        rows, columns = window
        origin = np.array([columns.start, rows.start])
        source = _source(image, to_px, plan, window, origin)
        weight = np.ascontiguousarray(mask[window])
        target = np.ascontiguousarray(real[window])
        fake[window] = cv2.blendLinear(source, target, weight, 1 - weight)
    return SelfBlend(fake=fake, real=real, mask=mask, params=plan.params())


def _source(
    image: Image,
    to_px: NDArray[np.float64],
    plan: BlendPlan,
    window: tuple[slice, slice],
    origin: NDArray[np.int_],
) -> Image:
    """The shifted, and if so planned altered, copy of the picture inside the window."""
    reach = int(np.ceil(0.25 * lm.eyes_px(to_px))) + 2  # the jitter moves the mask's rim by less
    rows, columns = window
    top, left = max(rows.start - reach, 0), max(columns.start - reach, 0)
    patch = np.ascontiguousarray(image[top : rows.stop + reach, left : columns.stop + reach])
    if plan.altered == "source":
        patch = alter(patch, plan, lm.eyes_px(to_px))
    moved = lm.compose(lm.compose(to_px, _jitter(plan)), lm.invert_affine(to_px))
    moved[:, 2] += moved[:, :2] @ (left, top) - origin  # from patch pixels to window pixels
    size = (columns.stop - columns.start, rows.stop - rows.start)
    warped = cv2.warpAffine(
        patch, moved, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101
    )
    return np.asarray(warped, np.uint8)


def alter(image: Image, plan: BlendPlan, eyes_px: float) -> Image:
    """Change colour, and sharpen or coarsen, as planned."""
    shifted = cv2.transform(image, colour_matrix(plan.colour))
    if plan.texture == "sharpen":
        rim = -plan.sharpen
        kernel = np.full((3, 3), rim, np.float32)
        kernel[1, 1] = 1 - 8 * rim
        crisp = cv2.filter2D(shifted, -1, kernel, borderType=cv2.BORDER_REFLECT_101)
        return np.asarray(crisp, np.uint8)
    factor = min(float(plan.coarsen), max(1.0, eyes_px / plan.coarsest_eyes_px))
    height, width = image.shape[:2]
    small = (max(1, round(width / factor)), max(1, round(height / factor)))
    coarse = cv2.resize(shifted, small, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(coarse, (width, height)), np.uint8)


def colour_matrix(shift: ColourShift) -> NDArray[np.float32]:
    """All of a colour shift as one matrix (3, 4) on RGB in 0 .. 255.

    Hue turns colours about the grey axis, saturation moves them from or to it.
    """
    turn = np.deg2rad(shift.hue_deg)
    axis = np.full(3, 1 / np.sqrt(3))
    cross = np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]]) / np.sqrt(3)
    grey = np.outer(axis, axis)
    colour = np.cos(turn) * (np.eye(3) - grey) + np.sin(turn) * cross
    linear = shift.contrast * (grey + shift.saturation * colour)
    offset = np.array(shift.rgb) + shift.brightness + 127.5 * (1 - shift.contrast)
    return np.column_stack([linear, offset]).astype(np.float32)


def blend_mask(landmarks_px: NDArray[np.floating], plan: BlendPlan, size: tuple[int, int]) -> Mask:
    """The plan's soft mask over a picture of `size` (height, width), times its blending ratio."""
    canvas = _canvas_mask(lm.posed_mean_face(landmarks_px), plan)
    to_px = lm.compose(lm.face_similarity(landmarks_px), _jitter(plan))
    warp = lm.compose(to_px, lm.invert_affine(_FACE_TO_CANVAS))
    mask = cv2.warpAffine(canvas, warp, (size[1], size[0]), flags=cv2.INTER_LINEAR)
    return np.asarray(mask, np.float32)


def _canvas_mask(points: lm.Points, plan: BlendPlan) -> Mask:
    """Hull, elastic deformation, blur, erosion and blur again, on the canvas."""
    hull = cv2.convexHull(lm.apply_affine(_FACE_TO_CANVAS, points[list(_REGIONS[plan.region])]))
    filled = np.zeros((_CANVAS_PX, _CANVAS_PX), np.uint8)
    fixed_point = np.rint(hull * 2**_SUBPIXEL_BITS).astype(np.int32)
    cv2.fillConvexPoly(filled, fixed_point, 255, cv2.LINE_AA, _SUBPIXEL_BITS)
    bent = cv2.remap(filled, *_elastic_map(plan), interpolation=cv2.INTER_LINEAR)
    soft = _blur(np.asarray(bent / 255, np.float32), plan.soften[0])
    # A ramp instead of a step, so that the edge moves smoothly from frame to frame.
    eroded = np.clip((soft - plan.erode) / (1 - plan.erode) * 4, 0, 1).astype(np.float32)
    blurred: Mask = np.clip(_blur(eroded, plan.soften[1]) * plan.ratio, 0, 1).astype(np.float32)
    # The canvas is wider than a face, but a turned head may touch its rim.
    blurred[[0, -1], :] = 0
    blurred[:, [0, -1]] = 0
    return blurred


def _elastic_map(plan: BlendPlan) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Where each pixel of the canvas looks, as x and y maps."""
    side = (_CANVAS_PX, _CANVAS_PX)
    bend = cv2.resize(plan.elastic * _PX_PER_UNIT, side, interpolation=cv2.INTER_CUBIC)
    columns, rows = np.meshgrid(np.arange(_CANVAS_PX), np.arange(_CANVAS_PX))
    return (bend[..., 0] + columns).astype(np.float32), (bend[..., 1] + rows).astype(np.float32)


def _blur(mask: Mask, kernel: float) -> Mask:
    """Two box blurs: smooth to the eye, of finite reach, and cheap. `kernel` in face units."""
    side = max(1, round(kernel * _PX_PER_UNIT)) | 1
    once = cv2.blur(mask, (side, side))
    return np.asarray(cv2.blur(once, (side, side)), np.float32)


def _jitter(plan: BlendPlan) -> NDArray[np.float64]:
    """How the source moves over the target: an affine map of face units."""
    return np.array([[plan.scale, 0.0, plan.shift[0]], [0.0, plan.scale, plan.shift[1]]])


def occupied(mask: Mask) -> tuple[slice, slice] | None:
    """Rows and columns that the mask touches; None if it touches none."""
    rows, columns = np.flatnonzero(mask.max(axis=1)), np.flatnonzero(mask.max(axis=0))
    if not len(rows):
        return None
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)
