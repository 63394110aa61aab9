"""The recipes that come with unmask: complete, strict, and on the papers' schedules."""

from __future__ import annotations

import importlib
import itertools
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import get_args, get_type_hints

import pytest

from unmask.config import build
from unmask.datasets.dataconfig import DataConfig
from unmask.datasets.manifest import Video
from unmask.datasets.prepared import Prepared
from unmask.datasets.samples import DrawnSamples, PlainSamples, Split, open_samples
from unmask.models import entry as network
from unmask.models.table import TABLE
from unmask.training.optim import lr_factor
from unmask.training.recipe import Recipe
from unmask.training.recipes import Entry, known_recipes, recipe_files, resolve
from unmask.types import InputSpec


@cache
def known() -> dict[str, Entry]:
    return known_recipes()


@cache
def recipe(name: str, *overrides: str) -> Recipe:
    return build(Recipe, resolve(known()[name], overrides), where=name)


def product(pattern: str, **axes: str) -> Iterator[str]:
    for names in itertools.product(*(choices.split() for choices in axes.values())):
        yield pattern.format(**dict(zip(axes, names, strict=True)))


BOTH = ("", "-dsd")  # from labels alone, and with self-distillation
METHODS = "df f2f fs nt"
SIDES = " ".join(f"{kind}_{m}" for kind in ("single", "loo") for m in METHODS.split())
# The configurations that the papers name, written out from their tables and texts, not from the
# recipes. What they call `tiny` is every recipe's form at scale=tiny.
EXPECTED: dict[str, list[str]] = {
    "vit_distill": [
        *product(
            "vit_distill/{kind}",
            kind="full patch_only cnn_only no_distill infer_cls infer_mean adaptive1d concat "
            "baseline_b7 full-multistep",
        )
    ],
    "av_cae": [
        *product(
            "av_cae/{kind}",
            kind="face_last face_agg full_last full_agg face_agg_fixedaudio ae_face ae_full "
            "lstm_ae lstm_ae_fixed video_only audio_only",
        ),
        # One stream after the other and then their fusion, or all at once.
        *product(
            "av_cae/{kind}-{stage}",
            kind="face_last face_agg face_agg_fixedaudio full_last full_agg",
            stage="video audio joint",
        ),
        # Sweeps and ideas: size of the code, heads, layers, dropout, sound, tokens, fusion.
        *product(
            "av_cae/{kind}",
            kind="ae_face-eighth ae_face-thousandth code-eighth code-thousandth heads-2 heads-4 "
            "layers-2 layers-4 dropout-0 dropout-30 audio_only-embedded audio_only-log_mel "
            "audio_only-stft audio_only-embedded-500 audio_only-embedded-2500 cnn_features "
            "frame_scores video_asks audio_asks multiplied-positions full_agg_code",
        ),
    ],
    "dtn": [
        "dtn/paper",
        "dtn/small-dfdc",
        "dtn/table1",
        *product("dtn/table2-{m}", m=METHODS),
        *(
            f"dtn/{row}{dsd}"
            for row in (
                *product(
                    "table3-{parts}", parts="vgg levt levt-moe levt-moe_mas levt_mas-moe full"
                ),
                *product("table6-{lc}", lc="with without"),
                *product("table8-{plug}", plug="none reattention mas"),
                *product("table9-L{n}", n="4 5 6 7"),
            )
            for dsd in BOTH
        ),
        "dtn/table4-without-stg",
        "dtn/table4-with-stg",
        *product("dtn/table5-{loss}", loss="ce kd-ce ctc-ce dsd"),
        *product("dtn/table7-{moe}", moe="vanilla ours"),
        "dtn/table10-dtn",
        *product("dtn/dsd-{option}", option="reweight augment_ambiguous"),
        *(f"dtn/fig5-uniform{dsd}" for dsd in BOTH),
        *product("dtn/fig6a-{kind}", kind="gauss blur compression contrast"),
        *product("dtn/fig6b-{kind}", kind="low vanilla"),
        *product("dtn/fig6c-{b}-{m}", b="vgg resnet34 efficientnet-b0", m="alone modules"),
        *(f"dtn/fig6d-B{b}{calm}" for b in range(1, 8) for calm in ("", "-calm")),
    ],
    "hosts": [
        *(
            f"{name}{dsd}"
            for name in product(
                "hosts/table8-{host}-{plug}",
                host="vit cvit evit cevit",
                plug="none reattention mas",
            )
            for dsd in BOTH
        ),
        *product("hosts/table10-{host}", host="xception evit"),
    ],
    "long_distance": [
        *product(
            "long_distance/{kind}",
            kind="xception spatial temporal st m1 m2 m3 m4 m5 n2 n3 n4 n5 ff_c23 ff_c40 ff_both "
            "per_df per_f2f per_fs per_nt celebdf vit_direct conv1x1 span_1 span_3 span_7 span_14 "
            "small-start small-dfdc small-blends",
        )
    ],
    "resnet3d": [
        *product(
            "resnet3d/{net}-{start}-{side}",
            net="r3d se nl12 nl34 nl123 nl44 nl124 nl1234 nl134 se_nl1234",
            start="scratch pretrained",
            side=f"all {SIDES}",
        ),
        *product(
            "resnet3d/{net}-{start}-all-{share}percent",
            net="r3d nl1234",
            start="scratch pretrained",
            share="10 25 50",
        ),
    ],
    "timesformer": [
        *product(
            "timesformer/{kind}-{start}-{side}",
            kind="joint divided",
            start="scratch pretrained",
            side=f"all {SIDES}",
        ),
        *product("timesformer/{kind}-imagenet-all", kind="joint divided"),
        *product(
            "timesformer/joint-{start}-all-{share}percent",
            start="scratch pretrained",
            share="10 25 50",
        ),
    ],
    "comparison": [*product("comparison/dfdc-{net}", net="dtn xception long_distance")],
    "baselines": [
        *product(
            "baselines/{net}",
            net="xception efficientnet-b4 mesonet-4 mesoinception-4 vgg resnet34 sbi",
        )
    ],
}


@pytest.mark.parametrize("family", EXPECTED)
def test_every_configuration_of_the_papers_has_a_recipe(family: str) -> None:
    there = {name for name, entry in known().items() if entry.family == family}
    assert sorted(set(EXPECTED[family]) - there) == []


def test_every_family_of_recipes_is_expected() -> None:
    assert {entry.family for entry in known().values()} == set(EXPECTED)


def test_a_recipe_with_a_name_is_named_after_its_file() -> None:
    for path in recipe_files():
        name = tomllib.loads(path.read_text()).get("name")
        below = path.relative_to(path.parents[1]).with_suffix("").as_posix()
        assert name in (None, below)


def checked(name: str, *overrides: str) -> None:
    """Build a recipe and what it says of its network and losses, strictly and without weights."""
    made = recipe(name, *overrides)
    row = network(made.system)
    module = importlib.import_module(row.module)
    build(getattr(module, row.config_class), {**row.config, **made.model}, where=name)
    parameters = dict(made.objective)
    system = parameters.pop("name", row.system)
    home = next(other.module for other in TABLE.values() if other.system == system)
    build(importlib.import_module(home).LossConfig, parameters, where=name)


def test_every_recipe_fits_its_classes_at_either_scale() -> None:
    for name, entry in known().items():
        checked(name)
        if entry.tiny is not None:
            checked(name, "scale=tiny")


def test_only_the_shipped_detector_has_no_tiny_form() -> None:
    assert [name for name, entry in known().items() if entry.tiny is None] == ["dtn/small-dfdc"]


def test_every_recipe_names_its_publication_and_licence() -> None:
    for name, entry in known().items():
        if entry.tiny is not None:
            assert recipe(name).licence, name
            if not name.startswith(("comparison/", "long_distance/small-")):  # ours, unpublished
                assert entry.about is not None, name
                assert entry.about.data, name


def test_recipes_begin_with_recipes_that_are_there_and_never_in_a_circle() -> None:
    def depth(name: str) -> int:
        return 1 + max(map(depth, known()[name].after), default=0)  # endless in a circle

    assert max(map(depth, known())) == 5  # runs of the small detectors that scan


def test_the_tiny_form_keeps_what_rows_vary() -> None:
    """Rows of one table must not all come to one network at tiny scale."""
    for table in ("dtn/table9-L", "dtn/fig6d-B", "long_distance/m", "long_distance/n"):
        rows = [name for name in known() if name.startswith(table) and name[len(table)].isdigit()]
        tiny = [recipe(name, "scale=tiny") for name in rows if not name.endswith("-dsd")]
        models = {(made.system, str(sorted(made.model.items()))) for made in tiny}
        assert len(models) == len(tiny), table


def rate(name: str, step: int, per_epoch: int) -> float:
    """Learning rate of a recipe at a step, on data of so many steps an epoch."""
    config = recipe(name).train
    total = config.steps or round(config.epochs * per_epoch)
    return config.lr * lr_factor(step, config, steps_per_epoch=per_epoch, total_steps=total)


# Worked out by hand from the papers: recipe, steps an epoch, {step: rate}.
RATES: list[tuple[str, int, dict[int, float]]] = [
    # Zhang et al.: 1e-4, a tenth of it every 15 epochs.
    ("dtn/paper", 100, {0: 1e-4, 1499: 1e-4, 1500: 1e-5, 2999: 1e-5, 3000: 1e-6, 4500: 1e-7}),
    ("dtn/table9-L5", 10, {149: 1e-4, 150: 1e-5}),
    ("hosts/table8-cvit-mas", 100, {1499: 1e-4, 1500: 1e-5, 4999: 1e-7}),
    # Heo et al.: .01 (1 - step / 100500) ** .9, moved every step; .5 ** .9 = .535887.
    ("vit_distill/full", 2500, {0: 0.01, 50250: 0.00535887, 90450: 0.00125893}),
    ("vit_distill/baseline_b7", 2500, {0: 0.01, 50250: 0.00535887, 100500: 0.0}),
    # ... or x .1 at epochs 20 and 30.
    ("vit_distill/full-multistep", 2500, {49999: 0.01, 50000: 0.001, 75000: 0.0001}),
    # Abelli et al.: constant.
    ("av_cae/face_last", 50, {0: 0.01, 999: 0.01}),
    ("av_cae/full_agg_code", 50, {0: 0.01, 999: 0.01}),
    ("av_cae/ae_face", 250, {0: 1e-3, 2499: 1e-3}),
    ("av_cae/lstm_ae", 250, {0: 0.1, 2499: 0.1}),
    # Lu et al.: 3e-4; nothing is said of a schedule.
    ("long_distance/st", 100, {0: 3e-4, 1999: 3e-4}),
]


@pytest.mark.parametrize(("name", "per_epoch", "table"), RATES, ids=[row[0] for row in RATES])
def test_rates_are_those_of_the_paper(name: str, per_epoch: int, table: dict[int, float]) -> None:
    found = {step: rate(name, step, per_epoch) for step in table}
    assert found == pytest.approx(table, rel=1e-5, abs=1e-12)


@pytest.mark.parametrize(
    ("name", "patience"),
    [("resnet3d/nl1234-pretrained-all", 10), ("timesformer/joint-pretrained-all", 3)],
)
def test_rates_fall_to_a_tenth_where_validation_no_longer_improves(
    name: str, patience: int
) -> None:
    config = recipe(name).train
    falling = [1.0 - 0.05 * n for n in range(10)]
    for n_stale, factor in ((patience, 1.0), (patience + 1, 0.1), (2 * patience + 2, 0.01)):
        losses = [*falling, *[0.9] * n_stale]
        found = lr_factor(99, config, steps_per_epoch=10, total_steps=999, losses=losses)
        assert config.lr * found == pytest.approx(1e-3 * factor)  # Das et al.: 1e-3


LENGTHS = {  # of the paper where it says so, in steps or epochs; batches
    "dtn/paper": (None, 50.0, 32),
    "vit_distill/full": (100_000, 10.0, 12),  # 40 x 2500
    "av_cae/face_last": (1000, 10.0, 10),  # 20 x 500 videos
    "av_cae/ae_face": (2500, 10.0, 1),  # 10 x 250 images
    "resnet3d/r3d-scratch-all": (None, 50.0, 32),
    "timesformer/joint-scratch-all": (None, 15.0, 8),
    "long_distance/st": (None, 20.0, 16),
}


@pytest.mark.parametrize("name", LENGTHS)
def test_lengths_and_batches_are_those_of_the_paper(name: str) -> None:
    config = recipe(name).train
    assert (config.steps, config.epochs, config.batch) == LENGTHS[name]


def test_optimizers_are_those_of_the_papers() -> None:
    kinds = {
        "dtn/paper": ("adam", 1e-4),
        "vit_distill/full": ("sgd", 1e-4),
        "av_cae/face_last": ("sgd", 0.0),
        "long_distance/st": ("sgd", 0.0),
        "resnet3d/r3d-scratch-all": ("sgd", 1e-3),
        "timesformer/joint-scratch-all": ("sgd", 1e-4),
    }
    for name, (optimizer, decay) in kinds.items():
        config = recipe(name).train
        assert (config.optimizer, config.weight_decay) == (optimizer, decay), name
        if optimizer == "sgd" and not name.startswith("av_cae"):
            assert config.momentum == 0.9


def test_class_weights_are_inverse_to_how_often_a_class_is_seen() -> None:
    """k fakes for each real: weights (k + 1) / 2 and (k + 1) / 2k have mean 1 over two classes."""
    for name, entry in known().items():
        if entry.family not in ("resnet3d", "timesformer"):
            continue
        k = len(recipe(name).data.methods)
        real, fake = recipe(name).objective["class_weights"]
        assert real / fake == pytest.approx(k), name
        assert (real + fake) / 2 == pytest.approx(1.0), name


def test_no_recipe_can_choose_on_a_test_set() -> None:
    assert get_args(get_type_hints(DataConfig)["choose_on"]) == ("share", "val")


def sides_of(config: DataConfig) -> dict[Split, set[Video]]:
    """Videos that a run learns from, chooses on and never sees."""
    sides: dict[Split, set[Video]] = {}
    for side in ("train", "calib", "test"):
        samples = open_samples(config, InputSpec(size_px=32), side)
        assert isinstance(samples, DrawnSamples | PlainSamples)
        assert isinstance(samples.source, Prepared)
        sides[side] = {row.video for row in samples.source.rows}
    return sides


def test_what_is_chosen_on_is_neither_learned_from_nor_tested_on(toy: Path) -> None:
    """For every [data] table that recipes have, on prepared data."""
    prepared = {str(d): d for n in known() if (d := recipe(n).data).reader == "prepared"}
    assert len(prepared) > 10
    for data in prepared.values():
        # A dozen people are too few for a sixteenth of them.
        config = replace(data, paths=(toy,), calib_share=0.4, train_share=1.0)
        sides = sides_of(config)
        split = {side: {video.split for video in videos} for side, videos in sides.items()}
        chosen_on = "val" if data.choose_on == "val" else "train"
        assert split == {"train": {"train"}, "calib": {chosen_on}, "test": {"test"}}
        people = [{who for v in videos for who in v.identities} for videos in sides.values()]
        assert all(not one & other for one, other in itertools.combinations(people, 2))
        assert all({0, 1} == {video.label for video in videos} for videos in sides.values())


def test_a_recipe_learns_from_the_methods_and_compressions_it_names(toy: Path) -> None:
    data = recipe("resnet3d/r3d-scratch-loo_nt").data
    videos = sides_of(replace(data, paths=(toy,)))["train"]
    assert {video.method for video in videos} == {"original", "Deepfakes", "Face2Face", "FaceSwap"}
    assert {video.compression for video in videos} == {"c40"}


def test_smaller_shares_of_the_data_lie_in_larger_ones(toy: Path) -> None:
    data = replace(recipe("resnet3d/r3d-scratch-all").data, paths=(toy,), compressions=())
    sets = [sides_of(replace(data, train_share=share))["train"] for share in (0.25, 0.6, 1.0)]
    assert sets[0] <= sets[1] <= sets[2]
    assert sets[0] < sets[2]
    for part in sets:  # whole recordings: no fake without its real
        assert {video.original or video.id for video in part} <= {video.id for video in part}
