"""Laws of self-distillation over generations, on a DTN of a few thousand weights."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from test_training_regimes import killed_run
from test_training_resume import assert_same_state, train_lines

from unmask.errors import ConfigError, UsageError
from unmask.training import fit as fit_module
from unmask.training.engine import Outcome
from unmask.training.generations import is_last, select
from unmask.training.recipe import DsdConfig
from unmask.training.run import run_recipe
from unmask.training.validation import Scores

RECIPE = """
name = "rows"
system = "dtn/small"

[model]
size_px = 32
groups = [[4, 1], [4, 1], [8, 1], [8, 1], [8, 1]]
depth = 1
heads = 2
expert_hidden = 4

[data]
calib_share = 0.4

[train]
batch = 4
steps = 6
valid_every = 2
save_every = 1
log_every = 1
lr = 1e-3

[dsd]
generations = 2
monitor = "ce"
"""


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "rows.toml"
    path.write_text(RECIPE)
    return path


def losses_of(folder: Path) -> list[tuple[int, float]]:
    return [(line["step"], line["loss"]) for line in train_lines(folder)]


def weights_of(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "best" / "weights.safetensors")


def test_a_student_starts_as_its_teacher_and_leaves_it_unchanged(
    recipe: Path, faces: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    still = ["train.lr=0", "train.steps=2", "dsd.generations=1"]
    run_recipe(str(recipe), data_dir=faces, out_dir=out, overrides=still)
    teacher, student = weights_of(out / "generation-0"), weights_of(out / "generation-1")
    learned = [name for name in teacher if "running" not in name and "num_batches" not in name]
    assert all(torch.equal(teacher[name], student[name]) for name in learned)
    assert [line.get("kd") is None for line in train_lines(out / "generation-0")] == [True, True]
    first = train_lines(out / "generation-1")[0]
    # With batch statistics and noise in training, the copy is near its teacher, not at it.
    assert 0 <= first["kd"] < 0.5 * first["ce"]


def test_a_teacher_is_the_same_after_its_student_has_learned(
    recipe: Path, faces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Any] = []
    original = fit_module.make_objective

    def watched(*args: Any) -> Any:
        made.append(original(*args))
        return made[-1]

    monkeypatch.setattr(fit_module, "make_objective", watched)
    moving = ["train.lr=0.01", "train.weight_decay=0.1", "dsd.generations=1"]
    out = tmp_path / "run"
    run_recipe(str(recipe), data_dir=faces, out_dir=out, overrides=moving)
    _, objective = made
    taught, student = weights_of(out / "generation-0"), objective.model.state_dict()
    for name, value in objective.teacher.state_dict().items():
        assert torch.equal(value, taught[name]), name
    assert not torch.equal(student["head.weight"], taught["head.weight"])


def train_in_background(recipe: Path, faces: Path, out: Path) -> None:
    torch.set_num_threads(1)
    run_recipe(str(recipe), data_dir=faces, out_dir=out)


def kill_in_generation(generation: int, recipe: Path, faces: Path, out: Path) -> None:
    context = multiprocessing.get_context("forkserver")
    victim = context.Process(target=train_in_background, args=(recipe, faces, out))
    victim.start()
    deadline = time.monotonic() + 120
    while len(train_lines(out / f"generation-{generation}")) < 2:
        assert victim.is_alive(), "the victim ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.002)
    assert victim.pid is not None
    os.kill(victim.pid, signal.SIGKILL)
    victim.join()


def die_in_generation(generation: int, recipe: Path, faces: Path, out: Path) -> None:
    """As a kill, but in this process: quicker."""
    place = out / f"generation-{generation}"
    with pytest.MonkeyPatch.context() as patch:
        killed_run(patch, place, source=str(recipe), data_dir=faces, out_dir=out)


@pytest.mark.parametrize(
    "kill", [die_in_generation, pytest.param(kill_in_generation, marks=pytest.mark.slow)]
)
def test_a_run_killed_inside_a_generation_ends_as_an_uninterrupted_one(
    recipe: Path, faces: Path, tmp_path: Path, kill: Callable[[int, Path, Path, Path], None]
) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    expected, place = run_recipe(str(recipe), data_dir=faces, out_dir=whole)
    kill(1, recipe, faces, broken)
    assert not (broken / "generations.json").exists()
    found, there = run_recipe(str(recipe), data_dir=faces, out_dir=broken, resume=True)
    assert found == expected
    assert there.name == place.name
    for name in ("generation-0", "generation-1", "generation-2"):
        # Teachers lie in the run folder, so their paths differ; the weights must not.
        assert_same_state(whole / name, broken / name)
        assert losses_of(whole / name) == losses_of(broken / name)
    summaries = [json.loads((f / "generations.json").read_text()) for f in (whole, broken)]
    assert summaries[0] == summaries[1]
    assert len(summaries[0]["generations"]) == 3


def test_a_folder_with_generations_is_not_begun_again(
    recipe: Path, faces: Path, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="no generations to resume"):
        run_recipe(str(recipe), data_dir=faces, out_dir=tmp_path / "none", resume=True)
    (tmp_path / "run" / "generation-0").mkdir(parents=True)
    with pytest.raises(UsageError, match="holds generations already"):
        run_recipe(str(recipe), data_dir=faces, out_dir=tmp_path / "run")


def row(*ces: float) -> list[Outcome]:
    """Generations with these cross-entropies, the teacher first."""
    counts: dict[str, Any] = {"n": 2, "n_fake": 1, "n_called_fake": 1}
    blank = Scores(auc=0.5, loss=9.0, parts={}, fake_loss=0.0, real_loss=0.0, **counts)
    return [
        Outcome(stopped="finished", step=1, best_step=1, best=replace(blank, parts={"ce": ce}))
        for ce in ces
    ]


@pytest.mark.parametrize(
    ("ces", "last"),
    [
        ((0.5,), False),
        ((0.5, 0.9), False),  # the first student has no earlier student to compare with
        ((0.5, 0.9, 0.8), False),
        ((0.5, 0.4, 0.4), True),  # equal is no gain
        ((0.5, 0.4, 0.3, 0.35), True),
    ],
)
def test_algorithm_1_ends_with_the_first_generation_that_is_no_better(
    ces: tuple[float, ...], last: bool
) -> None:
    dsd = DsdConfig(stop="no_gain", monitor="ce")
    assert is_last(row(*ces), dsd) is last
    assert not is_last(row(*ces), DsdConfig(monitor="ce"))
    if last:
        assert select(row(*ces), dsd) == len(ces) - 2  # the one before it is the result


@pytest.mark.parametrize("n", [1, 2, 3])
def test_a_generation_out_of_hours_teaches_nobody(n: int) -> None:
    *done, last = row(*(0.5 - 0.1 * k for k in range(n)))
    assert is_last([*done, replace(last, stopped="budget")], DsdConfig())
    assert not is_last([*done, last], DsdConfig())


def test_the_selected_student_is_the_one_asked_for_or_the_best() -> None:
    assert select(row(0.1, 0.5, 0.4, 0.6), DsdConfig(monitor="ce")) == 2
    assert select(row(0.1, 0.5, 0.4, 0.6), DsdConfig(monitor="ce", select=3)) == 3
    assert select(row(0.1), DsdConfig(monitor="ce", select=3)) == 0


@pytest.mark.parametrize("bad", [{"generations": 0}, {"patience": 0}, {"select": 5}])
def test_impossible_generations_are_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="dsd"):
        DsdConfig(**bad)
