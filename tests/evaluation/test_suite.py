"""One command over several detectors and data sets: what is scored, kept, compared and refused."""

from __future__ import annotations

import csv
import json
import shutil
from dataclasses import replace

import pytest
from handmade_scores import made

from unmask.errors import ConfigError, DataError, UsageError
from unmask.evaluation.cells import How
from unmask.evaluation.suite import jobs_of, run_suite
from unmask.evaluation.suite_file import Data, Detector, Suite, read_suite, settled
from unmask.evaluation.table_files import comma_separated, document, markdown, write_table

QUICK = How(resamples=20)


class Predictor:
    """Stands for `predict`: made scores, and a list of what it was asked for."""

    def __init__(self, **changes: object) -> None:
        self.asked: list[tuple[str, str, str]] = []
        self.changes = changes

    def __call__(self, checkpoint, data, file, *, part, corruption, name, **_):
        self.asked.append((name, f"{data.name} {part}", str(corruption or "none")))
        if data.name == "silent":
            raise DataError(f"{data}: no sound")
        n, prefix = {"test": (24, "p"), "val": (100, "v"), "calib": (100, "c")}[part]
        skill = (3.0 if name == "good" else 1.5) - 0.3 * (corruption.level if corruption else 0)
        return made(n, prefix=prefix, skill=skill, part=part, seed=len(name),
                    corruption=str(corruption or "none"),
                    applied_to="crop" if corruption else "", **self.changes)  # fmt: skip


@pytest.fixture
def checkpoint(tmp_path):
    """What looks like a checkpoint: here nobody opens it."""
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "checkpoint.json").write_text("{}")
    return tmp_path / "run"


@pytest.fixture
def suite(tmp_path, checkpoint) -> Suite:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    return settled(
        Suite(
            detectors=tuple(
                Detector(checkpoint=checkpoint, label=label) for label in ("plain", "good")
            ),
            data=(Data(path=tmp_path / "one"), Data(path=tmp_path / "two")),
        )
    )


def test_every_detector_meets_every_data_set_and_is_compared_with_the_first(suite, tmp_path):
    table = run_suite(suite, tmp_path, predict=Predictor(), how=QUICK)
    assert [(c.detector, c.data) for c in table.cells] == [
        ("plain", "one test"), ("good", "one test"), ("plain", "two test"), ("good", "two test"),
    ]  # fmt: skip
    assert [cell.against and cell.against.detector for cell in table.cells] == [
        None, "plain", None, "plain",
    ]  # fmt: skip
    assert table.also == ("compression", "face-size", "group", "manipulation")


def test_scores_lie_where_the_next_command_finds_them(suite, tmp_path):
    through = replace(suite, corrupt=("blur:3",))
    files = [job.file.relative_to(tmp_path).as_posix() for job in jobs_of(through, tmp_path)]
    assert files[:3] == [
        "scores/plain/one.parquet",
        "scores/plain/one-blur-3.parquet",
        "scores/good/one.parquet",
    ]
    (val, *_) = jobs_of(replace(suite, part="val"), tmp_path)
    assert val.file.name == "one-val.parquet"


def test_what_a_checkpoint_lacks_is_fixed_on_the_val_side_of_the_same_data(suite, tmp_path):
    predict = Predictor()
    table = run_suite(suite, tmp_path, predict=predict, how=QUICK)
    assert ("plain", "one val", "none") in predict.asked
    assert any("fixed on one val" in line for line in table.notes["plain", "one test"])
    assert "undecided" in table.cells[0].numbers


def test_data_that_it_did_not_learn_from_fix_nothing_unless_named(suite, tmp_path):
    elsewhere = Predictor(trained_on=("other",))
    table = run_suite(suite, tmp_path, predict=elsewhere, how=QUICK)
    assert {part for _, part, _ in elsewhere.asked} == {"one test", "two test"}
    assert any(
        "did not learn from" in line or "not known to have learned" in line
        for line in table.notes["plain", "one test"]
    )
    named = Predictor(trained_on=("other",))
    run_suite(
        replace(suite, calibrate_on=tmp_path / "one"), tmp_path / "b", predict=named, how=QUICK
    )
    assert ("plain", "one val", "none") in named.asked


def test_named_data_are_fixed_on_instead(suite, tmp_path):
    (tmp_path / "other").mkdir()
    predict = Predictor()
    run_suite(replace(suite, calibrate_on=tmp_path / "other"), tmp_path, predict=predict, how=QUICK)
    asked = {data for _, data, _ in predict.asked}
    assert asked == {"one test", "two test", "other val"}


def test_the_val_side_is_not_fixed_on_itself(suite, tmp_path):
    predict = Predictor()
    table = run_suite(replace(suite, part="val"), tmp_path, predict=predict, how=QUICK)
    assert {data for _, data, _ in predict.asked} == {
        "one val",
        "two val",
        "one calib",
        "two calib",
    }
    assert any("fixed on one calib" in line for line in table.notes["plain", "one val"])


def test_corruptions_are_measured_beside_the_clean_scores(suite, tmp_path):
    through = settled(replace(suite, corrupt=("blur:3", "blur:5"), data=suite.data[:1]))
    table = run_suite(through, tmp_path, predict=Predictor(), how=QUICK)
    robust = [c for c in table.cells if c.protocol == "corruption" and c.detector == "plain"]
    assert [cell.corruption for cell in robust] == ["none", "blur:3", "blur:5"]
    assert len({cell.numbers["auc"].value for cell in robust}) == 3
    assert "corruptions are of the stored crop" in markdown(table, command="")


def test_data_that_cannot_be_scored_leave_a_cell_with_the_reason_and_stop_nothing(suite, tmp_path):
    (tmp_path / "silent").mkdir()
    with_silent = settled(replace(suite, data=(Data(path=tmp_path / "silent"), *suite.data)))
    table = run_suite(with_silent, tmp_path, predict=Predictor(), how=QUICK)
    refused = [cell for cell in table.cells if not cell.numbers]
    assert [cell.data for cell in refused] == ["silent test"] * 2
    assert all("no sound" in cell.why_not for cell in refused)
    assert "no sound" in markdown(table, command="")
    assert len(table.cells) == 6


def test_files_of_a_table_hold_the_same_numbers(suite, tmp_path):
    table = run_suite(suite, tmp_path, predict=Predictor(missed=4), how=QUICK)
    write_table(table, tmp_path / "out", command="unmask evaluate ...")
    told = json.loads((tmp_path / "out" / "table.json").read_text())
    rows = list(csv.DictReader((tmp_path / "out" / "table.csv").open()))
    text = (tmp_path / "out" / "table.md").read_text()
    assert len(rows) == len(told["cells"]) == 4
    for row, cell, own in zip(rows, told["cells"], table.cells, strict=True):
        auc = own.numbers["auc"]
        assert cell["numbers"]["auc"] == {"value": auc.value, "low": auc.low, "high": auc.high}
        assert float(row["auc"]) == auc.value
        assert f"{auc.value:.3f} ({auc.low:.3f}-{auc.high:.3f})" in text
        assert float(row["coverage"]) == own.coverage < 1
    assert "96.7 %" in text
    assert "4 of 120 videos have no score: 4 no_face" in text


def test_a_table_warns_of_people_that_the_detector_knows(suite, tmp_path):
    known = run_suite(suite, tmp_path, predict=Predictor(leaks=7), how=QUICK)
    unknown = run_suite(suite, tmp_path, predict=Predictor(leaks=None), how=QUICK)
    assert "7 videos share a recording or a person" in markdown(known, command="")
    assert "what it learned from is not recorded" in markdown(unknown, command="")


def test_a_suite_file_is_read_strictly_and_from_its_own_folder(tmp_path, checkpoint):
    (tmp_path / "data").mkdir()
    file = tmp_path / "suite.toml"
    file.write_text(
        f'protocols = ["manipulation"]\ncorrupt = ["GB:2"]\n'
        f'[[detector]]\ncheckpoint = "{checkpoint.as_posix()}"\nlabel = "tiny"\n'
        f'[[data]]\npath = "data"\n'
    )
    read = settled(read_suite(file))
    assert read.data[0].path == tmp_path / "data"
    assert (read.detectors[0].label, read.data[0].label) == ("tiny", "data")
    assert read.corrupt == ("blur:2",)
    file.write_text(file.read_text() + 'labels = "x"\n')
    with pytest.raises(ConfigError, match='data 1: unknown key labels; did you mean "label"'):
        read_suite(file)


def test_names_are_as_long_as_it_takes_to_tell_apart(tmp_path, checkpoint):
    for run in ("a/net", "b/net"):
        shutil.copytree(checkpoint, tmp_path / run / "best")
    (tmp_path / "data").mkdir()
    found = settled(
        Suite(
            detectors=tuple(Detector(checkpoint=tmp_path / r / "best") for r in ("a/net", "b/net")),
            data=(Data(path=tmp_path / "data"),),
        )
    )
    assert [entry.label for entry in found.detectors] == ["a-net", "b-net"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"detectors": ()}, "needs a detector and data"),
        ({"protocols": ("overalls",)}, 'did you mean "overall"'),
        ({"corrupt": ("blurs:2",)}, 'did you mean "blur"'),
    ],
)
def test_a_suite_that_cannot_be_run_is_refused_before_anything_is_scored(suite, change, words):
    with pytest.raises(UsageError, match=words):
        settled(replace(suite, **change))


def test_missing_places_are_refused_by_name(suite, tmp_path):
    with pytest.raises(UsageError, match="nowhere: there are no data here"):
        settled(replace(suite, data=(Data(path=tmp_path / "nowhere"),)))
    with pytest.raises(UsageError, match="neither a checkpoint folder"):
        settled(replace(suite, detectors=(Detector(checkpoint=tmp_path / "nobody"),)))


def test_numbers_that_are_undefined_are_empty_in_csv_and_named_in_json(suite, tmp_path):
    table = run_suite(suite, tmp_path, predict=Predictor(), how=QUICK)
    told = document(table, command="")["cells"][0]
    assert "tpr_at_1pct_fpr" not in told["numbers"]
    assert "24 reals cannot show it" in told["undefined"]["tpr_at_1pct_fpr"]
    assert "nan" not in comma_separated(table.cells).lower()


def test_a_val_side_with_people_of_the_test_side_fixes_nothing_and_stops_nothing(suite, tmp_path):
    def predict(*_, part, **__):
        return made(24, prefix="p", part=part)

    table = run_suite(suite, tmp_path, predict=predict, how=QUICK)
    assert all(cell.numbers for cell in table.cells)
    assert "undecided" not in table.cells[0].numbers
    assert any("share 24 recordings" in line for line in table.notes["plain", "one test"])


def test_validation_scores_are_made_once_for_all_corruptions(suite, tmp_path):
    predict = Predictor()
    through = settled(replace(suite, corrupt=("blur",), data=suite.data[:1]))
    run_suite(through, tmp_path, predict=predict, how=QUICK)
    assert predict.asked.count(("plain", "one val", "none")) == 1
