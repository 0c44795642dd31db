"""What an interruption may not cut in two is finished first; then the interruption takes its course."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator

import pytest

from runlease.evidence.interruption import postponed

BOTH = (signal.SIGINT, signal.SIGTERM)


@pytest.fixture(autouse=True)
def _as_in_a_command() -> Iterator[None]:
    """Both signals as the command line has them."""
    before = [signal.signal(one, signal.default_int_handler) for one in BOTH]
    yield
    for one, handler in zip(BOTH, before, strict=True):
        signal.signal(one, handler)


def asked(done: list[str], *how: signal.Signals) -> None:
    with postponed():
        for one in how:
            signal.raise_signal(one)
        done.append("finished")


@pytest.mark.parametrize("how", [*((one,) for one in BOTH), (*BOTH, *BOTH)])
def test_an_interruption_waits_for_the_end_of_the_block_and_comes_once(how: tuple[signal.Signals, ...]) -> None:
    done: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        asked(done, *how)
    assert done == ["finished"]


def test_the_outer_block_ends_first_too() -> None:
    done: list[str] = []

    def nested() -> None:
        with postponed():
            asked(done, signal.SIGINT)
            done.append("and the outer one")

    with pytest.raises(KeyboardInterrupt):
        nested()
    assert done == ["finished", "and the outer one"]


def test_it_is_not_lost_when_the_block_fails() -> None:
    def failing() -> None:
        with postponed():
            signal.raise_signal(signal.SIGTERM)
            raise ValueError

    with pytest.raises(KeyboardInterrupt):
        failing()


def test_without_one_nothing_is_changed() -> None:
    done: list[str] = []
    asked(done)
    assert done == ["finished"]
    assert [signal.getsignal(one) for one in BOTH] == [signal.default_int_handler] * 2


def test_who_ignores_it_goes_on_ignoring_it() -> None:
    done: list[str] = []
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    asked(done, signal.SIGTERM)
    assert done == ["finished"]


def test_a_thread_is_not_interrupted_and_changes_nothing() -> None:
    seen: list[bool] = []

    def look() -> None:
        with postponed():
            seen.append(signal.getsignal(signal.SIGINT) is signal.default_int_handler)

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert seen == [True]
