"""Resume law for every regime: interrupted anywhere equals uninterrupted, bit for bit.

Runs die here by an error inside a step, which leaves on disk what SIGKILL leaves; real kills are in
test_training_resume.py and test_training_generations.py.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from test_training_resume import assert_same_state, train_lines

from unmask.training import engine
from unmask.training.recipes import find_recipe, run_folder
from unmask.training.run import run_recipe

# Saved after steps 2 and 4 and killed in the 4th: the 3rd is lost and must be done again.
LENGTH = ("steps=5", "valid_every=2", "save_every=2", "log_every=1", "batch=4", "workers=1")
TINY = ("scale=tiny", *(f"train.{word}" for word in LENGTH))
KILLED_IN = 4


@dataclass(frozen=True, kw_only=True)
class Regime:
    """A kind of training: a recipe, and what is changed in it."""

    recipe: str
    set: tuple[str, ...] = ()
    generation: int | None = None  # that is killed, of self-distillation


AVERAGED = ("train.ema_decay=0.9", "train.accumulate=2", "train.clip_norm=1.0")
REGIMES: dict[str, Regime] = {
    "codes": Regime(recipe="av_cae/face_agg_fixedaudio-video"),
    "averaged weights, in parts": Regime(recipe="baselines/xception", set=AVERAGED),
    "half precision": Regime(
        recipe="baselines/efficientnet-b4",
        set=("train.precision=bf16-mixed", "train.accumulate=2", "train.channels_last=true"),
    ),
    "forged on the spot, reals alone": Regime(recipe="baselines/sbi"),
    "autoencoder": Regime(recipe="av_cae/ae_face"),
    "sound, from codes and a checkpoint": Regime(recipe="av_cae/face_agg_fixedaudio-audio"),
    "fusion of frozen streams": Regime(recipe="av_cae/face_agg_fixedaudio"),
    "streams without codes": Regime(
        recipe="av_cae/face_agg_fixedaudio-joint", set=("cached_codes=false",)
    ),
    "features of a frozen detector": Regime(recipe="av_cae/cnn_features"),
    "distilled from a teacher": Regime(recipe="vit_distill/full"),
    "poly schedule by step": Regime(
        recipe="vit_distill/baseline_b7", set=("train.schedule_steps=6",)
    ),
    "initial training of dtn": Regime(recipe="dtn/table9-L5"),
    "a generation of dtn": Regime(
        recipe="dtn/table5-dsd", set=("dsd.generations=1", "dsd.patience=9"), generation=1
    ),
    "disturbed copies in a generation": Regime(
        recipe="dtn/dsd-augment_ambiguous",
        set=("dsd.generations=1", "dsd.patience=9"),
        generation=1,
    ),
    "a generation of another host": Regime(
        recipe="hosts/table8-evit-mas-dsd",
        set=("dsd.generations=1", "dsd.patience=9"),
        generation=1,
    ),
    "two resolutions": Regime(recipe="long_distance/st"),
    "clips and class weights": Regime(recipe="resnet3d/se_nl1234-scratch-single_nt"),
    "plateau": Regime(
        recipe="timesformer/divided-scratch-loo_fs",
        set=("train.plateau_patience=0", "train.lr=0.1", "train.valid_every=1"),
    ),
}
QUICK = ("codes",)  # by default; those of the engine itself are in test_training_resume.py


class Killed(BaseException):
    """The end of a process, which nothing may catch."""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("regimes")


@pytest.fixture
def prepared(place: Path, toy: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Train what a recipe begins with, once."""
    monkeypatch.chdir(place)

    def prepared(name: str) -> None:
        for earlier in find_recipe(name).after:
            if not run_folder(earlier, "tiny").exists():
                prepared(earlier)
                run_recipe(earlier, overrides=(*TINY, "train.steps=2"), data_dir=toy)

    return prepared


def killed_run(monkeypatch: pytest.MonkeyPatch, place: Path, **how: Any) -> None:
    """Begin a run and let it die inside a step of the run folder `place`."""
    original = engine.Run.step

    def dying(run: engine.Run, steps: Any) -> None:
        if run.state_path.parent == place and run.progress.step == KILLED_IN - 1:
            raise Killed
        original(run, steps)

    with monkeypatch.context() as patch:
        patch.setattr(engine.Run, "step", dying)
        with pytest.raises(Killed):
            run_recipe(**how)


def cases() -> list[Any]:
    return [
        pytest.param(regime, id=name, marks=() if name in QUICK else pytest.mark.slow)
        for name, regime in REGIMES.items()
    ]


@pytest.mark.parametrize("regime", cases())
def test_a_run_of_every_regime_goes_on_as_if_it_had_never_died(
    regime: Regime,
    prepared: Callable[[str], None],
    toy: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    prepared(regime.recipe)
    # Both runs lie side by side, since codes are kept beside them.
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    how: dict[str, Any] = {
        "source": regime.recipe,
        "overrides": (*TINY, *regime.set),
        "data_dir": toy,
    }
    expected, _ = run_recipe(**how, out_dir=whole)
    inner = "" if regime.generation is None else f"generation-{regime.generation}"
    killed_run(monkeypatch, broken / inner, **how, out_dir=broken)
    assert len(train_lines(broken / inner)) == KILLED_IN - 1
    stores = sorted(tmp_path.glob("codes/*"))
    found, _ = run_recipe(**how, out_dir=broken, resume=True)
    assert found == expected
    assert_same_state(whole / inner, broken / inner)
    assert [line["loss"] for line in train_lines(whole / inner)] == [
        line["loss"] for line in train_lines(broken / inner)
    ]
    # Codes are of the encoder in the state, not of the one that the network began with.
    assert sorted(tmp_path.glob("codes/*")) == stores
