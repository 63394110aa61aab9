"""Laws of the list of videos and of its file."""

from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from unmask.datasets.manifest import ORIGINAL, Manifest, Video, read_manifest, write_manifest
from unmask.errors import DataError

REAL = Video(
    id="toy/original/c23/a",
    path="real/a.mp4",
    dataset="toy",
    method=ORIGINAL,
    label=0,
    compression="c23",
    split="train",
    sources=("toy/a",),
    identities=("ann", "bea"),
    picture_label=0,
    sha256="00ff",
)
FAKE = Video(
    id="toy/swap/c23/a_b",
    path="/elsewhere/ü.mp4",
    dataset="toy",
    method="swap",
    label=1,
    split_reason="on no side: a reason",
    original=REAL.id,
    sources=("toy/a", "toy/b"),
    audio_label=1,
    outcome="unreadable",
    reason="cut short",
    mask="masks/a_b.mp4",
)
MANIFEST = Manifest(
    dataset="toy",
    root="/data/toy",
    videos=(REAL, FAKE),
    split_rule="identity",
    overlaps=("identity", "content"),
)


def rewritten(path, change):
    """The file of MANIFEST after a change to its table."""
    write_manifest(MANIFEST, path)
    table = pq.read_table(path)
    pq.write_table(change(table), path)
    return path


def test_a_manifest_comes_back_as_it_was_written(tmp_path):
    write_manifest(MANIFEST, tmp_path / "manifest.parquet")
    assert read_manifest(tmp_path / "manifest.parquet") == MANIFEST
    assert [file.name for file in tmp_path.iterdir()] == ["manifest.parquet"]


def test_a_manifest_lives_at_any_fsspec_url():
    write_manifest(MANIFEST, "memory://bucket/manifest.parquet")
    assert read_manifest("memory://bucket/manifest.parquet") == MANIFEST


def test_an_empty_manifest_comes_back_too(tmp_path):
    empty = replace(MANIFEST, videos=())
    write_manifest(empty, tmp_path / "m.parquet")
    assert read_manifest(tmp_path / "m.parquet") == empty


def test_the_same_manifest_is_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        write_manifest(MANIFEST, tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda t: t.drop_columns("label"), "columns label are missing"),
        (lambda t: t.append_column("mood", pa.nulls(len(t), pa.string())), "columns mood are"),
        (
            lambda t: t.set_column(t.schema.get_field_index("label"), "label", [["0", "1"]]),
            "columns label are",
        ),
        (
            lambda t: t.set_column(
                t.schema.get_field_index("label"), "label", pa.array([0, 2], pa.int8())
            ),
            "toy/swap/c23/a_b: label = 2; a label is 0 .real. or 1 .fake.",
        ),
        (
            lambda t: t.set_column(
                t.schema.get_field_index("label"), "label", pa.array([0, None], pa.int8())
            ),
            "label must not be empty",
        ),
        (
            lambda t: t.set_column(t.schema.get_field_index("split"), "split", [["train", "dev"]]),
            "split = 'dev'; a side is train, val or test",
        ),
        (
            lambda t: t.set_column(
                t.schema.get_field_index("outcome"), "outcome", [["pending", "fine"]]
            ),
            "outcome = 'fine'; known: pending",
        ),
        (lambda t: pa.concat_tables([t, t]), "2 ids name two videos"),
        (lambda t: t.replace_schema_metadata({}), "format None"),
    ],
)
def test_a_manifest_that_is_not_as_it_must_be_is_refused(tmp_path, change, said):
    with pytest.raises(DataError, match=said):
        read_manifest(rewritten(tmp_path / "m.parquet", change))


def test_no_manifest_and_no_parquet_are_said(tmp_path):
    with pytest.raises(DataError, match=r"no manifest there; make one with unmask prepare"):
        read_manifest(tmp_path / "none.parquet")
    (tmp_path / "text.parquet").write_text("hello")
    with pytest.raises(DataError, match="cannot be read as Parquet"):
        read_manifest(tmp_path / "text.parquet")


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ({"label": 2}, "label = 2"),
        ({"label": None}, "label = None"),
        ({"label": 1}, "reals and only reals have the method 'original'"),
        ({"audio_label": -1}, "audio_label = -1"),
        ({"split": "dev"}, "split = 'dev'"),
        ({"outcome": "lost"}, "outcome = 'lost'"),
    ],
)
def test_a_video_with_an_unknown_label_side_or_outcome_is_refused(fault, said):
    with pytest.raises(DataError, match=said):
        replace(REAL, **fault)


def test_paths_are_below_the_root_unless_they_are_whole():
    assert MANIFEST.locate(REAL.path) == "/data/toy/real/a.mp4"
    assert MANIFEST.locate(FAKE.path) == "/elsewhere/ü.mp4"
    assert replace(MANIFEST, root="s3://b/toy/").locate("a.mp4") == "s3://b/toy/a.mp4"
    assert MANIFEST.locate("s3://c/a.mp4") == "s3://c/a.mp4"


def test_kinships_that_nobody_knows_are_refused():
    with pytest.raises(DataError, match="overlaps"):
        replace(MANIFEST, overlaps=("cousin",))
