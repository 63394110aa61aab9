"""MTCNN's weights, from the `mtcnn` package's asset files to plain arrays.

The assets are joblib pickles, and a pickle can run code. They are therefore read only when their
bytes have the sha256 pinned here, straight from the bytes that were hashed; the package's own code
(which wants TensorFlow) is never imported. The arrays are then kept as npz in the user's cache
folder, and what is read from there must match the digest of the arrays pinned here as well, so a
changed cache file is noticed and written anew.

Weights: Zhang, Zhang, Li, Qiao, "Joint Face Detection and Alignment Using Multitask Cascaded
Convolutional Networks", IEEE Signal Processing Letters 23(10), 2016, in the conversion of the
`mtcnn` package (MIT; see NOTICE).
"""

import hashlib
import importlib.util
import io
import logging
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from unmask.errors import CheckpointError

logger = logging.getLogger(__name__)

Net = Literal["pnet", "rnet", "onet"]
Weights = list[NDArray[np.float32]]

# sha256 of the asset files of mtcnn 1.0.0, and of the arrays inside (see `digest`).
ASSET_SHA256: dict[Net, str] = {
    "pnet": "ea6b0c3e685ebee3165326ad6484acc95f2ef78f1c94fbf40a55704fa989f7b5",
    "rnet": "cb00e6460f3c98b0bfafaba3c0a0ded4bdf6e62cee7174d969e8670d7e757fee",
    "onet": "94f6ea2f4cf985275ee958cdd762d17b6009348a4fb9d8c6be39ba73ffd22ca3",
}
ARRAYS_SHA256: dict[Net, str] = {
    "pnet": "61134b7955c16931a1db4fb6e6efb393f5027fcc0d82b928b7d849938266e0af",
    "rnet": "ce6dbbcbc67be21804454fb3af30e0b052b9d689552c92d798542b08f905d5a0",
    "onet": "df6355f4a37bbea1611cff83b621fd85f4c928e35fd7c75cb041ba24a921886a",
}


def load_weights(net: Net, cache: Path) -> Weights:
    """Arrays of one network, in the order of its layers: kernel (H, W, in, out), bias, PReLU, ...

    Args:
        net: which of the three networks.
        cache: folder of the npz copy; made when missing, left alone when it cannot be written.

    Raises:
        CheckpointError: the asset is missing or is not the file that is pinned here.
    """
    kept = cache / f"mtcnn-{net}.npz"
    weights = _read_npz(kept)
    if weights is None or digest(weights) != ARRAYS_SHA256[net]:
        weights = read_asset(asset_path(net), net)
        _write_npz(kept, weights)
    return weights


def asset_path(net: Net) -> Path:
    """Where the installed `mtcnn` package keeps a network's weights; the package is not run."""
    spec = importlib.util.find_spec("mtcnn")
    folders = (spec.submodule_search_locations if spec else None) or []
    paths = [Path(folder) / "assets" / "weights" / f"{net}.lz4" for folder in folders]
    found = next((path for path in paths if path.is_file()), None)
    if found is None:
        raise CheckpointError(
            f"weights of the face detector not found: no assets/weights/{net}.lz4 in the package "
            f"mtcnn. Try: pip install mtcnn==1.0.0"
        )
    return found


def read_asset(path: Path, net: Net) -> Weights:
    """Unpickle one asset, after its hash has been checked.

    Raises:
        CheckpointError: the bytes are not the pinned ones; nothing was unpickled.
    """
    data = path.read_bytes()
    sha256 = hashlib.sha256(data).hexdigest()
    if sha256 != ASSET_SHA256[net]:
        raise CheckpointError(
            f"{path}: not the face detector's weights that unmask knows (sha256 {sha256[:12]}..., "
            f"expected {ASSET_SHA256[net][:12]}...); the file was not opened. "
            f"Try: pip install --force-reinstall mtcnn==1.0.0"
        )
    import joblib  # 0.1 s, needed on the first run only

    return [np.ascontiguousarray(array, np.float32) for array in joblib.load(io.BytesIO(data))]


def digest(weights: Sequence[NDArray[np.float32]]) -> str:
    """sha256 over shapes and values, independent of how the arrays are stored."""
    sha = hashlib.sha256()
    for array in weights:
        sha.update(repr(array.shape).encode())
        sha.update(array.astype("<f4").tobytes())
    return sha.hexdigest()


def _read_npz(path: Path) -> Weights | None:
    """Arrays of an npz in order, or None when there is none or it cannot be read."""
    try:
        kept = np.load(io.BytesIO(path.read_bytes()), allow_pickle=False)
        names = kept.files if isinstance(kept, np.lib.npyio.NpzFile) else ()
        return [kept[f"arr_{i}"] for i in range(len(names))]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None


def _write_npz(path: Path, weights: Weights) -> None:
    """Write whole or not at all: two scans may start at the same time."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            np.savez(Path(folder) / path.name, *weights)
            (Path(folder) / path.name).replace(path)
    except OSError as error:
        logger.info("%s: weights not kept (%s); they are read from the package again", path, error)
