"""Settings of all training tests."""

import multiprocessing
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from unmask.datasets.toy import ToyConfig, make_toy

# Processes that get killed are forked from one that has imported torch, once for the whole session:
# set here, since the first test that starts that process fixes what it has imported.
multiprocessing.set_forkserver_preload(["unmask.training.run"])


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Tiny networks are faster so, and sums are added in one order, as in a killed process."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def curves() -> None:
    """Asked for by tests whose runs are to draw their curves."""


@pytest.fixture(autouse=True)
def undrawn(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs draw no curves: of a tiny run they are three quarters of the time."""
    if "curves" not in request.fixturenames:
        monkeypatch.setattr("unmask.training.fit.draw_curves", lambda folder: None)


@pytest.fixture(scope="session")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty recordings, each once real and once fake, as noise."""
    rng, folder = np.random.default_rng(0), tmp_path_factory.mktemp("faces")
    pictures = [rng.integers(0, 255, (64, 64, 3), np.uint8) for _ in range(80)]
    columns = {
        "image": [cv2.imencode(".jpg", picture)[1].tobytes() for picture in pictures],
        "label": pa.array([i % 2 for i in range(80)], pa.int8()),
        "video": [f"v{i}" for i in range(80)],
        "original": [f"v{i // 2 * 2}" for i in range(80)],
    }
    pq.write_table(pa.table(columns), folder / "train.parquet")
    return folder


@pytest.fixture(scope="session")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A prepared data set of a dozen drawn people, each forged in every way."""
    folder = tmp_path_factory.mktemp("toy")
    make_toy(folder, ToyConfig(people=12, fakes_each=4))
    return folder
