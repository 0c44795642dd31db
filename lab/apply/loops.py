"""Event loops for programs that run without an engine."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pulumi.runtime.mocks import MockMonitor


@contextmanager
def loop_of_this_thread() -> Iterator[asyncio.AbstractEventLoop]:
    """An event loop that is closed again.

    The SDK's mock makes one for each thread that registers something and closes none. Collected later, their sockets
    go before them, and each complains of an invalid file descriptor.
    """
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        yield loop
    finally:
        asyncio.set_event_loop(None)
        loop.close()


class ClosingMonitor(MockMonitor):
    """The SDK's mock monitor, whose threads leave no loop behind."""

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802 - the protocol's own name
        """Register one resource."""
        with loop_of_this_thread():
            return super().RegisterResource(request)  # type: ignore[no-untyped-call]  # untyped in the SDK
