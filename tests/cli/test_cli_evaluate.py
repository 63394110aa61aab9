"""`unmask evaluate`: what it prints, where, and with which exit code."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1] / "evaluation"))
from handmade_scores import made

from unmask.errors import DataError
from unmask.evaluation import predict as predicting


@pytest.fixture
def place(tmp_path, monkeypatch):
    """Two detectors and data, with made scores in place of a network's."""
    for name in ("plain", "good"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "checkpoint.json").write_text("{}")
    (tmp_path / "data").mkdir()
    (tmp_path / "empty").mkdir()

    def predict(checkpoint, data, file, *, part, corruption, watch, **_):
        if data.name == "empty":
            raise DataError(f"{data}: no videos on its {part} side")
        watch(0, 1)
        n, prefix = (24, "p") if part == "test" else (100, "v")
        skill = (3.0 if checkpoint.name == "good" else 1.5) - (
            corruption.level if corruption else 0
        )
        return made(n, prefix=prefix, skill=skill, part=part, missed=2,
                    corruption=str(corruption or "none"))  # fmt: skip

    monkeypatch.setattr(predicting, "predict", predict)
    return tmp_path


def test_a_table_goes_to_stdout_whole_and_its_place_to_stderr(cli, place):
    done = cli("evaluate", place / "plain", place / "good", "--data", place / "data",
               "--protocol", "overall", "--protocol", "manipulation", "--corrupt", "blur:2",
               "--resamples", "100", "--out", place / "out")  # fmt: skip
    assert done.code == 0
    told = json.loads((place / "out" / "table.json").read_text())
    assert "…" not in done.out
    for cell in told["cells"]:
        assert f"{cell['numbers']['auc']['value']:.3f}" in done.out
    assert "98.3 %" in done.out
    assert "2 of 120 videos have no score: 2 no_face" in done.out
    assert "thresholds: fixed on data val" in done.out
    assert "--protocol face-size" in done.out
    assert "table.md" in done.err
    assert told["command"].startswith("unmask")


def test_json_on_stdout_is_the_file(cli, place):
    done = cli("evaluate", place / "plain", "--data", place / "data", "--resamples", "100",
               "--out", place / "out", "--json")  # fmt: skip
    assert json.loads(done.out) == json.loads((place / "out" / "table.json").read_text())


def test_data_without_numbers_say_why_and_fail_only_when_nothing_could_be_measured(cli, place):
    both = cli("evaluate", place / "plain", "--data", place / "data", "--data", place / "empty",
               "--resamples", "100", "--out", place / "out")  # fmt: skip
    assert both.code == 0
    assert "no videos on its test side" in both.out
    only = cli("evaluate", place / "plain", "--data", place / "empty", "--out", place / "out")
    assert only.code == 1


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        ((), "needs a detector and data"),
        (("plain", "--data", "data", "--protocol", "overalls"), 'did you mean "overall"'),
        (("plain", "--data", "data", "--part", "train"), "known are test, val"),
        (("plain", "--data", "data", "--level", "frame"), "known are clip, track, video"),
        (("plain", "--data", "data", "--corrupt", "blur:9"), "levels are 0"),
        (("nobody", "--data", "data"), "neither a checkpoint folder"),
        (("plain", "--data", "nowhere"), "there are no data here"),
    ],
)
def test_a_wrong_request_is_refused_before_anything_is_begun(
    cli, place, monkeypatch, words, answer
):
    monkeypatch.chdir(place)
    done = cli("evaluate", *words, "--out", "out")
    assert done.code == 2
    assert answer in done.err
    assert not Path("out").exists()
