"""What a recipe file may say, and what comes of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from unmask.errors import ConfigError, UsageError
from unmask.training import recipes
from unmask.training.recipe import read_recipe, refuse_untrained
from unmask.training.recipes import find_recipe, known_recipes, read_recipes, resolve

FILE = """
name = "fam/base"
system = "dtn/small"
teacher = "recipe:fam/other"

[about]
publication = "Somebody 2024, Something"
result = "AUC .9"

[model]
depth = 1

[train]
lr = 0.1
batch = 32

[tiny]
model = { size_px = 64 }
train = { lr = 0.3, batch = 4 }

[axes.depth]
2.set.model.depth = 2
3 = { set.model.depth = 3, tiny.model.depth = 1, row = "deep" }

[axes.end]
"" = {}
-long = { set.train.epochs = 9.0, table = "Table 8" }

[[row]]
name = "fam/slow"
table = "Table 1"
row = "slow"
set = { train.lr = 0.01, teacher = "" }
tiny.train.batch = 2

[[row]]
name = "fam/d{depth}{end}"
table = "Table 7"
row = "depth {depth}"
set = { init_from = "recipe:fam/d{depth}", teacher = "" }
results = { 2 = "AUC .7", 2-long = "AUC .8" }
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "fam.toml"
    file.write_text(FILE)
    return file


@pytest.fixture
def entries(path: Path) -> dict[str, recipes.Entry]:
    return {entry.name: entry for entry in read_recipes(path)}


def test_a_file_holds_its_base_its_rows_and_every_way_through_axes(
    entries: dict[str, recipes.Entry],
) -> None:
    families = ["fam/d2", "fam/d2-long", "fam/d3", "fam/d3-long"]
    assert list(entries) == ["fam/base", "fam/slow", *families]
    long = entries["fam/d3-long"]
    assert long.values["model"] == {"depth": 3}
    assert long.values["train"] == {"lr": 0.1, "batch": 32, "epochs": 9.0}
    assert (long.said.table, long.said.row) == ("Table 8", "depth 3, deep")
    assert long.values["summary"] == "Table 8: depth 3, deep"
    found = [entries[name].said.result for name in families]
    assert found == ["AUC .7", "AUC .8", "", ""]
    assert entries["fam/base"].said.result == "AUC .9"


def test_precedence_is_base_then_row_then_tiny_then_set(entries: dict[str, recipes.Entry]) -> None:
    slow = entries["fam/slow"]
    assert resolve(slow)["train"] == {"lr": 0.01, "batch": 32}
    assert resolve(slow, ["scale=tiny"])["train"] == {"lr": 0.3, "batch": 2}
    over = ["train.lr=7.0", "scale=tiny"]
    assert resolve(slow, over)["train"] == {"lr": 7.0, "batch": 2}
    assert resolve(entries["fam/d3"], ["scale=tiny"])["model"] == {"depth": 1, "size_px": 64}


def test_of_two_lengths_the_one_said_last_counts(
    path: Path, entries: dict[str, recipes.Entry]
) -> None:
    long = entries["fam/d3-long"]  # 9 epochs by its row
    assert resolve(long, ["train.steps=7"])["train"] == {"lr": 0.1, "batch": 32, "steps": 7}
    path.write_text(FILE.replace("lr = 0.3,", "lr = 0.3, steps = 40,"))
    long = find_recipe(f"{path}:fam/d3-long")
    assert resolve(long)["train"]["epochs"] == 9.0
    assert "epochs" not in resolve(long, ["scale=tiny"])["train"]
    over = resolve(long, ["scale=tiny", "train.epochs=2.0"])["train"]
    assert over == {"lr": 0.3, "batch": 4, "epochs": 2.0}
    with pytest.raises(ConfigError, match="two lengths of one run"):
        resolve(long, ["train.epochs=2.0", "train.steps=7"])


def test_what_a_row_sets_is_laid_over_what_its_choices_set(tmp_path: Path) -> None:
    file = tmp_path / "rows.toml"
    text = '[axes.a]\nx.set.train.lr = 1.0\n[[row]]\nname = "r-{a}"\nset.train.lr = 2.0'
    file.write_text(f'system = "dtn"\n{text}')
    assert find_recipe(f"{file}:r-x").values["train"] == {"lr": 2.0}


def test_a_recipe_named_becomes_the_best_checkpoint_of_its_run_of_the_same_scale(
    entries: dict[str, recipes.Entry],
) -> None:
    assert entries["fam/base"].after == ("fam/other",)
    assert resolve(entries["fam/base"])["teacher"] == "runs/fam/other/best"
    tiny = resolve(entries["fam/d2-long"], ["scale=tiny"])
    assert tiny["init_from"] == "runs/tiny/fam/d2/best"
    assert tiny["after"] == ["fam/d2"]


def test_an_empty_name_takes_the_bases_away(entries: dict[str, recipes.Entry]) -> None:
    values = resolve(entries["fam/slow"])
    assert "teacher" not in values
    assert values["after"] == []


def test_an_earlier_recipe_that_was_not_run_is_named(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    recipe = read_recipe(f"{path}:fam/d2", ["scale=tiny"])
    with pytest.raises(UsageError, match=r"First: unmask train fam/d2 --set scale=tiny$"):
        refuse_untrained(recipe)
    (tmp_path / "runs/tiny/fam/d2/best").mkdir(parents=True)
    refuse_untrained(recipe)
    # Somebody who names a checkpoint of their own needs no run of ours.
    refuse_untrained(read_recipe(f"{path}:fam/d3", ["init_from=elsewhere"]))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('publication = "', 'pubilcation = "', 'did you mean "publication"'),
        ('table = "Table 1"', 'tabel = "Table 1"', 'did you mean "table"'),
        ("2.set.model", "2.sett.model", 'did you mean "set"'),
        ("fam/d{depth}{end}", "fam/d{dept}{end}", 'did you mean "depth"'),
        ("depth = 1", "depth = ", "not valid TOML"),
    ],
)
def test_a_misspelt_file_is_refused_with_the_nearest_key(
    path: Path, old: str, new: str, said: str
) -> None:
    path.write_text(FILE.replace(old, new, 1))
    with pytest.raises(ConfigError) as refusal:
        list(read_recipes(path))
    assert said in str(refusal.value)
    assert str(path) in str(refusal.value)


def test_a_scale_is_full_or_tiny_and_tiny_needs_a_table(path: Path) -> None:
    with pytest.raises(UsageError, match="full or tiny"):
        read_recipe(str(path), ["scale=small"])
    path.write_text('name = "plain"\nsystem = "dtn"')
    with pytest.raises(UsageError, match=r"plain: no \[tiny\] table"):
        read_recipe(str(path), ["scale=tiny"])


def test_recipes_are_found_by_name_by_file_and_by_row(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "src" / "unmask").mkdir(parents=True)
    (tmp_path / "recipes" / "fam").mkdir(parents=True)
    shipped = tmp_path / "recipes" / "fam" / "base.toml"
    shipped.write_text(FILE)
    monkeypatch.setattr(recipes, "files", lambda package: tmp_path / "src" / package)
    assert recipes.recipe_files() == (shipped,)
    assert find_recipe("fam/d2-long").path == shipped
    assert find_recipe(str(path)).name == "fam/base"
    assert find_recipe(f"{path}:fam/slow").path == path
    for wrong in ("fam/sloww", f"{path}:fam/sloww"):
        with pytest.raises(UsageError, match='did you mean "fam/slow"'):
            find_recipe(wrong)


def test_two_recipes_of_one_name_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "src" / "unmask").mkdir(parents=True)
    (tmp_path / "recipes").mkdir()
    for name in ("one", "two"):
        (tmp_path / "recipes" / f"{name}.toml").write_text('name = "same"\nsystem = "dtn"')
    monkeypatch.setattr(recipes, "files", lambda package: tmp_path / "src" / package)
    with pytest.raises(ConfigError, match=r"same is a recipe of .*one\.toml"):
        known_recipes()
