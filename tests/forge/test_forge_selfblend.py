"""Laws of self-blended images, on drawn pictures of known geometry."""

import json

import cv2
import numpy as np
import pytest

from unmask.forge.selfblend import SelfBlendConfig, colour_matrix, draw_plan, self_blend

SOURCE_ONLY = SelfBlendConfig(augment_target=0.0)
TIGHT = np.array([(0.255, 0.20), (0.745, 0.20), (0.5, 0.47), (0.30, 0.73), (0.70, 0.73)])
SEEDS = range(25)


def textured(height: int, width: int) -> np.ndarray:
    noise = np.random.default_rng(5).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return cv2.GaussianBlur(noise, (0, 0), 2)


def face_at(x_px: float, y_px: float, eyes_px: float) -> np.ndarray:
    shape = np.array([(-0.5, 0), (0.5, 0), (0, 0.57), (-0.43, 1.05), (0.43, 1.05)])
    return (shape * eyes_px + (x_px, y_px)).astype(np.float32)


@pytest.fixture(scope="module")
def image():
    return textured(240, 320)


@pytest.fixture(scope="module")
def points():
    return face_at(160, 100, 50)


def test_the_same_seed_gives_the_same_fake_and_another_seed_another(image, points):
    first, again, other = (self_blend(image, points, np.random.default_rng(s)) for s in (3, 3, 4))
    np.testing.assert_array_equal(first.fake, again.fake)
    np.testing.assert_array_equal(first.mask, again.mask)
    assert first.params == again.params
    assert (first.fake != other.fake).any()


@pytest.mark.parametrize("seed", SEEDS)
def test_pixels_outside_the_mask_are_untouched_and_inside_something_changed(image, points, seed):
    before = image.copy()
    blend = self_blend(image, points, np.random.default_rng(seed), SOURCE_ONLY)
    np.testing.assert_array_equal(image, before)
    np.testing.assert_array_equal(blend.real, image)
    outside = blend.mask == 0
    np.testing.assert_array_equal(blend.fake[outside], image[outside])
    assert (blend.fake[~outside] != image[~outside]).any()


def test_an_altered_target_is_the_real_half_of_the_pair(image, points):
    config = SelfBlendConfig(augment_target=1.0)
    blend = self_blend(image, points, np.random.default_rng(0), config)
    assert blend.params["altered"] == "target"
    assert (blend.real != image).any()
    outside = blend.mask == 0
    np.testing.assert_array_equal(blend.fake[outside], blend.real[outside])


@pytest.mark.parametrize("seed", SEEDS)
def test_mask_is_soft_within_0_and_1_and_covers_part_of_the_face(image, points, seed):
    blend = self_blend(image, points, np.random.default_rng(seed))
    mask = blend.mask
    assert mask.shape == image.shape[:2]
    assert mask.dtype == np.float32
    assert mask.min() >= 0
    assert mask.max() <= 1
    assert 0.01 < (mask > 0).mean() < 0.6
    assert mask.max() > 0.8 * blend.params["ratio"]
    # Soft: from one pixel to the next no more than a quarter of the way.
    assert np.abs(np.diff(mask, axis=0)).max() < 0.25
    assert np.abs(np.diff(mask, axis=1)).max() < 0.25
    rows, columns = np.nonzero(mask > 0.5 * mask.max())
    assert abs(columns.mean() - 160) < 25  # half an eye distance
    assert 60 < rows.mean() < 190


@pytest.mark.parametrize("seed", SEEDS)
def test_a_tight_crop_whose_face_reaches_beyond_it_works(seed):
    crop = textured(224, 224)
    blend = self_blend(crop, TIGHT * 224, np.random.default_rng(seed))
    assert blend.fake.shape == crop.shape
    assert blend.mask.max() > 0.8 * blend.params["ratio"]


def test_a_face_outside_the_picture_leaves_it_alone(image):
    blend = self_blend(image, face_at(-900, -900, 50), np.random.default_rng(0), SOURCE_ONLY)
    assert blend.mask.max() == 0
    np.testing.assert_array_equal(blend.fake, image)


def test_the_mask_moves_with_the_face_by_whole_pixels_exactly(image):
    """A window of a moved face is the moved window: nothing depends on the frame around it."""
    masks = [
        self_blend(image, face_at(x, 100, 50), np.random.default_rng(8)).mask for x in (150, 161)
    ]
    np.testing.assert_allclose(masks[0][:, :-11], masks[1][:, 11:], atol=0.02)


def test_the_fake_of_a_cut_out_equals_the_cut_out_of_the_fake(image, points):
    """The window around the mask is an economy, not a change of result."""
    blend = self_blend(image, points, np.random.default_rng(11), SOURCE_ONLY)
    cut = self_blend(
        image[10:230, 20:300], points - (20, 10), np.random.default_rng(11), SOURCE_ONLY
    )
    difference = np.abs(cut.fake.astype(int) - blend.fake[10:230, 20:300])
    assert difference.max() <= 2


def test_params_are_plain_json(image, points):
    params = self_blend(image, points, np.random.default_rng(0)).params
    assert json.loads(json.dumps(params))["region"] == params["region"]


def test_draws_keep_to_the_published_ranges():
    rng = np.random.default_rng(0)
    plans = [draw_plan(rng, SelfBlendConfig()) for _ in range(400)]
    assert {plan.ratio for plan in plans} == {0.25, 0.5, 0.75, 1.0}
    assert 0.4 < np.mean([plan.ratio == 1 for plan in plans]) < 0.6
    assert 0.4 < np.mean([plan.altered == "source" for plan in plans]) < 0.6
    assert all(0.95 <= plan.scale <= 1 / 0.95 for plan in plans)
    assert {plan.coarsen for plan in plans} == {2, 4}


def test_colour_matrix_agrees_with_hand_made_colours():
    rng = np.random.default_rng(1)
    colour = draw_plan(rng, SelfBlendConfig(p_rgb_shift=0.0)).colour
    matrix = colour_matrix(colour)
    grey = matrix @ np.array([100, 100, 100, 1.0])
    expected = (100 - 127.5) * colour.contrast + 127.5 + colour.brightness
    np.testing.assert_allclose(grey, expected, rtol=1e-5)  # grey keeps neither hue nor saturation
    red = matrix[:, :3] @ np.array([1.0, 0, 0])
    assert red.sum() == pytest.approx(colour.contrast, rel=1e-5)


def test_landmarks_of_a_wrong_shape_are_refused(image):
    with pytest.raises(ValueError, match="landmarks_px"):
        self_blend(image, np.zeros((4, 2)), np.random.default_rng(0))
    with pytest.raises(ValueError, match="no face"):
        self_blend(image, np.full((5, 2), 7.0), np.random.default_rng(0))
