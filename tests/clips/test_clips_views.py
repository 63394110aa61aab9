"""Laws of the one preprocessing: where a view lies, and what its pixels are."""

import math
from dataclasses import replace

import cv2
import numpy as np
import pytest
from marked_faces import BOX_SHARES, brightest, dots, face_of, noise, noise_face, place

from unmask.clips.tensors import (
    Region,
    ViewJitter,
    clip_regions,
    cut_view,
    cut_views,
    dlib_landmarks,
    frame_view,
    make_batch,
    normalise,
    view_region,
)
from unmask.errors import UsageError
from unmask.types import Frame, InputSpec

DLIB = InputSpec(size_px=160, alignment="dlib")
EYES = InputSpec(size_px=160, alignment="eyes")


def frame_with_face(side, centre, tilt, shape=(480, 640)):
    points = place(BOX_SHARES, centre, side, tilt)
    return face_of(dots(shape, points, side / 40), points)


@pytest.mark.parametrize("alignment", ["box", "dlib", "eyes"])
@pytest.mark.parametrize("size", [64, 160, 224, 299])
def test_a_crop_with_typical_landmarks_is_its_own_view(alignment, size):
    crop = noise(size, size)
    face = face_of(crop, dlib_landmarks(size / 2, size / 2, size))
    view = cut_view(face, InputSpec(size_px=size, alignment=alignment))
    np.testing.assert_array_equal(view, crop)


@pytest.mark.parametrize("tilt", [-25, -8, 0, 12, 30])
@pytest.mark.parametrize(
    ("side", "centre"),
    [(48, (320, 240)), (97.3, (100.2, 300.9)), (160, (555, 400)), (333, (260, 230))],
)
def test_landmarks_land_where_dlib_boxes_have_them(side, centre, tilt):
    view = cut_view(frame_with_face(side, centre, tilt), DLIB)
    # dlib's box stays upright: in the view the face is tilted about the middle.
    expected = place(BOX_SHARES, (0.5, 0.5), 1, tilt) * 160
    for share in expected:
        found = brightest(view, share, 160 / 40 * 3)
        assert np.abs(found - share).max() < 0.8 * max(1, 160 / side)  # cut at whole pixels


@pytest.mark.parametrize("tilt", [-170, -25, 0.01, 12, 80])
@pytest.mark.parametrize(
    ("side", "centre"), [(60, (320, 240)), (160, (480, 350)), (300, (240, 240))]
)
def test_eye_aligned_views_have_level_eyes_in_one_place(side, centre, tilt):
    view = cut_view(frame_with_face(side, centre, tilt), EYES)
    for share in BOX_SHARES * 160:
        assert np.abs(brightest(view, share, 12) - share).max() < 0.5


@pytest.mark.parametrize("centre", [(20, 240), (630, 20), (320, 470), (0, 0)])
def test_a_face_across_the_border_keeps_its_geometry(centre):
    side = 120
    points = place(BOX_SHARES, centre, side, 0)
    view = cut_view(face_of(dots((480, 640), points, 3), points), DLIB)
    seen = (points > 8).all(axis=1) & (points < (632, 472)).all(axis=1)
    assert view.shape == (160, 160, 3)
    for share in BOX_SHARES[seen] * 160:
        assert np.abs(brightest(view, share, 12) - share).max() < 1.2


def test_the_border_of_the_crop_repeats_outside_it():
    crop = noise(64, 64)
    face = face_of(crop, dlib_landmarks(32, 32, 64))
    view = cut_view(face, InputSpec(size_px=128, alignment="dlib", margin=0.5))
    expected = np.pad(crop, ((32, 32), (32, 32), (0, 0)), mode="edge")
    np.testing.assert_array_equal(view, expected)


@pytest.mark.parametrize("shift", [(5, 0), (-5, 0), (0, 5), (0, -5), (9, 9)])
@pytest.mark.parametrize("roll", [0.0, 20.0])
def test_a_view_wholly_outside_the_crop_is_its_border(shift, roll):
    crop = np.full((50, 50, 3), 77, np.uint8)
    face = face_of(crop, dlib_landmarks(25, 25, 50))
    jitter = ViewJitter(shift_x=shift[0], shift_y=shift[1], roll_deg=roll)
    assert (cut_view(face, DLIB, jitter) == 77).all()


def test_the_same_view_comes_from_a_crop_and_from_the_whole_frame():
    frame = noise(400, 500)
    points = place(BOX_SHARES, (250, 200), 130, 17)
    whole = face_of(frame, points)
    cut = face_of(frame[60:350, 90:420], points, box=whole.box_xyxy_px, origin=(90, 60))
    for spec in (DLIB, EYES):
        np.testing.assert_array_equal(cut_view(whole, spec), cut_view(cut, spec))


def test_box_views_are_squares_on_the_longer_side_with_a_margin_on_every_side():
    face = face_of(noise(400, 400), BOX_SHARES * 100, box=(100.0, 120.0, 180.0, 220.0))
    region = view_region(face, InputSpec(size_px=64, alignment="box", margin=0.3))
    assert region == Region(cx=140.0, cy=170.0, side=160.0)


def test_dlib_regions_equal_a_brute_force_least_squares_fit():
    rng = np.random.default_rng(3)
    for _ in range(20):
        points = place(
            BOX_SHARES, rng.uniform(50, 300, 2), rng.uniform(40, 200), rng.uniform(-40, 40)
        )
        points += rng.normal(0, 3, (5, 2))
        # q = (a -b; b a) p + t as a linear system in (a, b, tx, ty)
        rows = [((x, -y, 1, 0), (y, x, 0, 1)) for x, y in BOX_SHARES]
        solution = np.linalg.lstsq(np.array(rows).reshape(10, 4), points.ravel(), rcond=None)[0]
        a, b, tx, ty = solution
        region = view_region(face_of(noise(8, 8), points), DLIB)
        expected = ((a - b) / 2 + tx, (a + b) / 2 + ty, math.hypot(a, b))
        np.testing.assert_allclose((region.cx, region.cy, region.side), expected, atol=1e-3)
        assert region.roll_deg == 0.0


def moving_head(n=5, noise_px=2.0):
    """One still frame in which the box of a face is said to wander and to jitter."""
    frame = noise(400, 500)
    rng = np.random.default_rng(4)
    places = [np.array((240 + 6 * k, 200)) + rng.normal(0, noise_px, 2) for k in range(n)]
    return frame, [face_of(frame, place(BOX_SHARES, centre, 120, 0)) for centre in places]


@pytest.mark.parametrize("jitter", [None, ViewJitter(scale=1.2, shift_x=0.1, roll_deg=12.0)])
@pytest.mark.parametrize("alignment", ["box", "dlib", "eyes"])
def test_a_box_fixed_in_a_clip_shows_what_stands_still_standing_still(alignment, jitter):
    _, faces = moving_head()
    fixed, loose = (
        cut_views(faces, InputSpec(size_px=96, alignment=alignment, region=region), jitter)
        for region in ("clip", "frame")
    )
    assert all(np.array_equal(view, fixed[0]) for view in fixed)
    if alignment != "box":  # `face_of` says the box is the whole frame
        assert np.abs(np.diff(loose.astype(int), axis=0)).mean() > 5


def test_the_box_of_a_clip_is_the_median_and_one_bad_face_does_not_move_it():
    spec = InputSpec(size_px=96, alignment="dlib", margin=0.15, region="clip")
    frame, faces = moving_head(noise_px=0)
    (region,) = set(clip_regions(faces, spec))
    assert (region.cx, region.cy) == pytest.approx((252, 200), abs=1e-3)
    assert region.side == pytest.approx(120 * 1.3, abs=1e-3)
    stray = face_of(frame, place(BOX_SHARES, (60, 60), 300, 40))
    (disturbed,) = set(clip_regions([*faces, stray], spec))
    assert abs(disturbed.cx - region.cx) <= 6
    assert disturbed.side == pytest.approx(region.side, abs=1e-3)


def test_the_box_of_a_clip_is_cut_from_each_faces_own_crop():
    """Where the fixed box leaves a crop, that crop's border repeats; elsewhere nothing changes."""
    frame, faces = moving_head(n=3, noise_px=0)
    crops = []
    for face, centre in zip(faces, (240, 246, 252), strict=True):
        x0, y0 = centre - 80, 120
        cut = frame[y0 : y0 + 160, x0 : x0 + 160]
        crops.append(face_of(cut, face.landmarks_px, origin=(x0, y0)))
    spec = InputSpec(size_px=156, alignment="dlib", margin=0.15, region="clip")
    whole, cut = cut_views(faces, spec), cut_views(crops, spec)
    assert whole.shape == cut.shape == (3, 156, 156, 3)
    np.testing.assert_array_equal(cut[1], whole[1])
    np.testing.assert_array_equal(cut[0][:, :150], whole[0][:, :150])
    assert (cut[0][:, -4:] == cut[0][:, -5:-4]).all(), "beyond the crop its last column repeats"


def test_one_face_is_cut_alike_alone_and_as_a_clip_of_one():
    for region in ("frame", "clip"):
        spec = InputSpec(size_px=64, alignment="eyes", margin=0.2, region=region)
        face = noise_face()
        np.testing.assert_array_equal(cut_views([face], spec)[0], cut_view(face, spec))


@pytest.mark.parametrize("shape", [(30, 40), (90, 64), (64, 48), (200, 20), (48, 64)])
def test_whole_frames_are_shrunk_by_area_and_enlarged_by_cubics_axis_by_axis(shape):
    """Constant rows stay constant, means stay, and a frame of the right size is itself."""
    spec = InputSpec(size_px=48, width_px=64, view="frame")
    rgb = noise(*shape)
    view = frame_view(Frame(t_s=0.0, rgb=rgb), spec)
    assert view.shape == (48, 64, 3)
    assert abs(view.mean() - rgb.mean()) < 3
    if shape == (48, 64):
        np.testing.assert_array_equal(view, rgb)
    rows = np.repeat(rgb[:, :1], shape[1], axis=1)
    assert np.ptp(frame_view(Frame(t_s=0.0, rgb=rows), spec), axis=1).max() == 0
    again = frame_view(Frame(t_s=0.0, rgb=view), spec)
    np.testing.assert_array_equal(again, view)


def test_what_looks_at_nothing_gets_black_views_of_anything():
    spec = InputSpec(size_px=8, view="none", n_frames=2)
    frames = [Frame(t_s=0.0, rgb=noise(9, 9))] * 2
    for sights in ([noise_face()] * 2, frames):
        assert make_batch([sights], replace(spec, mean=(0, 0, 0))).frames.any() == 0
    assert not frame_view(frames[0], spec).any()


def test_faces_and_whole_frames_are_not_mistaken_for_one_another():
    frame = Frame(t_s=0.0, rgb=noise(9, 9))
    with pytest.raises(UsageError, match="was given whole frames"):
        cut_views([frame], InputSpec(size_px=8))
    with pytest.raises(UsageError, match="was given faces"):
        cut_views([noise_face()], InputSpec(size_px=8, view="frame"))


def test_jitter_moves_scales_and_turns_about_the_middle():
    region = Region(cx=50.0, cy=80.0, side=40.0, roll_deg=90.0)
    moved = ViewJitter(scale=1.5, shift_x=0.25, shift_y=0.5, roll_deg=-30.0).apply(region)
    # Turned by a quarter, the square's own x axis points down and its y axis to the left.
    assert (moved.cx, moved.cy) == pytest.approx((50 - 20, 80 + 10))
    assert (moved.side, moved.roll_deg) == (60.0, 60.0)


@pytest.mark.parametrize("scale", [0.8, 1.0, 1.37, 1.6])
@pytest.mark.parametrize("roll", [0.0, 10.0, -25.0])
@pytest.mark.parametrize("shift", [(0, 0), (0.08, -0.05)])
def test_jitter_places_landmarks_as_stated(scale, roll, shift):
    face = frame_with_face(140, (320, 240), 0)
    view = cut_view(
        face, DLIB, ViewJitter(scale=scale, shift_x=shift[0], shift_y=shift[1], roll_deg=roll)
    )
    centred = BOX_SHARES - 0.5 - np.array(shift)  # the window moves, so the face moves against it
    expected = (place(centred + 0.5, (0.5, 0.5), 1 / scale, -roll)) * 160
    for share in expected[((expected > 8) & (expected < 152)).all(axis=1)]:
        assert np.abs(brightest(view, share, 10) - share).max() < 1.0


def test_jitter_of_nothing_changes_nothing():
    face = noise_face()
    np.testing.assert_array_equal(cut_view(face, DLIB), cut_view(face, DLIB, ViewJitter()))


@pytest.mark.parametrize("roll", [0.0, 0.5, 30.0])
def test_shrinking_does_not_alias(roll):
    # Black and white single-pixel noise: 8 x 8 of them average to a deviation of 127.5 / 8.
    crop = np.random.default_rng(0).integers(0, 2, (800, 800, 1), np.uint8).repeat(3, axis=2) * 255
    face = face_of(crop, dlib_landmarks(400, 400, 800))
    view = cut_view(face, InputSpec(size_px=100, alignment="dlib"), ViewJitter(roll_deg=roll))
    inner = view[20:-20, 20:-20].astype(float)
    assert inner.std() < 20
    assert abs(inner.mean() - 127.5) < 2


def test_a_turned_view_by_a_quarter_is_the_picture_turned():
    crop = noise(160, 160)
    face = face_of(crop, dlib_landmarks(80, 80, 160))
    view = cut_view(face, DLIB, ViewJitter(roll_deg=90.0))
    np.testing.assert_allclose(view.astype(int), np.rot90(crop).astype(int), atol=1)


def test_normalising_is_what_the_spec_says():
    spec = InputSpec(size_px=4, mean=(0.5, 0.4, 0.3), std=(0.2, 0.3, 0.4))
    views = np.random.default_rng(0).integers(0, 256, (2, 3, 4, 5, 3), dtype=np.uint8)
    expected = (views / 255 - np.array(spec.mean)) / np.array(spec.std)
    got = normalise(views, spec)
    assert got.dtype == np.float32
    assert got.shape == (2, 3, 3, 4, 5)
    np.testing.assert_allclose(got, np.moveaxis(expected, -1, -3), atol=2e-6)


def test_a_view_does_not_depend_on_its_batch():
    spec = InputSpec(size_px=33, alignment="dlib", n_frames=2)
    faces = [noise_face(seed=k) for k in range(6)]
    clips = [faces[0:2], faces[2:4], faces[4:6]]
    together = make_batch(clips, spec).frames
    alone = np.concatenate([make_batch([clip], spec).frames for clip in clips])
    assert together.shape == (3, 2, 3, 33, 33)
    np.testing.assert_array_equal(together, alone)


def test_cutting_leaves_the_crop_alone_and_shares_no_memory_with_it():
    crop = noise(160, 160)
    face = face_of(crop, dlib_landmarks(80, 80, 160))
    before = crop.copy()
    cut_view(face, DLIB)[:] = 0
    np.testing.assert_array_equal(crop, before)


def test_opencv_threads_do_not_change_views():
    face = frame_with_face(300, (260, 230), 0)
    wanted = [cut_view(face, DLIB), cut_view(face, DLIB, ViewJitter(roll_deg=5.0))]
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        for want, jitter in zip(wanted, (None, ViewJitter(roll_deg=5.0)), strict=True):
            np.testing.assert_array_equal(cut_view(face, DLIB, jitter), want)
    finally:
        cv2.setNumThreads(threads)


def test_clips_of_the_wrong_length_and_whole_frame_views_are_refused():
    with pytest.raises(ValueError, match="expected 2 faces each"):
        make_batch([[noise_face()]], InputSpec(size_px=8, n_frames=2))
    with pytest.raises(UsageError, match="whole frames"):
        cut_view(noise_face(), InputSpec(size_px=8, view="frame"))
