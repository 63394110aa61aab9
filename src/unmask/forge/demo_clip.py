"""A short clip of a real face out of one still portrait, for the demo and for trying things out.

The picture is moved as a hand-held camera would move over it: a slow pan, a slow zoom, a slight
roll, exposure that drifts, and the noise of a sensor. Nobody speaks and nobody blinks; but every
frame is a different real picture of the face, as far as a detector that looks at frames can tell.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from unmask.errors import UnreadableMediaError, UsageError
from unmask.types import Frame, Image
from unmask.video import open_media
from unmask.video.encode import write_video

CLOSER = 1.12  # zoom at rest: the room in which the camera moves without showing the edges
ZOOM, PAN, ROLL_DEG = 0.035, 0.012, 1.0  # furthest from rest; pan as a share of the side
EXPOSURE = 0.03  # furthest relative change of brightness
NOISE = 1.5  # standard deviation of the sensor noise, of 255


def portrait_clip(
    image: Path, out: Path, *, seconds: float = 4.0, fps: int = 25, seed: int = 0
) -> Path:
    """Write a clip of a still portrait under a moving camera and return `out`.

    The clip has the picture's size, cut to even numbers of pixels, and no sound.

    Raises:
        UnreadableMediaError: `image` cannot be read. OutputError: `out` cannot be written.
    """
    n_frames = round(seconds * fps)
    if n_frames < 1:
        raise UsageError(f"a clip of {seconds} s at {fps} frames/s has no frame; ask for more")
    with open_media(image) as reader:
        still = next(iter(reader.all_frames()), None)
    if still is None:
        raise UnreadableMediaError(f"{image}: no picture could be decoded from it")
    frames = moving_portrait(still.rgb, n_frames=n_frames, fps=fps, seed=seed)
    write_video(out, (frame.rgb for frame in frames), Fraction(fps))
    return out


def moving_portrait(still: Image, *, n_frames: int, fps: int, seed: int) -> Iterator[Frame]:
    """The frames of the clip; everything random comes from `seed`."""
    rng = np.random.default_rng(seed)
    phases = rng.uniform(0, 2 * np.pi, 5)
    periods_s = rng.uniform(3.0, 7.0, 5)  # slow, and never in step
    size = (still.shape[1] // 2 * 2, still.shape[0] // 2 * 2)
    for index in range(n_frames):
        t_s = index / fps
        sway = np.sin(2 * np.pi * t_s / periods_s + phases)
        view = cv2.warpAffine(
            still,
            _camera(sway, (still.shape[1], still.shape[0])),
            size,
            flags=cv2.INTER_CUBIC,
            borderMode=cv2.BORDER_REFLECT_101,
        )
        exposed = view * np.float32(1 + EXPOSURE * sway[4])
        noisy = exposed + NOISE * rng.standard_normal(exposed.shape, np.float32)
        yield Frame(t_s=t_s, rgb=np.clip(np.rint(noisy), 0, 255).astype(np.uint8))


def _camera(sway: NDArray[np.float64], size: tuple[int, int]) -> NDArray[np.float64]:
    """Where the camera looks at one moment, as a map from the still to the frame."""
    width, height = size
    middle = ((width - 1) / 2, (height - 1) / 2)
    zoom = CLOSER * (1 + ZOOM * sway[0])
    matrix = np.asarray(cv2.getRotationMatrix2D(middle, ROLL_DEG * sway[1], zoom), np.float64)
    matrix[:, 2] += PAN * sway[2] * width, PAN * sway[3] * height
    return matrix
