"""From a recipe file to a checkpoint that loads."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import torch
from tiny_training import TinyNet

from unmask.errors import ConfigError, DataError, UsageError
from unmask.models import create_objective
from unmask.models.base import to_tensors
from unmask.models.checkpoint import read_checkpoint
from unmask.models.weights import load_network
from unmask.training.recipe import read_recipe
from unmask.training.run import run_recipe
from unmask.training.state import read_state
from unmask.types import Batch

RECIPE = """
name = "toy"
system = "dtn/small"
licence = "for tests"

[model]
size_px = 64
groups = [[4, 1], [4, 1], [8, 1], [8, 1], [8, 1]]
depth = 1
heads = 2
expert_hidden = 4

[data]
calib_share = 0.4

[train]
batch = 4
steps = 4
valid_every = 2
lr = 1e-3
"""


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "toy.toml"
    path.write_text(RECIPE)
    return path


@pytest.mark.usefixtures("curves")
def test_a_recipe_becomes_a_checkpoint_that_scores_as_the_state_says(
    recipe: Path, faces: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    outcome, folder = run_recipe(str(recipe), data_dir=faces, out_dir=out)
    assert (outcome.stopped, outcome.step, folder) == ("finished", 4, out)
    record = json.loads((out / "config.json").read_text())
    assert record["recipe"]["train"]["batch"] == 4
    assert record["versions"]["torch"] == torch.__version__.split("+")[0]
    assert len(record["data_digest"]) == 64
    assert (out / "curves.png").exists()

    checkpoint = read_checkpoint(out / "best")
    assert checkpoint.meta.data_digest == record["data_digest"]
    assert checkpoint.meta.metrics["calib"]["auc"] == outcome.best.auc
    assert checkpoint.meta.licence == "for tests"
    kept = load_network(checkpoint)
    best = read_state(out / "state.pt")["progress"]["best_weights"]
    assert all(torch.equal(value, best[key]) for key, value in kept.state_dict().items())
    frames = torch.zeros(2, 1, 3, 64, 64)
    assert kept(to_tensors(Batch(frames=frames))).logit.shape == (2,)


def test_a_second_run_of_the_same_recipe_gives_the_same_weights(
    recipe: Path, faces: Path, tmp_path: Path
) -> None:
    for name in ("one", "two"):
        run_recipe(
            str(recipe), data_dir=faces, out_dir=tmp_path / name, overrides=["train.steps=2"]
        )
    one, two = (load_network(read_checkpoint(tmp_path / n / "best")) for n in ("one", "two"))
    for key, value in one.state_dict().items():
        assert torch.equal(value, two.state_dict()[key])


def test_training_starts_from_the_weights_of_init_from(
    recipe: Path, faces: Path, tmp_path: Path
) -> None:
    run_recipe(str(recipe), data_dir=faces, out_dir=tmp_path / "first")
    start = f'init_from="{tmp_path / "first" / "best"}"'
    still = ["train.lr=0.0", "train.optimizer=sgd", "train.steps=1", start]
    run_recipe(str(recipe), data_dir=faces, out_dir=tmp_path / "second", overrides=still)
    one, two = (load_network(read_checkpoint(tmp_path / n / "best")) for n in ("first", "second"))
    for key, value in dict(one.named_parameters()).items():
        assert torch.equal(value, dict(two.named_parameters())[key])


def test_a_changed_recipe_is_refused_on_resume_unless_harmless(
    recipe: Path, faces: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    run_recipe(str(recipe), data_dir=faces, out_dir=out)
    with pytest.raises(ConfigError, match=r"train\.lr: 0\.001 -> 0\.1") as refusal:
        run_recipe(
            str(recipe),
            data_dir=faces,
            out_dir=out,
            resume=True,
            overrides=["train.lr=0.1", "train.workers=2"],
        )
    assert "train.workers:" not in str(refusal.value)
    free = ["train.max_hours=9", "train.workers=2", "train.save_every_s=1"]
    outcome, _ = run_recipe(str(recipe), data_dir=faces, out_dir=out, resume=True, overrides=free)
    assert outcome.stopped == "finished"


def test_other_data_are_refused_on_resume_and_moved_data_are_not(
    recipe: Path, faces: Path, tmp_path: Path
) -> None:
    out, moved = tmp_path / "run", tmp_path / "moved"
    run_recipe(str(recipe), data_dir=faces, out_dir=out)
    moved.mkdir()
    table = pq.read_table(faces / "train.parquet")
    pq.write_table(table, moved / "train.parquet")
    run_recipe(str(recipe), data_dir=moved, out_dir=out, resume=True)
    pq.write_table(table.slice(2), moved / "train.parquet")
    with pytest.raises(DataError, match="not those the run began with"):
        run_recipe(str(recipe), data_dir=moved, out_dir=out, resume=True)


def test_a_run_folder_is_never_overwritten_or_resumed_by_mistake(
    recipe: Path, faces: Path, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="holds no run to resume"):
        run_recipe(str(recipe), data_dir=faces, out_dir=tmp_path / "none", resume=True)
    run_recipe(str(recipe), data_dir=faces, out_dir=tmp_path / "run")
    with pytest.raises(UsageError, match="holds a run already; go on with --resume"):
        run_recipe(str(recipe), data_dir=faces, out_dir=tmp_path / "run")


def test_one_class_to_choose_on_is_refused_before_training(
    recipe: Path, faces: Path, tmp_path: Path
) -> None:
    table = pq.read_table(faces / "train.parquet")
    rows = [i for i, label in enumerate(table["label"].to_pylist()) if label == 0]
    pq.write_table(table.take(rows), tmp_path / "train.parquet")
    with pytest.raises(DataError, match="not of both classes"):
        run_recipe(
            str(recipe),
            data_dir=tmp_path,
            out_dir=tmp_path / "run",
            overrides=["data.forged_share=1.0"],
        )
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("train.bacth=4", 'did you mean "train.batch"'),
        ("ttrain.batch=4", 'did you mean "train"'),
        ("data.limitt=4", 'did you mean "data.limit"'),
        ("data.augment.p_flop=1.0", 'did you mean "data.augment.p_flip"'),
        ("train.precision=bf16", "'bf16-mixed'"),
        ("train.batch=0", "at least 1"),
        ("train.accumulate=3", "equal parts"),
        ("train.lr=-1e-3", "train.lr = -0.001: must be at least 0"),
        ("train.lr=nan", "train.lr = nan: must be at least 0"),
        ("train.lr=inf", "train.lr = inf: must be at least 0"),
        ("train.weight_decay=-0.1", "at least 0"),
        ("train.betas=[0.9, 1.0]", "train.betas = (0.9, 1.0): must be at least 0 and below 1"),
        ("train.momentum=1.0", "at least 0 and below 1"),
        ("train.nesterov=true", "kind of momentum of sgd"),
        ("train.warmup_steps=-1", "at least 0"),
        ("train.schedule_steps=0", "at least 1"),
        ("train.schedule=multistep", "give either milestones, in epochs, or milestone_steps"),
        ("train.milestones=[3.0, -1.0]", "above 0"),
        ("train.power=0.0", "above 0"),
        ("train.gamma=1.5", "train.gamma = 1.5: must be above 0 and at most 1"),
        ("train.plateau_patience=-1", "at least 0"),
        ("train.floor=2.0", "at least 0 and at most 1"),
        ("train.epochs=0.0", "train.epochs = 0.0: must be above 0"),
        ("train.steps=0", "at least 1"),
        ("train.clip_norm=0.0", "above 0"),
        ("train.ema_decay=1.0", "train.ema_decay = 1.0: must be above 0 and below 1"),
        ("train.max_hours=0.0", "above 0"),
        ("train.save_every_s=-1.0", "at least 0"),
        ("train.workers=-1", "at least 0"),
        ("train.seed=-1", "train.seed = -1: must be at least 0 and at most 4294967295"),
        ("train.patience=0", "at least 1"),
        ("dsd.generations=0", "dsd.generations = 0: must be at least 1"),
    ],
)
def test_a_bad_key_or_value_is_refused(recipe: Path, override: str, said: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        read_recipe(str(recipe), [override])
    assert said in str(refusal.value)


@pytest.mark.parametrize(
    ("system", "bad", "said"),
    [
        ("dtn", {"alpha": [4.0, -0.4, 0.6]}, "objective.alpha = (4.0, -0.4, 0.6): must be"),
        ("dtn", {"temperature": 0.0}, "above 0"),
        ("dtn", {"reweight": -1.0}, "above 0"),
        ("baselines", {"class_weights": [1.0, 0.0]}, "above 0"),
        ("baselines", {"label_smoothing": 1.0}, "at least 0 and below 1"),
        ("vit_distill", {"lam": 1.5}, "objective.lam = 1.5: must be at least 0 and at most 1"),
    ],
)
def test_weights_of_losses_outside_their_ranges_are_refused(
    system: str, bad: dict[str, object], said: str
) -> None:
    with pytest.raises(ConfigError) as refusal:
        create_objective(system, TinyNet(), **bad)
    assert said in str(refusal.value)
