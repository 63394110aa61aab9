"""The first signal is a request; the second one means it.

Raised in this thread: sent to the process, it may reach a thread of a library first and come late.
"""

import signal
import threading
from collections.abc import Iterator

import pytest

from unmask.training.signals import Interrupts


@pytest.fixture(autouse=True)
def listening() -> Iterator[None]:
    """As in a terminal: what a shell starts in the background ignores SIGINT."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_the_first_signal_asks_and_the_second_interrupts() -> None:
    with Interrupts() as interrupts:
        signal.raise_signal(signal.SIGINT)
        assert interrupts.requested
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_handlers_are_put_back() -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with Interrupts():
        assert signal.getsignal(signal.SIGTERM) != before[1]
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_outside_the_main_thread_signals_are_left_alone() -> None:
    seen: list[bool] = []

    def enter() -> None:
        before = signal.getsignal(signal.SIGTERM)
        with Interrupts() as interrupts:
            seen.append(signal.getsignal(signal.SIGTERM) == before and not interrupts.requested)

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert seen == [True]
