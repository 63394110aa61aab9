"""Recipes run at tiny scale on drawn people, and the systems learn there."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from unmask.datasets import toy as toy_data
from unmask.datasets.toy import ToyConfig, make_toy
from unmask.models.checkpoint import read_checkpoint
from unmask.models.weights import load_network
from unmask.training import run as run_module
from unmask.training.recipes import Entry, find_recipe, known_recipes, resolve, run_folder
from unmask.training.run import run_recipe
from unmask.training.tryout import TRIALS, Trial, attempt

STEPS = 20
# One of each family: by the kinds of data and losses there are, not by how quick they are.
ONE_OF_EACH = (
    "dtn/table9-L5",
    "hosts/table8-cevit-mas",
    "vit_distill/full",
    "av_cae/face_agg_fixedaudio-joint",
    "long_distance/st",
    "resnet3d/se_nl1234-scratch-single_nt",
    "timesformer/divided-scratch-loo_fs",
    "baselines/sbi",
    "comparison/dfdc-xception",
)

Run = Callable[[str], Path]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the runs of this module lie, so that one can begin with another's checkpoint."""
    return tmp_path_factory.mktemp("runs")


@pytest.fixture
def run(place: Path, toy: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a recipe's tiny form for twenty steps, after those that it begins with."""
    monkeypatch.chdir(place)

    def run(name: str) -> Path:
        if (done := run_folder(name, "tiny")).exists():
            return done
        for earlier in find_recipe(name).after:
            run(earlier)
        # The data of these tests are smaller than what a tiny form would draw for itself.
        length = ["train.batch=4", f"train.steps={STEPS}", f"train.valid_every={STEPS}"]
        outcome, folder = run_recipe(name, overrides=["scale=tiny", *length], data_dir=toy)
        assert (outcome.stopped, outcome.step) == ("finished", STEPS)
        assert outcome.best is not None
        load_network(read_checkpoint(folder / "best"))
        return folder

    return run


@pytest.mark.parametrize("name", ONE_OF_EACH)
def test_one_recipe_of_each_family_runs_twenty_steps(name: str, run: Run) -> None:
    folder = run(name)
    assert folder == run_folder(name, "tiny")
    record = json.loads((folder / "config.json").read_text())
    assert (record["recipe"]["name"], record["recipe"]["scale"]) == (name, "tiny")


def test_every_family_has_one_in_the_default_tests() -> None:
    families = {entry.family for entry in known_recipes().values()}
    assert families == {name.partition("/")[0] for name in ONE_OF_EACH}


def what_is_run(entry: Entry) -> str:
    """All that is computed at tiny scale: rows whose tiny forms are equal run once."""
    values = resolve(entry, ["scale=tiny"])
    return json.dumps({k: v for k, v in values.items() if k not in ("name", "summary")})


DISTINCT = {what_is_run(e): name for name, e in known_recipes().items() if e.tiny is not None}


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(DISTINCT.values()))
def test_every_recipe_runs_twenty_steps(name: str, run: Run) -> None:
    run(name)


def test_without_data_a_tiny_run_draws_them_beside_its_folder_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    said: list[str] = []
    # Fewer people than usual: what is tested is where they go.
    fewer = ToyConfig(people=2, fakes_each=1, n_frames=1)
    monkeypatch.setattr(toy_data, "make_toy", lambda folder: make_toy(folder, fewer))
    found = run_module.toy_data(tmp_path / "here" / "run", said.append)
    assert found.parent == tmp_path / "here"
    assert any(str(found) in line for line in said)
    assert (found / "manifest.parquet").exists()
    # A second run finds them.
    said.clear()
    assert run_module.toy_data(tmp_path / "here" / "other", said.append) == found
    assert not any("drawing" in line for line in said)


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The whole toy data set."""
    folder = tmp_path_factory.mktemp("people")
    make_toy(folder)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("trial", TRIALS, ids=[trial.recipe for trial in TRIALS])
def test_every_system_learns_what_it_can_on_people_it_never_saw(
    trial: Trial, people: Path, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (place / "trials").mkdir(exist_ok=True)
    monkeypatch.chdir(place / "trials")
    found = attempt(trial, people).auc.value
    if trial.learns:
        assert found > 0.9
    else:
        assert found == pytest.approx(0.5, abs=0.1), trial.why
