"""Laws of what is drawn: how often, in which range, and that nothing else moves."""

import hashlib
from dataclasses import astuple, fields, replace
from math import sqrt

import cv2
import numpy as np
import pytest

from unmask.config import build, plain
from unmask.datasets import transforms
from unmask.datasets.augment import NOTHING, AugmentConfig, draw
from unmask.datasets.cover import CoverConfig
from unmask.datasets.presets import CropConfig, CvitConfig, HeoConfig
from unmask.errors import ConfigError, UsageError
from unmask.video.corrupt import parse_corruptions
from unmask.video.distort import recompress

N = 3000
SMALL_RECIPE = AugmentConfig(
    p_resample=0.2,
    resample=(0.5, 0.95),
    p_jpeg=0.35,
    jpeg_quality=(40, 95),
    p_blur=0.08,
    p_noise=0.08,
    p_light=0.4,
    p_colour=0.3,
)  # recipes/dtn/small-dfdc.toml


def rolls(config, n=N):
    return [draw(config, np.random.default_rng(seed)) for seed in range(n)]


@pytest.fixture(scope="module")
def heo():
    return rolls(AugmentConfig(preset="heo"))


@pytest.fixture(scope="module")
def cvit():
    return rolls(AugmentConfig(preset="cvit"))


def steps_of(drawn, do):
    return [
        step for roll in drawn for step in (*roll.crop_steps, *roll.view_steps) if step.do is do
    ]


def assert_share(count, probability, n=N):
    """Within four deviations of the binomial law."""
    assert abs(count / n - probability) <= 4 * sqrt(probability * (1 - probability) / n)


def assert_fills(values, low, high):
    assert low <= min(values) <= low + 0.05 * (high - low)
    assert high - 0.05 * (high - low) <= max(values) <= high


def digest_of_draws(config):
    """Every drawn value of sixty clips, and where each generator stands afterwards."""
    text = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        a = draw(config, rng)
        jitter = None if a.jitter is None else astuple(a.jitter)[:4]
        values = (a.flip, jitter, a.light, a.colour, a.blur_px, a.resample, a.noise)
        text.append(rounded((*values, a.jpeg_quality, a.cutout, float(rng.random()))))
    return hashlib.sha256(repr(text).encode()).hexdigest()[:16]


def rounded(value):
    if isinstance(value, tuple):
        return tuple(rounded(part) for part in value)
    if isinstance(value, float):
        return f"{value:.9g}"
    return value if value is None or isinstance(value, bool) else int(value)


@pytest.mark.parametrize(
    ("config", "before"),
    [(AugmentConfig(), "3bfbc76106feff69"), (SMALL_RECIPE, "1855d9140b84db34")],
)
def test_the_draws_of_recipes_written_before_there_were_presets_stay_the_same(config, before):
    assert digest_of_draws(config) == before


# --- Heo et al. 2021 ---


def test_heo_takes_each_step_as_often_as_published(heo):
    for do, probability in (
        (recompress, 0.5),
        (transforms.add_noise, 0.1),
        (transforms.blur_kernel, 0.05),
        (transforms.brighten, 0.7 / 3),
        (transforms.shift_along_components, 0.7 / 3),
        (transforms.shift_hsv, 0.7 / 3),
        (transforms.recolour, 0.2),
        (transforms.move, 0.5),
    ):
        assert_share(len(steps_of(heo, do)), probability)
    assert_share(sum(roll.flip for roll in heo), 0.5)


def test_heo_draws_in_the_published_ranges(heo):
    assert_fills([step.values[0] for step in steps_of(heo, recompress)], 60, 100)
    assert_fills([step.values[0] ** 2 for step in steps_of(heo, transforms.add_noise)], 10, 50)
    moves = steps_of(heo, transforms.move)
    assert_fills([x for step in moves for x in step.values[0]], -0.1, 0.1)
    assert_fills([step.values[1] for step in moves], 0.8, 1.2)
    assert_fills([step.values[2] for step in moves], -10, 10)
    assert {step.values[3] for step in moves} == {cv2.BORDER_CONSTANT}
    weights = [w for s in steps_of(heo, transforms.shift_along_components) for w in s.values]
    assert np.std(weights) == pytest.approx(0.1, rel=0.06)


def test_heo_cuts_with_one_of_three_pairs_of_interpolations(heo):
    area, linear, cubic = cv2.INTER_AREA, cv2.INTER_LINEAR, cv2.INTER_CUBIC
    pairs = [roll.jitter.methods for roll in heo]
    for pair in ((area, cubic), (area, linear), (linear, linear)):
        assert_share(pairs.count(pair), 1 / 3)
    assert {astuple(roll.jitter)[:4] for roll in heo} == {(1.0, 0.0, 0.0, 0.0)}


def test_heo_covers_strips_else_outlines_else_halves(heo):
    covers = [roll.cover for roll in heo]
    strips = [cover.strip for cover in covers if cover and cover.strip]
    assert_share(strips.count("eyes"), 0.7 * 0.5)
    assert_share(strips.count("mouth"), 0.7 * 0.25)
    assert_share(strips.count("nose"), 0.7 * 0.125)
    assert_share(sum(bool(c and c.outline) for c in covers), 0.3 * 0.2)
    assert_share(sum(bool(c and c.half) for c in covers), 0.3 * 0.8 * 0.1)
    assert {c.half for c in covers if c} - {None} == {
        "top", "bottom", "left", "right", "falling", "rising"
    }  # fmt: skip


def test_heo_colours_before_it_greys_before_it_moves(heo):
    order = [transforms.shift_hsv, transforms.recolour, transforms.move]
    for roll in heo:
        ranks = [order.index(step.do) for step in roll.view_steps if step.do in order]
        assert ranks == sorted(ranks)


def test_padding_is_drawn_where_asked():
    config = AugmentConfig(preset="heo", heo=HeoConfig(p_pad=1.0))
    shares = [step.values[0] for step in steps_of(rolls(config, 300), transforms.letterbox)]
    assert len(shares) == 300
    assert_fills(shares, 0.7, 0.95)


# --- CViT ---


def test_cvit_takes_each_step_as_often_as_published(cvit):
    assert_share(sum(roll == NOTHING for roll in cvit), 0.1 + 0.9 * 0.5**2 * 0.8**6)
    for do, probability in (
        (transforms.quarter_turns, 0.2),
        (transforms.transpose, 0.2),
        (transforms.mirror, 0.5),
        (transforms.upend, 0.5),
        (transforms.add_noise, 0.2),
        (transforms.move, 0.2),
        (transforms.equalise, 0.2 / 4),
        (transforms.sharpen, 0.2 / 4),
        (transforms.emboss, 0.2 / 4),
        (transforms.brighten, 0.2 / 4),
        (transforms.shift_hsv, 0.2),
    ):
        assert_share(len(steps_of(cvit, do)), 0.9 * probability)


def test_cvit_draws_in_the_published_ranges(cvit):
    turns = [step.values[0] for step in steps_of(cvit, transforms.quarter_turns)]
    assert set(turns) == {0, 1, 2, 3}
    moves = steps_of(cvit, transforms.move)
    assert_fills([x for step in moves for x in step.values[0]], -0.0625, 0.0625)
    assert_fills([step.values[1] for step in moves], 0.9, 1.1)
    assert_fills([step.values[2] for step in moves], -45, 45)
    assert {step.values[3] for step in moves} == {cv2.BORDER_REFLECT_101}
    assert_fills([step.values[0] for step in steps_of(cvit, transforms.equalise)], 1, 2)
    assert_fills([step.values[0] for step in steps_of(cvit, transforms.sharpen)], 0.2, 0.5)
    assert_fills([step.values[1] for step in steps_of(cvit, transforms.sharpen)], 0.5, 1)
    assert_fills([step.values[1] for step in steps_of(cvit, transforms.emboss)], 0.2, 0.7)


# --- the small ones ---


def test_flip_mirrors_half_of_the_clips_and_does_nothing_else():
    drawn = rolls(AugmentConfig(preset="flip"))
    assert {replace(roll, flip=False) for roll in drawn} == {NOTHING}
    assert_share(sum(roll.flip for roll in drawn), 0.5)


def test_none_does_nothing():
    assert set(rolls(AugmentConfig(preset="none"), 20)) == {NOTHING}


def test_crops_lie_anywhere_inside_the_view():
    drawn = [r.jitter for r in rolls(AugmentConfig(preset="crop", crop=CropConfig(crop=(0.5, 1))))]
    assert_fills([jitter.scale for jitter in drawn], 0.5, 1)
    for edge in (lambda j: j.shift_x - j.scale / 2, lambda j: j.shift_y - j.scale / 2):
        starts = np.array([edge(jitter) for jitter in drawn])
        ends = starts + [jitter.scale for jitter in drawn]
        assert starts.min() >= -0.5 - 1e-9
        assert ends.max() <= 0.5 + 1e-9
        assert starts.min() < -0.49
        assert ends.max() > 0.49


# --- for every preset ---


@pytest.mark.parametrize("preset", ["ours", "none", "flip", "crop", "heo", "cvit"])
def test_the_same_generator_draws_the_same(preset):
    config = AugmentConfig(preset=preset, p_corrupt=0.5, cover=CoverConfig())
    assert rolls(config, 50) == rolls(config, 50)


@pytest.mark.parametrize("preset", ["ours", "flip", "crop", "heo", "cvit"])
def test_covers_and_corruptions_do_not_move_what_the_preset_draws(preset):
    plainly = rolls(AugmentConfig(preset=preset), 100)
    more = rolls(AugmentConfig(preset=preset, cover=CoverConfig(p_strip=1), p_corrupt=1), 100)
    assert all(roll.corruption for roll in more)
    assert [replace(r, cover=None, corruption=None) for r in more] == [
        replace(r, cover=None) for r in plainly
    ]


def test_corruptions_come_as_often_as_asked_and_of_the_kinds_asked():
    config = AugmentConfig(preset="none", p_corrupt=0.3, corrupt=("blur", "jpeg:2"))
    drawn = [roll.corruption for roll in rolls(config)]
    kinds = [what[0] for what in drawn if what]
    assert_share(len(kinds), 0.3)
    assert set(kinds) == {*parse_corruptions("blur"), *parse_corruptions("jpeg:2")}
    assert len({what[1] for what in drawn if what}) == len(kinds), "each its own chance"


def test_a_probability_of_zero_switches_each_step_of_a_preset_off():
    for name, config in (("heo", HeoConfig), ("cvit", CvitConfig)):
        off = {f.name: 0.0 for f in fields(config) if f.name.startswith("p_") and f.name != "p_any"}
        nothing = CoverConfig(p_strip=0, p_outline=0, p_half=0)
        switched_off = AugmentConfig(preset=name, cover=nothing, **{name: config(**off)})
        assert set(rolls(switched_off, 50)) == {NOTHING}


def test_recipes_choose_a_preset_and_change_it():
    table = {"preset": "heo", "heo": {"p_jpeg": 1.0}, "cover": {"p_strip": 0.0}, "p_corrupt": 0.1}
    config = build(AugmentConfig, table, where="recipe")
    assert config.heo == HeoConfig(p_jpeg=1.0)
    assert config.cover == CoverConfig(p_strip=0.0)
    assert build(AugmentConfig, plain(config), where="run") == config


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"preset": "heo", "p_jpeg": 0.1}, "augment.p_jpeg means nothing to the preset heo"),
        ({"heo": {"p_jpeg": 0.1}}, "augment.heo means nothing to the preset ours"),
        ({"preset": "heo", "cvit": {"p_any": 0.1}}, "augment.cvit means nothing"),
        ({"p_flip": 1.5}, "augment.p_flip = 1.5"),
        ({"preset": "heo", "heo": {"p_jpeg": -1}}, "heo.p_jpeg = -1"),
        ({"cover": {"p_strip": 2}}, "cover.p_strip = 2"),
        ({"preset": "hoe"}, "preset"),
        ({"corrupt": []}, "augment.corrupt is empty"),
        ({"corrupt": ["blurx"]}, "did you mean"),
    ],
)
def test_what_a_recipe_cannot_mean_is_refused(table, said):
    with pytest.raises((ConfigError, UsageError), match=said):
        build(AugmentConfig, table, where="recipe")
