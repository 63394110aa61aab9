"""Every figure of scores and runs, from made-up ones, through the command."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest
from PIL import Image
from typer.testing import CliRunner

from unmask.cli.main import app
from unmask.evaluation.figures import FIGURES
from unmask.evaluation.figures.made_up import write_run, write_scores

GIVEN = {
    "losses": "runs/A runs/B",
    "training": "runs/A runs/B",
    "confusion": "three/A.parquet three/B.parquet",
    "scatter": "three/A.parquet three/B.parquet",
    "matrix": "one-to-others",
    "robustness": "corrupted",
    **dict.fromkeys((f"dtn-fig6{chart}" for chart in "abcd"), "fig6"),
}


@pytest.mark.slow
def test_every_figure_of_scores_and_runs_is_kept(tmp_path: Path) -> None:
    write_scores(tmp_path)
    for i, name in enumerate("AB"):
        write_run(tmp_path / "runs" / name, best=0.9, haste=1 + i, img_per_s=60, seed=i)
    drawn = {name: entry for name, entry in FIGURES.items() if entry.needs[0] in ("scores", "runs")}
    for name, entry in drawn.items():
        option = "--run" if "runs" in entry.needs else "--scores"
        given = [str(tmp_path / path) for path in GIVEN.get(name, "three").split()]
        args = ["figure", name, "--out", str(tmp_path / "out")]
        for path in given:
            args += [option, path]
        assert CliRunner().invoke(app, args, catch_exceptions=False).exit_code == 0
        with Image.open(tmp_path / "out" / f"{name}.png") as picture:
            assert picture.width == 900
        assert (tmp_path / "out" / f"{name}.png").stat().st_size < 80_000
        ElementTree.parse(tmp_path / "out" / f"{name}.svg")
