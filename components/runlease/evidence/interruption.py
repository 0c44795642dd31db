"""Ctrl-C and SIGTERM: postponed where they would cut in two what belongs together."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def postponed() -> Iterator[None]:
    """Let an interruption wait until the block has ended, and then take its course.

    For a request that takes a lease: Vault makes it also for a client that has gone, and may then forget its login. And
    for giving back. A thread other than the main one is never interrupted (Python docs, module signal).
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    before = {one: signal.signal(one, lambda number, _: came.append(number)) for one in _SIGNALS}
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
        for number in came[:1]:
            signal.raise_signal(number)
