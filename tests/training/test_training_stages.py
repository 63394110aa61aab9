"""Recipes that begin with others' checkpoints, run one after the other as a person would."""

from __future__ import annotations

import json
from contextlib import chdir
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from unmask.errors import CheckpointError, UsageError
from unmask.models import create
from unmask.models.checkpoint import read_checkpoint
from unmask.models.pretrained import load_pretrained
from unmask.models.weights import load_network
from unmask.training.run import run_recipe

SHORT = ("scale=tiny", "train.batch=4", "train.steps=2", "train.valid_every=2", "train.workers=0")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, toy: Path) -> Path:
    """Folder in which a tiny Xception was trained by its recipe."""
    folder = tmp_path_factory.mktemp("stages")
    with chdir(folder):
        run_recipe("baselines/xception", overrides=SHORT, data_dir=toy)
    return folder


@pytest.fixture
def detector(place: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Its checkpoint, seen from the folder that the next recipe looks in."""
    monkeypatch.chdir(place)
    return Path("runs/tiny/baselines/xception/best")


def test_a_detector_trained_here_is_the_frozen_one_of_the_next_recipe(
    detector: Path, toy: Path
) -> None:
    trained = load_file(detector / "weights.safetensors")
    _, folder = run_recipe("av_cae/cnn_features", overrides=SHORT, data_dir=toy)
    [source] = json.loads((folder / "init.json").read_text())["sources"]
    assert (source["parts"], source["unmatched"]) == (["detector"], [])
    network = load_network(read_checkpoint(folder / "best"))
    inside = network.detector.state_dict()
    assert inside.keys() == trained.keys()
    assert all(torch.equal(inside[name], value) for name, value in trained.items())


def test_the_next_recipe_says_which_one_is_to_be_run_first(
    toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=r"First: unmask train baselines/xception --set scale=tin"):
        run_recipe("av_cae/cnn_features", overrides=SHORT, data_dir=toy)


def test_a_detector_of_other_views_or_of_another_kind_is_refused(detector: Path) -> None:
    for config, said in (
        ({"trunk": "test_resnet", "size_px": 96}, "looks at InputSpec"),
        ({"trunk": "test_efficientnet", "size_px": 64}, "of no layout known here"),
    ):
        tokens = {"tokens": "frame_scores", "detector_config": config}
        network = create("av_cae/video_only", **tokens)
        with pytest.raises(CheckpointError, match=said):
            load_pretrained(network, str(detector))
