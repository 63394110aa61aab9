"""Laws of prepared data as a source: what is read, with which label, on which side."""

from __future__ import annotations

import json
import threading
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from prepared_clips import contents, only, prepared

from unmask.datasets.augment import AugmentConfig
from unmask.datasets.drawn import DrawnSamples
from unmask.datasets.loader import batches, ordered
from unmask.datasets.manifest import Manifest, Video
from unmask.datasets.prepared import Prepared, PreparedRow, open_prepared
from unmask.datasets.samples import DataConfig, open_samples, open_source
from unmask.datasets.sources import WholeTracks
from unmask.datasets.store import Store
from unmask.errors import DataError
from unmask.forge.selfblend import SelfBlendConfig
from unmask.types import AudioSpec, InputSpec

SPEC = InputSpec(size_px=32, alignment="dlib")
CLIPS = InputSpec(size_px=32, alignment="dlib", n_frames=4)
NONE = AugmentConfig(preset="none")


@pytest.fixture(scope="module")
def source(drawn_out):
    return open_prepared([str(drawn_out)], part="train")


def config(*paths, **changes):
    settings = {"reader": "prepared", "paths": paths, "forged_share": 0.0, "augment": NONE}
    return DataConfig(**settings | changes)


def test_a_row_is_a_person_with_the_label_of_its_video(source, drawn_set):
    people = Counter(row.video.path.removesuffix(".mp4") for row in source.rows)
    assert people == {
        "ann": 1, "both": 2, "ann_fake": 1, "ann_short": 1, "ann_small": 1, "ann_slow": 1,
    }  # fmt: skip
    labels = {video.id: video.label for video in drawn_set.videos}
    assert source.labels.tolist() == [labels[row.video.id] for row in source.rows]
    for row, original in zip(source.rows, source.originals, strict=True):
        assert original == row.video.sources[0]


def test_passers_by_may_be_left_out(drawn_out):
    few = open_source(config(drawn_out, min_faces=5))
    assert Counter(row.video.path for row in few.rows)["both.mp4"] == 1  # Bea was seen four times
    with pytest.raises(DataError, match="nothing to use"):
        open_source(config(drawn_out, min_faces=100))


def test_the_size_of_a_face_is_known_without_reading_it(source):
    for i, row in enumerate(source.rows):
        sizes = [face.quality.size_px for face in source.track(i).faces]
        assert row.face_px == np.median(sizes)


class Ranges:
    """A file that notes which bytes were read."""

    def __init__(self, file, seen):
        self.file, self.seen = file, seen

    def read(self, n=-1):
        start = self.file.tell()
        data = self.file.read(n)
        self.seen.append((start, start + len(data)))
        return data

    def __getattr__(self, name):
        return getattr(self.file, name)


def test_a_clip_is_one_range_of_bytes(source, drawn_out, monkeypatch):
    seen = []
    opened = Store.open
    remote = open_prepared([str(drawn_out)], part="train")
    monkeypatch.setattr(Store, "open", lambda self, name: Ranges(opened(self, name), seen))
    for row in remote.rows:
        row.folder.store.is_local = False
    for i, entry in enumerate(remote.rows):
        remote.sights(i, (0,))  # opens the file and reads its footer
        seen.clear()
        faces = remote.sights(i, tuple(range(len(entry.t_s)))[:4])
        assert len(faces) == 4
        path = drawn_out / f"faces/{entry.shard:05d}.parquet"
        group = pq.ParquetFile(path).metadata.row_group(entry.group)
        columns = [group.column(k) for k in range(group.num_columns)]
        start = min(column.data_page_offset for column in columns)
        start = min(
            [start, *(c.dictionary_page_offset for c in columns if c.dictionary_page_offset)]
        )
        end = start + sum(column.total_compressed_size for column in columns)
        assert len(seen) == 1
        assert start <= seen[0][0] <= seen[0][1] <= end


def test_a_person_has_row_groups_of_its_own(drawn_out):
    for file in (drawn_out / "faces").glob("*.parquet"):
        parquet = pq.ParquetFile(file)
        for group in range(parquet.num_row_groups):
            rows = parquet.read_row_group(group, columns=["video", "track"]).to_pylist()
            assert len({(row["video"], row["track"]) for row in rows}) == 1


def test_a_long_run_goes_on_in_further_groups(source, drawn_set, tmp_path, monkeypatch):
    from unmask.datasets import prepare, shard

    monkeypatch.setattr(shard, "GROUP_ROWS", 5)
    monkeypatch.setattr(prepare, "GROUP_ROWS", 5)
    prepared(only(drawn_set, "ann"), tmp_path, sampling="every", lossless=True)
    assert pq.ParquetFile(tmp_path / "faces/00000.parquet").num_row_groups == 3
    cut = open_prepared([str(tmp_path)], part="train")
    (whole,) = (i for i, row in enumerate(source.rows) if row.video.path == "ann.mp4")
    for places in ((0, 1), (3, 4, 5, 6), (11, 2, 2, 7)):
        for a, b in zip(cut.sights(0, places), source.sights(whole, places), strict=True):
            assert a.t_s == b.t_s
            np.testing.assert_array_equal(a.crop, b.crop)


def test_any_url_will_do(drawn_set, tmp_path):
    import fsspec

    two = only(drawn_set, "ann", "ann_fake", "gone")
    prepared(two, tmp_path / "disk")
    files = fsspec.filesystem("memory")
    for name in ("ann", "ann_fake", "ann_mask"):
        files.put_file(f"{two.root}/{name}.mp4", f"/raw/{name}.mp4")
    remote = Manifest(dataset=two.dataset, root="memory://raw", videos=two.videos)
    result = prepared(remote, "memory://kept/here")
    assert result.coverage.outcomes == {"prepared": 2, "missing": 1}
    assert prepared(remote, "memory://kept/here").n_earlier == 3
    prepared(two, f"file://{tmp_path}/by_url")
    assert contents(tmp_path / "by_url") == contents(tmp_path / "disk")
    kept = {p.removeprefix("/kept/here/"): files.cat_file(p) for p in files.find("/kept/here")}
    on_disk = contents(tmp_path / "disk")
    assert kept.keys() == on_disk.keys()
    same = {name for name in kept if kept[name] == on_disk[name]}
    assert {name for name in kept if name.startswith(("faces/", "audio/", "index"))} <= same
    one, other = (
        open_source(config(path)) for path in (tmp_path / "disk", Path("memory://kept/here"))
    )
    np.testing.assert_array_equal(one.sights(0, (1,))[0].crop, other.sights(0, (1,))[0].crop)
    assert one.digest() == other.digest()
    files.rm("/kept", recursive=True)
    files.rm("/raw", recursive=True)


@pytest.mark.parametrize("workers", [0, 3])
def test_what_is_drawn_depends_on_seed_and_epoch_alone(drawn_out, workers):
    audio = AudioSpec(rate_hz=8000, n_samples=100)
    spec = replace(CLIPS, audio=audio)
    settings = config(drawn_out, calib_share=0.0, choose_on="val", augment=AugmentConfig())

    def stream(seed, epoch, workers=0):
        samples = open_samples(replace(settings, seed=seed), spec, "train")
        made = batches(samples, 4, seed=seed, epoch=epoch, workers=workers)
        return [(b.frames.tobytes(), b.audio.tobytes(), b.label.tobytes()) for b in made]

    once = stream(1, 2)
    assert stream(1, 2, workers) == once
    assert stream(1, 3, workers) != once
    assert stream(2, 2, workers) != once


def row_of(source, name):
    (row,) = (i for i, row in enumerate(source.rows) if row.video.path == f"{name}.mp4")
    return source.rows[row]


def test_training_starts_anywhere_in_a_track(source):
    row = row_of(source, "ann")
    twins = Prepared(rows=(row, replace(row, label=1)))
    samples = DrawnSamples(twins, CLIPS, config())
    starts = set()
    for epoch in range(60):
        _, places, _ = samples._clip(0, epoch)
        assert np.diff(places).tolist() == [1, 1, 1]
        starts.add(places[0])
    assert starts == set(range(9))  # of 12 frames


class MasksAsPictures(Prepared):
    """Where the forgery is, is all there is to see."""

    def sights(self, row, places):
        faces, masks = super().sights(row, places), self.masks(row, places)
        return [replace(f, crop=np.dstack([m] * 3)) for f, m in zip(faces, masks, strict=True)]


def test_pictures_and_masks_of_a_clip_are_moved_alike(source):
    row = row_of(source, "ann_fake")
    twins = MasksAsPictures(rows=(replace(row, label=0), row))
    moved = AugmentConfig(
        p_move=1.0, p_roll=0.5, p_light=0, p_colour=0, p_grey=0, p_blur=0, p_resample=0,
        p_noise=0, p_jpeg=0, p_cutout=0,
    )  # fmt: skip
    samples = DrawnSamples(twins, CLIPS, config(augment=moved))
    seen = set()
    for epoch in range(12):
        views, _ = samples.get(1, epoch)
        masks = samples.masks(1, epoch)
        np.testing.assert_array_equal(masks, views[..., 0])
        seen.add(masks[0].tobytes())
        assert masks.max() > 200
        assert not samples.masks(0, epoch).any()  # a real is forged nowhere
    assert len(seen) == 12


def test_masks_of_self_blends_are_where_they_differ_from_their_real(source):
    row = row_of(source, "ann")
    blended = SelfBlendConfig(augment_target=0.0, ratios=(1.0,))
    settings = config(forged_share=1.0, self_blend=blended)
    samples = DrawnSamples(Prepared(rows=(row,)), replace(CLIPS, size_px=160), settings)
    for epoch in range(4):
        (real, _), (fake, label) = samples.get(0, epoch), samples.get(1, epoch)
        masks = samples.masks(1, epoch)
        assert label == 1
        if samples._clip(0, epoch)[1] == samples._clip(1, epoch)[1]:  # the same frames
            changed = np.abs(real.astype(int) - fake).max(-1) > 0
            assert changed[masks == 0].mean() < 0.02
        assert 0.02 < (masks > 127).mean() < 0.9


def test_masks_that_are_not_known_are_none(source):
    for i, row in enumerate(source.rows):
        known = row.video.path == "ann_fake.mp4"
        assert (source.masks(i, (0, 1)) is not None) == known


class Many(WholeTracks):
    """Rows without pictures."""

    def __init__(self, labels, methods):
        self.labels = np.array(labels, np.int8)
        self.originals = [str(i) for i in range(len(labels))]
        self._methods = methods

    @property
    def methods(self):
        return self._methods

    def __len__(self):
        return len(self.labels)


def picks(samples, epochs):
    return [samples.pick(i, epoch) for epoch in range(epochs) for i in range(len(samples))]


def test_methods_take_turns_however_many_fakes_each_has():
    methods = ["original"] * 12 + ["a"] * 1 + ["b"] * 4 + ["c"] * 30
    source = Many([0] * 12 + [1] * 35, methods)
    by_method = DrawnSamples(source, SPEC, config(fakes_by="method"))
    shown = Counter(methods[pick.row] for pick in picks(by_method, 10) if pick.kind == "fake")
    assert shown == {"a": 40, "b": 40, "c": 40}
    rows = Counter(pick.row for pick in picks(by_method, 10) if methods[pick.row] == "b")
    assert set(rows.values()) == {10}
    by_row = DrawnSamples(source, SPEC, config())
    shown = Counter(methods[pick.row] for pick in picks(by_row, 35) if pick.kind == "fake")
    assert shown == {"a": 12, "b": 48, "c": 360}


@pytest.mark.parametrize("repeat", [1, 4])
def test_undrawn_epochs_show_every_fake_once_and_reals_as_often_as_asked(repeat):
    source = Many([0] * 5 + [1] * 20, ["original"] * 5 + ["x"] * 20)
    samples = DrawnSamples(source, SPEC, config(draw="all", real_repeat=repeat))
    shown = Counter(pick.row for pick in picks(samples, 1))
    assert {shown[row] for row in range(5)} == {repeat}
    assert {shown[row] for row in range(5, 25)} == {1}
    n_real, n_fake = 5 * repeat, 20
    w_real, w_fake = samples.class_weights()
    assert w_real * n_real == pytest.approx(w_fake * n_fake)
    assert (w_real + w_fake) / 2 == pytest.approx(1)


def video(name, label, *sources, identities=(), split="train", **labels):
    return Video(
        id=f"d/{name}",
        path=f"{name}.mp4",
        dataset="d",
        method="swap" if label else "original",
        label=label,
        split=split,
        sources=sources or (name,),
        identities=identities,
        **labels,
    )


def rows_for(videos):
    row = PreparedRow(
        folder=None, video=None, label=0, kind="faces", track=1, shard=0, group=0, t_s=(0.0,),
        sound_group=None, face_px=80.0,
    )  # fmt: skip
    return Prepared(rows=tuple(replace(row, video=v, label=v.label) for v in videos))


def test_kin_never_stand_on_both_sides():
    videos = [video(f"r{k}", 0, f"r{k}") for k in range(200)]
    videos += [video(f"f{k}", 1, f"r{k}", f"r{k + 1}") for k in range(0, 200, 2)]
    source = rows_for(videos)
    train, calib = source.halves(0.2)
    sides = [{s for i in side for s in source.rows[i].video.sources} for side in (train, calib)]
    assert not sides[0] & sides[1]
    assert len(train) + len(calib) == len(source)
    assert 0.1 < len(calib) / len(source) < 0.3


def test_where_all_are_kin_people_are_divided():
    rng = np.random.default_rng(0)
    videos = [video(f"r{k}", 0, identities=(f"p{k % 30}",)) for k in range(90)]
    for k in range(300):
        a, b = rng.choice(30, 2, replace=False)
        videos.append(video(f"f{k}", 1, f"s{k}", identities=(f"p{a}", f"p{b}")))
    source = rows_for(videos)
    train, calib = source.halves(0.3)
    people = [{p for i in side for p in source.rows[i].video.identities} for side in (train, calib)]
    assert not people[0] & people[1]
    for side in (train, calib):
        assert set(source.labels[side].tolist()) == {0, 1}


def test_too_few_families_are_refused():
    with pytest.raises(DataError, match="choose_on = val"):
        rows_for([video("a", 0), video("b", 1, "a")]).halves(0.1)


def with_videos(manifest, out, change):
    """A copy of prepared data whose manifest says something else."""
    from unmask.datasets.manifest import read_manifest, write_manifest

    read = read_manifest(out / "manifest.parquet")
    videos = tuple(change(k, video) for k, video in enumerate(read.videos))
    write_manifest(replace(read, videos=videos), out / "manifest.parquet")


@pytest.fixture
def copy(drawn_out, tmp_path):
    import shutil

    return shutil.copytree(drawn_out, tmp_path / "copy")


def test_the_target_says_what_a_fake_is(copy, caplog):
    forged = {
        "ann_fake": (1, 0),
        "ann_short": (0, 1),
        "ann_small": (1, None),
        "ann_slow": (None, 1),
    }

    def change(_, video):
        picture, audio = forged.get(video.path.removesuffix(".mp4"), (0, 0))
        return replace(video, picture_label=picture, audio_label=audio)

    with_videos(None, copy, change)
    found = {}
    for target in ("any", "picture", "sound"):
        source = open_prepared([str(copy)], part="train", target=target)
        names = [row.video.path.removesuffix(".mp4") for row in source.rows]
        found[target] = dict(zip(names, source.labels.tolist(), strict=True))
    assert found["any"] == {
        "ann": 0, "both": 0, "ann_fake": 1, "ann_short": 1, "ann_small": 1, "ann_slow": 1,
    }  # fmt: skip
    assert found["picture"] == {
        "ann": 0, "both": 0, "ann_fake": 1, "ann_short": 0, "ann_small": 1,
    }  # fmt: skip
    assert found["sound"] == {"ann": 0, "both": 0, "ann_fake": 0, "ann_short": 1, "ann_slow": 1}
    assert "1 rows have no label for picture" in caplog.text


def test_sides_are_those_of_the_manifest(copy):
    sides = ["train", "val", "test", None]
    with_videos(None, copy, lambda k, video: replace(video, split=sides[k % 4]))
    videos = {}
    for part in ("train", "val", "test"):
        rows = open_source(config(copy), part).rows
        videos[part] = {row.video.id for row in rows}
        assert {row.video.split for row in rows} == {part}
    assert not videos["train"] & videos["val"]
    assert not videos["test"] & (videos["train"] | videos["val"])


def test_choosing_on_the_own_validation_part_leaves_training_whole(copy):
    with_videos(
        None, copy, lambda k, v: replace(v, split="val" if v.path == "both.mp4" else "train")
    )
    own = config(copy, choose_on="val")
    train = open_samples(own, SPEC, "train").source
    calib = open_samples(own, SPEC, "calib").source
    assert {row.video.path for row in calib.rows} == {"both.mp4"}
    assert len(train) == len(open_source(own))


def test_several_paths_are_several_data_sets(drawn_out, drawn_set, tmp_path):
    other = tuple(
        replace(v, id=f"other/{k}", original=None, split="train")
        for k, v in enumerate(only(drawn_set, "ann", "ann_fake").videos)
    )
    prepared(
        Manifest(dataset="other", root=drawn_set.root, videos=other), tmp_path, sampling="every"
    )
    both = open_source(config(drawn_out, tmp_path))
    assert len(both) == 7 + 2
    assert both.digest() != open_source(config(drawn_out)).digest()
    with pytest.raises(DataError, match="in two of the prepared folders"):
        open_source(config(drawn_out, drawn_out))


def test_what_cannot_be_opened_says_what_to_do(drawn_out, copy, tmp_path):
    with pytest.raises(DataError, match="unmask prepare"):
        open_source(config(tmp_path))
    with pytest.raises(DataError, match=r"side val \(videos: 11 train"):
        open_source(config(drawn_out), "val")
    record = json.loads((copy / "prepare.json").read_text())
    (copy / "prepare.json").write_text(json.dumps(record | {"complete": False}))
    with pytest.raises(DataError, match="goes on with it"):
        open_source(config(copy))


def test_many_threads_may_read(source):
    wanted = [source.sights(i, (0, 2))[1].crop.tobytes() for i in range(len(source))]
    wrong = []

    def read():
        for _ in range(5):
            for i in range(len(source)):
                if source.sights(i, (0, 2))[1].crop.tobytes() != wanted[i]:
                    wrong.append(i)

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_plain_samples_may_show_several_clips_of_a_row(drawn_out):
    settings = config(drawn_out, choose_on="val", valid_clips=3)
    samples = open_samples(settings, CLIPS, "all")
    assert len(samples) == 3 * len(samples.source)
    frames = np.concatenate([batch.frames for batch in ordered(samples, 5)])
    assert len(frames) == len(samples)
    assert [samples.row(i) for i in range(6)] == [0, 0, 0, 1, 1, 1]
