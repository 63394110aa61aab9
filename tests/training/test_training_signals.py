"""The first signal is a request; the second one means it.

Raised in this thread: sent to the process, it may reach a thread of a library first and come late.
"""

import signal
import threading

import pytest

from unmask.training.signals import Interrupts


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
