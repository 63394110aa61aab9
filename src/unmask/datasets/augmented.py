"""A clip under one augmentation: the order of steps, from stored crops to the views learned from.

cover -> degrade (light, colour, blur, resolution, noise, JPEG, or a preset's steps) -> corrupt ->
cut to the view, moved a little -> finish (mirror, rectangle) -> a preset's steps on views. The cut
is the one step that a scan also makes, and the same code (`clips/tensors.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from unmask.clips.tensors import ViewJitter, cut_views
from unmask.datasets.cover import Cover, covered
from unmask.datasets.steps import ClipStep, Step
from unmask.datasets.transforms import (
    GEOMETRIC,
    add_noise,
    blur,
    mirror,
    pixels,
    recolour,
    relight,
)
from unmask.errors import UsageError
from unmask.types import Face, Frame, Image, InputSpec
from unmask.video.corrupt import Corruption, corrupt_faces, corrupt_frames
from unmask.video.distort import recompress

AnyStep = Step | ClipStep
Mask = NDArray[np.uint8]  # (H, W)


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """One roll of the dice, for all frames of a clip; None = this step is left out."""

    cover: Cover | None = None
    light: tuple[float, float, float] | None = None  # exposure, contrast, gamma
    colour: tuple[float, float] | None = None  # saturation, hue turn in degrees
    blur_px: float | None = None
    resample: tuple[float, int, int] | None = None  # share, OpenCV's method down and up
    noise: tuple[float, int] | None = None  # standard deviation, seed
    jpeg_quality: int | None = None
    crop_steps: tuple[Step, ...] = ()  # on the full-resolution crop, of presets
    corruption: tuple[Corruption, int] | None = None  # what, seed
    jitter: ViewJitter | None = None
    flip: bool = False
    cutout: tuple[float, float, float, float, int] | None = None  # x, y, w, h shares; grey level
    view_steps: tuple[AnyStep, ...] = ()  # on the views, of presets


NOTHING = Augmentation()


def augmented_views(
    sights: Sequence[Face] | Sequence[Frame], spec: InputSpec, augmentation: Augmentation
) -> NDArray[np.uint8]:
    """Cut the views (T, H, W, 3) of one clip of faces or of whole frames, all treated alike.

    Whole frames are seen whole, so they are not moved (`jitter`).

    Raises:
        UsageError: parts of a face are to be covered where the system looks at whole frames, or
            views that are not square are to be turned.
    """
    a = augmentation
    frames = [sight for sight in sights if isinstance(sight, Frame)]
    faces = [sight for sight in sights if isinstance(sight, Face)]
    worn = _worn_frames(frames, a) if frames else _worn_faces(faces, a)
    views = [finish(view, a) for view in cut_views(worn, spec, a.jitter)]
    for step in a.view_steps:
        views = step.over(views)
    return np.stack(views)


def augmented_masks(
    masks: Sequence[Mask], faces: Sequence[Face], spec: InputSpec, augmentation: Augmentation
) -> NDArray[np.uint8]:
    """Move masks, each in the pixels of its face's crop, as `augmented_views` moves the pictures.

    Returns (T, H, W). Light, noise and covers leave a mask as it is: it says where the forgery is,
    not where it can be seen.
    """
    faces = [replace(face, crop=mask) for face, mask in zip(faces, masks, strict=True)]
    views = list(cut_views(faces, spec, augmentation.jitter))
    if augmentation.flip:
        views = [mirror(view) for view in views]
    for step in augmentation.view_steps:
        if step.do in GEOMETRIC:
            views = step.over(views)
    return np.stack(views)


def degrade(image: Image, augmentation: Augmentation) -> Image:
    """Light, colour, blur, resolution, noise and compression of one full-resolution crop."""
    a = augmentation
    if a.light is not None:
        image = relight(image, *a.light)
    if a.colour is not None:
        image = recolour(image, *a.colour)
    if a.blur_px is not None:
        image = blur(image, a.blur_px)
    full = image.shape[1], image.shape[0]
    if a.resample is not None:
        share, down, _ = a.resample
        small = max(round(full[0] * share), 8), max(round(full[1] * share), 8)
        image = pixels(cv2.resize(image, small, interpolation=down))
    if a.noise is not None:
        image = add_noise(image, *a.noise)
    if a.jpeg_quality is not None:
        image = recompress(image, a.jpeg_quality)
    if a.resample is not None:
        image = pixels(cv2.resize(image, full, interpolation=a.resample[2]))
    for step in a.crop_steps:
        image = step.do(image, *step.values)
    return image


def finish(view: Image, augmentation: Augmentation) -> Image:
    """Mirror and cover one view after it was cut."""
    if augmentation.flip:
        view = mirror(view)
    if augmentation.cutout is None:
        return view
    x, y, w, h, level = augmentation.cutout
    height, width = view.shape[:2]
    view = view.copy()
    view[int(y * height) : int((y + h) * height), int(x * width) : int((x + w) * width)] = level
    return view


def _worn_faces(faces: Sequence[Face], a: Augmentation) -> Sequence[Face]:
    """Everything that happens before the cut."""
    crops = [face.crop if a.cover is None else covered(face, a.cover) for face in faces]
    faces = [replace(face, crop=degrade(crop, a)) for face, crop in zip(faces, crops, strict=True)]
    if a.corruption is None:
        return faces
    what, seed = a.corruption
    return corrupt_faces(faces, what, video=f"augmentation {seed}")


def _worn_frames(frames: Sequence[Frame], a: Augmentation) -> Sequence[Frame]:
    if a.cover is not None:
        raise UsageError(
            "augment.cover covers parts of a face, but this system looks at whole frames; "
            "set its p_strip, p_outline and p_half to 0"
        )
    frames = [replace(frame, rgb=degrade(frame.rgb, a)) for frame in frames]
    if a.corruption is None:
        return frames
    what, seed = a.corruption
    return list(corrupt_frames(frames, what, video=f"augmentation {seed}"))
