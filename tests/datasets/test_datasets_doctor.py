"""The doctor finds what was planted, says what to do, and says nothing where nothing is wrong."""

import shutil
from typing import get_args

import pytest

import trees
from media import cut, numbered_frames, write_clip
from unmask.datasets.doctor import KINDS, examine
from unmask.datasets.doctor_report import lines
from unmask.datasets.readers import ReadOptions
from unmask.datasets.readers.listing import ProblemKind
from unmask.datasets.readers.published import PUBLISHED

FACESWAP = "manipulated_sequences/FaceSwap/c23/videos"
ORIGINALS = "original_sequences/youtube/c23/videos"


@pytest.fixture
def ff(tmp_path):
    return trees.ffpp(tmp_path / "ff", methods=("FaceSwap",))


def found(examination):
    """Kind -> what it was found in, the beginning of it."""
    return {finding.kind: [path for path, _ in finding.items] for finding in examination.findings}


def text(examination):
    return "\n".join(lines(examination))


def test_a_tree_without_faults_has_no_findings(ff):
    examination = examine("ffpp", ff)
    assert found(examination) == {}
    assert examination.usable
    assert "Nothing must be mended." in text(examination)


def test_each_planted_fault_is_found_where_it_is(ff):
    folder = ff / FACESWAP
    (folder / "071_054.mp4").unlink()
    (folder / "054_071.mp4").write_bytes(b"")
    (folder / "087_081.mp4").write_bytes(b"no video at all " * 50)
    shutil.copy(ff / ORIGINALS / "000.mp4", folder / "003_000.mp4")
    shutil.copy(ff / ORIGINALS / "071.mp4", ff / ORIGINALS / "054.mp4")
    trees.put(folder / "900_901.mp4")
    trees.put(folder / "copy of 000_003.mp4")
    examination = examine("ffpp", ff)
    assert found(examination) == {
        "missing": [f"{FACESWAP}/071_054.mp4"],
        "empty": [f"{FACESWAP}/054_071.mp4"],
        "unreadable": [f"{FACESWAP}/087_081.mp4"],
        "two_labels": [f"{ORIGINALS}/000.mp4"],
        "copies": [f"{ORIGINALS}/071.mp4"],
        "unlisted": [f"{FACESWAP}/900_901.mp4"],
        "no_original": [f"{FACESWAP}/900_901.mp4"],
        "odd_name": [f"{FACESWAP}/copy of 000_003.mp4"],
    }
    assert not examination.usable


@pytest.mark.parametrize(
    ("plant", "shared"),
    [
        (lambda ff: shutil.copy(ff / ORIGINALS / "071.mp4", ff / ORIGINALS / "672.mp4"), "file"),
        (
            lambda ff: trees.put_json(ff / "splits/test.json", [["000", "003"], ["071", "100"]]),
            "071",
        ),
        (
            lambda ff: trees.put_json(ff / "splits/test.json", [["000", "087"]]),
            "recording ffpp/087",
        ),
    ],
)
def test_leaks_are_found(ff, plant, shared):
    plant(ff)
    examination = examine("ffpp", ff)
    leaks = [*found(examination).get("leak", ()), *found(examination).get("two_sides", ())]
    assert any(shared in leak for leak in leaks)
    assert not examination.usable


def test_what_the_own_split_shares_is_told_and_needs_no_mending(tmp_path):
    examination = examine("celebdf-v2", trees.celebdf(tmp_path))
    assert found(examination)["overlap"] == ["person celebdf-v2/id0", "person celebdf-v2/id1"]
    assert examination.usable


def test_counts_stand_beside_the_published_ones(ff):
    rows = {(t.what, t.column): t for t in examine("ffpp", ff).tallies}
    assert rows["FaceSwap", "train"].found == 4
    assert rows["FaceSwap", "train"].published == 720
    assert rows["FaceShifter", "all"].found == 0
    assert rows["FaceShifter", "all"].published == 1000
    (ff / FACESWAP / "071_054.mp4").unlink()
    row = next(
        t for t in examine("ffpp", ff).tallies if (t.what, t.column) == ("FaceSwap", "train")
    )
    assert (row.found, row.missing) == (3, 1)


def test_published_sides_stand_beside_the_official_rule_alone(tmp_path):
    root = trees.dfdc(tmp_path)
    for rule, published in (("official", 2_500), ("ispl", None)):
        examination = examine("dfdc", root, options=ReadOptions(split=rule))
        rows = {(t.what, t.column): t.published for t in examination.tallies}
        assert rows["fake", "test"] == published
        assert rows["all", "all"] == 128_154


def test_published_parts_add_up_to_the_whole():
    for name, published in PUBLISHED.items():
        totals = {c.method: c.n for c in published.counts if c.split is None}
        sides = {
            method: sum(c.n for c in published.counts if c.method == method and c.split)
            for method in totals
        }
        whole = {m: n for m, n in sides.items() if n and name not in ("celebdf-v2",)}
        assert all(totals[method] == n for method, n in whole.items()), name
    dfdc = {c.method: c.n for c in PUBLISHED["dfdc"].counts if c.split is None}
    assert dfdc["all"] == dfdc["original"] + dfdc["fake"]
    preview = {c.method: c.n for c in PUBLISHED["dfdc-preview"].counts if c.split is None}
    assert preview["all"] == preview["original"] + preview["fakes"]


def test_partial_copies_say_what_can_be_done_with_them(ff):
    uses = examine("ffpp", ff).uses
    assert "c23: training is possible (4 real, 4 fake)" in uses
    assert "c23: measuring is possible on the test side (2 real, 2 fake)" in uses
    assert any("not the published one (2 of 140 original" in use for use in uses)
    shutil.rmtree(ff / FACESWAP)
    uses = examine("ffpp", ff).uses
    assert (
        "c23: training is possible on fakes forged on the way (4 real, 0 fake; self-blends)" in uses
    )
    shutil.rmtree(ff / "splits")
    uses = examine("ffpp", ff).uses
    assert uses == ("c23: nothing is on a side, so neither training nor measuring is possible",)


def test_a_full_test_side_is_called_the_published_one(tmp_path):
    names = [f"{k:03}" for k in range(140)]
    pairs = {"test": [[a, b] for a, b in zip(names[::2], names[1::2], strict=True)]}
    uses = examine("ffpp", trees.ffpp(tmp_path, pairs=pairs, methods=("FaceSwap",)), sample=1).uses
    assert "c23: the test side is the published one of original, FaceSwap" in uses


def test_a_damaged_file_is_found_by_a_look_and_a_late_fault_by_looking_deep(tmp_path):
    folder = tmp_path / "mine"
    trees.put(folder / "fake" / "a.mp4")
    (folder / "real").mkdir()
    options = {"movflags": "faststart"}
    clip = folder / "real" / "a.mp4"
    frames = list(numbered_frames(60))
    write_clip(clip, frames=frames, container_options=options, options={"g": "10"})
    cut(clip, 0.6)
    examination = examine("folder", folder)
    assert found(examination)["damaged"] == ["real/a.mp4"]
    assert examination.usable


def test_deep_decodes_every_file_and_a_look_only_a_sample(ff):
    assert examine("ffpp", ff, sample=3).n_decoded == 3
    deep = examine("ffpp", ff, sample=3, deep=True)
    assert deep.n_decoded == 16
    assert "All frames of 16 files were decoded." in text(deep)


def test_the_sample_follows_from_its_seed(ff):
    for name in ("071_054", "054_071", "087_081", "081_087", "720_672", "672_720"):
        (ff / FACESWAP / f"{name}.mp4").write_bytes(f"text of {name}".encode() * 9)

    def looked(seed):
        return found(examine("ffpp", ff, sample=6, seed=seed)).get("unreadable")

    assert looked(1) == looked(1)
    assert len({str(looked(seed)) for seed in range(4)}) > 1


def test_progress_is_told_of_every_file(ff):
    told = []

    def track(what, videos):
        for video in videos:
            told.append(what)
            yield video

    examine("ffpp", ff, sample=5, track=track)
    assert told.count("looking for files") == 16
    assert told.count("decoding") == 5


def test_the_text_names_paths_whole_and_counts_the_rest(ff):
    for file in (ff / FACESWAP).iterdir():
        file.unlink()
    said = text(examine("ffpp", ff))
    assert "videos that the lists name and that are not there: 8" in said
    assert f"      {FACESWAP}/000_003.mp4: named by the lists, but not there" in said
    assert "and 5 more (--json has all)" in said
    row = ["FaceSwap", "c23", "0/720", "0/140", "0/140", "-", "0/1000"]
    assert row in [line.split() for line in said.splitlines()]


def test_every_kind_of_problem_has_words_and_advice():
    assert set(get_args(ProblemKind)) <= KINDS.keys()
    assert all(words and advice for _, words, advice in KINDS.values())
