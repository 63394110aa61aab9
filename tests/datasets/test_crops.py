"""Laws of prepared faces written as crops."""

import numpy as np
import pyarrow.parquet as pq
import pytest

from unmask.clips.tensors import cut_view
from unmask.datasets.crops import VIEW, write_crops
from unmask.datasets.faces import read_parquet
from unmask.datasets.prepared import open_prepared
from unmask.datasets.samples import DataConfig, PlainSamples, open_source
from unmask.errors import DataError
from unmask.types import InputSpec


def test_crops_are_what_a_system_sees_of_the_prepared_faces(drawn_out, tmp_path):
    prepared = open_prepared([str(drawn_out)], part="train")
    faces = [(k, face) for k in range(len(prepared)) for face in prepared.track(k).faces]
    assert write_crops([str(drawn_out)], tmp_path) == {"train": len(faces)}
    table = read_parquet([tmp_path])
    spec = InputSpec(size_px=VIEW.size_px, alignment="dlib")
    seen = PlainSamples(source=open_source(DataConfig(paths=(tmp_path,))), input_spec=spec)
    for row, (k, face) in enumerate(faces):
        assert table.labels[row] == prepared.labels[k]
        assert table.videos[row] == prepared.rows[k].video.id
        assert table.originals[row] == prepared.originals[k]
        again, was = seen.get(row)[0][0], cut_view(face, VIEW)
        assert np.abs(again.astype(int) - was).mean() < 2  # JPEG lies between
        assert table.crop_px[row] == pytest.approx(face.quality.size_px, rel=0.35)


def test_files_that_are_there_are_not_written_over(drawn_out, tmp_path):
    write_crops([str(drawn_out)], tmp_path)
    before = (tmp_path / "train.parquet").read_bytes()
    with pytest.raises(DataError, match=r"train\.parquet is there already"):
        write_crops([str(drawn_out)], tmp_path)
    assert (tmp_path / "train.parquet").read_bytes() == before
    assert pq.read_schema(tmp_path / "train.parquet").names[:2] == ["image", "label"]


def test_what_was_not_prepared_is_said(tmp_path):
    (tmp_path / "videos").mkdir()
    with pytest.raises(DataError, match="unmask prepare"):
        write_crops([str(tmp_path / "videos")], tmp_path / "out")
    assert not (tmp_path / "out").exists()
