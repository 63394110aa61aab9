"""Laws of a clip under one augmentation: all frames alike, masks where their pictures are."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from drawn_faces import drawn_face, rows_of, write_parquet
from matplotlib.path import Path as Polygon
from scipy import ndimage

from unmask.clips.tensors import DLIB_LAYOUT, ViewJitter, cut_views
from unmask.datasets import transforms
from unmask.datasets.augment import Augmentation, AugmentConfig, draw
from unmask.datasets.augmented import augmented_masks, augmented_views
from unmask.datasets.cover import Cover, CoverConfig, cover_mask, covered
from unmask.datasets.presets import CropConfig, CvitConfig, HeoConfig
from unmask.datasets.samples import DataConfig, open_samples
from unmask.datasets.steps import Step
from unmask.errors import UsageError
from unmask.forge.landmarks import BROWS, JAW, dense_points
from unmask.types import Face, FaceQuality, Frame, InputSpec
from unmask.video.corrupt import Corruption, corrupt_faces

SPEC = InputSpec(size_px=64, alignment="dlib", n_frames=4)
PRESETS = ["ours", "none", "flip", "crop", "heo", "cvit"]
PAD, SIDE = 40, 96  # of a face's crop around its box


def face(rgb=None, t_s=0.0, origin=(0, 0)):
    crop = cv2.copyMakeBorder(drawn_face(3, SIDE), *[PAD] * 4, cv2.BORDER_REFLECT)
    corner = np.float32((origin[0] + PAD, origin[1] + PAD))
    return Face(
        t_s=t_s,
        box_xyxy_px=(*corner, *(corner + SIDE)),
        landmarks_px=(DLIB_LAYOUT * SIDE + corner).astype(np.float32),
        confidence=1.0,
        crop=crop if rgb is None else rgb,
        crop_origin_px=origin,
        quality=FaceQuality(size_px=SIDE, sharpness=100, yaw=0, roll_deg=0),
    )


def marked(x, y):
    """A soft white dot on black, in a crop."""
    v, u = np.mgrid[: SIDE + 2 * PAD, : SIDE + 2 * PAD]
    return np.rint(255 * np.exp(-((u - x) ** 2 + (v - y) ** 2) / 50)).astype(np.uint8)


def middle(grey):
    """(y, x) of what is brighter than half; light and compression change the rest."""
    return np.array(ndimage.center_of_mass(np.maximum(grey - 0.5 * grey.max(), 0)))


def rng(seed):
    return np.random.default_rng(seed)


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("seed", range(6))
def test_all_frames_of_a_clip_are_treated_alike(preset, seed):
    config = AugmentConfig(preset=preset, p_corrupt=0.5, corrupt=("blur", "contrast", "jpeg"))
    clip = [face(t_s=k / 25, origin=(7 * k, 3 * k)) for k in range(4)]  # one picture, four times
    views = augmented_views(clip, SPEC, draw(config, rng(seed)))
    assert views.shape == (4, 64, 64, 3)
    assert views.dtype == np.uint8
    for view in views[1:]:
        np.testing.assert_array_equal(view, views[0])


def test_nothing_is_the_cut_of_a_scan():
    clip = [face(), face(t_s=1)]
    np.testing.assert_array_equal(
        augmented_views(clip, SPEC, Augmentation()), cut_views(clip, SPEC)
    )


@pytest.mark.parametrize(
    "config",
    [
        AugmentConfig(p_move=1, p_roll=1, p_cutout=0, p_light=0, p_noise=0, p_resample=0),
        AugmentConfig(preset="crop", crop=CropConfig(crop=(0.6, 1))),
        AugmentConfig(
            preset="heo",
            heo=HeoConfig(p_colour=0, p_noise=0, p_move=1, p_pad=0.5),
            cover=CoverConfig(p_strip=0, p_outline=0, p_half=0),
        ),
        AugmentConfig(
            preset="cvit",
            cvit=CvitConfig(p_turn=1, p_transpose=0.5, p_move=0.5, p_noise=0, p_detail=0),
        ),
    ],
    ids=lambda config: config.preset,
)
def test_a_marked_pixel_of_a_mask_goes_where_that_of_the_picture_goes(config):
    seen = []
    for seed in range(25):
        dot = marked(PAD + 30 + seed % 7, PAD + 55)
        clip = [face(rgb=np.repeat(dot[..., None], 3, axis=2))]
        roll = draw(config, rng(seed))
        view = augmented_views(clip, SPEC, roll)[0, ..., 1]
        mask = augmented_masks([dot], clip, SPEC, roll)[0]
        assert mask.shape == (64, 64)
        if mask.max() > 200 and view.max() > 100:  # else moved out, or blurred away
            seen.append(middle(mask))
            np.testing.assert_allclose(middle(view), middle(mask), atol=0.75)  # px
    assert len(seen) > 15
    assert np.ptp(seen, axis=0).max() > 5, "and the geometry did move it"


def test_masks_know_nothing_of_light_and_noise():
    mask = marked(80, 80)
    roll = Augmentation(
        light=(0.5, 1, 1),
        noise=(20.0, 1),
        jpeg_quality=20,
        corruption=(Corruption(kind="noise", level=5), 1),
        view_steps=(Step(transforms.brighten, (0.5, 0.2)),),
    )
    plain = augmented_masks([mask], [face()], SPEC, Augmentation())
    np.testing.assert_array_equal(augmented_masks([mask], [face()], SPEC, roll), plain)


def test_the_cut_uses_the_interpolation_drawn():
    jitter = ViewJitter(methods=(cv2.INTER_LINEAR, cv2.INTER_LINEAR))
    inside = face().crop[PAD : PAD + SIDE, PAD : PAD + SIDE]
    expected = cv2.resize(inside, (64, 64), interpolation=cv2.INTER_LINEAR)
    views = augmented_views([face()], SPEC, Augmentation(jitter=jitter))
    np.testing.assert_array_equal(views[0], expected)
    large = replace(SPEC, size_px=150)
    expected = cv2.resize(inside, (150, 150), interpolation=cv2.INTER_LINEAR)
    views = augmented_views([face()], large, Augmentation(jitter=jitter))
    np.testing.assert_array_equal(views[0], expected)


@pytest.mark.parametrize("kind", ["noise", "video", "blocks"])
def test_a_corruption_reaches_every_frame_and_can_be_repeated(kind):
    clip = [face(t_s=k / 25) for k in range(4)]
    roll = Augmentation(corruption=(Corruption(kind=kind, level=4), 77))
    views = augmented_views(clip, SPEC, roll)
    np.testing.assert_array_equal(views, augmented_views(clip, SPEC, roll))
    assert all((view != cut).any() for view, cut in zip(views, cut_views(clip, SPEC), strict=True))
    crops = corrupt_faces(clip, Corruption(kind=kind, level=4), video="augmentation 77")
    np.testing.assert_array_equal(views, cut_views(crops, SPEC))


def test_whole_frames_are_augmented_but_have_no_parts_to_cover():
    spec = InputSpec(size_px=48, width_px=80, view="frame", n_frames=2)
    frames = [Frame(t_s=k, rgb=face().crop[: 96 - k]) for k in range(2)]
    views = augmented_views(frames, spec, Augmentation(light=(0.5, 1, 1), flip=True))
    assert views.shape == (2, 48, 80, 3)
    plain = cut_views(frames, spec)[:, :, ::-1]
    assert np.abs(views - plain * 0.5).max() <= 2
    with pytest.raises(UsageError, match="whole frames"):
        augmented_views(frames, spec, Augmentation(cover=Cover(strip="eyes")))
    with pytest.raises(UsageError, match="not square"):
        augmented_views(frames, spec, Augmentation(view_steps=(Step(transforms.transpose),)))


@pytest.mark.parametrize("preset", ["heo", "cvit", "crop", "flip"])
def test_a_recipe_with_a_preset_draws_its_samples(preset, tmp_path):
    write_parquet(tmp_path / "train.parquet", rows_of(6))
    config = DataConfig(paths=(tmp_path,), augment=AugmentConfig(preset=preset), calib_share=0.2)
    samples = open_samples(config, InputSpec(size_px=64, alignment="dlib"), "train")
    first, again = ([samples.get(i, 0)[0] for i in range(len(samples))] for _ in range(2))
    np.testing.assert_array_equal(first, again)
    other = [samples.get(i, 1)[0] for i in range(len(samples))]
    assert (np.array(first) != other).any()


# --- covers ---


@pytest.mark.parametrize(
    ("strip", "ends", "width"), [("eyes", (0, 1), 4), ("mouth", (3, 4), 3), ("nose", (2, None), 4)]
)
@pytest.mark.parametrize("origin", [(0, 0), (13, 29)])
def test_strips_are_lines_dilated_step_by_step(strip, ends, width, origin):
    subject = face(origin=origin)
    points = subject.landmarks_px - np.float32(origin)
    ruler = points[4] - points[3] if strip == "mouth" else points[1] - points[0]
    start = points[ends[0]]
    end = points[:2].mean(axis=0) if ends[1] is None else points[ends[1]]
    line = np.zeros(subject.crop.shape[:2], np.uint8)
    cv2.line(line, *[tuple(int(v) for v in np.rint(p)) for p in (start, end)], 1, 2)
    steps = int(np.hypot(*ruler) // width)
    expected = ndimage.binary_dilation(line, iterations=steps)
    np.testing.assert_array_equal(cover_mask(subject, Cover(strip=strip)), expected)
    crop = covered(subject, Cover(strip=strip))
    assert not crop[expected].any()
    np.testing.assert_array_equal(crop[~expected], subject.crop[~expected])


@pytest.mark.parametrize("side", ["top", "bottom", "left", "right"])
def test_half_of_the_outline_lies_inside_it_on_one_side_of_its_middle(side):
    subject = face(origin=(5, 9))
    points = dense_points(subject.landmarks_px - np.float32((5, 9)))[[*JAW, *BROWS[::-1]]]
    rows, columns = np.mgrid[: subject.crop.shape[0], : subject.crop.shape[1]]
    inside = Polygon(points).contains_points(np.column_stack([columns.ravel(), rows.ravel()]))
    inside = inside.reshape(rows.shape)
    y, x = middle(inside)
    half = {"top": rows < y, "bottom": rows >= y, "left": columns < x, "right": columns >= x}[side]
    ours = cover_mask(subject, Cover(outline=side))
    edge = ndimage.binary_dilation(inside, iterations=2) ^ ndimage.binary_erosion(
        inside, iterations=2
    )
    seam = np.abs(rows - y) < 1.5 if side in ("top", "bottom") else np.abs(columns - x) < 1.5
    np.testing.assert_array_equal(ours[~edge & ~seam], (inside & half)[~edge & ~seam])


def test_halves_and_quarters_meet_in_the_middle_of_the_face():
    subject = face(origin=(11, 3))
    size = SIDE + 2 * PAD
    masks = {
        side: cover_mask(subject, Cover(half=side))
        for side in ("top", "bottom", "left", "right", "falling", "rising")
    }
    for side, mask in masks.items():
        assert mask.shape == (size, size)
        assert mask.mean() == 0.5, side
    np.testing.assert_array_equal(masks["top"], ~masks["bottom"])
    np.testing.assert_array_equal(masks["left"], ~masks["right"])
    np.testing.assert_array_equal(masks["falling"], ~masks["rising"])
    assert masks["top"][0].all()
    assert masks["left"][:, 0].all()
    assert masks["falling"][0, 0]
    assert masks["falling"][-1, -1]
    assert not masks["falling"][0, -1]


def test_covers_follow_the_face_from_frame_to_frame():
    clip = [face(origin=(20 * k, 10 * k)) for k in range(3)]
    clip[2] = replace(clip[2], landmarks_px=clip[2].landmarks_px + np.float32((6, 0)))
    masks = [cover_mask(f, Cover(strip="mouth")) for f in clip]
    np.testing.assert_array_equal(masks[0], masks[1])
    np.testing.assert_array_equal(masks[2], np.roll(masks[0], 6, axis=1))


def test_a_face_outside_its_crop_has_nothing_to_cover():
    away = replace(face(), landmarks_px=face().landmarks_px + 1000)
    assert not cover_mask(away, Cover(strip="eyes")).any()
    assert not cover_mask(away, Cover(outline="left")).any()
