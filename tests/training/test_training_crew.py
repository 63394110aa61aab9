"""Several processes that train together do what one would do alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from tiny_training import config

from unmask.errors import ConfigError
from unmask.training.run import run_recipe

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
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("checkpoint:") == 1, "only the leader speaks"


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, faces: Path) -> dict[int, Path]:
    folder = tmp_path_factory.mktemp("crew")
    recipe = folder / "together.toml"
    recipe.write_text(RECIPE)
    places = {n: folder / str(n) for n in (1, 2)}
    run_recipe(str(recipe), data_dir=faces, out_dir=places[1])
    train_together(recipe, faces, places[2], "--set", "train.processes=2")
    return places


@pytest.mark.slow  # three imports of torch
def test_two_processes_equal_one_with_the_same_batch(runs: dict[int, Path]) -> None:
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


@pytest.mark.parametrize("processes", [3, 0])
def test_a_batch_that_cannot_be_shared_is_refused(processes: int) -> None:
    with pytest.raises(ConfigError, match="processes"):
        config(batch=8, processes=processes)
