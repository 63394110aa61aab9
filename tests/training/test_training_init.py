"""Training that starts from weights made elsewhere: once, reported, and never again on resume."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from test_training_recipes import RECIPE, recipe
from typer.testing import CliRunner

from unmask.cli.main import app
from unmask.errors import ConfigError, DataError, UsageError
from unmask.models import create
from unmask.models.checkpoint import read_checkpoint
from unmask.models.weights import load_network
from unmask.training.run import run_recipe

__all__ = ["recipe"]  # a fixture of the recipes' tests, used here too

STILL = ("train.lr=0.0", "train.optimizer=sgd", "train.steps=1", "train.save_every=1")


@pytest.fixture
def stack(tmp_path: Path) -> Path:
    """CViT's published names for the recipe's convolutional stack, and its first positions."""
    torch.manual_seed(3)
    network = create("cvit", size_px=64, groups=[[4, 1], [4, 1], [8, 1], [8, 1], [8, 1]])
    state = {
        key.replace("backbone.", "features."): value
        for key, value in network.state_dict().items()
        if key.startswith("backbone.")
    }
    state["patch_to_embedding.weight"] = torch.zeros(4, 4)
    state["transformer.layers.0.0.fn.fn.to_qkv.weight"] = torch.zeros(4, 4)
    save_file(state, tmp_path / "cvit.safetensors")
    return tmp_path / "cvit.safetensors"


def start(recipe: Path, faces: Path, out: Path, stack: Path, **more: object) -> None:
    run_recipe(str(recipe), data_dir=faces, out_dir=out, init=[str(stack)], overrides=STILL, **more)


def test_a_run_starts_from_the_file_and_keeps_the_report(
    recipe: Path, faces: Path, stack: Path, tmp_path: Path
) -> None:
    said: list[str] = []
    start(recipe, faces, tmp_path / "run", stack, say=said.append)
    record = json.loads((tmp_path / "run" / "init.json").read_text())
    [source] = record["sources"]
    assert source["layout"] == "CViT"
    assert source["parts"] == ["backbone"]
    assert {m["ours"].split(".")[0] for m in source["matched"]} == {"backbone"}
    assert {name.split(".")[0] for name in record["fresh"]} == {
        "blocks",
        "head",
        "moe",
        "position",
    }
    assert "CViT into backbone" in said[0]
    assert any("only the convolutional stack" in line for line in said)
    network = load_network(read_checkpoint(tmp_path / "run" / "best"))
    for key, value in load_file(stack).items():
        if key.startswith("features.") and key.endswith((".weight", ".bias")):
            own = network.get_parameter(key.replace("features.", "backbone."))
            assert torch.equal(own, value), key


def test_resuming_never_loads_again_and_needs_no_file(
    recipe: Path, faces: Path, stack: Path, tmp_path: Path
) -> None:
    start(recipe, faces, tmp_path / "run", stack)
    before = (tmp_path / "run" / "init.json").read_bytes()
    stack.unlink()
    said: list[str] = []
    start(recipe, faces, tmp_path / "run", stack, resume=True, say=said.append)
    assert not said
    assert (tmp_path / "run" / "init.json").read_bytes() == before


def test_resuming_from_other_weights_is_refused(
    recipe: Path, faces: Path, stack: Path, tmp_path: Path
) -> None:
    start(recipe, faces, tmp_path / "run", stack)
    other = tmp_path / "other.safetensors"
    other.write_bytes(stack.read_bytes())
    with pytest.raises(ConfigError, match=r"init: .*cvit.safetensors.*other.safetensors"):
        start(recipe, faces, tmp_path / "run", other, resume=True)


def test_a_run_killed_before_its_first_save_begins_from_the_very_same_file(
    recipe: Path, faces: Path, stack: Path, tmp_path: Path
) -> None:
    start(recipe, faces, tmp_path / "run", stack)
    (tmp_path / "run" / "state.pt").unlink()
    start(recipe, faces, tmp_path / "run", stack, resume=True)
    (tmp_path / "run" / "state.pt").unlink()
    changed = {key: value + 1 for key, value in load_file(stack).items()}
    save_file(changed, stack)
    with pytest.raises(DataError, match=r"not the file the run in .* began with"):
        start(recipe, faces, tmp_path / "run", stack, resume=True)


def test_a_recipe_may_name_its_start_but_not_two_kinds_of_it(
    recipe: Path, faces: Path, stack: Path, tmp_path: Path
) -> None:
    recipe.write_text(f'init = "{stack}"\n' + RECIPE)
    run_recipe(str(recipe), data_dir=faces, out_dir=tmp_path / "run", overrides=STILL)
    assert (tmp_path / "run" / "init.json").exists()
    with pytest.raises(UsageError, match="a recipe has one of them"):
        run_recipe(
            str(recipe), data_dir=faces, out_dir=tmp_path / "two", overrides=["init_from=default"]
        )


def test_weights_that_do_not_fit_leave_no_run_folder(
    recipe: Path, faces: Path, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="no such file"):
        start(recipe, faces, tmp_path / "run", tmp_path / "absent.pth")
    assert not (tmp_path / "run").exists()


def test_the_command_line_takes_the_file_and_prints_the_report(
    recipe: Path, faces: Path, stack: Path, tmp_path: Path
) -> None:
    settings = [word for setting in STILL for word in ("--set", setting)]
    result = CliRunner().invoke(
        app,
        [
            "train",
            str(recipe),
            "--data",
            str(faces),
            "--out",
            str(tmp_path / "run"),
            "--init",
            str(stack),
            *settings,
        ],
    )
    assert result.exit_code == 0, result.output
    assert "CViT into backbone" in result.stderr
    assert "checkpoint:" in result.stdout
    assert (tmp_path / "run" / "init.json").exists()
