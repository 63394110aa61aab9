"""Published tables with measured numbers beside them: right cells, differences, no pretence."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score
from typer.testing import CliRunner

from unmask.cli.main import app
from unmask.config import plain
from unmask.datasets import toy
from unmask.evaluation import collected
from unmask.evaluation.collected import collect, published_count
from unmask.evaluation.needs import Place
from unmask.evaluation.published import data_sides, find_table, published_tables
from unmask.evaluation.scores import Header, Row, ScoresFile
from unmask.evaluation.table_text import (
    comma_separated,
    document,
    lines,
    markdown,
    needed,
    records,
    remarks,
)
from unmask.evaluation.tables import Counts, Measured, Missing, fill
from unmask.training.recipe import read_recipe
from unmask.training.shipped import ShippedRecipes
from unmask.types import Calibration

FF = ("original", "Deepfakes", "Face2Face", "FaceSwap", "NeuralTextures")
RECIPES = ShippedRecipes()


def trained_by(name, *, scale="full", **changes):
    """What a checkpoint says it was trained by."""
    base, _, generation = name.partition("/generation-")
    recipe = plain(read_recipe(base, [f"scale={scale}"]))
    recipe |= {"name": name, **changes}
    return {**recipe, "dsd": None} if generation else recipe


def header(name, **said):
    said = {"recipe": trained_by(name), **said}
    about = {"detector": name, "model": "dtn", "sha256": "0" * 64, "data": "made up"}
    return Header(**{**about, "data_digest": "", "part": "test", **said})


def ffpp(wrong: dict[str, int], *, missed=0, compression="c23", dataset="ffpp"):
    """The 140 test recordings and their fakes, so many of each method on the wrong side of 0.5."""
    for method in FF:
        for n in range(140):
            right = n >= wrong.get(method, 0)
            logit = (1.0 if (method == "original") != right else -1.0) * (1 + n / 1000)
            known = {"outcome": "scored", "logit": logit, "track": 1}
            if method == "original" and n < missed:
                known = {"outcome": "no_face"}
            yield Row(
                video=f"{dataset}/{method}/{compression}/{n}",
                label=int(method != "original"),
                source=f"{dataset}/original/{n}",
                dataset=dataset,
                method=method,
                compression=compression,
                split="test",
                **known,
            )


def filled(tmp_path, table, *files, place=None):
    for n, (head, rows) in enumerate(files):
        ScoresFile(header=head, rows=tuple(rows)).write(tmp_path / "scores" / f"{n}.parquet")
    found = collect([tmp_path / "scores"])
    return fill(find_table(table), found, RECIPES, place or Place(), resamples=100)


def cell(whole, row, reading, column, metric):
    """One cell of a filled table."""
    place = [(c.key, m) for c, m in whole.table.places].index((column, metric))
    rows = [r for r in whole.rows if r.row.title == row]
    return next(r for r in rows[0].readings if r.name == reading).cells[place]


@pytest.mark.parametrize("name", published_tables())
def test_every_table_prints_in_every_format_and_names_what_it_needs(name):
    whole = fill(find_table(name), [], RECIPES, Place())
    printed = [line for line in lines(whole) if line.of == "published"]
    assert len(printed) == len(whole.table.rows)
    text = markdown([whole])
    assert all(str(v) in text for row in whole.rows for v in row.published if v)
    assert len(list(csv.DictReader(io.StringIO(comma_separated([whole]))))) >= len(printed)
    assert json.loads(document([whole]))["tables"][0]["name"] == name
    counts = whole.counts
    missing = {r for row in whole.table.rows for r in row.recipes}
    assert bool(needed(whole)) == bool(missing)
    assert (counts.compared, counts.doubted) == (0 if missing else counts.possible, 0)
    for command in needed(whole):
        assert command.split()[:2] in (["unmask", v] for v in ("prepare", "train", "evaluate"))


def test_a_measured_number_and_its_difference_are_those_counted_by_hand(tmp_path):
    rows = list(ffpp({"original": 14, "FaceSwap": 28}))  # 42 of 700 wrong: 94 %
    whole = filled(tmp_path, "dtn/table3", (header("dtn/table3-levt"), rows))
    acc = cell(whole, "+LEVT", "dtn/table3-levt", "ffpp", "acc")
    assert acc.value == pytest.approx(94.0)
    assert acc.difference == pytest.approx(94.0 - 93.03)
    assert acc.low < 94.0 < acc.high
    assert (acc.scored, acc.videos, acc.doubts) == (700, 700, ())
    auc = cell(whole, "+LEVT", "dtn/table3-levt", "ffpp", "auc")
    by_sklearn = roc_auc_score([r.label for r in rows], [r.logit for r in rows])
    assert auc.value == pytest.approx(100 * by_sklearn)
    assert auc.difference == pytest.approx(100 * by_sklearn - 98.02)
    assert isinstance(cell(whole, "+LEVT", "dtn/table3-levt-dsd", "ffpp", "acc"), Missing)
    assert isinstance(cell(whole, "+LEVT", "dtn/table3-levt", "df1", "acc"), Missing)
    assert whole.counts == Counts(possible=24, compared=2, doubted=0)


def test_a_column_of_one_method_sees_it_and_all_reals_and_nothing_else(tmp_path):
    rows = list(ffpp({"FaceSwap": 140, "NeuralTextures": 70}))
    whole = filled(tmp_path, "dtn/table2", (header("dtn/table2-nt"), rows))
    found = {
        k: cell(whole, "trained on NT, DTN", "dtn/table2-nt", k, "auc") for k in ("df", "fs", "nt")
    }
    assert found["df"].value == 100.0
    assert found["fs"].value < 51
    assert found["nt"].value == pytest.approx(87.5)  # the wrong half beats three reals of four
    assert {c.videos for c in found.values()} == {280}


def test_a_video_without_a_score_lowers_the_coverage_and_is_no_half(tmp_path):
    whole = filled(tmp_path, "dtn/table3", (header("dtn/table3-vgg"), ffpp({}, missed=20)))
    acc = cell(whole, "Baseline", "dtn/table3-vgg", "ffpp", "acc")
    assert (acc.value, acc.scored, acc.videos) == (100.0, 680, 700)
    assert "680 of 700" in markdown([whole])


@pytest.mark.parametrize(
    ("said", "rows", "doubt"),
    [
        ({"recipe": trained_by("dtn/table3-vgg", scale="tiny")}, {}, "tiny scale"),
        ({}, {"dataset": "toy"}, "toy data"),
        ({"trained_on": ("toy",)}, {}, "learned from toy data"),
        ({"recipe": {}}, {}, "trained by no known recipe"),
        ({"leaks": 3}, {}, "3 videos akin to what it learned from"),
        ({"clips_per_track": 2}, {}, "at most 2 clips of a person"),
        ({"limited_from": 700}, {}, "a part of the videos (--limit)"),
        (
            {"recipe": trained_by("dtn/table3-vgg", objective={"alpha": [1.0, 0.0, 0.0]})},
            {},
            "recipe changed: objective.alpha",
        ),
    ],
)
def test_what_is_not_the_published_thing_has_a_doubt_and_no_difference(tmp_path, said, rows, doubt):
    whole = filled(tmp_path, "dtn/table3", (header("dtn/table3-vgg", **said), ffpp({}, **rows)))
    acc = cell(whole, "Baseline", "dtn/table3-vgg", "ffpp", "acc")
    assert acc.doubts == (doubt,)
    assert acc.difference is None
    assert whole.counts == Counts(possible=24, compared=0, doubted=2)
    text = markdown([whole])
    assert doubt in text
    assert "difference" not in text.split("*")[0]
    assert any(doubt in remark for remark in remarks(whole))


def test_part_of_a_test_set_is_not_set_off_against_the_whole(tmp_path):
    some = [row for row in ffpp({}) if int(row.video.rpartition("/")[2]) < 100]
    whole = filled(tmp_path, "dtn/table3", (header("dtn/table3-vgg"), some))
    acc = cell(whole, "Baseline", "dtn/table3-vgg", "ffpp", "acc")
    assert (acc.doubts, acc.difference) == (("500 of 700 videos",), None)


def test_videos_that_were_listed_and_have_no_score_do_not_make_a_test_set_whole(tmp_path):
    rows = ffpp({}, missed=60)
    whole = filled(tmp_path, "dtn/table3", (header("dtn/table3-levt"), rows))
    acc = cell(whole, "+LEVT", "dtn/table3-levt", "ffpp", "acc")
    assert (acc.doubts, acc.difference) == (("640 of 700 videos",), None)


def test_a_full_run_is_preferred_to_a_tiny_one_and_a_corrupted_one_is_never_taken(tmp_path):
    tiny = header("dtn/table3-vgg", recipe=trained_by("dtn/table3-vgg", scale="tiny"), made="2099")
    corrupted = header("dtn/table3-vgg", corruption="gaussian_blur:5", made="2098")
    whole = filled(
        tmp_path,
        "dtn/table3",
        (tiny, ffpp({"original": 140})),
        (corrupted, ffpp({"original": 70})),
        (header("dtn/table3-vgg", made="2020"), ffpp({"original": 14})),
    )
    acc = cell(whole, "Baseline", "dtn/table3-vgg", "ffpp", "acc")
    assert acc.value == pytest.approx(98.0)
    assert acc.doubts == ()


def test_a_distilled_recipe_is_stood_for_by_the_student_that_it_selects(tmp_path):
    students = [
        (header(f"dtn/table10-dtn/generation-{n}"), ffpp({"original": 7 * n})) for n in range(5)
    ]
    third = (header("dtn/table3-vgg-dsd/generation-3"), ffpp({"original": 70}))
    second = (header("dtn/table3-vgg-dsd/generation-2"), ffpp({"original": 140}))
    whole = filled(tmp_path, "dtn/table10", *students)
    for n, name in enumerate(("T", "S1", "S2", "S3", "S4")):
        reading = f"dtn/table10-dtn/generation-{n}"
        acc = cell(whole, f"DTN, {name}", reading, "ffpp", "acc")
        assert acc.value == pytest.approx(100 * (700 - 7 * n) / 700)
        assert acc.doubts == ()
    whole = filled(tmp_path / "other", "dtn/table3", third, second)
    acc = cell(whole, "Baseline", "dtn/table3-vgg-dsd", "ffpp", "acc")
    assert acc.value == pytest.approx(90.0)


def test_a_recipe_for_each_column_fills_that_column_alone(tmp_path):
    name = "resnet3d/nl1234-pretrained-single_fs"
    recipe = trained_by(name)
    rows = ffpp({"FaceSwap": 28}, compression="c40")
    whole = filled(tmp_path, "video3d/table4", (header(name, recipe=recipe), rows))
    reading = "resnet3d/nl1234-pretrained-single_{column}"
    fs = cell(whole, "NL 1,2,3,4", reading, "fs", "tcr")
    assert fs.value == pytest.approx(90.0)
    assert fs.difference == pytest.approx(90.0 - 94.11)
    assert isinstance(cell(whole, "NL 1,2,3,4", reading, "df", "tcr"), Missing)


def test_numbers_are_of_the_network_s_own_probabilities_whatever_its_calibration(tmp_path):
    """Half of all calls at 0.5 would turn by a calibration that shifts every logit by 2."""
    shifted = header("dtn/table3-vgg", calibration=Calibration(slope=1.0, intercept=2.0))
    whole = filled(tmp_path, "dtn/table3", (shifted, ffpp({})))
    assert cell(whole, "Baseline", "dtn/table3-vgg", "ffpp", "acc").value == 100.0


def test_counts_and_thresholds_are_those_of_the_column(tmp_path):
    rng = np.random.default_rng(0)
    rows = [
        Row(
            video=f"dfdc/{n}", label=n % 2, source=f"dfdc/{n // 2}", dataset="dfdc", split="test",
            method="fake" if n % 2 else "original", track=1,
            logit=float(rng.normal() + 1.5 * (n % 2)),
        )
        for n in range(5000)
    ]  # fmt: skip
    told = header("vit_distill/full", recipe=trained_by("vit_distill/full"))
    whole = filled(tmp_path, "vit_distill/results", (told, rows))
    p = np.array([1 / (1 + np.exp(-row.logit)) for row in rows])
    label = np.array([row.label for row in rows])
    missed = int(((p < 0.55) & (label == 1)).sum())
    alarms = int(((p >= 0.55) & (label == 0)).sum())
    ours = cell(whole, "ours", "vit_distill/full", "missed", "missed@0.55")
    assert (ours.value, ours.difference) == (missed, missed - 187)
    f1 = cell(whole, "ours", "vit_distill/full", "f1", "f1@0.55")
    found = 2500 - missed
    assert f1.value == pytest.approx(100 * 2 * found / (2 * found + alarms + missed))


def test_recipes_without_a_published_number_are_shown_where_they_were_measured(tmp_path):
    name = "video3d/table6"
    assert len(filled(tmp_path / "a", name).rows) == len(find_table(name).rows)
    told = header("resnet3d/se_nl1234-scratch-loo_fs")
    whole = filled(tmp_path / "b", name, (told, ffpp({}, compression="c40")))
    (beside,) = whole.rows[len(find_table(name).rows) :]
    assert beside.row.name == "resnet3d/se_nl1234-scratch-loo_{column}"
    assert [type(c) for c in beside.readings[0].cells] == [Missing, Missing, Missing, Measured]
    assert "no published number" in markdown([whole])


def test_what_is_needed_is_what_is_not_there(tmp_path):
    place = Place(data={"ffpp": Path("mine")}, scores=Path("out"))
    table = replace(find_table("dtn/table4"), rows=find_table("dtn/table4").rows[:1])
    recipes = ShippedRecipes(runs=tmp_path)
    before = needed(fill(table, [], recipes, place))
    assert not any("prepare ffpp" in command for command in before)
    assert any(command.startswith("unmask prepare celebdf-v2 ") for command in before)
    assert "unmask train dtn/table4-without-stg --data mine" in before
    (score,) = (c for c in before if c.startswith("unmask evaluate"))
    assert score.endswith("--out out")
    assert score.count("--data") == 4
    run = tmp_path / "runs/dtn/table4-without-stg"
    (run / "best").mkdir(parents=True)
    after = needed(fill(table, [], recipes, place))
    assert [c for c in before if c not in after] == [
        "unmask train dtn/table4-without-stg --data mine"
    ]
    (run / "log.jsonl").write_text('{"event": "end", "stopped": "interrupted"}\n')
    assert needed(fill(table, [], recipes, place)) == before


def test_recipes_that_come_before_are_named_first(tmp_path):
    whole = fill(find_table("vit_distill/results"), [], ShippedRecipes(runs=tmp_path), Place())
    trained = [c.split()[2] for c in needed(whole) if c.startswith("unmask train")]
    assert trained.index("vit_distill/baseline_b7") < trained.index("vit_distill/full")


@pytest.mark.parametrize(
    ("side", "methods", "videos"),
    [
        ("ffpp-c23", FF[1:], 700),
        ("ffpp-both", FF[1:], 1400),
        ("ffpp-c40", ("Deepfakes",), 280),
        ("celebdf-v2", (), 518),
        ("dfdc", (), 5000),
        ("dfdc-preview", (), 780),
        ("dfd", (), 3431),
        ("deeperforensics", ("end_to_end",), 402),
        ("celebdf-v1", (), None),
    ],
)
def test_test_sets_have_the_sizes_that_their_publications_give(side, methods, videos):
    assert published_count(data_sides()[side], methods) == videos


def test_the_toy_data_set_is_known_by_its_name():
    assert collected.TOY == toy.DATASET


def test_losses_of_autoencoders_come_from_the_log_of_their_run(tmp_path):
    folder = tmp_path / "runs/av_cae/ae_face"
    folder.mkdir(parents=True)
    events = [("train", 0.09), ("valid", 0.06), ("train", 0.04), ("valid", 0.05), ("valid", 0.07)]
    text = [json.dumps({"event": event, "loss": loss}) for event, loss in events]
    (folder / "log.jsonl").write_text("\n".join(text))
    (folder / "config.json").write_text(json.dumps({"recipe": trained_by("av_cae/ae_face")}))
    whole = fill(find_table("av_cae/autoencoders"), [], ShippedRecipes(runs=tmp_path), Place())
    row = "face (code of 1296)"
    train = cell(whole, row, "av_cae/ae_face", "train", "train_mse")
    test = cell(whole, row, "av_cae/ae_face", "test", "test_mse")
    assert (train.value, test.value) == (0.04, 0.05)
    assert test.difference == pytest.approx(0.005)


def test_records_hold_everything_that_a_cell_knows(tmp_path):
    whole = filled(tmp_path, "dtn/table1", (header("dtn/table1/generation-3"), ffpp({})))
    ours = [r for r in records([whole]) if r["row"] == "DTN"]
    first = next(r for r in ours if (r["column"], r["metric"]) == ("FF++", "auc"))
    assert first["published"] == 99.70
    assert first["measured"] == 100.0
    assert first["difference"] == pytest.approx(0.30)
    assert (first["scored_videos"], first["videos"]) == (700, 700)
    celeb = next(r for r in ours if (r["column"], r["metric"]) == ("Celeb-DF", "acc"))
    assert (celeb["published"], celeb["published_elsewhere"]) == (70.68, [66.68])
    assert celeb["measured"] is None
    assert celeb["needs"]
    cited = next(r for r in records([whole]) if r["row"] == "SBIs")
    assert (cited["reading"], cited["missing"]) == (None, "cited")


def run(*words):
    return CliRunner().invoke(app, ["table", *map(str, words)], catch_exceptions=False)


def test_the_command_lists_shows_and_fills(tmp_path):
    listed = run()
    assert listed.exit_code == 0
    assert "dtn/table3" in listed.output
    ScoresFile(header=header("dtn/table3-vgg"), rows=tuple(ffpp({}))).write(
        tmp_path / "scores" / "a.parquet"
    )
    options = ("dtn/table3", "--scores", tmp_path, "--row", "Baseline", "--resamples", 100)
    shown = run(*options)
    assert "100.00 / 100.00" in shown.output
    assert "+8.03" in shown.output
    assert "700 of 700" in shown.output
    assert "+LEVT" not in shown.output
    told = json.loads(run(*options, "--format", "json").output)
    assert told["schema"] == "unmask.published/1"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("dtn/tabel3",), "dtn/table3"),
        (("dtn/table3", "--row", "nothing"), "no row"),
        (("dtn/table3", "--data", "ffp=x"), "ffpp"),
        (("--run",), "name the tables"),
        (("dtn/table3", "--run"), "--data NAME=DIR for: ffpp-c23"),
    ],
)
def test_wrong_usage_is_answered_in_words(words, said):
    from unmask.errors import UsageError

    with pytest.raises(UsageError, match=said):
        run(*words)


@pytest.mark.slow
def test_one_command_trains_scores_and_fills_a_row_at_tiny_scale(tmp_path, monkeypatch):
    """The toy data set stands for FF++, nothing for DF-1.0; nothing is compared."""
    monkeypatch.chdir(tmp_path)
    steps = ("--set", "train.steps=4", "--set", "train.valid_every=2", "--set", "train.workers=1")
    words = ("dtn/table3", "--row", "Baseline", "--run", "--set", "scale=tiny", *steps)
    made = run(*words, "--format", "json", "--resamples", 100)
    (told,) = json.loads(made.stdout)["tables"]
    found = {(c["reading"], c["column"], c["metric"]): c for c in told["cells"]}
    acc = found["dtn/table3-vgg", "FF++", "acc"]
    assert acc["measured"] is not None
    assert acc["difference"] is None
    assert {"tiny scale", "toy data"} <= set(acc["doubts"])
    assert found["dtn/table3-vgg-dsd", "FF++", "auc"]["measured"] is not None
    assert found["dtn/table3-vgg", "DF-1.0", "acc"]["measured"] is None
    again = run(*words, "--format", "json", "--resamples", 100)
    assert "training" not in again.stderr
    assert again.stdout == made.stdout
