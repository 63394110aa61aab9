"""Laws of swaps, on drawn faces of known place and colour."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import cv2
import numpy as np
import pytest

from unmask.forge import landmarks as lm
from unmask.forge.canvas import Canvas
from unmask.forge.colour import membrane
from unmask.forge.donor import (
    MOST_BYTES,
    Donor,
    PoseMatched,
    ToAndFro,
    collect_donor,
    facing,
)
from unmask.forge.facepath import FacePath, Whereabouts
from unmask.forge.swap import SwapConfig, Swapper, SwapPlan, draw_swap
from unmask.forge.warp import face_map, triangles
from unmask.types import Frame

SIZE = (160, 120)
EYES_PX = 20
SHAPE = lm.DETECTED[:, :2]


def points_at(x_px: float, y_px: float = 50, eyes_px: float = EYES_PX) -> np.ndarray:
    return (SHAPE * eyes_px + (x_px, y_px)).astype(np.float32)


def drawn_face(x_px: float, skin: tuple[int, int, int]) -> np.ndarray:
    """A flat face of one colour with a gradient, on grey."""
    rgb = np.full((SIZE[1], SIZE[0], 3), 128, np.uint8)
    rows, columns = np.mgrid[: SIZE[1], : SIZE[0]]
    inside = np.hypot((columns - x_px) / 26, (rows - 58) / 40) < 1
    rgb[inside] = skin
    rgb[inside, 0] += (rows[inside] // 4).astype(np.uint8)
    return rgb


def frames(x_px: float, skin, n: int) -> list[Frame]:
    return [Frame(t_s=i / 10, rgb=drawn_face(x_px, skin)) for i in range(n)]


def still_path(landmarks_px: np.ndarray) -> FacePath:
    return FacePath(np.array([0.0]), landmarks_px[None], looked_s=(0.0, 0.0))


def donor_of(skin, n: int = 4, side_px: int = 128) -> Donor:
    donor = collect_donor(frames(60, skin, n), still_path(points_at(60)), Canvas(side_px=side_px))
    assert donor is not None
    return donor


def plan_of(**changes: object) -> SwapPlan:
    return replace(draw_swap(np.random.default_rng(0), SwapConfig()), **changes)


@pytest.mark.parametrize("warp", ["triangulated", "smooth"])
@pytest.mark.parametrize("blend", ["feather", "poisson"])
def test_a_swap_changes_the_face_only_and_matches_its_colour(warp, blend):
    target = drawn_face(90, (190, 140, 120))
    swap = Swapper(plan_of(warp=warp, blend=blend), ToAndFro(donor_of((100, 70, 60))))
    fake, mask = swap(
        Frame(t_s=0.0, rgb=target), Whereabouts(landmarks_px=points_at(90), presence=1.0)
    )
    np.testing.assert_array_equal(fake[mask == 0], target[mask == 0])
    core = mask > 0.99
    assert core.sum() > 300
    assert (fake[core] != target[core]).any()
    assert np.abs(fake[core].mean(axis=0) - target[core].mean(axis=0)).max() < 15


def shares(presences: list[float], donor: Donor) -> list[float]:
    """How far a swap is shown on frames 0.1 s apart."""
    swap = Swapper(plan_of(), ToAndFro(donor))
    shown = []
    for k, presence in enumerate(presences):
        frame = Frame(t_s=k / 10, rgb=drawn_face(90, (190, 140, 120)))
        _, mask = swap(frame, Whereabouts(landmarks_px=points_at(90), presence=presence))
        shown.append(float(mask.max()))
    return shown


def test_a_swap_is_shown_or_not_and_half_shown_only_on_the_way():
    donor = donor_of((100, 70, 60))
    shown = shares([1, 1, 0.5, 0.5, 0.3, 0.3, 0.3, 0.5, 0.5, 0.9, 0.9, 0.9], donor)
    wanted = [1, 1, 1, 1, 0.5, 0, 0, 0, 0, 0.5, 1, 1]
    np.testing.assert_allclose(shown, wanted, atol=0.03)
    assert shares([0.3] * 3, donor) == [0, 0, 0]


def test_a_donor_turned_another_way_is_not_shown():
    assert shares([1.0], turned_donor([0.3])) == [0]
    assert shares([1.0], turned_donor([0.1]))[0] == pytest.approx(1, abs=0.02)


def test_a_donor_is_bounded_in_memory():
    side_px = 640
    most = MOST_BYTES // (3 * side_px**2)
    donor = donor_of((150, 110, 90), n=most + 5, side_px=side_px)
    assert len(donor.cuts) == most


def test_a_donor_without_a_sighting_is_none():
    assert collect_donor(iter(()), still_path(points_at(60)), Canvas(side_px=64)) is None


def test_a_donor_in_profile_is_none():
    profile = points_at(60)
    profile[2] += (20, 0)  # the nose a whole eye distance to the side
    assert collect_donor(frames(60, (9, 9, 9), 3), still_path(profile), Canvas(side_px=64)) is None


def turned_donor(turns: list[float]) -> Donor:
    """One cut for every shift of the nose."""
    cuts = []
    for turn in turns:
        places = points_at(60)
        places[2] += (turn * EYES_PX, 0)
        made = collect_donor(frames(60, (150, 110, 90), 1), still_path(places), Canvas(side_px=32))
        cuts += made.cuts
    return Donor(cuts=tuple(cuts), skin=made.skin)


def test_to_and_fro_plays_every_cut_without_a_jump():
    donor = turned_donor([0.0, 0.01, 0.02, 0.03])
    playback = ToAndFro(donor)
    shown = [donor.cuts.index(playback.next_for(points_at(0))) for _ in range(13)]
    assert set(shown) == {0, 1, 2, 3}
    assert all(abs(a - b) == 1 for a, b in pairwise(shown))


def test_pose_matching_starts_at_the_best_pose_and_never_jumps():
    turns = list(np.linspace(-0.3, 0.3, 31))
    playback = PoseMatched(turned_donor(turns))
    target = points_at(0)
    target[2] += (0.2 * EYES_PX, 0)
    shown = [playback.donor.cuts.index(playback.next_for(target)) for _ in range(60)]
    assert abs(turns[shown[0]] - 0.2) < 0.021
    assert max(abs(a - b) for a, b in pairwise(shown)) == 1
    assert np.mean([abs(turns[k] - 0.2) < 0.15 for k in shown]) > 0.9  # it stays near


def test_a_donor_who_looks_the_other_way_is_mirrored():
    donor = turned_donor([0.2, 0.22])
    target = points_at(0)
    target[2] -= (0.2 * EYES_PX, 0)
    mirrored = facing(donor, target)
    np.testing.assert_array_equal(mirrored.cuts[0].rgb, donor.cuts[0].rgb[:, ::-1])
    assert facing(mirrored, target) is mirrored
    nose_before, nose_after = (d.cuts[0].pose[2, 0] for d in (donor, mirrored))
    assert nose_after == pytest.approx(-nose_before)
    left_eye, right_eye = (mirrored.cuts[0].points_px[a : a + 6, 0].mean() for a in (36, 42))
    assert left_eye < right_eye  # its left is on the left again


def test_the_mesh_covers_the_face_without_gaps_or_overlaps():
    mesh = triangles()
    assert set(range(81)) <= set(mesh.ravel())
    ring = lm.MEAN_FACE[list(lm.JAW + lm.FOREHEAD[::-1]), :2]
    middle = ring.mean(axis=0)
    points = np.concatenate([lm.MEAN_FACE[:, :2], middle + 1.6 * (ring - middle)])
    area = sum(cv2.contourArea(points[corners].astype(np.float32)) for corners in mesh)
    hull = cv2.convexHull(points.astype(np.float32))
    assert area == pytest.approx(cv2.contourArea(hull), rel=0.02)


@pytest.mark.parametrize("warp", ["triangulated", "smooth"])
def test_a_map_is_the_identity_between_equal_points_and_meets_all_others(warp):
    window = (slice(10, 110), slice(20, 140))
    target = lm.fitted_points(points_at(80))
    x, y = face_map(warp, target, target, window)
    columns, rows = np.meshgrid(np.arange(20, 140), np.arange(10, 110))
    np.testing.assert_allclose(x, columns, atol=0.3)
    np.testing.assert_allclose(y, rows, atol=0.3)
    wide = points_at(80)
    wide[3:] += [(-3, 2), (3, 2)]  # a wider mouth
    source = lm.fitted_points(wide)
    x, y = face_map(warp, target, source, window)
    for k in (30, 36, 45, 48, 54):
        column, row = np.rint(target[k]).astype(int) - (20, 10)
        assert abs(x[row, column] - source[k, 0]) < 1.2
        assert abs(y[row, column] - source[k, 1]) < 1.2


def test_a_membrane_continues_what_lies_around_it():
    """Independent truth: a plane is harmonic, so it is its own continuation."""
    rows, columns = np.mgrid[:64, :64].astype(np.float32)
    plane = np.stack([columns - 20, 0.5 * rows + 3, np.full_like(rows, 7)], axis=-1)
    inside = np.hypot(columns - 30, rows - 34) < 18
    hidden = np.where(inside[..., None], 99, plane)
    np.testing.assert_allclose(membrane(hidden, inside), plane, atol=1.0)
    assert not membrane(plane, np.ones((64, 64), bool)).any()


def test_fitted_points_pass_through_the_five():
    rng = np.random.default_rng(3)
    five = points_at(80) + rng.normal(0, 1.0, (5, 2)).astype(np.float32)
    dense = lm.fitted_points(five)
    np.testing.assert_allclose(dense[[30, 48, 54]], five[2:], atol=0.5)


def test_dense_points_from_outside_stay_where_they_are():
    dense = (lm.MEAN_FACE[:, :2] * EYES_PX + (80, 50)).astype(np.float32)
    dense[8] += (0, 6)  # a long chin
    np.testing.assert_allclose(lm.dense_points(dense), dense, atol=1e-3)
    of_68 = lm.dense_points(dense[:68])
    np.testing.assert_allclose(of_68[:68], dense[:68], atol=1e-3)
    np.testing.assert_allclose(of_68[68:], dense[68:], atol=1.0)
