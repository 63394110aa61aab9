"""Laws of memory that is used again: never while anybody can see it, and then surely."""

import gc
from threading import Thread

import cv2
import numpy as np
import pytest

from unmask.video.memory import Memory

SHAPE = (6, 8, 3)


def place(picture: np.ndarray) -> int:
    return picture.__array_interface__["data"][0]


VIEWS = {
    "itself": lambda picture: picture,
    "slice": lambda picture: picture[1:3, ::2],
    "slice of a slice": lambda picture: picture[1:][::2, :, 0],
    "turned": np.rot90,
    "reshaped": lambda picture: picture.reshape(-1)[3:],
    "other type": lambda picture: picture.view(np.int8),
    "memory view": lambda picture: memoryview(picture)[1:],
    "written by OpenCV": lambda picture: cv2.transform(
        np.zeros(SHAPE, np.uint8), np.eye(3), dst=picture
    ),
}


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
def test_what_is_in_sight_is_not_given_again(view):
    memory = Memory()
    picture = memory.take(SHAPE)
    before = place(picture)
    seen = view(picture)
    del picture
    others = [memory.take(SHAPE) for _ in range(3)]
    assert before not in map(place, others)
    del seen, others
    gc.collect()
    assert before in [place(picture) for picture in [memory.take(SHAPE) for _ in range(5)]]


def test_a_stream_needs_as_many_as_are_held():
    memory, held, places = Memory(), [], set()
    for k in range(100):
        picture = memory.take(SHAPE)
        picture[:] = k
        places.add(place(picture))
        held = [*held[-3:], (k, picture[2:4])]
        assert all((part == n).all() for n, part in held)
    assert len(places) <= 6


def test_pictures_may_be_let_go_in_another_thread():
    memory = Memory()
    pictures = [memory.take(SHAPE)]
    before = place(pictures[0])
    thread = Thread(target=pictures.clear)
    thread.start()
    thread.join()
    assert place(memory.take(SHAPE)) == before


def test_another_size_begins_anew():
    memory = Memory()
    old = memory.take(SHAPE)
    assert memory.take((2, 2, 3)).shape == (2, 2, 3)
    del old
    assert memory.take(SHAPE).shape == SHAPE
