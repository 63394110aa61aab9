"""`unmask figure`."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

from typer.testing import CliRunner

from unmask.cli.main import app
from unmask.evaluation.figures import FIGURES
from unmask.evaluation.figures.made_up import Law, scored


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


def test_an_unknown_level_is_refused_with_those_there_are(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    scored(Law(name="A"), n_sources=2).write(path)
    told = CliRunner().invoke(app, ["figure", "roc", "--scores", str(path), "--level", "frame"])
    assert "clip, track, video" in str(told.exception)
