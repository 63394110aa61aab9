"""The drawn data set, written and prepared once for all tests."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="session")
def drawn_set(tmp_path_factory: pytest.TempPathFactory):
    """Its manifest, see `prepared_clips`."""
    from prepared_clips import write_data_set

    return write_data_set(tmp_path_factory.mktemp("drawn"))


@pytest.fixture(scope="session")
def drawn_out(drawn_set, tmp_path_factory: pytest.TempPathFactory):
    """All there is to keep of it, without loss."""
    from prepared_clips import prepared

    folder = tmp_path_factory.mktemp("prepared") / "drawn"
    prepared(drawn_set, folder, sampling="every", lossless=True, whole_frames=True)
    return folder
