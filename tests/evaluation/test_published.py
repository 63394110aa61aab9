"""Published numbers as data: strict, whole, tied to recipes, and those of the specification."""

from __future__ import annotations

import re
from collections import Counter
from fnmatch import fnmatch
from pathlib import Path

import pytest

from unmask.errors import ConfigError, UsageError
from unmask.evaluation import published
from unmask.evaluation.published import find_table, find_tables, published_tables
from unmask.models.catalogue import catalogue
from unmask.models.table import TABLE
from unmask.training.recipes import known_recipes

TABLES = published_tables()
RECIPES = known_recipes()


def numbers(table):
    """Row title, place and value of every number that a table holds."""
    for row in table.rows:
        for place, value in zip(table.places, table.values(row.cells), strict=True):
            if value is not None:
                yield row.title, place, value


def recipes_of(table, row):
    """Names of recipes that stand for a row, without generations."""
    return {
        name.replace("{column}", column.key).partition("/generation-")[0]
        for name in row.recipes
        for column in table.columns
    }


@pytest.mark.parametrize(
    ("paper", "tables", "rows", "cells"),
    [
        ("av_cae", 3, 17, 23),
        ("dtn", 12, 124, 646),
        ("field", 6, 19, 68),
        ("long_distance", 8, 61, 164),
        ("video3d", 7, 50, 137),
        ("vit_distill", 3, 15, 23),
    ],
)
def test_no_number_is_lost(paper, tables, rows, cells):
    own = find_tables([paper])
    found = len(own), sum(len(t.rows) for t in own), sum(1 for t in own for _ in numbers(t))
    assert found == (tables, rows, cells)


@pytest.mark.parametrize(
    ("table", "row", "column", "metric", "printed"),
    [
        ("dtn/table1", "DTN", "celebdf", "acc", "70.68 (66.68)"),
        ("dtn/table10", "DTN, S3", "celebdf", "acc", "66.68 (70.68)"),
        ("dtn/table1", "CrossEfficientViT", "df1", "acc", "62.16 (62.61)"),
        ("dtn/table2", "trained on NT, DTN", "fs", "auc", "91.25"),
        ("dtn/table8", "ViT, +Re", "dfdc", "acc", "56.21"),
        ("dtn/sizes", "DTN, L = 7", "size", "flops", "10.002"),
        ("vit_distill/results", "ours", "missed", "missed@0.55", "187"),
        ("vit_distill/derived", "ours", "alarms", "alarms@0.55", "221"),
        ("av_cae/classifiers", "full", "error", "error", "51"),
        ("long_distance/table1", "Steg", "c40", "acc", "55.98"),
        ("long_distance/table7", "n = 4", "c23", "auc", "99.93"),
        ("video3d/table6", "3D ResNet", "f2f", "tcr", "74.29"),
        ("field/deepfakebench", "UCF", "dfdcp", "auc", ".759"),
    ],
)
def test_numbers_are_where_the_source_prints_them(table, row, column, metric, printed):
    found = {(r, p[0].key, p[1]): str(v) for r, p, v in numbers(find_table(table))}
    assert found[row, column, metric] == printed


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_a_row_has_a_recipe_that_exists_or_says_why_not(table):
    known = RECIPES
    for row in table.rows:
        assert recipes_of(table, row) <= known.keys(), row.title
        assert row.recipes or row.cited or row.stated or row.counted


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_what_is_beside_a_table_and_its_networks_exist(table):
    known = RECIPES
    for pattern in table.beside:
        assert any(
            fnmatch(name, pattern.replace("{column}", column.key))
            for name in known
            for column in table.columns
        ), pattern
    assert {row.model for row in table.rows} - {""} <= TABLE.keys()


def test_every_recipe_of_a_table_is_in_that_table():
    """Recipes of figures have no published number."""
    named: Counter[str] = Counter()
    for table in TABLES.values():
        for row in table.rows:
            named.update(recipes_of(table, row))
        patterns = [p.replace("{column}", c.key) for p in table.beside for c in table.columns]
        named.update(n for n in RECIPES if any(fnmatch(n, p) for p in patterns))
    wanted = {
        name
        for name, entry in RECIPES.items()
        if entry.said.result or (entry.said.table and not entry.said.table.startswith("Fig"))
    }
    assert wanted <= named.keys()


def test_what_a_recipe_says_was_published_is_what_its_rows_hold():
    """Two places hold the numbers, written at different times: they must agree."""
    held: dict[str, set[float]] = {}
    for table in TABLES.values():
        for row in table.rows:
            values = [v for v in table.values(row.cells) if v is not None]
            for name in recipes_of(table, row):
                held.setdefault(name, set()).update(
                    number for v in values for number in (v.number, *v.others)
                )
    compared = 0
    for name, entry in RECIPES.items():
        said = re.sub(
            r"\(.*?\)|DF-1\.0|FF\+\+|F2F|Table \w+|S\d|c\d\d|CDFv\d|\.55:", " ", entry.said.result
        )
        for number in re.findall(r"(?<![\w.])\d*\.\d+|(?<![\w.])100(?!\w)", said):
            compared += 1
            assert float(number) in held[name], (name, number)
    assert compared > 300


def test_sizes_are_those_of_the_table_of_models_and_the_counts_are_close():
    rows = {row.name: row for row in catalogue()}
    for row in find_table("dtn/sizes").rows:
        printed = find_table("dtn/sizes").values(row.cells)
        counted = find_table("dtn/sizes").values(row.counted)
        model = rows[row.model].published
        assert (model.parameters_m, model.flops_g) == tuple(v.number for v in printed)
        assert counted[0].number == pytest.approx(printed[0].number, abs=0.0025), row.name
        assert counted[1].number == pytest.approx(printed[1].number, rel=0.0055), row.name


def test_an_unknown_table_gets_the_nearest_name_and_a_paper_stands_for_all_its_tables():
    with pytest.raises(UsageError, match="dtn/table3"):
        find_tables(["dtn/tabel3"])
    assert [t.name for t in find_tables(["vit_distill/"])] == [
        "vit_distill/results", "vit_distill/derived", "vit_distill/text",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("was", "becomes", "words"),
    [
        ("91.97/97.42 60.56/68.36", "91.97/97.42", "1 cells in 2 columns"),
        ("91.97/97.42 60.56/68.36", "91.97 60.56/68.36", "not one number for each"),
        ("91.97/97.42 60.56/68.36", "91.9x/97.42 60.56/68.36", "91.9x is no number"),
        ('where = "Table 3"', 'place = "Table 3"', "unknown key place"),
        ("cited = true", "citd = true", "unknown key citd"),
        ('key = "celebdf"', 'kye = "celebdf"', "unknown key kye"),
        ('on = "deeperforensics"', 'on = "deepforensics"', "deeperforensics"),
        ('metrics = ["auc"]', 'metrics = ["aux"]', "no metric aux"),
        ("cited = true", 'cited = true, stated = "x"', "exactly one of"),
    ],
)
def test_a_file_that_is_not_as_it_should_be_is_refused(tmp_path, monkeypatch, was, becomes, words):
    for file in published._folder().glob("*.toml"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    text = (tmp_path / "dtn.toml").read_text(encoding="utf-8")
    (tmp_path / "dtn.toml").write_text(text.replace(was, becomes, 1), encoding="utf-8")
    monkeypatch.setattr(published, "_folder", lambda: tmp_path)
    with pytest.raises(ConfigError, match=re.escape(words)):
        published_tables.__wrapped__()


# Against the specification that the numbers were taken from, where it is at hand.


@pytest.fixture(scope="module")
def spec(shared_data: Path) -> dict[str, str]:
    """Sections of the specification, and the protocols, by the paper whose numbers they hold."""
    file = shared_data.parent / "spec.md"
    if not file.is_file():
        pytest.skip("no specification here")
    text = file.read_text(encoding="utf-8").replace("**", "").replace(",", " ")
    parts = re.split(r"(?m)^# (?=\d\. )", text)
    papers = ("vit_distill", "av_cae", "dtn", "long_distance", "video3d")
    sections = dict(zip(papers, parts[1:6], strict=True))
    protocols = (file.parent / "protocols.md").read_text(encoding="utf-8")
    return {**sections, "field": protocols.replace("|", " ").replace(",", " ")}


TRANSPOSED = ("long_distance/table6", "long_distance/table7", "video3d/table6")
SPEC_ROWS = [
    table
    for table in TABLES.values()
    if re.search(r"/table\d", table.name) and table.name not in TRANSPOSED
]


def tokens(text):
    """Numbers and dashes of a text in their order, whatever stands between metrics."""
    words = re.split(r"[\s/|;]+", text.replace("(66.68)", ""))
    return [w for word in words if re.fullmatch(r"-|\d*\.?\d+", w := word.rstrip("."))]


@pytest.mark.parametrize("table", SPEC_ROWS, ids=lambda t: t.name)
def test_every_row_is_a_row_of_the_specification(table, spec):
    text = " ".join(["", *tokens(spec[table.name.partition("/")[0]]), ""])
    for row in table.rows:
        cells = re.sub(r"\|[\d.]+", "", row.printed or row.cells)  # other places' numbers
        own = tokens(cells.replace("-/-", "-").replace("/- ", " ").removesuffix("/-"))
        while own[-1] == "-":
            own.pop()
        assert f" {' '.join(own)} " in text, row.title


@pytest.mark.parametrize("name", TRANSPOSED)
def test_every_column_is_a_list_of_the_specification(name, spec):
    table, text = find_table(name), spec[name.partition("/")[0]]
    columns = zip(*(table.values(row.cells) for row in table.rows), strict=True)
    for column in columns:
        assert " ".join(map(str, column)) in re.sub(r"\s+", " ", text)


@pytest.mark.parametrize(
    ("paper", "tables"),
    [
        ("dtn", r"## 3\.7 Reported tables(.*)"),
        ("long_distance", r"## 4\.4 Reported tables(.*)Figures"),
        ("video3d", r"## 5\.4 Reported tables(.*)Configs"),
        ("field", r"Published numbers to stand(.*)In the wild"),
    ],
)
def test_no_number_of_the_specification_s_tables_is_missing(paper, tables, spec):
    (text,) = re.search(tables, spec[paper], re.DOTALL).groups()
    wanted = set(re.findall(r"(?<![\d.])\d{2}\.\d+|(?<![\d.\w])\.\d{3}", text))
    cells = [f"{r.cells} {r.printed}" for t in find_tables([paper]) for r in t.rows]
    held = set(re.findall(r"(?<![\d.])\d{2}\.\d+|(?<![\d.])\.\d{3}", " ".join(cells)))
    notes = " ".join(note for t in find_tables([paper]) for note in t.notes)
    assert {n for n in wanted - held if n not in notes} == set()
