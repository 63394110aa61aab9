"""Memory for pictures of a few sizes that live for a short while.

Asked for anew, the memory of a frame is given page by page as it is written, which takes as long as
converting it: so that of pictures which nobody holds any more is used again.
"""

from __future__ import annotations

import weakref
from math import prod

import numpy as np

from unmask.types import Image


class Memory:
    """Gives memory for pictures; any thread may let go of them."""

    def __init__(self) -> None:
        self._idle: dict[int, list[memoryview]] = {}  # by size in bytes

    def take(self, shape: tuple[int, ...]) -> Image:
        """Return a picture of undefined content; it is the caller's until the last view of it."""
        size = prod(shape)
        idle = self._idle.setdefault(size, [])
        block = idle.pop() if idle else np.empty(size, np.uint8).data
        # All views of an array, and views of these, hold on to the first one that is no view: it is
        # that one which says when the last has gone.
        whole = np.frombuffer(block, np.uint8)
        weakref.finalize(whole, idle.append, block).atexit = False
        return whole.reshape(shape)
