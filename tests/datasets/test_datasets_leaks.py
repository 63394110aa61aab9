"""A leak planted in any data set is found and refused; our own splits never have one."""

import json
from dataclasses import replace

import numpy as np
import pytest

import trees
from unmask.datasets.manifest import ORIGINAL, Manifest, Video
from unmask.datasets.readers import ReadOptions, read_dataset
from unmask.datasets.splits import (
    check_leaks,
    refuse_leaks,
    shared_kin,
    side_of,
    split_by_identity,
    split_by_kin,
)
from unmask.errors import DataError


def video(name, split=None, **what):
    return Video(
        id=f"toy/original/{name}",
        path=f"{name}.mp4",
        dataset="toy",
        method=ORIGINAL,
        label=0,
        split=split,
        **what,
    )


def manifest(*videos, **what):
    return Manifest(dataset="toy", root="/toy", videos=videos, **what)


@pytest.mark.parametrize(
    ("kind", "what", "shared"),
    [
        ("source", {"sources": ("r1", "r2")}, "r1"),
        ("identity", {"identities": ("ann",)}, "toy/ann"),
        ("original", {"original": "toy/original/z"}, "toy/original/z"),
        ("content", {"sha256": "ab"}, "ab"),
    ],
)
def test_what_two_sides_share_is_a_leak_of_its_kind(kind, what, shared):
    listed = manifest(video("a", "train", **what), video("b", "test", **what))
    leak = check_leaks(listed)[0]
    assert (leak.kind, leak.shared, leak.n_videos) == (kind, shared, 2)
    assert leak.examples == (("train", "toy/original/a"), ("test", "toy/original/b"))
    with pytest.raises(DataError, match=r"its sides are not apart: .*toy/original/a \(train\)"):
        refuse_leaks(listed)


def test_the_same_side_and_no_side_may_share_anything():
    same = {"sources": ("r",), "identities": ("ann",), "sha256": "ab"}
    listed = manifest(video("a", "val", **same), video("b", "val", **same), video("c", **same))
    assert check_leaks(listed) == []
    refuse_leaks(listed)
    refuse_leaks(manifest())


def test_an_original_and_its_fake_on_two_sides_are_one_leak():
    real = video("a", "train", sources=("r",))
    fake = replace(video("b", "test", sources=("r", "s"), original=real.id), method="swap", label=1)
    assert [leak.kind for leak in check_leaks(manifest(real, fake))] == ["source"]
    unnamed = replace(fake, sources=())
    assert [leak.kind for leak in check_leaks(manifest(real, unnamed))] == ["original"]


def test_only_admitted_kinships_may_be_on_two_sides():
    people = (video("a", "train", identities=("ann",)), video("b", "test", identities=("ann",)))
    refuse_leaks(manifest(*people, overlaps=("identity",)))
    assert len(check_leaks(manifest(*people, overlaps=("identity",)))) == 1
    with pytest.raises(DataError):
        refuse_leaks(manifest(*people, overlaps=("content",)))


def random_videos(n=300, seed=0):
    rng = np.random.default_rng(seed)
    return [
        video(
            f"v{k}",
            sources=tuple(f"r{i}" for i in rng.choice(400, rng.integers(1, 3), replace=False)),
            identities=tuple(f"p{i}" for i in rng.choice(90, rng.integers(0, 2), replace=False)),
        )
        for k in range(n)
    ]


@pytest.mark.parametrize("divide", [split_by_kin, split_by_identity])
def test_our_splits_share_no_person(divide):
    for seed in range(5):
        divided = divide(random_videos(seed=seed))
        assert len(divided) == 300
        assert not [leak for leak in check_leaks(manifest(*divided)) if leak.kind == "identity"]


def test_a_split_by_kin_keeps_families_whole_and_loses_nobody():
    chained = [
        video("a", sources=("r1", "r2")),
        video("b", sources=("r2",), identities=("ann",)),
        video("c", identities=("ann",)),
    ]
    for salt in map(str, range(20)):
        assert len({v.split for v in split_by_kin(chained, salt=salt)} - {None}) == 1
    divided = split_by_kin(random_videos())
    assert check_leaks(manifest(*divided)) == []
    assert all(v.split for v in divided)


def test_shares_are_met_and_do_not_depend_on_the_others():
    alone = [video(f"v{k}", sources=(f"r{k}",)) for k in range(2000)]
    divided = split_by_kin(alone)
    for side, share in (("train", 0.7), ("val", 0.1), ("test", 0.2)):
        n = sum(v.split == side for v in divided)
        assert abs(n - 2000 * share) < 4 * (2000 * share * (1 - share)) ** 0.5
    assert split_by_kin(alone[::-3]) == [divided[int(v.id[14:])] for v in alone[::-3]]


def test_a_side_is_where_the_hash_falls_in_the_shares():
    assert side_of("anything", {"val": 1.0}, "salt") == "val"
    drawn = [side_of(str(k), {"train": 0.0, "test": 1.0}, "salt") for k in range(50)]
    assert set(drawn) == {"test"}


def test_data_sets_made_of_one_another_are_kin(tmp_path):
    ff = read_dataset("ffpp", trees.ffpp(tmp_path / "ff")).manifest
    options = ReadOptions(ff_roots=(tmp_path / "ff",))
    root = trees.deeperforensics(tmp_path / "df")
    df = read_dataset("deeperforensics", root, options=options).manifest
    same_sides = shared_kin(ff.where(split="train"), df.where(split="test"))
    assert same_sides == []
    crossed = shared_kin(ff.where(split="train"), df.where(split="train"))
    assert {leak.shared for leak in crossed} == {"ffpp/071", "ffpp/054"}


# One leak in each tree


def plant_in_ffpp(root):
    pairs = trees.PAIRS | {"test": [["000", "003"], ["071", "100"]]}
    trees.ffpp(root, pairs=pairs, methods=("FaceSwap",))
    return "ffpp", {}


def plant_pair_across_ffpps_lists(root):
    trees.ffpp(root, methods=("FaceSwap",))
    trees.put_json(root / "splits/test.json", [["087", "000"]])
    return "ffpp", {}


def plant_in_deeperforensics(root):
    trees.deeperforensics(root)
    with (root / "lists/splits/test.txt").open("a") as file:
        file.write("071_M035.mp4\n")
    return "deeperforensics", {}


def plant_an_actor_in_deeperforensics(root):
    trees.deeperforensics(root)
    with (root / "lists/splits/test.txt").open("a") as file:
        file.write("003_W101.mp4\n")
    return "deeperforensics", {}


def plant_in_dfdc(root):
    trees.dfdc(root)
    file = root / "dfdc_train_part_0/metadata.json"
    entries = json.loads(file.read_text())
    entries["fake0a.mp4"]["original"] = "real49.mp4"
    trees.put_json(file, entries)
    return "dfdc", {"split": "ispl"}


def plant_in_dfdc_preview(root):
    file = trees.dfdc_preview(root) / "dataset.json"
    entries = json.loads(file.read_text())
    entries["method_A/21/21_22/21_22_A_001.mp4"]["swapped_id"] = 12
    trees.put_json(file, entries)
    return "dfdc-preview", {}


def plant_in_a_folder(root):
    trees.folder(root)
    trees.put(root / "test/fake/train0.mp4")
    trees.put(root / "test/real/train0.mp4")
    return "folder", {}


def plant_a_copy_in_celebdf(root):
    trees.celebdf(root)
    tested = (root / "YouTube-real/00170.mp4").read_bytes()
    (root / "YouTube-real/00011.mp4").write_bytes(tested)
    return "celebdf-v2", {}


def plant_a_copy_in_dfd(root):
    trees.dfd(root)
    folder = root / "original_sequences/actors/c23/videos"
    learnt = (folder / "01__hugging_happy.mp4").read_bytes()
    (folder / "05__hugging_happy.mp4").write_bytes(learnt)
    return "dfd", {"split": "identity"}


@pytest.mark.parametrize(
    "plant",
    [
        plant_a_copy_in_celebdf,
        plant_a_copy_in_dfd,
        plant_in_ffpp,
        plant_pair_across_ffpps_lists,
        plant_in_deeperforensics,
        plant_an_actor_in_deeperforensics,
        plant_in_dfdc,
        plant_in_dfdc_preview,
        plant_in_a_folder,
    ],
)
def test_a_planted_leak_is_refused(tmp_path, plant):
    name, options = plant(tmp_path)
    listing = read_dataset(name, tmp_path, options=ReadOptions(**options))
    with pytest.raises(DataError, match=r"its sides are not apart|a video is on one side"):
        listing.checked()
