"""The list of networks: complete, true, and shown without torch."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from unmask.errors import ConfigError, MissingExtraError, UsageError
from unmask.models import create, create_objective, entry, names
from unmask.models.catalogue import catalogue
from unmask.models.count import count
from unmask.models.table import TABLE

QUICK = {"dtn/small", "xception", "mesonet-4"}  # the rest are counted in the slow tests


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=() if n in QUICK else pytest.mark.slow) for n in TABLE]
)
def test_stored_counts_are_those_of_the_network(name: str):
    stored = next(row for row in catalogue() if row.name == name)
    assert count(name) == {k: getattr(stored, k) for k in ("input", "parameters", "macs")}


def test_stored_macs_include_matrix_products():
    """ViT by its formula: patches, projections and MLPs, the two products of attention, head."""
    N, D, L = 197, 768, 12
    per_token = 4 * D * D + 2 * D * 4 * D
    products = 2 * N * N * D
    wanted = (N - 1) * D * D + L * (N * per_token + products) + 2 * D
    assert next(row.macs for row in catalogue() if row.name == "vit") == wanted


def test_every_network_has_a_row_without_gaps():
    rows = [row.document() for row in catalogue()]
    assert [row["name"] for row in rows] == list(names()) == list(TABLE)
    for row in json.loads(json.dumps(rows)):
        assert set(row) == {
            "name", "system", "variant", "publication", "input", "parameters", "macs",
            "published", "weights",
        }  # fmt: skip
        assert all(row[key] for key in ("system", "variant", "publication", "input"))
        assert row["parameters"] > 0
        assert row["macs"] > 0
        assert isinstance(row["weights"], bool)
        if row["published"] is not None:
            assert set(row["published"]) == {"parameters", "flops", "counted_by"}


def test_no_two_networks_of_a_system_have_one_name():
    pairs = [(row.system, row.variant) for row in TABLE.values()]
    assert len(set(pairs)) == len(pairs)


def test_listing_networks_needs_no_torch():
    script = (
        "import sys; sys.modules.update(torch=None, timm=None)\n"
        "import unmask.models\n"
        "from unmask.models.catalogue import catalogue\n"
        "assert len(catalogue()) == len(unmask.models.names())\n"
        "assert not any(name.startswith(('torch', 'timm')) and sys.modules[name]"
        " for name in sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_building_a_network_without_torch_says_what_to_install(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    for name in [m for m in sys.modules if m.startswith("unmask.models.")]:
        if name.rsplit(".", 1)[1] in {"dtn", "base"}:
            monkeypatch.delitem(sys.modules, name)
    with pytest.raises(MissingExtraError, match=r"needs torch.*pip install 'unmask\[train\]'"):
        create("dtn")


def test_a_misspelt_name_is_answered_with_the_nearest():
    with pytest.raises(UsageError, match="xception"):
        entry("xceptoin")
    with pytest.raises(UsageError, match="no network of that name"):
        create("zzz")


@pytest.mark.parametrize(
    ("asked", "name"),
    [("av_cae/face_last", "av_cae"), ("dtn/L6", "dtn"), ("hosts/vit-mas", "vit/mas")],
)
def test_a_variant_by_its_own_word_is_answered_with_its_name(asked: str, name: str):
    with pytest.raises(UsageError, match=f"Did you mean {name}\\?"):
        entry(asked)


def test_sound_is_part_of_what_a_network_takes_in():
    taken = {row.name: row.input for row in catalogue()}
    assert taken["av_cae"] == "30x3x160x160, sound 1x500"
    assert taken["av_cae/video_only"] == "30x3x160x160"
    assert taken["av_cae/audio_only"] == "sound 1x500"
    assert taken["dtn"] == "1x3x256x256"


def test_a_misspelt_setting_is_answered_with_the_nearest():
    with pytest.raises(ConfigError, match="depth"):
        create("dtn", dpeth=3)


def test_an_unknown_objective_is_answered_with_those_there_are():
    with pytest.raises(UsageError, match=r"baselines.*dtn"):
        create_objective("dnt", create("mesonet-4"))
