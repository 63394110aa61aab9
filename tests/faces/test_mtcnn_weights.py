"""Weights are read only when they are the known ones, and are kept without pickle."""

import importlib.util
import io

import joblib
import numpy as np
import pytest

from unmask.errors import CheckpointError
from unmask.faces.mtcnn_weights import ARRAYS_SHA256, asset_path, digest, load_weights, read_asset


class Bomb:
    """A pickle that does something when it is opened."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (self.path.touch, ())


@pytest.mark.parametrize("net", ["pnet", "rnet", "onet"])
def test_the_installed_weights_are_the_known_ones(net, tmp_path):
    assert digest(load_weights(net, tmp_path)) == ARRAYS_SHA256[net]


def test_a_file_of_another_hash_is_refused_unopened(tmp_path):
    exploded, asset = tmp_path / "exploded", tmp_path / "pnet.lz4"
    joblib.dump([Bomb(exploded)], asset)
    with pytest.raises(CheckpointError, match=r"pnet\.lz4.*not opened.*pip install"):
        read_asset(asset, "pnet")
    assert not exploded.exists()
    joblib.load(asset)
    assert exploded.exists(), "the bomb must be a real one"


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(CheckpointError, match="pip install mtcnn"):
        asset_path("pnet")


def test_the_second_reading_needs_no_pickle(tmp_path, monkeypatch):
    first = load_weights("pnet", tmp_path)
    monkeypatch.setattr(joblib, "load", lambda *_: pytest.fail("unpickled again"))
    for before, after in zip(first, load_weights("pnet", tmp_path), strict=True):
        np.testing.assert_array_equal(before, after)


def changed(path):
    arrays = dict(np.load(path))
    arrays["arr_1"][0] += 1e-6
    np.savez(path, **arrays)


def pickled(path):
    np.savez(path, np.array([Bomb(path.parent / "exploded")], dtype=object), allow_pickle=True)


DAMAGES = {
    "one value changed": changed,
    "pickled object inside": pickled,
    "cut short": lambda path: path.write_bytes(path.read_bytes()[:5000]),
    "empty": lambda path: path.write_bytes(b""),
    "no npz": lambda path: path.write_bytes(b"not a zip file"),
    "a plain array": lambda path: np.save(path.open("wb"), np.zeros(3)),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_copy_is_written_anew(damage, tmp_path):
    load_weights("pnet", tmp_path)
    kept = tmp_path / "mtcnn-pnet.npz"
    DAMAGES[damage](kept)
    assert digest(load_weights("pnet", tmp_path)) == ARRAYS_SHA256["pnet"]
    assert digest([np.load(kept)[f"arr_{i}"] for i in range(13)]) == ARRAYS_SHA256["pnet"]
    assert not (tmp_path / "exploded").exists()


def test_a_folder_that_cannot_be_written_stops_nothing(tmp_path):
    blocked = tmp_path / "a file"
    blocked.touch()
    assert digest(load_weights("pnet", blocked)) == ARRAYS_SHA256["pnet"]


def test_the_digest_knows_shape_and_value():
    array = np.arange(6, dtype=np.float32)
    digests = {digest([array]), digest([array.reshape(2, 3)]), digest([array + 1]), digest([])}
    assert len(digests) == 4


def test_the_kept_copy_is_plain_arrays(tmp_path):
    load_weights("rnet", tmp_path)
    with np.load(io.BytesIO((tmp_path / "mtcnn-rnet.npz").read_bytes()), allow_pickle=False) as npz:
        assert all(npz[name].dtype == np.float32 for name in npz.files)
    assert [path.name for path in tmp_path.iterdir()] == ["mtcnn-rnet.npz"]
