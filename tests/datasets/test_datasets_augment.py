"""Laws of augmentation."""

from dataclasses import fields, replace

import cv2
import numpy as np
import pytest
from drawn_faces import drawn_face

from unmask.datasets.augment import (
    NOTHING,
    Augmentation,
    AugmentConfig,
    degrade,
    draw,
    finish,
    recompress,
)

CONFIG = AugmentConfig()
OFF = replace(CONFIG, **{f.name: 0.0 for f in fields(CONFIG) if f.name.startswith("p_")})
ALWAYS = replace(
    CONFIG,
    **{f.name: 1.0 for f in fields(CONFIG) if f.name.startswith("p_") and f.name != "p_grey"},
)
FACE = drawn_face(3, 128)


def rolls(config, n=300):
    return [draw(config, np.random.default_rng(seed)) for seed in range(n)]


def one(**what):
    return degrade(FACE, Augmentation(**what))


@pytest.mark.parametrize("seed", range(20))
def test_the_same_generator_gives_the_same_picture(seed):
    first, second = (draw(ALWAYS, np.random.default_rng(seed)) for _ in range(2))
    assert first == second
    views = [finish(degrade(FACE, roll), roll) for roll in (first, second)]
    np.testing.assert_array_equal(*views)


@pytest.mark.parametrize("seed", range(20))
def test_pictures_stay_pictures(seed):
    roll = draw(ALWAYS, np.random.default_rng(seed))
    view = finish(degrade(FACE, roll), roll)
    assert view.shape == FACE.shape
    assert view.dtype == np.uint8
    assert view.std() > 8  # not flat


def test_augmentation_never_touches_the_picture_it_was_given():
    before = FACE.copy()
    for roll in rolls(ALWAYS, 20):
        finish(degrade(FACE, roll), roll)
    np.testing.assert_array_equal(FACE, before)


def test_probabilities_of_zero_switch_everything_off():
    assert set(rolls(OFF, 50)) == {NOTHING}
    np.testing.assert_array_equal(finish(degrade(FACE, NOTHING), NOTHING), FACE)


def test_steps_come_as_often_as_configured():
    drawn = rolls(CONFIG, 2000)
    for name, probability in (
        ("jitter", CONFIG.p_move),
        ("light", CONFIG.p_light),
        ("blur_px", CONFIG.p_blur),
        ("resample", CONFIG.p_resample),
        ("noise", CONFIG.p_noise),
        ("jpeg_quality", CONFIG.p_jpeg),
        ("cutout", CONFIG.p_cutout),
    ):
        seen = np.mean([getattr(roll, name) is not None for roll in drawn])
        assert seen == pytest.approx(probability, abs=0.05), name
    assert np.mean([roll.flip for roll in drawn]) == pytest.approx(CONFIG.p_flip, abs=0.05)


def test_values_fill_their_ranges_and_stay_inside():
    drawn = rolls(ALWAYS, 1000)
    scales = [roll.jitter.scale for roll in drawn]
    assert 0.8 <= min(scales) < 0.85
    assert 1.5 < max(scales) <= 1.6
    assert np.median(scales) == pytest.approx(1.07, abs=0.05)
    qualities = {roll.jpeg_quality for roll in drawn}
    assert (min(qualities), max(qualities)) == (30, 95)
    assert max(abs(roll.jitter.shift_x) for roll in drawn) <= CONFIG.shift
    assert max(abs(roll.jitter.roll_deg) for roll in drawn) <= CONFIG.roll_deg


def test_mirroring_comes_after_everything_else():
    roll = Augmentation(flip=True, jpeg_quality=50)
    plain = replace(roll, flip=False)
    np.testing.assert_array_equal(
        finish(degrade(FACE, roll), roll), finish(degrade(FACE, plain), plain)[:, ::-1]
    )


def test_light_is_what_it_says():
    np.testing.assert_array_equal(one(light=(1.0, 1.0, 1.0)), FACE)
    np.testing.assert_allclose(one(light=(0.5, 1.0, 1.0)), FACE * 0.5, atol=0.51)
    np.testing.assert_allclose(one(light=(1.0, 1.0, 2.0)), 255 * (FACE / 255) ** 2, atol=0.51)


def test_colour_turns_keep_luma_and_grey_is_grey():
    turned = one(colour=(1.0, 8.0)).astype(int)
    luma = np.array((0.299, 0.587, 0.114))
    inside = ((turned > 0) & (turned < 255)).all(axis=-1)
    assert np.abs((turned - FACE) @ luma)[inside].max() <= 1
    assert np.abs(turned - FACE).max() > 5
    grey = one(colour=(0.0, 0.0)).astype(int)
    assert (grey.max(axis=-1) - grey.min(axis=-1)).max() <= 1
    np.testing.assert_allclose(one(colour=(1.0, 0.0)), FACE, atol=1)


def test_resampling_takes_detail_and_keeps_the_place():
    coarse = one(resample=(0.35, cv2.INTER_AREA, cv2.INTER_LINEAR))
    assert cv2.Laplacian(coarse, cv2.CV_32F).var() < 0.3 * cv2.Laplacian(FACE, cv2.CV_32F).var()
    blurred = cv2.GaussianBlur(FACE, (0, 0), 4).astype(float)
    errors = [
        np.abs(cv2.GaussianBlur(np.roll(coarse, d, 1), (0, 0), 4) - blurred)[:, 8:-8].mean()
        for d in (-1, 0, 1)
    ]
    assert np.argmin(errors) == 1


def test_noise_has_the_deviation_asked_for():
    grey = np.full((128, 128, 3), 128, np.uint8)
    noisy = degrade(grey, Augmentation(noise=(5.0, 1))).astype(float)
    assert noisy.std() == pytest.approx(5.0, rel=0.05)
    assert noisy.mean() == pytest.approx(128, abs=0.1)


def test_compression_hurts_more_at_low_quality_and_keeps_colours():
    errors = [np.abs(recompress(FACE, q).astype(int) - FACE).mean() for q in (95, 60, 30)]
    assert errors == sorted(errors)
    assert errors[0] < errors[2] < 20
    red = np.zeros((32, 32, 3), np.uint8)
    red[..., 0] = 200
    assert np.abs(recompress(red, 90).astype(int) - red).max() <= 6


def test_covering_covers_one_rectangle_of_the_view():
    roll = Augmentation(cutout=(0.25, 0.5, 0.125, 0.25, 9))
    view = finish(FACE, roll)
    assert (view[64:96, 32:48] == 9).all()
    changed = (view != FACE).any(axis=-1)
    changed[64:96, 32:48] = False
    assert not changed.any()


def test_even_dark_faces_stay_visible():
    dark = (FACE * 0.15).astype(np.uint8)
    for roll in rolls(replace(OFF, p_light=1.0), 200):
        assert degrade(dark, roll).std() > 0.25 * dark.std()
