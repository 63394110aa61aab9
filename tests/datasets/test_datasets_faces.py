"""Laws of the readers of face crops."""

import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from drawn_faces import drawn_face, encoded, rows_of, write_parquet
from PIL import Image as PilImage

from unmask.clips.tensors import cut_view
from unmask.datasets.faces import read_folder, read_parquet
from unmask.errors import DataError
from unmask.types import InputSpec


@pytest.fixture
def crops(tmp_path):
    write_parquet(tmp_path / "train-0.parquet", rows_of(3))
    write_parquet(tmp_path / "train-1.parquet", rows_of(2, first=3), with_size=False)
    write_parquet(tmp_path / "val.parquet", rows_of(4, first=90))
    return tmp_path


def test_a_folder_stands_for_the_files_of_one_part(crops):
    train, val = read_parquet([crops]), read_parquet([crops], "val")
    assert (len(train), len(val)) == (10, 8)
    assert not set(train.originals) & set(val.originals)


def test_rows_keep_their_columns_over_files(crops):
    table = read_parquet([crops / "train-0.parquet", crops / "train-1.parquet"])
    wanted = rows_of(3) + rows_of(2, first=3)
    got = list(zip(table.labels.tolist(), table.videos, table.originals, strict=True))
    assert got == wanted
    assert table.crop_px == [100, 101, 102, 103, 104, 105, None, None, None, None]


def test_pictures_are_rgb_as_another_decoder_sees_them(crops):
    table = read_parquet([crops])
    with PilImage.open(io.BytesIO(table.images[4].as_py())) as other:
        expected = np.asarray(other.convert("RGB")).astype(int)
    assert np.abs(table.image(4).astype(int) - expected).max() <= 2


@pytest.mark.parametrize("alignment", ["dlib", "box", "eyes"])
def test_the_view_of_a_crop_is_the_whole_crop(crops, alignment):
    table = read_parquet([crops])
    face = table.track(2).faces[0]
    view = cut_view(face, InputSpec(size_px=96, alignment=alignment))
    np.testing.assert_array_equal(view, table.image(2))


def test_size_is_that_before_resizing_where_it_is_known(crops):
    table = read_parquet([crops])
    assert table.track(3).faces[0].quality.size_px == 103
    assert table.track(8).faces[0].quality.size_px == 96


def test_sharpness_falls_with_blur(tmp_path):
    import cv2

    sharp = drawn_face(1)
    for name, picture in (("a", sharp), ("b", cv2.GaussianBlur(sharp, (0, 0), 2))):
        (tmp_path / "real").mkdir(exist_ok=True)
        (tmp_path / "real" / f"{name}.png").write_bytes(encoded(picture, ".png"))
    table = read_folder([tmp_path])
    clear, blurred = (table.track(row).faces[0].quality.sharpness for row in range(2))
    assert clear > 2 * blurred > 0


def test_taking_rows_takes_all_their_columns(crops):
    table = read_parquet([crops])
    part = table.take(np.array([7, 1]))
    assert part.videos == [table.videos[7], table.videos[1]]
    assert part.labels.tolist() == table.labels[[7, 1]].tolist()
    np.testing.assert_array_equal(part.image(0), table.image(7))


def test_the_digest_knows_pixels_labels_and_ids(crops):
    table = read_parquet([crops])
    digests = {
        table.digest(),
        table.take(np.arange(9)).digest(),
        read_parquet([crops], "val").digest(),
    }
    for field, value in (("label", 1), ("video", "other"), ("original", "other"), ("image", b"x")):
        rows = pq.read_table(crops / "train-0.parquet").to_pylist()
        digests.add(_digest_of(rows, crops))
        rows[0][field] = value if rows[0][field] != value else 0
        digests.add(_digest_of(rows, crops))
    assert len(digests) == 3 + 1 + 4
    assert table.digest() == read_parquet([crops]).digest()


def _digest_of(rows, folder):
    path = folder / "changed" / "a.parquet"
    path.parent.mkdir(exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows), path)
    return read_parquet([path]).digest()


def test_folders_of_images_name_videos_and_originals(tmp_path):
    for place in ("real/a.png", "real/clip/0.png", "real/clip/1.jpg", "fake/a.webp", "real/x.txt"):
        file = tmp_path / "deep/träin" / place
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(encoded(drawn_face(0), file.suffix) if file.suffix != ".txt" else b"no")
    table = read_folder([tmp_path / "deep/träin"])
    got = list(zip(table.labels.tolist(), table.videos, table.originals, strict=True))
    assert got == [
        (0, "real/a", "a"),
        (0, "real/clip", "clip"),
        (0, "real/clip", "clip"),
        (1, "fake/a", "a"),
    ]


def test_folders_may_hold_parts(tmp_path):
    for part, kind in (("train", "real"), ("val", "fake")):
        (tmp_path / part / kind).mkdir(parents=True)
        (tmp_path / part / kind / "a.png").write_bytes(encoded(drawn_face(0), ".png"))
    assert read_folder([tmp_path]).labels.tolist() == [0]
    assert read_folder([tmp_path], "val").labels.tolist() == [1]


def test_what_is_not_there_or_not_right_is_said(tmp_path, crops):
    (tmp_path / "text.parquet").write_text("no")
    pq.write_table(pa.table({"image": [b""], "label": [0]}), tmp_path / "short.parquet")
    odd = write_parquet(tmp_path / "odd.parquet", [(2, "a", "a")])
    (tmp_path / "empty").mkdir()
    for path, words in (
        (tmp_path / "missing", "no such file or folder"),
        (tmp_path / "text.parquet", "not a Parquet file"),
        (tmp_path / "short.parquet", "lacks the columns video, original"),
        (odd, r"0 \(real\) or 1 \(fake\), found 2"),
        (tmp_path / "empty", "holds no train"),
    ):
        with pytest.raises(DataError, match=words):
            read_parquet([path])
    with pytest.raises(DataError, match="no image below"):
        read_folder([tmp_path / "empty"])
    with pytest.raises(DataError, match="no such folder"):
        read_folder([tmp_path / "missing"])


@pytest.mark.parametrize("labels", [[0, None, 1], [0.0, 0.4, 1.0], [0, 256, 1], [0, -255, 1]])
def test_a_label_that_is_missing_or_soft_is_no_label(tmp_path, labels):
    path = write_parquet(tmp_path / "a.parquet", rows_of(1, fakes_each=2))
    table = pq.read_table(path).drop_columns("label").append_column("label", pa.array(labels))
    pq.write_table(table, path)
    with pytest.raises(DataError, match="labels must be"):
        read_parquet([path])


def test_hidden_files_are_no_pictures(tmp_path):
    for name in ("real/a.png", "real/._a.png", "fake/a.png", "fake/.thumbs/a.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(encoded(drawn_face(1, 40)))
    assert sorted(read_folder([tmp_path]).videos) == ["fake/a", "real/a"]


def test_a_damaged_picture_names_its_video(tmp_path):
    rows = pq.read_table(write_parquet(tmp_path / "a.parquet", [(0, "v9", "v9")])).to_pylist()
    rows[0]["image"] = b"\xff\xd8 broken"
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet")
    with pytest.raises(DataError, match="'v9'"):
        read_parquet([tmp_path / "a.parquet"]).track(0)
