"""Laws of making items ahead: as if they were made in place, but sooner."""

import threading
import time
import weakref

import pytest

from unmask.pipeline.overlap import Ahead

PATIENCE_S = 5.0


def threads():
    return [thread for thread in threading.enumerate() if thread.name == "unmask-ahead"]


@pytest.mark.parametrize("n", [1, 2, 100])
def test_items_come_in_order_and_once(n):
    with Ahead(range(50), n) as items:
        assert list(items) == list(range(50))
        assert list(items) == []
    assert not threads()


def test_no_more_wait_than_were_asked_for():
    made = []
    with Ahead((made.append(k) or k for k in range(100)), 3) as items:
        next(items)
        ended = time.monotonic() + 0.5
        while time.monotonic() < ended:
            assert len(made) <= 1 + 3 + 1  # taken, waiting, in hand
            time.sleep(0.02)
        assert len(made) > 1, "nothing was made ahead"


def test_the_next_item_is_made_while_one_is_used():
    """Each side waits for the other to begin its second step; in turns both would wait for ever."""
    begun = threading.Event()

    def items():
        yield 0
        begun.set()
        yield 1

    with Ahead(items(), 1) as ahead:
        assert next(ahead) == 0
        assert begun.wait(PATIENCE_S)


def test_an_error_is_raised_where_the_item_would_have_come():
    def items():
        yield 1
        raise ZeroDivisionError("by nought")

    with Ahead(items(), 5) as ahead:
        assert next(ahead) == 1
        with pytest.raises(ZeroDivisionError, match="by nought"):
            next(ahead)
        assert list(ahead) == []
    assert not threads()


def test_an_error_on_closing_is_raised_and_nobody_waits_for_ever():
    class Items:
        def __iter__(self):
            return self

        def __next__(self):
            raise StopIteration

        def close(self):
            raise OSError("the disk is gone")

    with Ahead(Items(), 1) as ahead, pytest.raises(OSError, match="the disk is gone"):
        next(ahead)
    assert not threads()


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_who_stops_early_ends_the_thread_and_closes_what_it_read(error):
    closed = []

    def items():
        try:
            while True:
                yield 0
        finally:
            closed.append(threading.current_thread().name)

    def use():
        with Ahead(items(), 2) as ahead:
            next(ahead)
            raise error

    with pytest.raises(error):
        use()
    assert closed == ["unmask-ahead"]
    assert not threads()


def test_what_was_taken_is_let_go():
    class Item:
        pass

    with Ahead((Item() for _ in range(3)), 1) as ahead:
        first = weakref.ref(next(ahead))
        next(ahead)
        next(ahead)
        assert first() is None


def test_work_and_waiting_are_told_apart():
    def slow():
        for k in range(3):
            time.sleep(0.1)
            yield k

    with Ahead(slow(), 1) as ahead:
        for _ in ahead:
            pass
    assert ahead.worked_s > 0.28
    assert 0.2 < ahead.waited_s < ahead.worked_s + 1
