"""A face clip and a detector that all tests of the folder share."""

import pytest

from face_clips import write_walk
from unmask.pipeline.detector import load


@pytest.fixture(scope="session")
def tiny_detector(tiny_checkpoint):
    return load(tiny_checkpoint)


@pytest.fixture(scope="session")
def face_clip(tmp_path_factory):
    return write_walk(tmp_path_factory.mktemp("clips") / "face.mp4")
