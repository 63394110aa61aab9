"""Laws of forging on the spot by several methods: only reals, all frames alike, no more moved."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from drawn_faces import rows_of, write_parquet

from unmask.config import build
from unmask.datasets.augment import AugmentConfig
from unmask.datasets.samples import DataConfig, open_samples
from unmask.errors import ConfigError
from unmask.types import InputSpec

SPEC = InputSpec(size_px=48, alignment="dlib")
ALL = ("self_blend", "reenact", "resynthesise")
STILL = AugmentConfig(
    p_flip=0, p_move=0, p_light=0, p_colour=0, p_grey=0, p_blur=0, p_resample=0, p_noise=0,
    p_jpeg=0, p_cutout=0,
)  # fmt: skip


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    path = tmp_path_factory.mktemp("crops") / "train.parquet"
    write_parquet(path, rows_of(24, fakes_each=1))
    return DataConfig(paths=(path,), calib_share=0.2, forged_share=1.0, augment=STILL)


def test_every_method_asked_for_is_drawn_and_none_else(config):
    samples = open_samples(replace(config, forge_methods=ALL), SPEC, "train")
    half = len(samples) // 2
    counts: Counter[str] = Counter()
    for epoch in range(4):
        for index in range(half, 2 * half):
            counts[samples._method(samples.pick(index, epoch), epoch)] += 1
    assert set(counts) == set(ALL)
    assert min(counts.values()) > 0.15 * sum(counts.values())


@pytest.mark.parametrize("method", ["reenact", "resynthesise"])
def test_a_forged_face_differs_from_its_real_twin_under_the_mask_only(config, method):
    samples = open_samples(replace(config, forge_methods=(method,)), SPEC, "train")
    half = len(samples) // 2
    for index in range(half, 2 * half):
        (fake, label), (real, _) = samples.get(index, 0), samples.get(index - half, 0)
        mask = samples.masks(index, 0)
        assert label == 1
        changed = (fake != real).any(axis=-1)
        assert changed.any()
        assert not changed[mask == 0].any()


def test_frames_of_a_clip_are_forged_alike(config):
    spec = replace(SPEC, n_frames=3)
    samples = open_samples(
        replace(config, forge_methods=("reenact", "resynthesise")), spec, "train"
    )
    for index in range(len(samples) // 2, len(samples), 3):
        views, _ = samples.get(index, 0)
        np.testing.assert_array_equal(views[1:], views[:-1])


def test_asking_for_self_blends_alone_is_what_it_always_was(config):
    usual = open_samples(config, SPEC, "train")
    named = open_samples(replace(config, forge_methods=("self_blend",)), SPEC, "train")
    for index in range(0, len(usual), 3):
        np.testing.assert_array_equal(usual.get(index, 2)[0], named.get(index, 2)[0])


def test_methods_that_do_not_exist_or_need_a_donor_are_refused():
    with pytest.raises(ConfigError, match="forge_methods"):
        build(DataConfig, {"forge_methods": ["swap"]}, where="data")
    with pytest.raises(ConfigError, match="forged_share = 0"):
        DataConfig(forge_methods=())
