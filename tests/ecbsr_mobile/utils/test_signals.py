from __future__ import annotations

import signal
import threading
from contextlib import nullcontext

import pytest

from ecbsr_mobile.utils.signals import INTERRUPTS, defer_signals, signal_name, uninterrupted


@pytest.mark.parametrize("number", INTERRUPTS)
def test_a_signal_waits_for_the_end_of_the_body(number: signal.Signals) -> None:
    received: list[int] = []
    signal.signal(number, lambda number, _frame: received.append(number))
    with pytest.raises(KeyboardInterrupt), defer_signals() as arrived:  # the handler returns, so the work must end
        assert not arrived()
        signal.raise_signal(number)
        assert arrived() and received == []
    assert received == [number]


def test_a_handler_that_raises_does_so_after_the_body() -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    finished = False
    with pytest.raises(KeyboardInterrupt), defer_signals():
        signal.raise_signal(signal.SIGINT)
        finished = True
    assert finished
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_ignored_signal_stays_ignored() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with defer_signals() as arrived:
        signal.raise_signal(signal.SIGINT)
        assert not arrived()


@pytest.mark.parametrize("number", INTERRUPTS)
@pytest.mark.parametrize("error", [None, OSError])
def test_a_signal_comes_after_a_short_body_also_if_that_raises(
    number: signal.Signals, error: type[Exception] | None
) -> None:
    received: list[int] = []
    signal.signal(number, lambda number, _frame: received.append(number))
    with nullcontext() if error is None else pytest.raises(error), uninterrupted():
        signal.raise_signal(number)
        assert received == []
        if error:
            raise error
    assert received == [number]  # the handler returned, so the work goes on
    signal.signal(number, signal.default_int_handler)
    with pytest.raises(KeyboardInterrupt), uninterrupted():
        signal.raise_signal(number)
        if error:
            raise error
    assert signal.getsignal(number) is signal.default_int_handler


def test_another_thread_defers_nothing() -> None:
    handlers: list[object] = []

    def body() -> None:
        with defer_signals():
            handlers.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=body)
    thread.start()
    thread.join()
    assert handlers == [signal.getsignal(signal.SIGINT)]


def test_every_signal_has_a_name() -> None:
    assert (signal_name(11), signal_name(40), signal_name(99)) == ("SIGSEGV", "signal 40", "signal 99")
