"""Laws that every way of forging one face obeys, and what each of them is for."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import get_args

import cv2
import numpy as np
import pytest

from unmask.cli.forge import Method as Offered
from unmask.errors import UsageError
from unmask.forge import landmarks as lm
from unmask.forge.facepath import Whereabouts
from unmask.forge.methods import METHODS, FaceMethod, ForgeConfig, forge_face, forger_of, rng_of
from unmask.forge.reenact import ReenactConfig, Reenactor, draw_reenactment
from unmask.forge.resynthesise import doubled
from unmask.types import Frame

FACE_METHODS = get_args(FaceMethod)
EYES_PX = 44
POINTS = (lm.DETECTED[:, :2] * EYES_PX + (150, 95)).astype(np.float32)


@pytest.fixture(scope="module")
def picture():
    noise = np.random.default_rng(5).integers(0, 256, (240, 300, 3), dtype=np.uint8)
    return cv2.GaussianBlur(noise, (0, 0), 1.5)


@pytest.mark.parametrize("method", FACE_METHODS)
@pytest.mark.parametrize("seed", range(4))
def test_outside_the_mask_nothing_changes_and_inside_something_does(picture, method, seed):
    before = picture.copy()
    fake, mask = forge_face(picture, POINTS, method, np.random.default_rng(seed))
    np.testing.assert_array_equal(picture, before)
    assert (fake.dtype, fake.shape, mask.shape) == (np.uint8, picture.shape, picture.shape[:2])
    assert 0 <= mask.min() < mask.max() <= 1
    if method != "self_blend":  # whose target may be altered as a whole
        np.testing.assert_array_equal(fake[mask == 0], picture[mask == 0])
    assert np.abs(fake[mask > 0.5].astype(int) - picture[mask > 0.5]).mean() > 0.5


@pytest.mark.parametrize("method", FACE_METHODS)
def test_masks_end_softly_within_the_face(picture, method):
    for seed in range(6):
        _, mask = forge_face(picture, POINTS, method, np.random.default_rng(seed))
        steps = max(np.abs(np.diff(mask, axis=axis)).max() for axis in (0, 1))
        assert steps < 0.25
        rows, columns = np.nonzero(mask > 0.1)
        reach = (np.array([columns.min(), rows.min(), columns.max(), rows.max()])) - np.tile(
            (150, 95), 2
        )
        assert (np.abs(reach) < 2.3 * EYES_PX).all()


@pytest.mark.parametrize("method", FACE_METHODS)
def test_choices_follow_from_seed_and_method(picture, method):
    made = [forger_of(method, rng_of(seed, method), ForgeConfig()) for seed in (7, 7, 8)]
    params = [json.dumps(said, sort_keys=True) for _, said in made]
    assert params[0] == params[1] != params[2]
    frame = Frame(t_s=0.3, rgb=picture)
    face = Whereabouts(landmarks_px=POINTS, presence=1.0)
    first, again = (forger(frame, face)[0] for forger, _ in made[:2])
    np.testing.assert_array_equal(first, again)


@pytest.mark.parametrize("method", FACE_METHODS)
def test_a_face_that_fades_is_forged_less(picture, method):
    forger, _ = forger_of(method, rng_of(1, method), ForgeConfig())
    frame = Frame(t_s=0.3, rgb=picture)
    full, half, none = (
        forger(frame, Whereabouts(landmarks_px=POINTS, presence=presence))[1].max()
        for presence in (1.0, 0.5, 0.0)
    )
    assert half == pytest.approx(full / 2, abs=0.02)
    assert none == 0


@pytest.mark.parametrize("method", FACE_METHODS)
def test_dense_landmarks_and_faces_at_the_rim_are_taken(picture, method):
    dense = (lm.MEAN_FACE[:, :2] * EYES_PX + (150, 95)).astype(np.float32)
    for points in (dense, dense[:68], POINTS - (140, 90)):
        fake, mask = forge_face(picture, points, method, np.random.default_rng(0))
        assert fake.shape == picture.shape
        assert mask.max() > 0.1


def test_a_method_that_needs_more_than_a_face_is_refused(picture):
    with pytest.raises(UsageError, match="cannot forge a face alone"):
        forge_face(picture, POINTS, "swap", np.random.default_rng(0))


def test_the_command_offers_every_method_and_no_other():
    assert [name.value for name in Offered] == [*METHODS, "all"]


def test_reenactment_moves_the_mouth_over_time_and_smoothly():
    plan = draw_reenactment(np.random.default_rng(0), ReenactConfig())
    times_s = np.arange(0, 4, 0.02)
    jaw = np.array([plan.courses["open"].at(t_s) for t_s in times_s])
    assert np.ptp(jaw) > 0.5 * plan.courses["open"].amplitude
    assert np.abs(np.diff(jaw)).max() < 0.2 * np.ptp(jaw)
    smile = [plan.courses["smile"].at(t_s) for t_s in times_s]
    assert min(smile) < 0 < max(smile)


def test_an_opening_jaw_carries_the_lower_lip_down():
    """A bright bar under the mouth is found lower when the jaw is open."""
    still = np.full((240, 300, 3), 90, np.uint8)
    y_px = round(95 + 1.36 * EYES_PX)
    still[y_px - 1 : y_px + 2, 130:170] = 220
    plan = draw_reenactment(np.random.default_rng(3), ReenactConfig(smile=(0, 0), open=(0.2, 0.2)))
    course = replace(plan.courses["open"], least=1.0)  # open throughout
    forger = Reenactor(replace(plan, courses=plan.courses | {"open": course}))
    fake, _ = forger(Frame(t_s=0.0, rgb=still), Whereabouts(landmarks_px=POINTS, presence=1.0))
    bar = fake[:, 150, 0].astype(float) - 90
    place = (bar * np.arange(240)).sum() / bar.sum()
    # Less than the push itself, which is that of the place the skin arrives at.
    assert 0.6 < (place - y_px) / (0.2 * EYES_PX) < 1


def test_even_doubling_is_linear_interpolation_and_uneven_leaves_a_checkerboard():
    rng = np.random.default_rng(0)
    plane = rng.uniform(50, 200, (16, 16, 3)).astype(np.float32)
    even = doubled(plane, 0.0)
    np.testing.assert_allclose(even[::2, ::2], plane, atol=1e-4)
    np.testing.assert_allclose(even[::2, 1:-1:2], (plane[:, :-1] + plane[:, 1:]) / 2, atol=1e-3)
    flat = doubled(np.full((32, 32, 3), 100, np.float32), 0.02)[4:-4, 4:-4, 0]
    spectrum = np.abs(np.fft.fft2(flat - flat.mean()))
    strongest = np.unravel_index(spectrum.argmax(), spectrum.shape)
    half = flat.shape[0] // 2
    assert set(strongest) <= {0, half}  # every other pixel
    assert np.ptp(flat) > 3
