"""`unmask recipes`: what can be trained, by name."""

import json
import tomllib

import pytest
from test_cli_startup import loaded_by

from unmask.training.recipes import known_recipes


def test_recipes_are_listed_without_torch():
    loaded, said = loaded_by("recipes")
    assert not loaded & {"torch", "torchvision", "timm", "openvino", "cv2", "av", "pyarrow"}
    words = {line.split()[0] for line in said.splitlines() if line}
    assert set(known_recipes()) <= words  # in full, so that they can be copied


def test_a_line_says_system_paper_table_and_row(cli):
    done = cli("recipes", "dtn/table9")
    assert (done.code, done.err) == (0, "")
    lines = done.out.splitlines()
    assert lines[0].startswith("Zhang, Li, Yu, Shen 2024")
    assert "FaceForensics++ c23" in lines[1]
    row = next(line for line in lines if line.startswith("dtn/table9-L5 "))
    assert row.split(maxsplit=3) == ["dtn/table9-L5", "dtn/L5", "yes", "Table 9  L = 5"]
    assert all(line.startswith("dtn/table9") for line in lines[3:-2])


def test_json_has_the_documented_fields(cli):
    rows = json.loads(cli("recipes", "--json").out)
    assert [row["name"] for row in rows] == list(known_recipes())
    for row in rows:
        assert set(row) == {
            *("name", "system", "paper", "where", "table", "row", "published", "data", "after"),
            *("tiny", "file"),
        }
        assert isinstance(row["tiny"], bool)
        assert isinstance(row["after"], list)


@pytest.mark.parametrize("name", ["dtn/table5-kd-ce", "resnet3d/nl44-pretrained-loo_df"])
def test_a_recipe_is_shown_as_the_file_it_would_be(cli, name):
    entry = known_recipes()[name]
    shown = tomllib.loads(cli("recipes", name).out)
    assert shown.pop("tiny") == entry.tiny
    assert shown == entry.values


def test_a_shown_recipe_says_what_comes_first_and_what_was_published(cli):
    said = cli("recipes", "dtn/table5-kd-ce").out
    assert "# first: unmask train dtn/table5-ce (goes to runs/dtn/table5-ce)" in said
    assert "# published: ACC/AUC: FF++ 95.77/99.30" in said
    assert "# unmask train dtn/table5-kd-ce --data DIR" in said


def test_json_of_one_recipe_has_its_values(cli):
    shown = json.loads(cli("recipes", "vit_distill/no_distill", "--json").out)
    entry = known_recipes()["vit_distill/no_distill"]
    assert (shown["values"], shown["tiny_values"]) == (entry.values, entry.tiny)


def test_an_unknown_name_is_refused_with_the_nearest(cli):
    done = cli("recipes", "dtn/papr")
    assert (done.code, done.out) == (2, "")
    assert 'did you mean "dtn/paper"' in done.said
