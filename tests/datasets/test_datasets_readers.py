"""Every data set is read completely from its official tree, and each of its traps is avoided."""

import os
from collections import Counter
from fractions import Fraction
from pathlib import Path

import pytest

import trees
from unmask.datasets.manifest import ORIGINAL
from unmask.datasets.readers import READERS, ReadOptions, read_dataset
from unmask.errors import DataError, UsageError
from unmask.video.probe import probe


def read(name, root, **options):
    return read_dataset(name, root, options=ReadOptions(**options))


def by_id(listing):
    return {video.id: video for video in listing.manifest.videos}


def kinds(listing):
    return Counter(problem.kind for problem in listing.problems)


def sides(listing):
    return Counter((video.method, video.split) for video in listing.manifest.videos)


def ids_of(listing, split):
    return {video.id for video in listing.manifest.where(split=split)}


@pytest.fixture(scope="module")
def ff_root(tmp_path_factory):
    return trees.dfd(trees.ffpp(tmp_path_factory.mktemp("trees") / "ffpp"))


@pytest.fixture(scope="module")
def df_root(tmp_path_factory):
    return trees.deeperforensics(tmp_path_factory.mktemp("trees") / "df")


@pytest.fixture(scope="module")
def celeb_root(tmp_path_factory):
    return trees.celebdf(tmp_path_factory.mktemp("trees") / "celeb")


@pytest.fixture(scope="module")
def dfdc_root(tmp_path_factory):
    return trees.dfdc(tmp_path_factory.mktemp("trees") / "dfdc")


# FaceForensics++


def test_ffpp_is_read_completely(ff_root):
    listing = read("ffpp", ff_root)
    assert not listing.problems
    methods = (ORIGINAL, *trees.FF_METHODS)
    expected = {(m, s): n for m in methods for s, n in (("train", 4), ("val", 2), ("test", 2))}
    assert sides(listing) == expected
    assert {video.compression for video in listing.manifest.videos} == {"c23"}
    assert all(Path(listing.manifest.locate(v.path)).is_file() for v in listing.manifest.videos)
    assert [v.id for v in listing.checked().videos] == [v.id for v in listing.manifest.videos]


def test_the_same_name_in_four_methods_is_four_videos(ff_root):
    videos = by_id(read("ffpp", ff_root))
    same = [video for name, video in videos.items() if name.endswith("/000_003")]
    assert {video.method for video in same} == set(trees.FF_METHODS)
    assert len({video.path for video in same}) == 5
    assert {video.original for video in same} == {"ffpp/original/c23/000"}
    assert {video.sources for video in same} == {("ffpp/000", "ffpp/003")}


def test_masks_are_known_where_there_are_masks(ff_root):
    videos = by_id(read("ffpp", ff_root))
    mask = "manipulated_sequences/FaceSwap/masks/videos/000_003.mp4"
    assert videos["ffpp/FaceSwap/c23/000_003"].mask == mask
    assert videos["ffpp/FaceShifter/c23/000_003"].mask is None
    assert videos["ffpp/original/c23/000"].mask is None


@pytest.mark.parametrize("place", [".", "splits", "dataset/splits"])
def test_split_files_are_found_in_their_three_places(tmp_path, place):
    listing = read("ffpp", trees.ffpp(tmp_path, lists=place, methods=("FaceSwap",)))
    assert not listing.problems
    assert sides(listing)["FaceSwap", "test"] == 2


def test_masks_are_known_whatever_the_case_of_endings(tmp_path):
    root = trees.dfd(trees.ffpp(tmp_path, methods=("Deepfakes",)))
    for video in list(root.glob("manipulated_sequences/*/c23/videos/*.mp4")):
        video.rename(video.with_suffix(".MP4"))
    for name, n_fakes in (("ffpp", 8), ("dfd", 4)):
        masks = [video.mask for video in read(name, root).manifest.videos if video.label]
        assert len(masks) == n_fakes
        assert all(masks)


def test_without_split_files_nothing_is_on_a_side(tmp_path):
    root = trees.ffpp(tmp_path, methods=("FaceSwap",))
    for file in (root / "splits").iterdir():
        file.unlink()
    listing = read("ffpp", root)
    assert kinds(listing) == {"no_lists": 3}
    assert {video.split for video in listing.manifest.videos} == {None}


def test_an_unlisted_video_is_a_problem_and_on_no_side(tmp_path):
    root = trees.ffpp(tmp_path, methods=("FaceSwap",))
    trees.put(root / "manipulated_sequences/FaceSwap/c23/videos/998_999.mp4")
    trees.put(root / "original_sequences/youtube/c23/videos/998.mp4")
    listing = read("ffpp", root)
    assert kinds(listing)["unlisted"] == 2
    assert by_id(listing)["ffpp/FaceSwap/c23/998_999"].split is None
    assert by_id(listing)["ffpp/original/c23/998"].split is None


def test_odd_names_are_left_out_and_said(tmp_path):
    root = trees.ffpp(tmp_path, methods=("FaceSwap",))
    trees.put(root / "manipulated_sequences/FaceSwap/c23/videos/000_003 (1).mp4")
    trees.put(root / "original_sequences/youtube/c23/videos/000_003.mp4")
    (root / "original_sequences/youtube/c23/videos/._000.mp4").write_bytes(b"of another program")
    listing = read("ffpp", root)
    assert kinds(listing) == {"odd_name": 2}
    assert len(listing.manifest) == 16


def test_what_the_lists_promise_and_is_not_there_is_missing(tmp_path):
    root = trees.ffpp(tmp_path, methods=("FaceSwap",))
    (root / "manipulated_sequences/FaceSwap/c23/videos/003_000.mp4").unlink()
    video = by_id(read("ffpp", root))["ffpp/FaceSwap/c23/003_000"]
    assert (video.outcome, video.split) == ("missing", "test")
    assert "not there" in video.reason


def test_compressions_are_apart_and_can_be_chosen(tmp_path):
    root = trees.ffpp(tmp_path, methods=("FaceSwap",), compressions=("c0", "c23", "c40"))
    listing = read("ffpp", root)
    counts = Counter(video.compression for video in listing.manifest.videos)
    assert counts == {"raw": 16, "c23": 16, "c40": 16}
    assert by_id(listing)["ffpp/FaceSwap/raw/000_003"].original == "ffpp/original/raw/000"
    assert len(read("ffpp", root, compressions=("raw",)).manifest) == 16


def test_a_fake_without_its_original_keeps_its_kin(tmp_path):
    root = trees.ffpp(tmp_path, methods=("FaceSwap",))
    for file in (root / "original_sequences/youtube/c23/videos").iterdir():
        file.unlink()
    (root / "original_sequences/youtube/c23/videos").rmdir()
    (root / "original_sequences/youtube/c23").rmdir()
    listing = read("ffpp", root)
    assert kinds(listing) == {"no_original": 8}
    video = by_id(listing)["ffpp/FaceSwap/c23/000_003"]
    assert video.original is None
    assert video.sources == ("ffpp/000", "ffpp/003")


def test_fractional_frame_rates_stay_fractions(ff_root):
    manifest = read("ffpp", ff_root).manifest
    rates = {probe(Path(manifest.locate(video.path))).fps for video in manifest.videos[:3]}
    assert rates == {Fraction(30_000, 1001)}


def test_a_damaged_list_is_refused(tmp_path):
    root = trees.ffpp(tmp_path, methods=())
    trees.put_json(root / "splits/val.json", {"071": "054"})
    with pytest.raises(DataError, match=r"val.json: expected a list of pairs"):
        read("ffpp", root)
    (root / "splits/val.json").write_text("[[")
    with pytest.raises(DataError, match=r"val.json: not a JSON file"):
        read("ffpp", root)


# DeepFakeDetection


def test_dfd_in_the_same_tree_is_a_data_set_of_its_own(ff_root):
    listing = read("dfd", ff_root)
    assert not kinds(listing)
    assert sides(listing) == {(ORIGINAL, "test"): 8, ("DeepFakeDetection", "test"): 4}
    fake = by_id(listing)["dfd/DeepFakeDetection/c23/01_02__exit_phone_room__YVGY8LOK"]
    assert fake.identities == ("01", "02")
    assert fake.original == "dfd/original/c23/01__exit_phone_room"
    assert fake.sources == ("dfd/01__exit_phone_room",)
    assert fake.mask
    assert not {video.dataset for video in read("ffpp", ff_root).manifest.videos} & {"dfd"}


def test_dfds_identity_split_never_shares_a_person(ff_root):
    listing = read("dfd", ff_root, split="identity")
    listing.checked()
    people = {side: set() for side in ("train", "val", "test")}
    for video in listing.manifest.videos:
        if video.split:
            people[video.split] |= set(video.identities)
    # By the hash that docs/datasets.md describes: 01 and 03 train, 02 and 05 test.
    assert people == {"train": {"01", "03"}, "val": set(), "test": {"02", "05"}}
    torn = by_id(listing)["dfd/DeepFakeDetection/c23/01_02__exit_phone_room__YVGY8LOK"]
    assert torn.split is None
    assert torn.split_reason == "shows people of two sides: 01 (train) and 02 (test)"


# DFDC


def test_dfdc_is_read_completely(dfdc_root):
    listing = read("dfdc", dfdc_root)
    assert not listing.problems
    assert sides(listing) == {
        (ORIGINAL, "train"): 3,
        ("fake", "train"): 6,
        (ORIGINAL, "test"): 2,
        ("fake", "test"): 2,
        ("fake", "val"): 1,
    }
    fake = by_id(listing)["dfdc/fake/fake0a"]
    assert fake.original == "dfdc/original/real0"
    assert fake.sources == by_id(listing)["dfdc/original/real0"].sources == ("dfdc/real0",)


def test_a_dfdc_fake_may_be_fake_in_the_sound_alone(dfdc_root):
    videos = by_id(read("dfdc", dfdc_root))
    fake, real = videos["dfdc/fake/fake0a"], videos["dfdc/original/real0"]
    assert (fake.label, fake.picture_label, fake.audio_label) == (1, None, None)
    assert (real.label, real.picture_label, real.audio_label) == (0, 0, 0)


@pytest.mark.parametrize("test", ["metadata", "labels"])
def test_dfdcs_test_is_read_in_both_forms(tmp_path, test):
    listing = read("dfdc", trees.dfdc(tmp_path, parts=(0,), test=test))
    labels = {v.id.rpartition("/")[2]: v.label for v in listing.manifest.where(split="test")}
    assert labels == {"test0": 0, "test1": 1, "test2": 0, "test3": 1}


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("official", ("train", "train", "train", "test")),
        ("seferbekov", ("val", "train", "train", "test")),
        ("ispl", ("train", "val", "test", None)),
        ("heo-0", ("val", "train", "train", "test")),
        ("heo-12", ("train", "val", "train", "test")),
        ("heo-15", ("train", "train", "val", "test")),
    ],
)
def test_dfdcs_rules_divide_by_folder(dfdc_root, rule, expected):
    listing = read("dfdc", dfdc_root, split=rule)
    listing.checked()
    videos = by_id(listing)
    names = ("fake/fake0a", "fake/fake36a", "fake/fake49a", "fake/test1")
    assert tuple(videos[f"dfdc/{name}"].split for name in names) == expected
    assert videos["dfdc/fake/val0"].split == ("val" if rule == "official" else None)


def test_every_part_is_held_out_by_one_of_heos_folds():
    from unmask.datasets.readers.dfdc_folds import side_of_part

    held_out = [
        [part for part in range(50) if side_of_part(part, f"heo-{fold}") == "val"]
        for fold in range(16)
    ]
    assert sorted(part for fold in held_out for part in fold) == list(range(50))
    assert held_out[0] == [0, 1, 2]
    assert held_out[15] == [45, 46, 47, 48, 49]


def test_one_part_of_dfdc_and_names_of_both_releases_will_do(tmp_path):
    root = trees.dfdc(tmp_path / "all", parts=(3,))
    part = root / "dfdc_train_part_3"
    assert len(read("dfdc", part).manifest) == 3
    nested = tmp_path / "zip" / "dfdc_train_part_03"
    nested.mkdir(parents=True)
    part.rename(nested / "dfdc_train_part_3")
    assert len(read("dfdc", tmp_path / "zip").manifest) == 3
    sample = tmp_path / "train_sample_videos"
    (nested / "dfdc_train_part_3").rename(sample)
    assert {v.split for v in read("dfdc", sample).manifest.videos} == {"train"}


def test_a_part_of_dfdc_in_a_folder_of_its_name_is_read_once(tmp_path):
    root = trees.dfdc(tmp_path / "all", parts=(3,))
    nested = tmp_path / "dfdc_train_part_03"
    nested.mkdir()
    (root / "dfdc_train_part_3").rename(nested / "dfdc_train_part_3")
    assert len(read("dfdc", nested).manifest) == 3
    assert len(read("dfdc", nested / "dfdc_train_part_3").manifest) == 3


@pytest.mark.parametrize("content", ["[]", '{"real0.mp4": null}'])
@pytest.mark.parametrize("folder", ["dfdc_train_part_0", "test"])
def test_dfdc_lists_of_another_form_are_refused(tmp_path, folder, content):
    root = trees.dfdc(tmp_path, parts=(0,))
    (root / folder / "metadata.json").write_text(content)
    with pytest.raises(DataError, match="expected an entry for each video's name"):
        read("dfdc", root)


def test_dfdc_labels_in_unknown_columns_are_refused(tmp_path):
    root = trees.dfdc(tmp_path, parts=(0,), test="labels")
    (root / "labels.csv").write_text("name,truth\ntest0.mp4,1\n")
    with pytest.raises(DataError, match="expected the columns filename,label"):
        read("dfdc", root)


def test_a_video_that_is_there_twice_is_refused_by_both_paths(tmp_path):
    root = trees.dfdc(tmp_path, parts=(0,))
    trees.put_json(root / "train_sample_videos/metadata.json", {"real0.mp4": {"label": "REAL"}})
    with pytest.raises(DataError, match=r"part_0/real0.mp4 and train_sample_videos/real0.mp4 are"):
        read("dfdc", root)


def test_dfdc_labels_that_nobody_knows_are_refused(tmp_path):
    root = trees.dfdc(tmp_path, parts=(0,), test="labels")
    (root / "labels.csv").write_text("filename,label\ntest0.mp4,FAKE\n")
    with pytest.raises(DataError, match="1 labels are neither 0 nor 1"):
        read("dfdc", root)
    trees.put_json(root / "dfdc_train_part_0/metadata.json", {"real0.mp4": {"label": "MAYBE"}})
    with pytest.raises(DataError, match=r"label 'MAYBE' of real0.mp4; known: FAKE, REAL"):
        read("dfdc", root)


def test_dfdc_files_without_a_label_are_left_out_and_said(tmp_path):
    root = trees.dfdc(tmp_path, parts=(0, 1))
    trees.put(root / "dfdc_train_part_0/stranger.mp4")
    (root / "dfdc_train_part_1/metadata.json").unlink()
    listing = read("dfdc", root)
    assert kinds(listing) == {"unlisted": 1, "no_lists": 1}
    assert not any("stranger" in video.id for video in listing.manifest.videos)


# DFDC-Preview


def test_dfdc_preview_is_read_completely(tmp_path):
    root = trees.dfdc_preview(tmp_path / "dfdc_preview_set")
    for place in (root, tmp_path):
        listing = read("dfdc-preview", place)
        assert not listing.problems
        assert sides(listing) == {
            (method, side): 1
            for method in (ORIGINAL, "method_A", "method_B")
            for side in ("train", "test")
        }
        listing.checked()
    fake = next(v for v in listing.manifest.videos if v.method == "method_A" and v.split == "test")
    assert fake.identities == ("21", "22")
    assert fake.path == "dfdc_preview_set/method_A/21/21_22/21_22_A_001.mp4"


def test_dfdc_preview_files_that_its_list_does_not_name_are_left_out_and_said(tmp_path):
    root = trees.dfdc_preview(tmp_path)
    trees.put(root / "method_B/11/stranger.mp4")
    (root / "original_videos/11/11_A_001.mp4").unlink()
    listing = read("dfdc-preview", root)
    assert [problem.path for problem in listing.problems] == ["method_B/11/stranger.mp4"]
    assert len(listing.manifest.where(outcome="missing")) == 1


def test_dfdc_preview_without_its_list_is_refused(tmp_path):
    trees.put(tmp_path / "method_A/a.mp4")
    with pytest.raises(DataError, match=r"no dataset.json, which alone says what is fake"):
        read("dfdc-preview", tmp_path)


# Celeb-DF


def test_one_means_real_in_celebdfs_list(celeb_root):
    tested = {v.path: v.label for v in read("celebdf-v2", celeb_root).manifest.where(split="test")}
    assert tested == {
        "Celeb-real/id0_0001.mp4": 0,
        "YouTube-real/00170.mp4": 0,
        "Celeb-synthesis/id0_id1_0001.mp4": 1,
        "Celeb-synthesis/id2_id3_0000.mp4": 1,
    }


def test_a_list_with_the_polarity_turned_is_refused(tmp_path):
    root = trees.celebdf(tmp_path, lines=("0 Celeb-real/id0_0001.mp4",))
    with pytest.raises(DataError, match="expected 1 for real or 0 for fake"):
        read("celebdf-v2", root)


@pytest.mark.parametrize("youtube", ["YouTube-real", "Youtube-real", "youtube-real"])
@pytest.mark.parametrize("between", ["", "videos"])
def test_letter_case_and_a_folder_in_between_lose_no_video(tmp_path, youtube, between):
    root = trees.celebdf(tmp_path, youtube=youtube, between=between)
    listing = read("celebdf-v2", root)
    assert len(listing.manifest) == 10
    assert len(listing.manifest.where(outcome="pending")) == 10
    assert "celebdf-v2/original/00170" in ids_of(listing, "test")


def test_celebdfs_training_part_shares_no_recording_with_its_test(celeb_root):
    listing = read("celebdf-v2", celeb_root)
    listing.checked()
    assert ids_of(listing, "train") == {
        "celebdf-v2/original/00011",
        "celebdf-v2/original/id0_0000",
        "celebdf-v2/original/id1_0000",
        "celebdf-v2/Celeb-synthesis/id0_id1_0000",
    }
    left_out = by_id(listing)["celebdf-v2/Celeb-synthesis/id0_id2_0001"]
    assert left_out.split is None
    assert "shares its recording" in left_out.split_reason
    assert listing.manifest.overlaps == ("identity",)


def test_celebdfs_identity_split_never_shares_a_person(celeb_root):
    listing = read("celebdf-v2", celeb_root, split="identity")
    assert not listing.manifest.overlaps
    listing.checked()
    assert any(video.split is None for video in listing.manifest.videos)


def test_listed_celebdf_videos_that_are_not_there_are_missing(tmp_path):
    root = trees.celebdf(tmp_path)
    (root / "YouTube-real/00170.mp4").unlink()
    listing = read("celebdf-v2", root)
    video = by_id(listing)["celebdf-v2/original/00170"]
    assert (video.outcome, video.split, video.label) == ("missing", "test", 0)


@pytest.mark.parametrize(("space", "ending"), [("\t", "\n"), ("   ", "\r\n")])
def test_celebdfs_list_may_have_been_through_other_editors(tmp_path, space, ending):
    root = trees.celebdf(tmp_path)
    lines = ending.join(line.replace(" ", space) for line in trees.CELEB_TEST)
    (root / "List_of_testing_videos.txt").write_bytes(lines.encode("utf-8-sig"))
    assert len(read("celebdf-v2", root).manifest.where(split="test")) == 4


@pytest.mark.parametrize("line", ["1", "1 .", "1 /", "YouTube-real/00170.mp4"])
def test_half_a_line_in_celebdfs_list_is_refused(tmp_path, line):
    with pytest.raises(DataError, match="expected 1 for real or 0 for fake"):
        read("celebdf-v2", trees.celebdf(tmp_path, lines=[line]))


# DeeperForensics-1.0


def test_deeperforensics_reals_are_ffpps_originals(df_root, ff_root):
    listing = read("deeperforensics", df_root, ff_roots=(ff_root,))
    assert not listing.problems
    reals = [video for video in listing.manifest.videos if not video.label]
    places = {Path(listing.manifest.locate(video.path)) for video in reals}
    assert places == set((ff_root / "original_sequences/youtube/c23/videos").iterdir())
    assert not any("source_videos" in video.path for video in listing.manifest.videos)
    listing.checked()


def test_deeperforensics_is_read_completely(df_root, ff_root):
    listing = read("deeperforensics", df_root, ff_roots=(ff_root,))
    expected = {
        (method, side): n
        for method in (ORIGINAL, *trees.VARIANTS)
        for side, n in (("train", 2), ("val", 1), ("test", 1))
    }
    assert sides(listing) == expected | {(ORIGINAL, None): 4}  # FF++'s with no fake here
    fake = by_id(listing)["deeperforensics/end_to_end/054_M004"]
    assert fake.original == "deeperforensics/original/c23/054"
    assert fake.identities == ("M004",)
    assert fake.sources == ("ffpp/054",)


def test_a_relative_root_of_ffpp_loses_no_real(df_root, ff_root, monkeypatch):
    monkeypatch.chdir(ff_root.parent)
    listing = read("deeperforensics", df_root, ff_roots=(Path(ff_root.name),))
    reals = [video for video in listing.manifest.videos if not video.label]
    assert len(reals) == 8
    assert all(Path(listing.manifest.locate(video.path)).is_file() for video in reals)


def test_deeperforensics_without_ffpp_says_where_its_reals_are(df_root):
    listing = read("deeperforensics", df_root)
    assert kinds(listing) == {"no_reals": 1, "no_original": 12}
    assert {video.label for video in listing.manifest.videos} == {1}
    assert "--ff-root" in listing.problems[0].reason


# Collections of one's own


def test_folders_are_read_with_their_sides_masks_and_records(tmp_path):
    listing = read("folder", trees.folder(tmp_path / "mine"))
    assert not listing.problems
    assert sides(listing) == {
        (method, side): 2 for method in (ORIGINAL, "swap") for side in ("train", "val", "test")
    }
    fake = by_id(listing)["mine/swap/val/fake/val0.swap.mp4"]
    assert fake.original == "mine/original/val/real/val0.mp4"
    assert fake.mask == "val/fake/val0.swap.mask.mp4"
    assert (fake.picture_label, fake.audio_label) == (1, None)
    assert listing.manifest.split_rule == "given"
    listing.checked()


def test_folders_without_sides_are_divided_by_recording(tmp_path):
    for k in range(40):
        trees.put(tmp_path / "mine" / "real" / f"clip{k}.mp4")
        trees.put(tmp_path / "mine" / "fake" / f"clip{k}.swap.mp4")
        trees.put(tmp_path / "mine" / "fake" / "more" / f"clip{k}.mp4")
    listing = read("folder", tmp_path / "mine")
    assert listing.manifest.split_rule == "kin"
    listing.checked()
    assert all(ids_of(listing, side) for side in ("train", "val", "test"))
    assert len({video.sources for video in listing.manifest.videos}) == 40


def test_two_reals_that_differ_in_their_ending_are_two_and_kin(tmp_path):
    for name in ("real/a.mov", "real/a.mp4", "fake/a.swap.mp4"):
        trees.put(tmp_path / "mine" / name)
    listing = read("folder", tmp_path / "mine")
    assert {video.path for video in listing.manifest.videos if not video.label} == {
        *("real/a.mov", "real/a.mp4")
    }
    assert len({video.sources for video in listing.manifest.videos}) == 1


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_a_link_that_leads_back_counts_nothing_twice(tmp_path):
    for name in ("real/a.mp4", "fake/a.swap.mp4"):
        trees.put(tmp_path / "mine" / name)
    (tmp_path / "mine/real/again").symlink_to(tmp_path / "mine/real")
    (tmp_path / "mine/fake/others").symlink_to(tmp_path / "more")
    trees.put(tmp_path / "more/a.reenact.mp4")
    listing = read("folder", tmp_path / "mine")
    assert sorted(video.path for video in listing.manifest.videos) == [
        *("fake/a.swap.mp4", "fake/others/a.reenact.mp4", "real/a.mp4")
    ]
    assert not listing.problems


def test_files_with_other_endings_are_left_out_and_said(tmp_path):
    root = trees.folder(tmp_path / "mine")
    for name in ("train/real/clip.wmv", "train/fake/still.jpg", "train/fake/still.mask.png"):
        trees.put(root / name)
    trees.put(root / "train/real/._clip.wmv")
    listing = read("folder", root)
    assert [(problem.kind, problem.path) for problem in listing.problems] == [
        *(("doubtful", "train/real/clip.wmv"), ("doubtful", "train/fake/still.jpg"))
    ]
    assert "does not end like a video" in listing.problems[0].reason


def test_a_name_in_common_makes_kin_but_not_the_same_picture(tmp_path):
    for name in ("real/1.mp4", "fake/1.mp4", "fake/1.swap.mp4", "real/2.mp4", "fake/2.mp4"):
        trees.put(tmp_path / "mine" / name)
    trees.put_json(tmp_path / "mine/fake/2.json", {"schema": "unmask.forged/1"})
    videos = by_id(read("folder", tmp_path / "mine"))
    stranger, named, recorded = (
        videos[f"mine/fake/fake/{name}.mp4"] for name in ("1", "1.swap", "2")
    )
    assert stranger.sources == named.sources == ("mine/1",)
    assert stranger.original is None
    assert named.original == "mine/original/real/1.mp4"
    assert recorded.original == "mine/original/real/2.mp4"


CSV = """file,label,split,method,original,identities,picture_label,audio_label
a.mp4,real,train,,,ann,,
sub/b.mp4,FAKE,train,swap,a.mp4,ann;bea,1,0
c.mp4,0,test,,,cy,,
gone.mp4,1,test,voice,c.mp4,cy,0,1
"""


def test_a_csv_file_says_what_its_columns_say(tmp_path):
    for name in ("a.mp4", "sub/b.mp4", "c.mp4"):
        trees.put(tmp_path / name)
    (tmp_path / "list.csv").write_text(CSV)
    listing = read("folder", tmp_path / "list.csv")
    videos = by_id(listing)
    fake = videos["list/swap/sub/b.mp4"]
    assert fake.original == "list/original/a.mp4"
    assert fake.sources == videos["list/original/a.mp4"].sources
    assert fake.identities == ("ann", "bea")
    assert (fake.label, fake.picture_label, fake.audio_label) == (1, 1, 0)
    assert videos["list/voice/gone.mp4"].outcome == "missing"
    assert Path(listing.manifest.locate(fake.path)) == tmp_path / "sub/b.mp4"
    listing.checked()


def test_a_csv_file_may_come_from_windows(tmp_path):
    trees.put(tmp_path / "a b\u00e9.mp4")
    text = "file,label\r\na b\u00e9.mp4,real\r\n"
    (tmp_path / "list.csv").write_bytes(text.encode("utf-8-sig"))
    (video,) = read("folder", tmp_path / "list.csv").manifest.videos
    assert (video.path, video.outcome) == ("a b\u00e9.mp4", "pending")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (CSV.replace(",", ";").encode(), "must be separated by commas"),
        (CSV.replace(",", "\t").encode(), "must be separated by commas"),
        (CSV.encode("utf-16"), "save it as UTF-8"),
    ],
)
def test_a_csv_file_of_another_dialect_is_refused_by_its_name(tmp_path, data, said):
    (tmp_path / "list.csv").write_bytes(data)
    with pytest.raises(DataError, match=said):
        read("folder", tmp_path / "list.csv")


def test_a_list_in_a_folder_alone_says_what_it_holds(tmp_path):
    root = trees.folder(tmp_path / "mine")
    (root / "manifest.csv").write_text("file,label\ntrain/real/train0.mp4,real\n")
    assert set(by_id(read("folder", root))) == {"mine/original/train/real/train0.mp4"}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("identities", "identity"), 'identity; did you mean "identities"'),
        (("file,label", "path,label"), "lacks the column file"),
        (("FAKE", "maybe"), "line 3: needs a file, and real or fake"),
        ((",test,", ",dev,"), "split 'dev'; a side is train, val or test"),
        (("voice,c.mp4", "voice,x.mp4"), "names x.mp4 as its original, which is no real video"),
        (("1,0\n", "2,0\n"), "picture_label '2'; expected 0, 1 or nothing"),
        (("c.mp4,0", "a.mp4,0"), "a.mp4 has a row already"),
        (("ann;bea,1,0", "ann,bea,1,0"), "more values than columns"),
    ],
)
def test_a_csv_file_that_is_not_as_it_must_be_is_refused(tmp_path, change, said):
    (tmp_path / "list.csv").write_text(CSV.replace(*change))
    with pytest.raises(DataError, match=said):
        read("folder", tmp_path / "list.csv")


# All of them


@pytest.mark.parametrize("name", READERS)
def test_an_empty_folder_says_what_was_expected(name, tmp_path):
    with pytest.raises(DataError, match=r"expected|no dataset.json"):
        read(name, tmp_path)


def test_unknown_names_are_answered_with_the_nearest(tmp_path):
    with pytest.raises(UsageError, match='did you mean "ffpp"'):
        read("ffp", tmp_path)
    with pytest.raises(UsageError, match='did you mean "identity"'):
        read("dfd", tmp_path, split="identities")
    with pytest.raises(DataError, match="no such folder"):
        read("ffpp", tmp_path / "nowhere")


def test_reading_twice_gives_the_same_list(dfdc_root, celeb_root):
    for name, root in (("dfdc", dfdc_root), ("celebdf-v2", celeb_root)):
        assert read(name, root) == read(name, root)
