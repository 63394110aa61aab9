"""Fixtures of all tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

if "PYTEST_XDIST_WORKER" in os.environ:  # before anybody imports torch: each worker has one core
    os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real faces to develop with; tests that want it skip where it is absent."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("UNMASK_SHARED", beside))
    if not folder.is_dir():
        pytest.skip(f"no development data at {folder}")
    return folder


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keep graphs that tests compile out of the user's cache folder."""
    os.environ.setdefault("UNMASK_CACHE", str(tmp_path_factory.mktemp("unmask-cache")))


@pytest.fixture(scope="session")
def tiny_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint folder with weights and graph, exported once."""
    from tiny_detector import save_tiny

    return save_tiny(tmp_path_factory.mktemp("checkpoints") / "tiny")
