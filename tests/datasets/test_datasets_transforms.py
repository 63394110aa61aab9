"""Each transform against another library, or brute force."""

import colorsys

import cv2
import numpy as np
import pytest
from drawn_faces import drawn_face
from PIL import Image as PillowImage
from scipy import ndimage
from sklearn.decomposition import PCA
from torchvision.transforms.v2 import functional as vision

from unmask.datasets import transforms
from unmask.errors import UsageError

FACE = drawn_face(3, 96)
SMALL = drawn_face(5, 24)


def rounded(levels):
    return np.clip(np.rint(levels), 0, 255)


@pytest.mark.parametrize(("contrast", "brightness"), [(1.0, 0.0), (1.2, -0.2), (0.8, 0.2)])
def test_brightness_and_contrast_are_a_line(contrast, brightness):
    expected = rounded(FACE * contrast + brightness * 255)
    np.testing.assert_array_equal(transforms.brighten(FACE, contrast, brightness), expected)


@pytest.mark.parametrize("shift", [(0.0, 0.0, 0.0), (40.0, 0.1, -0.05), (-33.0, -0.11, 0.07)])
def test_hue_saturation_and_value_shift_as_in_pythons_own_library(shift):
    def moved(pixel):
        hue, saturation, value = colorsys.rgb_to_hsv(*(pixel / 255))
        hue = (hue + shift[0] / 360) % 1
        saturation, value = np.clip((saturation + shift[1], value + shift[2]), 0, 1)
        return colorsys.hsv_to_rgb(hue, saturation, value)

    expected = 255 * np.apply_along_axis(moved, 2, SMALL)
    assert np.abs(transforms.shift_hsv(SMALL, *shift) - expected).max() <= 1


def test_components_shift_a_clip_by_one_colour_along_its_principal_axes():
    clip = [drawn_face(seed, 32) for seed in (1, 2, 3)]
    weights = (6.0, -4.0, 8.0)
    colours = np.concatenate([image.reshape(-1, 3) for image in clip]) / 255
    pca = PCA().fit(colours)
    axes = [axis if axis.sum() > 0 else -axis for axis in pca.components_]
    shift = sum(
        weight * variance * axis
        for weight, variance, axis in zip(weights, pca.explained_variance_, axes, strict=True)
    )
    for before, after in zip(clip, transforms.shift_along_components(clip, *weights), strict=True):
        np.testing.assert_array_equal(after, rounded(before + 255 * shift))


def test_components_of_a_flat_picture_change_nothing():
    flat = np.full((8, 8, 3), 90, np.uint8)
    np.testing.assert_array_equal(transforms.shift_along_components([flat], 9, 9, 9)[0], flat)


@pytest.mark.parametrize("sigma", [0.5, 1.6])
def test_blur_is_gaussian(sigma):
    expected = ndimage.gaussian_filter(FACE.astype(float), (sigma, sigma, 0), mode="mirror")
    assert np.abs(transforms.blur(FACE, sigma) - expected).max() <= 3
    assert np.abs(transforms.blur(FACE, sigma) - expected).mean() < 0.4


def test_blur_by_a_kernel_of_three_mixes_nine_pixels():
    taps = np.array((1, 2, 1)) / 4
    expected = FACE.astype(float)
    for axis in (0, 1):
        expected = ndimage.correlate1d(expected, taps, axis=axis, mode="mirror")
    assert np.abs(transforms.blur_kernel(FACE, 3) - expected).max() <= 1.5


def clahe_by_hand(grey, limit, tiles=8):
    """Pizer's method as OpenCV defines it: clip each tile's histogram, blend four tiles' tables."""
    side = grey.shape[0] // tiles
    tables = np.zeros((tiles, tiles, 256))
    most = max(int(limit * side * side / 256), 1)
    for row in range(tiles):
        for column in range(tiles):
            tile = grey[row * side : (row + 1) * side, column * side : (column + 1) * side]
            histogram = np.bincount(tile.ravel(), minlength=256)
            over = np.maximum(histogram - most, 0).sum()
            histogram = np.minimum(histogram, most) + over // 256
            rest = over % 256
            if rest:
                step = max(256 // rest, 1)
                histogram[0 : step * rest : step][:rest] += 1
            tables[row, column] = np.rint(histogram.cumsum() * 255 / side**2)
    out = np.zeros(grey.shape)
    for y in range(grey.shape[0]):
        for x in range(grey.shape[1]):
            v, u = y / side - 0.5, x / side - 0.5
            total = 0.0
            for row in (int(np.floor(v)), int(np.floor(v)) + 1):
                for column in (int(np.floor(u)), int(np.floor(u)) + 1):
                    weight = (1 - abs(v - row)) * (1 - abs(u - column))
                    inside = np.clip(row, 0, tiles - 1), np.clip(column, 0, tiles - 1)
                    total += weight * tables[inside][grey[y, x]]
            out[y, x] = total
    return rounded(out)


@pytest.mark.parametrize("limit", [1.0, 2.0])
def test_equalising_is_that_of_lightness_in_tiles_with_limited_contrast(limit):
    face = drawn_face(3, 64)
    lab = cv2.cvtColor(face, cv2.COLOR_RGB2LAB)
    lab[..., 0] = clahe_by_hand(lab[..., 0], limit)
    expected = cv2.cvtColor(lab, cv2.COLOR_LAB2RGB).astype(int)
    difference = np.abs(transforms.equalise(face, limit) - expected)
    assert difference.mean() < 0.5
    assert difference.max() <= 8


@pytest.mark.parametrize(("share", "lightness"), [(0.2, 0.5), (0.5, 1.0)])
def test_sharpening_mixes_in_a_laplacian(share, lightness):
    unit = FACE.astype(float)
    neighbours = ndimage.uniform_filter(unit, (3, 3, 1), mode="mirror") * 9 - unit
    expected = (1 - share) * unit + share * ((8 + lightness) * unit - neighbours)
    assert np.abs(transforms.sharpen(FACE, share, lightness) - rounded(expected)).max() <= 1


@pytest.mark.parametrize("strength", [0.2, 0.7])
def test_embossing_adds_what_lies_below_right_and_takes_what_lies_above_left(strength):
    s, share = strength, 0.4
    weights = {(-1, -1): -1 - s, (-1, 0): -s, (0, -1): -s, (0, 0): 1, (0, 1): s, (1, 0): s}
    weights[1, 1] = 1 + s
    padded = np.pad(FACE.astype(float), ((1, 1), (1, 1), (0, 0)), mode="reflect")
    size = FACE.shape[0]
    relief = sum(
        weight * padded[1 + dy : 1 + dy + size, 1 + dx : 1 + dx + size]
        for (dy, dx), weight in weights.items()
    )
    expected = rounded((1 - share) * FACE + share * relief)
    assert np.abs(transforms.emboss(FACE, share, strength) - expected).max() <= 1


def test_noise_is_white_and_as_strong_as_asked():
    grey = np.full((128, 128, 3), 128, np.uint8)
    grain = transforms.add_noise(grey, 6.0, 1) - 128.0
    assert grain.std() == pytest.approx(6, rel=0.03)
    assert abs(np.corrcoef(grain[..., 0].ravel(), grain[..., 1].ravel())[0, 1]) < 0.03
    assert abs(np.corrcoef(grain[:, 1:].ravel(), grain[:, :-1].ravel())[0, 1]) < 0.03
    assert (transforms.add_noise(grey, 6.0, 2) - 128.0 != grain).any()


def test_flips_and_turns_are_pillows():
    picture = PillowImage.fromarray(FACE)
    way = PillowImage.Transpose
    for ours, theirs in (
        (transforms.mirror(FACE), way.FLIP_LEFT_RIGHT),
        (transforms.upend(FACE), way.FLIP_TOP_BOTTOM),
        (transforms.transpose(FACE), way.TRANSPOSE),
        (transforms.quarter_turns(FACE, 1), way.ROTATE_90),
        (transforms.quarter_turns(FACE, 2), way.ROTATE_180),
        (transforms.quarter_turns(FACE, 3), way.ROTATE_270),
    ):
        np.testing.assert_array_equal(ours, np.asarray(picture.transpose(theirs)))


@pytest.mark.parametrize(
    ("shift", "scale", "turn_deg"),
    [((0.0, 0.0), 1.0, 0.0), ((0.1, -0.05), 0.8, 10.0), ((-0.08, 0.1), 1.2, -45.0)],
)
def test_moving_is_torchvisions_affine(shift, scale, turn_deg):
    smooth = cv2.GaussianBlur(FACE, (0, 0), 1.5)  # libraries sample on slightly different grids
    channels_first = vision.to_image(smooth)
    expected = vision.affine(
        channels_first,
        angle=turn_deg,
        translate=[shift[0] * 96, shift[1] * 96],
        scale=scale,
        shear=[0.0, 0.0],
        interpolation=vision.InterpolationMode.BILINEAR,
    )
    moved = transforms.move(smooth, shift, scale, turn_deg, cv2.BORDER_CONSTANT)
    difference = np.abs(moved.astype(int) - expected.permute(1, 2, 0).numpy())
    assert np.median(difference) <= 1
    assert difference.mean() < 1.5


def test_moving_reflects_beyond_the_border_where_asked():
    moved = transforms.move(FACE, (0.25, 0.0), 1.0, 0.0, cv2.BORDER_REFLECT_101)
    np.testing.assert_array_equal(moved[:, 24:], FACE[:, :-24])
    np.testing.assert_array_equal(moved[:, :24], FACE[:, 24:0:-1])
    black = transforms.move(FACE, (0.25, 0.0), 1.0, 0.0, cv2.BORDER_CONSTANT)
    assert not black[:, :24].any()


def test_padding_keeps_the_middle():
    padded = transforms.letterbox(FACE, 0.75)
    np.testing.assert_array_equal(padded[:, 12:84], FACE[:, 12:84])
    assert not padded[:, :12].any()
    assert not padded[:, 84:].any()


def test_pictures_that_are_not_square_cannot_be_turned():
    for turn in (transforms.transpose, lambda image: transforms.quarter_turns(image, 1)):
        with pytest.raises(UsageError, match="not square"):
            turn(FACE[:50])


@pytest.mark.parametrize(
    "change",
    [
        lambda image: transforms.relight(image, 1.1, 0.9, 1.0),
        lambda image: transforms.recolour(image, 0.5, 5.0),
        lambda image: transforms.brighten(image, 1.1, 0.1),
        lambda image: transforms.shift_hsv(image, 30, 0.1, 0.1),
        lambda image: transforms.shift_along_components([image], 5, 5, 5)[0],
        lambda image: transforms.blur(image, 1),
        lambda image: transforms.blur_kernel(image, 3),
        lambda image: transforms.add_noise(image, 5, 1),
        lambda image: transforms.equalise(image, 2),
        lambda image: transforms.sharpen(image, 0.5, 1),
        lambda image: transforms.emboss(image, 0.5, 0.5),
        lambda image: transforms.move(image, (0.1, 0.1), 1.1, 5, cv2.BORDER_CONSTANT),
        lambda image: transforms.letterbox(image, 0.8),
    ],
)
@pytest.mark.parametrize("picture", [FACE, FACE[:33, 5:64], FACE[:, ::-1]])
def test_transforms_keep_shape_and_type_and_leave_their_input_alone(change, picture):
    before = picture.copy()
    after = change(picture)
    assert after.shape == picture.shape
    assert after.dtype == np.uint8
    assert (after != picture).any()
    np.testing.assert_array_equal(picture, before)
