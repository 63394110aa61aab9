"""Data of the evaluation's tests, made once."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="session")
def raw_list(tmp_path_factory: pytest.TempPathFactory):
    """A CSV list of videos with every fate, see `exam_data`."""
    from exam_data import write_raw

    return write_raw(tmp_path_factory.mktemp("raw") / "drawn")


@pytest.fixture(scope="session")
def raw_prepared(raw_list, tmp_path_factory: pytest.TempPathFactory):
    """The same videos prepared without loss."""
    from exam_data import N_FRAMES

    from unmask.datasets.extract import Settings
    from unmask.datasets.prepare import prepare
    from unmask.datasets.readers import read_dataset

    out = tmp_path_factory.mktemp("prepared") / "drawn"
    manifest = read_dataset("folder", raw_list).checked()
    settings = Settings(sampling=f"evenly{N_FRAMES}", lossless=True, boxes="own")
    prepare(manifest, str(out), settings, n_workers=0)
    return out


@pytest.fixture(scope="session")
def crops(tmp_path_factory: pytest.TempPathFactory):
    """A folder of face crops with a validation side."""
    from exam_data import write_crops

    folder = tmp_path_factory.mktemp("crops") / "noise_faces"
    write_crops(folder / "val.parquet", range(10))
    write_crops(folder / "train.parquet", range(20, 26))
    return folder
