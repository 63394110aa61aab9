"""Laws of the mean face and of a face's path through time."""

import numpy as np
import pytest

from unmask.forge import landmarks as lm
from unmask.forge.facepath import FADE_S, MAX_GAP_S, FacePath

FRONTAL = lm.DETECTED[:, :2] * 60 + (200, 150)


def turned(points: np.ndarray, yaw_deg: float) -> np.ndarray:
    """Independent truth: the template turned in space and seen from far away."""
    yaw = np.deg2rad(yaw_deg)
    x = points[:, 0] * np.cos(yaw) + points[:, 2] * np.sin(yaw)
    return np.column_stack([x, points[:, 1]])


def test_there_are_81_points_and_the_five_agree_with_them():
    points = lm.MEAN_FACE
    assert points.shape == (81, 3)
    for eye, index in ((0, slice(36, 42)), (1, slice(42, 48))):
        assert np.abs(points[index, :2].mean(axis=0) - lm.DETECTED[eye, :2]).max() < 0.03
    np.testing.assert_allclose(points[30], lm.DETECTED[2])
    np.testing.assert_allclose(points[[48, 54]], lm.DETECTED[3:])


def test_the_mean_face_is_the_same_left_and_right():
    mirrored = lm.MEAN_FACE * (-1, 1, 1)
    distance = np.linalg.norm(mirrored[:, None] - lm.MEAN_FACE[None], axis=2)
    assert distance.min(axis=1).max() < 1e-6


def test_the_mean_face_is_built_like_a_face():
    y = lm.MEAN_FACE[:, 1]
    forehead, brows, eyes, nose, mouth = (
        y[list(part)].mean() for part in (lm.FOREHEAD, lm.BROWS, lm.EYES, lm.NOSE, lm.MOUTH)
    )
    assert forehead < brows < eyes < nose < mouth < y[8] == y.max()
    assert np.ptp(lm.MEAN_FACE[:17, 0]) == pytest.approx(2.1, abs=0.1)


def test_dense_points_follow_scale_turn_and_shift_exactly():
    turn = np.deg2rad(25)
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    moved = FRONTAL @ rotation.T * 1.7 + (31, -12)
    expected = lm.dense_points(FRONTAL) @ rotation.T * 1.7 + (31, -12)
    np.testing.assert_allclose(lm.dense_points(moved), expected, atol=0.05)


def test_a_frontal_face_is_the_template():
    expected = lm.MEAN_FACE[:, :2] * 60 + (200, 150)
    np.testing.assert_allclose(lm.dense_points(FRONTAL), expected, atol=0.05)


@pytest.mark.parametrize("yaw_deg", [-25, -10, 10, 25])
def test_turned_heads_are_followed_better_than_by_the_similarity_alone(yaw_deg):
    seen = turned(lm.DETECTED, yaw_deg) * 60 + (200, 150)
    truth = turned(lm.MEAN_FACE, yaw_deg) * 60 + (200, 150)
    flat = lm.apply_affine(lm.face_similarity(seen), lm.MEAN_FACE[:, :2])
    error, flat_error = (
        np.linalg.norm(points - truth, axis=1).mean() for points in (lm.dense_points(seen), flat)
    )
    assert error < 0.5 * flat_error


def test_a_misplaced_landmark_bends_the_face_only_mildly():
    wrong = FRONTAL.copy()
    wrong[3] += (0, 12)  # a fifth of the eye distance
    moved = np.linalg.norm(lm.dense_points(wrong) - lm.dense_points(FRONTAL), axis=1)
    assert moved.max() < 24


def test_fit_affine_and_compose_invert_each_other():
    rng = np.random.default_rng(0)
    matrix = rng.normal(size=(2, 3))
    points = rng.normal(size=(9, 2)).astype(np.float32)
    found = lm.fit_affine(points, lm.apply_affine(matrix, points))
    np.testing.assert_allclose(found, matrix, atol=1e-5)
    identity = lm.compose(lm.invert_affine(matrix), matrix)
    np.testing.assert_allclose(identity, np.eye(2, 3), atol=1e-12)


def path_of(times: np.ndarray, places: np.ndarray, looked_s=None) -> FacePath:
    points = FRONTAL[None] + np.column_stack([places, np.zeros_like(places)])[:, None]
    return FacePath(times, points, looked_s=looked_s or (times[0], times[-1]))


def test_steady_motion_passes_unchanged_up_to_both_ends():
    times = np.arange(0, 2, 0.12)
    path = path_of(times, 30 * times)
    for t_s in (0.0, 0.05, 0.7, 1.9, times[-1]):
        where = path.at(t_s)
        np.testing.assert_allclose(where.landmarks_px, FRONTAL + np.array([30 * t_s, 0]), atol=0.01)
        assert where.presence == 1


def test_trembling_is_reduced_to_less_than_half():
    rng = np.random.default_rng(0)
    times = np.arange(0, 8, 0.04)
    path = path_of(times, rng.normal(size=len(times)))
    smooth = [path.at(t).landmarks_px[0, 0] for t in times]
    assert np.std(smooth) < 0.5
    assert np.abs(np.diff(smooth)).mean() < 0.2


def test_a_long_absence_is_not_bridged_and_the_face_fades():
    times = np.concatenate([np.arange(0, 1, 0.1), np.arange(2, 3, 0.1)])
    path = path_of(times, np.zeros(20), looked_s=(0.0, 4.0))
    assert path.at(1.5) is None
    assert path.at(3.5) is None
    assert path.at(0.5).presence == 1
    assert path.at(-0.1).presence == 1  # before the first look: it was there at once
    assert path.at(2.0 + FADE_S / 2).presence == pytest.approx(0.5)
    assert path.at(2.9).presence == pytest.approx(0, abs=1e-9)
    assert len(path.spans_s) == 2


def test_a_short_absence_is_bridged():
    times = np.array([0, 0.1, 0.1 + 0.9 * MAX_GAP_S])
    path = path_of(times, np.array([0.0, 1.0, 5.0]))
    assert path.at(0.3).presence == 1
    assert len(path.spans_s) == 1


def test_a_single_sighting_is_a_path():
    path = path_of(np.array([0.0]), np.array([0.0]))
    np.testing.assert_allclose(path.at(0.2).landmarks_px, FRONTAL)
