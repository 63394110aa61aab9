"""Figures from checkpoints: every one is drawn, and its numbers are what they are called."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.metrics import silhouette_score
from toy_folder import small_toy

from unmask.errors import DataError, UsageError
from unmask.evaluation.examples import examples_of
from unmask.evaluation.figures import FIGURES, Asked, draw
from unmask.evaluation.figures.canvas import save
from unmask.evaluation.figures.clips import over_space, over_time
from unmask.evaluation.figures.features import silhouette
from unmask.evaluation.figures.gradcam import share_inside
from unmask.evaluation.figures.heads import short_name
from unmask.evaluation.figures.localised import masked_fakes
from unmask.evaluation.figures.networks import opened
from unmask.models import create
from unmask.models.weights import save_checkpoint

GROUPS = ((8, 1), (8, 1), (12, 1))
DTN = {"size_px": 48, "groups": GROUPS, "expert_hidden": 4, "depth": 2, "heads": 2}
WIDTHS = (8, 8, 8, 12, 16, 16, 16, 16)
KINDS = {
    "dtn": ("dtn", DTN),
    "no-mas": ("dtn/no-mas", DTN),
    "guided": (
        "long_distance/tiny",
        {"dim": 24, "templates": 2, "template_dim": 8, "widths": WIDTHS},
    ),
    "clips": (
        "resnet3d/se-nl1234",
        {"depth": 18, "width": 16, "size_px": 48, "n_frames": 4, "non_local": (2,)},
    ),
}
DRAWN_FROM = {
    "scales": ("dtn",),
    "guides": ("guided",),
    "tamper-probe": ("guided", "dtn"),
    "clip-maps": ("clips",),
    "channel-weights": ("clips",),
    "soft-labels": ("dtn",),
}
SETTINGS = {"localisation": {"explanations": "cam,rollout"}}


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("seen")
    for name, (model, config) in KINDS.items():
        torch.manual_seed(0)
        network = create(model, **config)
        for parameter in network.parameters():
            torch.nn.init.normal_(parameter, std=0.2) if parameter.dim() == 1 else None
        save_checkpoint(folder / name, network, name=model)
    return {name: folder / name for name in KINDS}


def asked(checkpoints: dict[str, Path], *names: str, **settings: str) -> Asked:
    return Asked(
        checkpoints=tuple(checkpoints[name] for name in names),
        data=small_toy(),
        settings={"part": "train", "n": "2", "methods": "Deepfakes,FaceSwap", **settings},
    )


@pytest.mark.parametrize("name", [n for n, e in FIGURES.items() if "checkpoints" in e.needs])
def test_every_figure_of_networks_is_drawn_and_its_numbers_can_be_kept(
    name: str, checkpoints: dict[str, Path], tmp_path: Path
) -> None:
    networks = DRAWN_FROM.get(name, ("dtn", "no-mas"))
    what = asked(checkpoints, *networks, **SETTINGS.get(name, {}))
    what = what if "data" in FIGURES[name].needs else replace(what, settings={}, data=None)
    picture = draw(name, what)
    save(picture.figure, tmp_path, name, numbers=picture.numbers, command="", inputs=picture.inputs)
    kept = json.loads((tmp_path / f"{name}.json").read_text())
    assert kept["numbers"]
    assert [one["sha256"] for one in kept["inputs"]]
    assert (tmp_path / f"{name}.png").stat().st_size > 5_000


def test_nothing_done_to_a_picture_leaves_its_map_where_it_was(
    checkpoints: dict[str, Path],
) -> None:
    picture = draw("grad-cam-corrupted", asked(checkpoints, "dtn", corruptions="blur:0,blur:3"))
    (numbers,) = picture.numbers.values()
    assert numbers["blur:0"]["value"] == pytest.approx(1)
    assert numbers["blur:3"]["value"] < 1


def test_networks_of_one_name_are_told_apart_by_folder(
    checkpoints: dict[str, Path], tmp_path: Path
) -> None:
    twin = tmp_path / "twin"
    twin.mkdir()
    for file in checkpoints["dtn"].iterdir():
        (twin / file.name).write_bytes(file.read_bytes())
    names = [net.name for net in opened(Asked(checkpoints=(checkpoints["dtn"], twin)))]
    assert names == ["dtn (dtn)", "dtn (twin)"]


def test_a_wrong_setting_is_refused_in_words(checkpoints: dict[str, Path]) -> None:
    with pytest.raises(UsageError, match="part"):
        draw("tsne", asked(checkpoints, "dtn", part="tets"))
    with pytest.raises(UsageError, match="single frames"):
        draw("clip-maps", asked(checkpoints, "dtn"))
    with pytest.raises(UsageError, match="no learned scales"):
        draw("scales", Asked(checkpoints=(checkpoints["no-mas"],)))


def test_silhouettes_are_scikit_learns_and_lie_between_their_halves() -> None:
    rng = np.random.default_rng(0)
    label = ["a", "b"] * 30
    features = rng.normal(size=(60, 4)) + 3 * (np.array(label) == "a")[:, None]
    source = [str(i // 2) for i in range(60)]
    found = silhouette(features, label, source)
    assert found.value == pytest.approx(silhouette_score(features, label))
    assert found.low < found.value < found.high
    with pytest.raises(DataError, match="two classes"):
        silhouette(features, ["a"] * 60, source)


def test_what_lies_inside_a_mask_is_the_share_of_what_speaks_for_a_fake() -> None:
    maps = np.full((1, 1, 4, 4), 1.0)
    mask = np.zeros((64, 64), np.float32)
    mask[:16] = 1
    assert share_inside(maps, [mask]) == pytest.approx(0.25)
    assert np.isnan(share_inside(-maps, [mask])).all(), "nothing speaks for a fake"


def test_evenness_over_time_and_over_space_are_apart() -> None:
    maps = np.zeros((1, 4, 3, 3))
    maps[0, 2] = 1
    assert over_time(maps) == pytest.approx(0)
    still = np.zeros((1, 4, 3, 3))
    still[0, :, 1, 1] = 1
    assert over_time(still) == pytest.approx(1)
    assert over_space(still) == pytest.approx(0)


def test_fakes_that_do_not_say_where_are_refused(checkpoints: dict[str, Path]) -> None:
    (net,) = opened(Asked(checkpoints=(checkpoints["dtn"],)))
    groups = examples_of(small_toy(), net.spec, part="train", per_method=2)
    kept, masks = masked_fakes(groups, net)
    assert {one.label for one in kept} == {1}
    assert all(0 < mask.mean() < 1 for mask in masks)
    silent = {name: [replace(one, forged=None) for one in some] for name, some in groups.items()}
    with pytest.raises(DataError, match="no fake here says where"):
        masked_fakes(silent, net)


def test_layers_are_named_by_their_place() -> None:
    paths = ("blocks.0.attn", "moe", "blocks.3.attn_time", "layers.1.small.0.attn")
    assert [short_name(path) for path in paths] == ["1", "experts", "4 time", "2.1"]
