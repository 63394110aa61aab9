"""Laws of the configuration reader."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest

from unmask import config
from unmask.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Schedule:
    kind: Literal["constant", "poly"] = "constant"
    milestones: tuple[float, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Train:
    lr: float = 0.1
    batch: int = 32
    channels_last: bool = False
    init: Path | None = None
    schedule: Schedule | None = None

    def __post_init__(self) -> None:
        if self.batch < 1:
            raise ValueError("must hold at least one example")


@dataclass(frozen=True, kw_only=True)
class Recipe:
    name: str
    train: Train = field(default_factory=Train)
    model: dict[str, Any] = field(default_factory=dict)


def made(*assignments: str, **values: Any) -> Recipe:
    table = config.merge({"name": "r", **values}, config.parse_overrides(assignments))
    return config.build(Recipe, table, where="r.toml")


def test_precedence_is_default_then_recipe_then_set(tmp_path: Path) -> None:
    path = tmp_path / "r.toml"
    path.write_text('name = "r"\n[train]\nlr = 0.2\nbatch = 8\n')
    table = config.merge(config.read_toml(path), config.parse_overrides(["train.batch=4"]))
    train = config.build(Recipe, table, where=str(path)).train
    assert (train.channels_last, train.lr, train.batch) == (False, 0.2, 4)


@pytest.mark.parametrize(
    ("assignment", "nearest"),
    [
        ("train.bacth=4", 'train.bacth; did you mean "train.batch"'),
        ("ttrain.batch=4", 'ttrain; did you mean "train"'),
        ("train.schedule.millestones=[1]", 'millestones; did you mean "train.schedule.milestones'),
        ("train.zzzzzz=1", "known: batch, channels_last, init, lr, schedule"),
    ],
)
def test_an_unknown_key_is_refused_with_the_nearest_one(assignment: str, nearest: str) -> None:
    with pytest.raises(ConfigError, match=r"^r\.toml: unknown key") as refusal:
        made(assignment)
    assert nearest in str(refusal.value)


def test_all_unknown_keys_are_reported_at_once() -> None:
    with pytest.raises(ConfigError) as refusal:
        made("train.bacth=4", "namee=x")
    assert "train.bacth" in str(refusal.value)
    assert "namee" in str(refusal.value)


@pytest.mark.parametrize(
    ("assignment", "said"),
    [
        ('train.lr="fast"', 'train.lr = "fast" should be a valid number'),
        ('train.batch="3"', "train.batch"),
        ("train.batch=1.5", "train.batch = 1.5"),
        ("train.batch=true", "train.batch"),
        ("train.channels_last=1", "train.channels_last"),
        ("train.schedule.kind=cosine", "'constant' or 'poly'"),
        ("train=3", "train = 3"),
        ("train.batch=0", "must hold at least one example"),
    ],
)
def test_a_value_of_the_wrong_kind_is_refused_by_name(assignment: str, said: str) -> None:
    with pytest.raises(ConfigError, match=r"^r\.toml: ") as refusal:
        made(assignment)
    assert said in str(refusal.value)


def test_a_missing_key_without_default_is_named() -> None:
    with pytest.raises(ConfigError, match=r"^r\.toml: missing key name"):
        config.build(Recipe, {}, where="r.toml")


def test_values_take_the_declared_type() -> None:
    recipe = made(
        "train.lr=1", "train.init=a/b", "train.schedule.milestones=[1, 2.5]", "model.depth=2"
    )
    assert recipe.train.lr == 1.0
    assert isinstance(recipe.train.lr, float)
    assert recipe.train.init == Path("a/b")
    assert recipe.train.schedule == Schedule(milestones=(1.0, 2.5))
    assert recipe.model == {"depth": 2}


def test_plain_and_build_are_inverse() -> None:
    recipe = made("train.init=a/b", "train.schedule.milestones=[1]", "model.depth=2")
    assert config.build(Recipe, config.plain(recipe), where="again") == recipe


@pytest.mark.parametrize("assignment", ["train.lr", "=3", "train..lr=3", ".lr=1"])
def test_a_malformed_override_says_what_was_expected(assignment: str) -> None:
    with pytest.raises(ConfigError, match="expected key=value"):
        config.parse_overrides([assignment])


def test_a_later_override_wins() -> None:
    assert config.parse_overrides(["a.b=1", "a.b=2", "a.c=x y"]) == {"a": {"b": 2, "c": "x y"}}


def test_an_override_cannot_smuggle_in_a_second_key() -> None:
    assert config.parse_overrides(["a=1\nb=2"]) == {"a": "1\nb=2"}


def test_broken_toml_names_the_file_and_the_line(tmp_path: Path) -> None:
    path = tmp_path / "broken.toml"
    path.write_text("a = 1\nb = = 2\n")
    with pytest.raises(ConfigError, match=r"broken\.toml: not valid TOML.*line 2"):
        config.read_toml(path)
    with pytest.raises(ConfigError, match="no such file"):
        config.read_toml(tmp_path / "absent.toml")


def test_differences_name_changed_added_and_removed_keys() -> None:
    old = {"train": {"lr": 0.1, "batch": 8}, "model": {}, "gone": 1}
    new = {"train": {"lr": 0.2, "batch": 8}, "model": {"depth": 2}}
    found = config.differences(old, new)
    assert found["train.lr"] == (0.1, 0.2)
    assert found["gone"] == (1, None)
    assert found["model.depth"] == (None, 2)
    assert "train.batch" not in found
