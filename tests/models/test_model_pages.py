"""Pages on models show the counts of the networks as they are."""

from __future__ import annotations

from pathlib import Path

import pytest

from unmask.errors import UsageError
from unmask.models.catalogue import catalogue
from unmask.models.pages import counts_table, filled, main
from unmask.models.table import TABLE

PAGES = Path(__file__).resolve().parents[2] / "docs" / "models"


@pytest.mark.parametrize("page", sorted(PAGES.glob("*.md")), ids=lambda page: page.stem)
def test_tables_of_counts_are_fresh(page: Path):
    text = page.read_text(encoding="utf-8")
    assert filled(text) == text, "run: python -m unmask.models.pages"


@pytest.mark.parametrize("system", sorted({row.system for row in TABLE.values()}))
def test_every_system_has_a_page_with_its_counts(system: str):
    page = PAGES / f"{system}.md"
    assert page.is_file(), f"write {page}"
    assert f"<!-- counts: {system} -->" in page.read_text(encoding="utf-8")


def test_a_table_sets_true_counts_beside_the_published_ones():
    [row] = [row for row in catalogue() if row.name == "dtn"]
    line = counts_table([row]).splitlines()[-1]
    assert line == ("| `dtn` | 1x3x256x256 | 29 945 206 | 9.756 G | 29.912 M (thop) | 9.799 G |")


def test_small_networks_keep_their_digits():
    [row] = [row for row in catalogue() if row.name == "mesonet-4"]
    assert "0.027977 M" in counts_table([row])


def test_a_network_without_published_counts_leaves_their_cells_empty():
    [row] = [row for row in catalogue() if row.name == "xception"]
    assert counts_table([row]).splitlines()[-1].endswith(" |  |  |")


def test_only_what_stands_between_the_markers_is_written(tmp_path: Path):
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- counts: dtn -->\nstale\n<!-- /counts -->\nafter\n")
    main(tmp_path)
    once = page.read_text()
    assert once.startswith("before\n<!-- counts: dtn -->\n| name |")
    assert once.endswith("|\n<!-- /counts -->\nafter\n")
    assert "stale" not in once
    main(tmp_path)
    assert page.read_text() == once


def test_a_marker_of_an_unknown_system_is_refused():
    with pytest.raises(UsageError, match=r"counts: dnt.*there are .*dtn"):
        filled("<!-- counts: dnt -->\n<!-- /counts -->")
