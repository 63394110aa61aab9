"""Laws of the corruptions, each against a slow reference made of the published numbers."""

import io
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image as PillowImage
from scipy import ndimage

from face_clips import portrait, walk
from media import numbered_frames, write_clip
from unmask.errors import ConfigError, UsageError
from unmask.types import Face, FaceQuality, Frame
from unmask.video.corrupt import (
    KINDS,
    LEVELS,
    SEVEN,
    Corruption,
    Severities,
    caption,
    corrupt,
    corrupt_faces,
    corrupt_frames,
    parse_corruptions,
)
from unmask.video.decode import open_media
from unmask.video.recode import recode

PICTURE = portrait()[0:256, 100:380]  # 280 x 256
CLIP = list(numbered_frames(24, (96, 64)))
ODD_SIZES = [(1, 1), (2, 3), (7, 19), (33, 41), (101, 97)]
LEVELS_OF = {  # as printed in the data set's paper and code; jpeg see spec of the class
    "saturation": (0.4, 0.3, 0.2, 0.1, 0.0),
    "contrast": (0.85, 0.725, 0.6, 0.475, 0.35),
    "blocks": (16, 32, 48, 64, 80),
    "noise": (0.001, 0.002, 0.005, 0.01, 0.05),
    "blur": (7, 9, 13, 17, 21),
    "pixelation": (2, 3, 4, 5, 6),
    "video": (30, 32, 35, 38, 40),
    "jpeg": (40, 35, 30, 25, 20),
}


def of(kind, level):
    return Corruption(kind=kind, level=level)


def corrupted(picture, kind, level, video="v", frame=0, **options):
    return corrupt(picture, of(kind, level), video=video, frame=frame, **options)


def frames_of(pictures, fps=25):
    return [Frame(t_s=k / fps, rgb=rgb) for k, rgb in enumerate(pictures)]


def faces_of(pictures):
    quality = FaceQuality(size_px=50, sharpness=1, yaw=0, roll_deg=0)
    return [
        Face(
            t_s=k / 25,
            box_xyxy_px=(0, 0, 9, 9),
            landmarks_px=np.zeros((5, 2), np.float32),
            confidence=1,
            crop=rgb,
            crop_origin_px=(3, 4),
            quality=quality,
        )
        for k, rgb in enumerate(pictures)
    ]


def psnr(a, b):
    return 10 * np.log10(255**2 / max(np.mean((a.astype(float) - b) ** 2), 1e-9))


def rounded(unit):
    return np.clip(np.rint(unit * 255), 0, 255)


each_kind = pytest.mark.parametrize("kind", KINDS)
each_level = pytest.mark.parametrize("level", LEVELS)


# --- what every kind obeys ---


@each_kind
def test_level_0_leaves_pictures_runs_and_faces_alone(kind):
    none = of(kind, 0)
    assert corrupt(PICTURE, none, video="v", frame=0) is PICTURE
    clip = frames_of(CLIP[:3])
    assert [f.rgb for f in corrupt_frames(clip, none, video="v")] == [f.rgb for f in clip]
    assert [f.crop for f in corrupt_faces(faces_of(CLIP[:3]), none, video="v")] == CLIP[:3]


@each_kind
@pytest.mark.parametrize("size", ODD_SIZES)
def test_any_size_keeps_its_shape_and_type(kind, size):
    picture = portrait()[40 : 40 + size[0], 200 : 200 + size[1]]
    before = picture.copy()
    out = corrupted(picture, kind, 5)
    assert out.shape == picture.shape
    assert out.dtype == np.uint8
    np.testing.assert_array_equal(picture, before)


@each_kind
def test_a_higher_level_is_further_from_the_picture(kind):
    # grey blocks on a busy picture, and quality on a soft one, differ least; still in order
    distances = [psnr(PICTURE, corrupted(PICTURE, kind, level)) for level in LEVELS]
    assert distances == sorted(distances, reverse=True)
    assert len(set(distances)) == len(LEVELS)


@each_kind
def test_the_same_name_gives_the_same_pixels(kind):
    np.testing.assert_array_equal(corrupted(PICTURE, kind, 3), corrupted(PICTURE, kind, 3))


@pytest.mark.parametrize("kind", ["blocks", "noise"])
def test_chance_differs_between_frames_videos_levels_and_kinds(kind):
    grey = np.full((256, 256, 3), 77, np.uint8)
    one = corrupted(grey, kind, 3)
    assert (corrupted(grey, kind, 3, frame=1) != one).any()
    assert (corrupted(grey, kind, 3, video="w") != one).any()
    if kind == "blocks":
        covered = [(corrupted(grey, kind, level) != 77).any(-1) for level in (3, 4)]
        assert (covered[0] & ~covered[1]).any(), "another level lays blocks elsewhere"


@each_kind
def test_a_run_comes_out_one_for_one_in_order_with_its_times(kind):
    clip = frames_of(CLIP)
    out = list(corrupt_frames(iter(clip), of(kind, 4), video="v"))
    assert [f.t_s for f in out] == [f.t_s for f in clip]
    for before, after in zip(clip, out, strict=True):
        shift = np.abs(before.rgb[..., None].astype(float) - after.rgb[..., None])
        assert shift.any(), "every frame is corrupted"
        nearest = min(range(len(clip)), key=lambda k: -psnr(clip[k].rgb, after.rgb))
        if kind not in ("saturation", "contrast"):
            assert abs(nearest - clip.index(before)) <= 1


@pytest.mark.parametrize("kind", [k for k in KINDS if k != "video"])
def test_what_else_was_sampled_changes_no_frame(kind):
    clip = frames_of(CLIP)
    whole = list(corrupt_frames(clip, of(kind, 3), video="v"))
    some = list(corrupt_frames(clip[5::7], of(kind, 3), video="v"))
    for a, b in zip(whole[5::7], some, strict=True):
        np.testing.assert_array_equal(a.rgb, b.rgb)


@each_kind
def test_faces_keep_everything_but_their_pixels(kind):
    crops = [portrait()[10:90, 120:200], portrait()[12:95, 118:197], portrait()[9:70, 119:190]]
    faces = faces_of(crops)
    out = corrupt_faces(faces, of(kind, 2), video="v")
    for before, after in zip(faces, out, strict=True):
        assert after.crop.shape == before.crop.shape
        assert (after.crop != before.crop).any()
        assert psnr(after.crop, before.crop) > 12, "the crop is where it was"
        assert after.crop_origin_px == before.crop_origin_px
        assert after.t_s == before.t_s


def test_no_frames_and_no_faces_give_none():
    for kind in KINDS:
        assert not list(corrupt_frames([], of(kind, 3), video="v"))
        assert corrupt_faces([], of(kind, 3), video="v") == ()


# --- each kind against its reference ---


@each_level
def test_saturation_moves_colours_towards_their_luma(level):
    share = LEVELS_OF["saturation"][level - 1]
    rgb = PICTURE / 255
    luma = (rgb @ (0.299, 0.587, 0.114))[..., None]
    expected = rounded(luma + share * (rgb - luma))
    assert np.abs(corrupted(PICTURE, "saturation", level) - expected).max() <= 1


def test_saturation_level_5_is_grey():
    out = corrupted(PICTURE, "saturation", 5).astype(int)
    assert (out.max(axis=-1) - out.min(axis=-1)).max() <= 1


@each_level
def test_contrast_multiplies(level):
    share = LEVELS_OF["contrast"][level - 1]
    expected = rounded(PICTURE / 255 * share)
    assert np.abs(corrupted(PICTURE, "contrast", level) - expected).max() <= 1


@pytest.mark.parametrize(
    ("size", "factor"), [((255, 300), 1), ((60, 60), 1), ((256, 256), 1), ((512, 900), 2)]
)
@each_level
def test_blocks_are_whole_grey_squares_and_as_many_as_published(size, factor, level):
    white = np.full((*size, 3), 255, np.uint8)
    out = corrupted(white, "blocks", level)
    grey = (out == 128).all(axis=-1)
    assert ((out == 255).all(axis=-1) | grey).all()
    np.testing.assert_array_equal(ndimage.binary_opening(grey, np.ones((8, 8))), grey)
    number = factor * LEVELS_OF["blocks"][level - 1]
    # the same lottery, played naively many times: how much do so many squares cover?
    rng = np.random.default_rng(0)
    areas = []
    for _ in range(60):
        mask = np.zeros(size, bool)
        for _ in range(number):
            y, x = rng.integers(0, size[0] - 7), rng.integers(0, size[1] - 7)
            mask[y : y + 8, x : x + 8] = True
        areas.append(mask.sum())
    assert min(areas) * 0.97 <= grey.sum() <= max(areas) * 1.03


def studio_ycbcr(rgb):
    """BT.601 as printed for digital studio levels, on [0, 1]."""
    matrix = np.array(
        [(65.481, 128.553, 24.966), (-37.797, -74.203, 112.0), (112.0, -93.786, -18.214)]
    )
    return (rgb @ matrix.T + (16, 128, 128)) / 255


@each_level
def test_noise_has_the_published_variance_in_each_plane_of_ycbcr(level):
    variance = LEVELS_OF["noise"][level - 1]
    grey = np.full((200, 200, 3), 128, np.uint8)
    out = corrupted(grey, "noise", level) / 255
    rng = np.random.default_rng(5)
    wanted = studio_ycbcr(grey / 255) + np.sqrt(variance) * rng.standard_normal(grey.shape)
    matrix = studio_ycbcr(np.eye(3)) - studio_ycbcr(np.zeros((1, 3)))
    back = (wanted - studio_ycbcr(np.zeros(3))) @ np.linalg.inv(matrix)
    planes = [studio_ycbcr(x).reshape(-1, 3) for x in (out, rounded(back) / 255)]
    covariances = [np.cov(plane.T) for plane in planes]
    np.testing.assert_allclose(np.diag(covariances[0]), np.diag(covariances[1]), rtol=0.06)
    if level < 5:  # beyond, much is clipped
        np.testing.assert_allclose(np.diag(covariances[0]), variance, rtol=0.08)
        assert np.abs(covariances[0] - np.diag(np.diag(covariances[0]))).max() < 0.1 * variance


@each_level
def test_blur_is_the_gaussian_of_the_published_kernel(level):
    side = LEVELS_OF["blur"][level - 1]
    taps = np.exp(-0.5 * (np.arange(side) - side // 2) ** 2 / (side / 6) ** 2)
    taps /= taps.sum()
    expected = PICTURE / 255
    for axis in (0, 1):
        expected = ndimage.correlate1d(expected, taps, axis=axis, mode="mirror")
    assert np.abs(corrupted(PICTURE, "blur", level) - rounded(expected)).max() <= 1


@each_level
def test_pixelation_scales_down_and_up_linearly(level):
    factor = LEVELS_OF["pixelation"][level - 1]
    height, width = PICTURE.shape[:2]
    unit = torch.from_numpy(PICTURE / 255).permute(2, 0, 1)[None]
    for size in ((height // factor, width // factor), (height, width)):
        unit = torch.nn.functional.interpolate(unit, size=size, mode="bilinear")
    expected = rounded(unit[0].permute(1, 2, 0).numpy())
    assert np.abs(corrupted(PICTURE, "pixelation", level) - expected).max() <= 1


@each_level
def test_jpeg_is_that_of_another_encoder_at_the_same_quality(level):
    buffer = io.BytesIO()
    quality = LEVELS_OF["jpeg"][level - 1]
    PillowImage.fromarray(PICTURE).save(buffer, "JPEG", quality=quality, subsampling="4:2:0")
    expected = np.asarray(PillowImage.open(buffer)).astype(int)
    difference = np.abs(corrupted(PICTURE, "jpeg", level) - expected)
    assert difference.mean() < 0.5  # the same tables; encoders round differently
    assert difference.max() < 40


def test_the_qualities_of_jpeg_can_be_chosen():
    ours = Severities(jpeg=(90, 80, 70, 60, 50))
    mild = corrupted(PICTURE, "jpeg", 1, severities=ours)
    assert psnr(PICTURE, mild) > psnr(PICTURE, corrupted(PICTURE, "jpeg", 1)) + 2


# --- H.264 ---


@each_level
def test_video_is_as_lossy_as_a_file_written_at_the_published_crf(level, tmp_path):
    crf = LEVELS_OF["video"][level - 1]
    file = tmp_path / "clip.mp4"
    people = list(walk(16))  # a still ground, as in real clips: see the docstring of recode
    write_clip(file, frames=people, options={"crf": str(crf), "preset": "medium"})
    with open_media(file) as reader:
        written = [frame.rgb for frame in reader.all_frames()]
    ours = [f.rgb for f in corrupt_frames(frames_of(people), of("video", level), video="v")]
    theirs, here = (
        np.mean([psnr(a, b) for a, b in zip(people, run, strict=True)]) for run in (written, ours)
    )
    assert here == pytest.approx(theirs, abs=1.5)  # dB


def test_video_predicts_from_frame_to_frame():
    still = [CLIP[0]] * 12
    alone = corrupted(CLIP[0], "video", 5)
    run = [f.rgb for f in corrupt_frames(frames_of(still), of("video", 5), video="v")]
    assert psnr(CLIP[0], run[-1]) > psnr(CLIP[0], alone), "later frames build on earlier ones"


def test_h264_hurts_least_at_the_lowest_rate_factor_and_keeps_colours_in_place():
    red = np.zeros((64, 64, 3), np.uint8)
    red[:, 32:, 0] = 220
    (out,) = recode([red], 0)
    assert np.abs(out.astype(int) - red)[:, [4, 60]].max() <= 4


def test_frames_of_two_sizes_are_no_run():
    with pytest.raises(ValueError, match="frame 1"):
        list(recode([PICTURE, PICTURE[1:]], 30))


def test_h264_holds_few_frames_at_a_time():
    taken = 0

    def source():
        nonlocal taken
        for k in range(150):
            taken += 1
            yield CLIP[k % len(CLIP)]

    next(recode(source(), 30))
    assert taken < 80


# --- words ---


def test_words_name_corruptions():
    assert parse_corruptions("blur:3") == (of("blur", 3),)
    assert parse_corruptions("JPEG:1") == (of("jpeg", 1),)
    assert parse_corruptions("GNC:2") == (of("noise", 2),)
    assert parse_corruptions("video") == tuple(of("video", level) for level in LEVELS)
    assert parse_corruptions("all:4") == tuple(of(kind, 4) for kind in SEVEN)
    everything = parse_corruptions("all")
    assert len(set(everything)) == 35
    assert "jpeg" not in {c.kind for c in everything}
    assert [parse_corruptions(str(c)) for c in everything] == [(c,) for c in everything]


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("blurx:3", 'did you mean "blur"'),
        ("blur:6", "levels are 0"),
        ("blur:x", "KIND:LEVEL"),
        ("blur:-1", "KIND:LEVEL"),
        ("", "unknown"),
    ],
)
def test_other_words_are_refused_with_what_to_write(word, said):
    with pytest.raises(UsageError, match=said):
        parse_corruptions(word)


def test_levels_are_the_published_ones():
    for kind, values in LEVELS_OF.items():
        assert tuple(of(kind, level).value() for level in LEVELS) == values


def test_a_kind_has_one_value_per_level():
    with pytest.raises(ConfigError, match="jpeg"):
        Severities(jpeg=(40, 30))
    assert replace(Severities(), jpeg=(9, 8, 7, 6, 5)).jpeg[4] == 5


def test_a_caption_says_what_it_was_applied_to():
    on_frame, on_crop = (caption(of("noise", 4), where) for where in ("frame", "crop"))
    assert "noise:4 (0.01)" in on_frame
    assert "frame before detection" in on_frame
    assert "stored crop" in on_crop
    assert caption(of("noise", 0), "crop") == "none"
