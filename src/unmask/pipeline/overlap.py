"""Lets one stage work while the next is busy: items are made ahead in a thread of their own.

Decoding, detection and networks spend their time outside of Python's lock, so two threads keep two
cores busy. Nothing else changes: the order is kept, no more than a few items wait, an error is
raised where the item would have come, and who stops early ends the thread.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from queue import Empty, Full, Queue
from threading import Event, Thread
from types import TracebackType
from typing import Generic, Self, TypeVar

T = TypeVar("T")

_PATIENCE_S = 0.1  # between looks at whether anybody still wants an item


class _Last:
    """Follows the last item: the end, or the error that came in its place."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error


class Ahead(Generic[T]):
    """Iterates over `items` up to `n` of them ahead; use with `with`.

    `worked_s` is the time that making the items took, `waited_s` that spent waiting for them.
    """

    def __init__(self, items: Iterable[T], n: int) -> None:
        self.worked_s = self.waited_s = 0.0
        self._items = iter(items)
        self._made: Queue[T | _Last] = Queue(n)
        self._unwanted = Event()
        self._ended = False
        self._thread = Thread(target=self._make, name="unmask-ahead", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._unwanted.set()
        self._thread.join()

    def __iter__(self) -> Iterator[T]:
        return self

    def __next__(self) -> T:
        if self._ended:
            raise StopIteration
        started = time.perf_counter()
        item = self._taken()
        self.waited_s += time.perf_counter() - started
        if not isinstance(item, _Last):
            return item
        self._ended = True
        if item.error is not None:
            raise item.error
        raise StopIteration

    def _taken(self) -> T | _Last:
        while True:
            try:  # in short waits: on Windows no long one can be interrupted
                return self._made.get(timeout=_PATIENCE_S)
            except Empty:
                continue

    def _make(self) -> None:
        last = _Last(None)
        try:
            self._make_items()
        except BaseException as error:  # noqa: BLE001  raised where the item is waited for
            last = _Last(error)
        self._hand_over(last)

    def _make_items(self) -> None:
        """Make items until there are no more, or nobody wants them."""
        try:
            while not self._unwanted.is_set():
                started = time.perf_counter()
                try:
                    item = next(self._items)
                except StopIteration:
                    return
                finally:
                    self.worked_s += time.perf_counter() - started
                self._hand_over(item)
        finally:
            if close := getattr(self._items, "close", None):
                close()  # here, where a generator ran, it may let go of its file

    def _hand_over(self, item: T | _Last) -> None:
        while not self._unwanted.is_set():
            with suppress(Full):
                self._made.put(item, timeout=_PATIENCE_S)
                return
