import pytest
from pasted_people import portrait

from unmask.faces.detect import FaceDetector


@pytest.fixture(scope="session")
def detector(tmp_path_factory):
    return FaceDetector(cache=tmp_path_factory.mktemp("weights"))


@pytest.fixture(scope="session")
def astronaut():
    return portrait()
