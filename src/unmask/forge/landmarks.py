"""Eighty-one points of a face from the five that a face detector gives.

Blending methods draw their masks from dense landmarks. Here a mean face, drawn by us in face units,
is fitted to the five detected points: a least-squares similarity, then a mild affine correction
over the template's depth, which follows a turned or tilted head.

Differs from the publications: they use 68 or 81 points *detected* in the picture (dlib and
extensions of it), which follow the expression and the person's own jaw and brows. Ours follow
position, size, tilt and turn of the head only; the mouth opens and the jaw widens on nobody. Where
68 or 81 detected points are at hand, every function here takes them instead of the five. The order
of points 0-67 is the usual one of 68; the forehead points 68-80 run from the left temple in the
picture to the right one.

Face units: origin midway between the eyes, one unit = the distance between the eyes, x to the
right of the picture, y down, depth towards the camera.
"""

import numpy as np
from numpy.typing import NDArray

from unmask.shapes import check_shape

Points = NDArray[np.float32]

JAW, BROWS, NOSE, EYES, MOUTH, FOREHEAD = (
    tuple(range(0, 17)),
    tuple(range(17, 27)),
    tuple(range(27, 36)),
    tuple(range(36, 48)),
    tuple(range(48, 68)),
    tuple(range(68, 81)),
)

# The left half of the face in the picture, (x, y, depth), with the midline point last where there
# is one. Proportions after common anthropometric means: cheekbones 2.1 and pupil line to chin 1.8
# times the distance between the pupils, hairline 1.15 above them.
_JAW = (
    (-1.04, -0.02, -0.75),
    (-1.03, 0.27, -0.70),
    (-1.00, 0.55, -0.62),
    (-0.95, 0.83, -0.52),
    (-0.86, 1.10, -0.40),
    (-0.71, 1.34, -0.24),
    (-0.50, 1.55, -0.08),
    (-0.26, 1.71, 0.06),
    (0.00, 1.78, 0.12),
)
_BROW = (
    (-0.84, -0.30, -0.18),
    (-0.70, -0.41, -0.04),
    (-0.53, -0.45, 0.04),
    (-0.36, -0.42, 0.10),
    (-0.20, -0.36, 0.14),
)
_BRIDGE = ((0.0, -0.06, 0.12), (0.0, 0.15, 0.22), (0.0, 0.36, 0.33), (0.0, 0.57, 0.42))
_NOSTRILS = ((-0.25, 0.67, 0.16), (-0.13, 0.72, 0.24), (0.0, 0.75, 0.28))
_EYE = (
    (-0.71, 0.02, -0.14),
    (-0.58, -0.07, -0.04),
    (-0.42, -0.07, 0.00),
    (-0.28, 0.03, 0.00),
    (-0.42, 0.07, 0.00),
    (-0.58, 0.07, -0.04),
)
_LIP_UPPER = ((-0.43, 1.05, 0.03), (-0.27, 0.98, 0.13), (-0.10, 0.94, 0.20), (0.0, 0.96, 0.21))
_LIP_LOWER = ((-0.26, 1.18, 0.11), (-0.13, 1.23, 0.16), (0.0, 1.24, 0.17))
_GAP_UPPER = ((-0.36, 1.05, 0.06), (-0.12, 1.04, 0.15), (0.0, 1.05, 0.17))
_GAP_LOWER = ((-0.12, 1.08, 0.15), (0.0, 1.09, 0.16))
_FOREHEAD = (
    (-1.00, -0.30, -0.62),
    (-0.93, -0.55, -0.50),
    (-0.80, -0.78, -0.36),
    (-0.62, -0.95, -0.22),
    (-0.42, -1.07, -0.12),
    (-0.21, -1.13, -0.06),
    (0.00, -1.15, -0.05),
)
_DETECTED = (
    (-0.50, 0.00, 0.00),
    (0.50, 0.00, 0.00),
    (0.00, 0.57, 0.42),
    (-0.43, 1.05, 0.03),
    (0.43, 1.05, 0.03),
)
# How far a deviation of one detected point from the template reaches, face units (ours): about to
# its neighbours, so that a long nose does not move the jaw.
_REACH = 0.4
# Of the correction: (error of a detected point / usual size of a correction) squared, in face
# units (ours). Large enough that one misplaced point bends nothing.
_STIFFNESS = (0.04 / 0.3) ** 2


def _mirrored(half: tuple[tuple[float, float, float], ...]) -> list[tuple[float, float, float]]:
    return [(-x, y, z) for x, y, z in half]


def _arch(half: tuple[tuple[float, float, float], ...]) -> list[tuple[float, float, float]]:
    """Left half, midline point, right half."""
    return [*half, *_mirrored(half[:-1])[::-1]]


def _mean_face() -> Points:
    """The template (81, 3): x, y, depth in face units."""
    outer, upper, lower, inner = _EYE[0], _EYE[1:3], _EYE[4:], _EYE[3]
    right_eye = _mirrored((inner, *upper[::-1], outer, *lower[::-1]))
    points = [
        *_arch(_JAW),
        *_BROW,
        *_mirrored(_BROW)[::-1],
        *_BRIDGE,
        *_arch(_NOSTRILS),
        *_EYE,
        *right_eye,
        *_arch(_LIP_UPPER),
        *_arch(_LIP_LOWER)[::-1],
        *_arch(_GAP_UPPER),
        *_arch(_GAP_LOWER)[::-1],
        *_arch(_FOREHEAD),
    ]
    return np.array(points, np.float32)


MEAN_FACE: Points = _mean_face()  # (81, 3)
DETECTED: Points = np.array(_DETECTED, np.float32)  # (5, 3): where the detector's points lie on it


def _mirror() -> tuple[int, ...]:
    """For every point the index of its mirror image."""
    mirrored = MEAN_FACE * np.array([-1, 1, 1], np.float32)
    apart = np.linalg.norm(mirrored[:, None] - MEAN_FACE[None], axis=2)
    return tuple(apart.argmin(axis=1).tolist())


MIRROR = _mirror()


def face_similarity(landmarks_px: NDArray[np.floating]) -> NDArray[np.float64]:
    """Best rotation, scale and shift from face units to pixels, as a (2, 3) matrix.

    Args:
        landmarks_px: (5, 2) left eye, right eye, nose, mouth left, mouth right, as in the picture;
            or 68 or 81 dense points.

    Raises:
        ValueError: if the shape is wrong, a number is not finite, or all points coincide.
    """
    target = five_points(landmarks_px)
    source = DETECTED[:, :2].astype(np.float64)
    middle, centre = source.mean(axis=0), target.mean(axis=0)
    p, q = source - middle, target - centre
    spread = float((p * p).sum())
    a = float((p * q).sum()) / spread  # scale * cos of the turn
    b = float((p[:, 0] * q[:, 1] - p[:, 1] * q[:, 0]).sum()) / spread  # scale * sin
    if not np.hypot(a, b) > 0:
        raise ValueError(f"landmarks_px are no face: {target.tolist()}")
    turn = np.array([[a, -b], [b, a]])
    return np.column_stack([turn, centre - turn @ middle])


def five_points(landmarks_px: NDArray[np.floating]) -> NDArray[np.float64]:
    """The five points (5, 2) of 5, 68 or 81.

    Raises:
        ValueError: if there are others.
    """
    points = np.asarray(landmarks_px, np.float64)
    if len(points) not in (68, 81):
        check_shape(points, "5 2", "landmarks_px")
        return points
    check_shape(points, f"{len(points)} 2", "landmarks_px")
    left_eye, right_eye = points[36:42].mean(axis=0), points[42:48].mean(axis=0)
    return np.stack([left_eye, right_eye, points[30], points[48], points[54]])


def eyes_px(to_px: NDArray[np.float64]) -> float:
    """Distance between the eyes under a similarity: the length of one face unit."""
    return float(np.hypot(to_px[0, 0], to_px[1, 0]))


def dense_points(landmarks_px: NDArray[np.floating]) -> Points:
    """Fit the mean face to landmarks (5, 2) and return its points (81, 2) in pixels.

    Dense points stay as they are; 68 get a forehead.
    """
    return apply_affine(face_similarity(landmarks_px), posed_mean_face(landmarks_px))


def posed_mean_face(landmarks_px: NDArray[np.floating]) -> Points:
    """The mean face (81, 2) in face units, turned and tilted like the head of the landmarks.

    What the similarity leaves unexplained is put down to an affine map of the three-dimensional
    template (a turned head moves near and far points apart), held back by a ridge. Of dense points
    as many as there are take the place of the template's.
    """
    posed = _posed(MEAN_FACE, landmarks_px)
    if len(landmarks_px) > 5:
        posed[: len(landmarks_px)] = in_face_units(landmarks_px)
    return posed


def fitted_points(landmarks_px: NDArray[np.floating]) -> Points:
    """Dense points (81, 2) in pixels that pass through the five landmarks.

    For warping one face onto another, where eyes and mouth must meet exactly: what the posed
    template leaves unexplained at the five is spread to their neighbours.
    """
    posed = posed_mean_face(landmarks_px)
    if len(landmarks_px) == 5:
        missed = in_face_units(landmarks_px) - _posed(DETECTED, landmarks_px)
        spread = np.linalg.solve(_nearness(DETECTED) + 0.05 * np.eye(5), missed)
        posed = np.asarray(posed + _nearness(MEAN_FACE) @ spread, np.float32)
    return apply_affine(face_similarity(landmarks_px), posed)


def in_face_units(landmarks_px: NDArray[np.floating]) -> Points:
    """Points of a picture in units of its own face."""
    points = np.asarray(landmarks_px, np.float64)
    return apply_affine(invert_affine(face_similarity(landmarks_px)), points)


def _posed(template: Points, landmarks_px: NDArray[np.floating]) -> Points:
    """Points (N, 3) of the template, seen as the head of the landmarks is seen: (N, 2)."""
    seen = in_face_units(five_points(landmarks_px))
    basis = np.column_stack([DETECTED, np.ones(5)]).astype(np.float64)  # (5, 4)
    ridge = np.diag([_STIFFNESS] * 3 + [1e-9])  # the shift is free
    residual = seen.astype(np.float64) - DETECTED[:, :2]
    correction = np.linalg.solve(basis.T @ basis + ridge, basis.T @ residual)  # (4, 2)
    bent = np.column_stack([template, np.ones(len(template))]) @ correction
    return np.asarray(template[:, :2] + bent, np.float32)


def _nearness(template: Points) -> NDArray[np.float64]:
    """How much points (N, 3) share of a deviation of each of the five: (N, 5)."""
    apart = template[:, None, :2].astype(np.float64) - DETECTED[None, :, :2]
    return np.asarray(np.exp(-0.5 * (apart**2).sum(axis=2) / _REACH**2))


def apply_affine(matrix: NDArray[np.float64], points: NDArray[np.floating]) -> Points:
    """Map points (N, 2) by a (2, 3) matrix."""
    return np.asarray(points @ matrix[:, :2].T + matrix[:, 2], np.float32)


def invert_affine(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """The inverse of a (2, 3) matrix."""
    inverse = np.linalg.inv(matrix[:, :2])
    return np.column_stack([inverse, -inverse @ matrix[:, 2]])


def compose(outer: NDArray[np.float64], inner: NDArray[np.float64]) -> NDArray[np.float64]:
    """The (2, 3) matrix that applies `inner`, then `outer`."""
    linear = outer[:, :2] @ inner[:, :2]
    return np.column_stack([linear, outer[:, :2] @ inner[:, 2] + outer[:, 2]])


def fit_affine(source: Points, target: Points) -> NDArray[np.float64]:
    """The (2, 3) matrix that maps points (N, 2) onto others with the least squared error."""
    basis = np.column_stack([source, np.ones(len(source))]).astype(np.float64)
    solution = np.linalg.lstsq(basis, target.astype(np.float64), rcond=None)[0]
    return np.array(solution.T, np.float64)
