"""docs/datasets.md says what the code says."""

from pathlib import Path

import pytest

from unmask.datasets.readers import READERS
from unmask.datasets.readers.dfd import IDENTITY_SALT, IDENTITY_SHARES
from unmask.datasets.readers.folder_csv import COLUMNS
from unmask.datasets.readers.published import PUBLISHED
from unmask.datasets.splits import side_of

PAGE = Path(__file__).resolve().parents[2] / "docs" / "datasets.md"


def counts_table():
    rows = ["| data set | kind | train | val | test | all |", "|---|---|---|---|---|---|"]
    for name, published in PUBLISHED.items():
        numbers = {(count.method, count.split): count.n for count in published.counts}
        for kind in dict.fromkeys(count.method for count in published.counts):
            cells = [numbers.get((kind, side)) for side in ("train", "val", "test", None)]
            shown = ("" if n is None else f"{n:,}".replace(",", " ") for n in cells)
            rows.append(f"| `{name}` | {kind} | {' | '.join(shown)} |".replace("|  ", "| "))
    return "\n".join(rows)


def columns_table():
    rows = ["| column | says |", "|---|---|"]
    return "\n".join([*rows, *(f"| `{name}` | {said} |" for name, said in COLUMNS.items())])


@pytest.mark.parametrize(("mark", "table"), [("counts", counts_table), ("columns", columns_table)])
def test_the_tables_are_those_of_the_code(mark, table):
    text = PAGE.read_text(encoding="utf-8")
    between = text.split(f"<!-- {mark} -->\n")[1].split(f"<!-- /{mark} -->")[0]
    assert between.strip() == table()


def test_every_data_set_is_there_with_its_two_commands_and_its_rules():
    text = PAGE.read_text(encoding="utf-8")
    for name, reader in READERS.items():
        assert f"`{name}`" in text
        if name != "celebdf-v1":
            assert f"unmask doctor {name} ROOT" in text
            assert f"unmask prepare {name} ROOT" in text
        assert all(f"`{rule}`" in text for rule in reader.splits if not rule.startswith("heo-"))


def test_dfds_actors_stand_on_the_sides_that_the_page_names():
    actors = {side: [] for side in IDENTITY_SHARES}
    for actor in (f"{number:02}" for number in range(1, 29)):
        actors[side_of(actor, IDENTITY_SHARES, IDENTITY_SALT)].append(actor)
    text = PAGE.read_text(encoding="utf-8")
    for side, names in actors.items():
        assert f"| {side} | {' '.join(names)} |" in text
