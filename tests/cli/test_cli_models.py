"""`unmask models`: every network with its true size."""

import json

import unmask
from unmask.models.checkpoint import packaged


def test_json_has_the_documented_fields(cli):
    done = cli("models", "--json")
    assert (done.code, done.err) == (0, "")
    rows = json.loads(done.out)
    assert [row["name"] for row in rows] == list(unmask.list_models())
    for row in rows:
        assert set(row) == {
            *("name", "system", "variant", "publication", "input"),
            *("parameters", "macs", "published", "weights"),
        }
        assert isinstance(row["parameters"], int)
        assert isinstance(row["macs"], int)
        assert isinstance(row["weights"], bool)
        assert row["weights"] == (packaged(row["name"]) is not None)
        published = row["published"]
        assert published is None or set(published) == {"parameters", "flops", "counted_by"}


def test_the_counts_of_dtn_are_those_of_its_paper(cli):
    rows = {row["name"]: row for row in json.loads(cli("models", "--json").out)}
    dtn = rows["dtn"]
    assert dtn["published"] == {
        "parameters": 29_912_000,
        "flops": 9_799_000_000,
        "counted_by": "thop",
    }
    assert dtn["parameters"] == 29_945_206  # with what thop misses
    assert dtn["input"] == "1x3x256x256"


def test_the_table_names_every_network_in_full(cli):
    done = cli("models")
    assert done.code == 0
    table, _, default = done.out.partition("\n\n")
    lines = table.splitlines()
    assert default.startswith("default = ")
    assert len({len(line) for line in lines}) == 1
    assert [line.split()[0] for line in lines[1:]] == list(unmask.list_models())
