"""Laws of prepared faces written as crops."""

from dataclasses import replace

import numpy as np
import pytest
from prepared_clips import prepared

from unmask.clips.tensors import cut_view, view_region
from unmask.datasets.crops import CUT, write_crops
from unmask.datasets.faces import read_parquet
from unmask.datasets.prepared import open_prepared
from unmask.datasets.samples import DataConfig, PlainSamples, open_source
from unmask.errors import DataError

SIDES = {"ann.mp4": "train", "ann_fake.mp4": "train", "both.mp4": "val", "ann_slow.mp4": "test"}


@pytest.fixture(scope="module")
def sided(drawn_set, tmp_path_factory):
    """People on three sides; one fake is forged in sound alone."""
    folder = tmp_path_factory.mktemp("sided") / "drawn"
    videos = [
        replace(
            video,
            split=SIDES.get(video.path),
            picture_label=0 if video.path == "ann_fake.mp4" else video.picture_label,
        )
        for video in drawn_set.videos
        if video.path in SIDES
    ]
    prepared(replace(drawn_set, videos=tuple(videos)), folder, sampling="every", lossless=True)
    return folder


def test_crops_are_what_a_system_sees_of_the_prepared_faces(drawn_out, tmp_path):
    there = open_prepared([str(drawn_out)], part="train", target="picture")
    faces = [(k, face) for k in range(len(there)) for face in there.track(k).faces]
    assert write_crops([str(drawn_out)], tmp_path) == {"train": len(faces)}
    table = read_parquet([tmp_path])
    seen = PlainSamples(source=open_source(DataConfig(paths=(tmp_path,))), input_spec=CUT)
    for row, (k, face) in enumerate(faces):
        assert table.labels[row] == there.labels[k]
        assert table.videos[row] == there.rows[k].video.id
        assert table.originals[row] == there.originals[k]
        again, was = seen.get(row)[0][0], cut_view(face, CUT)
        assert np.abs(again.astype(int) - was).mean() < 2  # JPEG lies between
        assert table.crop_px[row] == round(view_region(face, CUT).side)


def test_what_was_learned_from_crops_is_known_of_the_videos(drawn_out, tmp_path):
    write_crops([str(drawn_out)], tmp_path)
    there = open_prepared([str(drawn_out)], part="train", target="picture")
    learned = read_parquet([tmp_path]).take(np.array([0])).learned()
    assert there.learned().keys <= learned.keys
    assert all(learned.kin_of(row.video) for row in there.rows)
    assert "drawn" in learned.datasets


def test_sides_stay_apart_and_only_forged_pictures_are_fakes(sided, tmp_path):
    counts = write_crops([str(sided)], tmp_path)
    assert set(counts) == {"train", "val"}
    assert sorted(file.name for file in tmp_path.iterdir()) == ["train.parquet", "val.parquet"]
    for side in ("train", "val"):
        table = read_parquet([tmp_path], side)
        people = open_prepared([str(sided)], part=side)
        assert set(table.videos) == {row.video.id for row in people.rows}
        assert set(table.labels.tolist()) == {0}


def test_files_that_are_there_are_not_written_over(sided, tmp_path):
    write_crops([str(sided)], tmp_path)
    (tmp_path / "train.parquet").unlink()
    before = (tmp_path / "val.parquet").read_bytes()
    with pytest.raises(DataError, match=r"val\.parquet is there already"):
        write_crops([str(sided)], tmp_path)
    assert (tmp_path / "val.parquet").read_bytes() == before
    assert not (tmp_path / "train.parquet").exists()


def test_what_was_not_prepared_is_said(tmp_path):
    (tmp_path / "videos").mkdir()
    with pytest.raises(DataError, match="unmask prepare"):
        write_crops([str(tmp_path / "videos")], tmp_path / "out")
    assert not (tmp_path / "out").exists()
