"""Laws of the landmarks of crops that come without their frame."""

from dataclasses import replace
from importlib import resources

import cv2
import numpy as np
import pytest

from unmask.clips.tensors import DLIB_LAYOUT
from unmask.datasets.crop_landmarks import crop_landmarks
from unmask.datasets.faces import read_folder
from unmask.datasets.samples import DataConfig, DrawnSamples, open_source
from unmask.faces.detect import FaceDetector
from unmask.types import InputSpec


@pytest.fixture(scope="module")
def portrait():
    data = (resources.files("unmask.assets") / "astronaut.jpg").read_bytes()
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)


@pytest.fixture(scope="module")
def seen(portrait):
    """The face's landmarks as a search in the whole picture has them."""
    return FaceDetector().detect([portrait])[0][0].landmarks_px


def cut(portrait, seen, moved=(0.0, 0.0)):
    """Cut as dlib would, or off by shares of the side; and where the landmarks are in it."""
    side = round(float(np.linalg.norm(seen[1] - seen[0])) / 0.404)
    middle = seen[:2].mean(axis=0) + side * (np.array([0.5, 0.5]) - DLIB_LAYOUT[:2].mean(axis=0))
    x, y = np.rint(middle + side * np.array(moved) - side / 2).astype(int)
    return np.ascontiguousarray(portrait[y : y + side, x : x + side]), seen - (x, y)


@pytest.mark.parametrize("moved", [(0, 0), (0.08, 0), (-0.08, 0.06), (0, -0.08)])
@pytest.mark.parametrize("size_px", [96, 224])
def test_a_tight_crop_has_its_landmarks_where_the_whole_picture_has_them(
    portrait, seen, moved, size_px
):
    crop, expected = cut(portrait, seen, moved)
    scale = size_px / len(crop)
    resized = cv2.resize(crop, (size_px, size_px), interpolation=cv2.INTER_AREA)
    found = crop_landmarks(resized)
    assert found is not None
    assert np.abs(found / scale - expected).max() < 0.03 * len(crop)


def test_a_picture_without_a_face_has_none():
    assert crop_landmarks(np.full((224, 224, 3), 90, np.uint8)) is None


@pytest.fixture
def folder(tmp_path, portrait, seen):
    """One face off its place, and one that is none; a fake of it makes the folder whole."""
    crop, _ = cut(portrait, seen, (0.08, 0.06))
    pictures = {
        "real/face.png": crop,
        "real/wall.png": np.full_like(crop, 90),
        "fake/face.png": crop,
    }
    for name, picture in pictures.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        cv2.imwrite(str(tmp_path / name), picture[..., ::-1])
    return tmp_path


def test_faces_of_a_table_are_looked_at_unless_it_is_told_not_to(folder, portrait, seen):
    _, expected = cut(portrait, seen, (0.08, 0.06))
    table = read_folder([folder])
    typical = replace(table, looks_for_landmarks=False)
    for row, video in enumerate(table.videos):
        faces = table.track(row).faces
        side = faces[0].crop.shape[0]
        (usual,) = typical.landmarks(row, faces)
        (measured,) = table.landmarks(row, faces)
        np.testing.assert_allclose(usual, DLIB_LAYOUT * side, atol=1e-3)
        if "wall" in video:
            np.testing.assert_array_equal(measured, usual)
        else:
            assert np.abs(measured - expected).max() < 0.03 * side < np.abs(usual - expected).max()


def test_a_forged_face_is_forged_where_it_is(folder):
    def mask(landmarks):
        config = DataConfig(reader="folder", paths=(folder,), forged_share=1.0, landmarks=landmarks)
        source = open_source(config)
        rows = np.array([row for row, video in enumerate(source.videos) if "wall" not in video])
        samples = DrawnSamples(source.take(rows), InputSpec(size_px=64, alignment="dlib"), config)
        pick = samples.pick(1, 0)
        assert pick.kind == "forged"
        (found,) = samples._forged_masks(list(source.take(rows).track(0).faces), pick, 0)
        return np.array([axis.mean() for axis in np.nonzero(found)][::-1]) / found.shape[0]

    # The crop is cut too far right and too low, so the face is further left and higher in it.
    away = mask("measured") - mask("typical")
    assert away[0] < -0.04
    assert away[1] < -0.02
