"""`unmask figure`."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
from typer.testing import CliRunner

from unmask.cli.figure import scores_files
from unmask.cli.main import app
from unmask.errors import DataError
from unmask.evaluation.figures import FIGURES
from unmask.evaluation.figures.made_up import Law, scored
from unmask.evaluation.scores import ScoresFile


def test_every_figure_is_listed_with_what_it_is_drawn_from() -> None:
    told = CliRunner().invoke(app, ["figure"])
    assert told.exit_code == 0
    for name, entry in FIGURES.items():
        assert f"{name} " in told.output
        assert entry.what in told.output


def test_a_figure_is_kept_with_its_numbers_and_a_command_that_makes_it_again(
    tmp_path: Path,
) -> None:
    for law in (Law(name="A", seed=1), Law(name="B", seed=2)):
        scored(law, n_sources=12).write(tmp_path / "scores" / f"{law.name}.parquet")
    given = ["figure", "roc", "--scores", str(tmp_path / "scores"), "--out", str(tmp_path / "out")]
    told = CliRunner().invoke(app, given, catch_exceptions=False)
    assert told.exit_code == 0
    kept = json.loads((tmp_path / "out" / "roc.json").read_text(encoding="utf-8"))
    assert [header["detector"] for header in kept["inputs"]] == ["A", "B"]
    assert set(kept["numbers"]["detectors"]) == {"A", "B"}
    ElementTree.parse(tmp_path / "out" / "roc.svg")
    before = (tmp_path / "out" / "roc.png").read_bytes()

    again = [*kept["command"].split()[1:], "--out", str(tmp_path / "again")]
    assert CliRunner().invoke(app, again, catch_exceptions=False).exit_code == 0
    assert (tmp_path / "again" / "roc.png").read_bytes() == before


def test_of_a_folder_only_reported_clean_scores_are_drawn_unless_a_figure_wants_more(
    tmp_path: Path,
) -> None:
    clean = scored(Law(name="A"), n_sources=2)
    for name, header in {
        "test": {"part": "test"},
        "val": {"part": "val"},
        "blur": {"part": "test", "corruption": "blur:1"},
    }.items():
        told = replace(clean.header, **header)
        ScoresFile(header=told, rows=clean.rows).write(tmp_path / f"{name}.parquet")
    (tmp_path / "faces.parquet").write_bytes(b"no scores file")

    def names(*given: Path, corrupted: bool = False) -> list[str]:
        return [path.stem for path in scores_files(given, corrupted=corrupted)]

    assert names(tmp_path) == ["test"]
    assert names(tmp_path, corrupted=True) == ["blur", "test"]
    assert names(tmp_path / "val.parquet") == ["val"]
    (tmp_path / "test.parquet").unlink()
    (tmp_path / "blur.parquet").unlink()
    assert names(tmp_path) == ["val"]
    (tmp_path / "val.parquet").unlink()
    with pytest.raises(DataError, match="no scores files"):
        names(tmp_path)


def test_an_unknown_level_is_refused_with_those_there_are(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    scored(Law(name="A"), n_sources=2).write(path)
    told = CliRunner().invoke(app, ["figure", "roc", "--scores", str(path), "--level", "frame"])
    assert "clip, track, video" in str(told.exception)
