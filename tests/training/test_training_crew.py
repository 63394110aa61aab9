"""Several processes that train together do what one would do alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from test_training_resume import assert_same_state
from tiny_training import config

from unmask.errors import ConfigError
from unmask.training.run import run_recipe
from unmask.training.state import read_state

# No batch statistics: those are of a process's own share, which DDP leaves so.
RECIPE = """
name = "together"
system = "vit"

[model]
size_px = 32
patch_px = 16
dim = 16
depth = 2
heads = 2
head_dim = 8
mlp_dim = 32

[data]
calib_share = 0.4

[train]
batch = 8
steps = 6
valid_every = 3
log_every = 1
optimizer = "sgd"
lr = 0.05
clip_norm = 1.0
ema_decay = 0.9
accumulate = 2
device = "cpu"
"""


def train_together(recipe: Path, faces: Path, out: Path, *options: str) -> None:
    """Run `unmask train` as a person does."""
    command = ["train", str(recipe), "--data", str(faces), "--out", str(out), *options]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "unmask", *command],
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("checkpoint:") == 1, "only the leader speaks"


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "together.toml"
    path.write_text(RECIPE)
    return path


@pytest.mark.slow  # three imports of torch
@pytest.mark.parametrize("strategy", ["ddp", "fsdp"])
def test_two_processes_equal_one_with_the_same_batch(
    recipe: Path, faces: Path, tmp_path: Path, strategy: str
) -> None:
    runs = {n: tmp_path / str(n) for n in (1, 2)}
    run_recipe(str(recipe), data_dir=faces, out_dir=runs[1])
    two = ("--set", "train.processes=2", "--set", f"train.strategy={strategy}")
    train_together(recipe, faces, runs[2], *two)
    logs = {
        n: [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
        for n, out in runs.items()
    }
    steps = {n: [e for e in log if e["event"] == "train"] for n, log in logs.items()}
    assert [e["step"] for e in steps[2]] == list(range(1, 7))
    for alone, together in zip(steps[1], steps[2], strict=True):
        assert together["loss"] == pytest.approx(alone["loss"], abs=1e-5)
        assert together["grad_norm"] == pytest.approx(alone["grad_norm"], rel=1e-3)
    alone, together = (load_file(runs[n] / "best" / "weights.safetensors") for n in (1, 2))
    for name, weight in alone.items():
        torch.testing.assert_close(together[name], weight, atol=1e-5, rtol=1e-4)
    valid = {n: [e["auc"] for e in log if e["event"] == "valid"] for n, log in logs.items()}
    assert valid[2] == pytest.approx(valid[1], abs=0.02)  # one pair of 24 may change places


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_divided_weights_are_resumed_bit_for_bit(
    recipe: Path, faces: Path, tmp_path: Path, optimizer: str
) -> None:
    """A run that stops after one step, since its hours are over, and goes on with more of them."""
    divided = ["processes=2", "strategy=fsdp", f"optimizer={optimizer}", "valid_every=1"]
    options = [word for value in divided for word in ("--set", f"train.{value}")]
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    train_together(recipe, faces, whole, *options)
    train_together(recipe, faces, broken, *options, "--set", "train.max_hours=1e-9")
    assert read_state(broken / "state.pt")["progress"]["step"] == 1
    train_together(recipe, faces, broken, *options, "--resume")
    assert_same_state(whole, broken)


@pytest.mark.gpu
def test_weights_divided_among_gpus_learn_as_those_of_one_process(
    recipe: Path, faces: Path, tmp_path: Path
) -> None:
    if torch.cuda.device_count() < 2:
        pytest.skip("needs two GPUs")
    run_recipe(str(recipe), data_dir=faces, out_dir=tmp_path / "1")
    shared = ("processes=2", "strategy=fsdp", "device=cuda")
    options = [word for value in shared for word in ("--set", f"train.{value}")]
    train_together(recipe, faces, tmp_path / "2", *options)
    alone, together = (load_file(tmp_path / n / "best" / "weights.safetensors") for n in ("1", "2"))
    for name, weight in alone.items():
        torch.testing.assert_close(together[name], weight, atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "processes to at least 2"),
        ({"processes": 2, "precision": "16-mixed"}, "bf16-mixed is its equal"),
        ({"processes": 2, "channels_last": True}, "channels_last"),
    ],
)
def test_weights_that_cannot_be_divided_are_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        config(strategy="fsdp", **changes)


@pytest.mark.parametrize("processes", [3, 0])
def test_a_batch_that_cannot_be_shared_is_refused(processes: int) -> None:
    with pytest.raises(ConfigError, match="processes"):
        config(batch=8, processes=processes)
