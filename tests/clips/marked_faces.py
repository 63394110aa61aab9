"""Pictures with soft dots where the landmarks of a face lie, so that a view can be measured.

The similarity that places the dots is chosen here and not asked of the code under test.
"""

import math

import cv2
import numpy as np

from unmask.types import Face, FaceQuality, Track

# Shares of a dlib box, written out again: measured over DFDC's dlib boxes (see clips/tensors.py).
BOX_SHARES = np.array(
    [(0.298, 0.291), (0.702, 0.291), (0.5, 0.498), (0.332, 0.741), (0.668, 0.741)]
)


def place(points, centre, side, tilt_deg):
    """Map shares of a box to the frame: turned about the box's middle, scaled, shifted."""
    turn = math.radians(tilt_deg)
    rotation = np.array([(math.cos(turn), -math.sin(turn)), (math.sin(turn), math.cos(turn))])
    return (np.asarray(points) - 0.5) * side @ rotation.T + np.asarray(centre)


def dots(shape, points, sigma):
    """Grey picture with a Gaussian dot at every point (continuous: pixel i covers [i, i + 1))."""
    y, x = np.mgrid[: shape[0], : shape[1]] + 0.5
    picture = np.zeros(shape)
    for px, py in points:
        picture += np.exp(-((x - px) ** 2 + (y - py) ** 2) / (2 * sigma**2))
    return np.repeat(np.rint(200 * picture.clip(0, 1)).astype(np.uint8)[..., None], 3, axis=2)


def face_of(crop, landmarks, *, box=None, origin=(0, 0), t_s=0.0):
    height, width = crop.shape[:2]
    return Face(
        t_s=t_s,
        box_xyxy_px=box or (origin[0], origin[1], origin[0] + width, origin[1] + height),
        landmarks_px=np.asarray(landmarks, np.float32),
        confidence=1.0,
        crop=crop,
        crop_origin_px=origin,
        quality=FaceQuality(size_px=100.0, sharpness=100.0, yaw=0.0, roll_deg=0.0),
    )


def noise(height, width, seed=0):
    """Smooth coloured noise."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (height // 4 + 2, width // 4 + 2, 3), dtype=np.uint8)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)


def noise_face(side=120, seed=0, t_s=0.0):
    """A face in dlib's typical place in the middle of a noisy crop, off the frame's corner."""
    crop = noise(side * 2, side * 2, seed)
    points = place(BOX_SHARES, (side + 37, side + 11), side, 0)
    return face_of(crop, points, origin=(37, 11), t_s=t_s)


def noise_track(n, gap_s=0.1):
    return Track(id=7, faces=tuple(noise_face(seed=k, t_s=k * gap_s) for k in range(n)))


def brightest(view, near, reach):
    """Centre of brightness around a place of a view, in continuous pixels."""
    x0, y0 = (max(int(v - reach), 0) for v in near)
    part = view[y0 : int(near[1] + reach) + 1, x0 : int(near[0] + reach) + 1, 0].astype(float)
    y, x = np.mgrid[: part.shape[0], : part.shape[1]] + 0.5
    return np.array([(x * part).sum(), (y * part).sum()]) / part.sum() + (x0, y0)
