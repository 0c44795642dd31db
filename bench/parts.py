"""Where the time of one guard goes, from process start to `ready`: run by `bench.lease` in the guard's interpreter.

`python bench/parts.py STARTED SCRIPT OUTPUT` loads the guard, times its parts and writes them as JSON; then it gives
the lease back. STARTED is the parent's `time.monotonic()`, a clock that all processes of a machine share.
"""

import time

BEGUN = time.monotonic()

import http.client  # noqa: E402 - after the clock: the guard imports it too
import importlib.util  # noqa: E402 - as above
import json  # noqa: E402 - as above
import os  # noqa: E402 - as above
import sys  # noqa: E402 - as above
from pathlib import Path  # noqa: E402 - as above
from typing import Any  # noqa: E402 - as above


def timed(owner: Any, name: str, spent: dict[str, float], part: str) -> None:
    """Let every call of `owner.name` add its seconds to a part."""
    inner = getattr(owner, name)

    def outer(*args: Any) -> Any:
        before = time.monotonic()
        try:
            return inner(*args)
        finally:
            spent[part] = spent.get(part, 0.0) + time.monotonic() - before

    setattr(owner, name, outer)


def main(started: float, script: str, output: Path) -> None:
    """Take one lease, note the parts, give it back."""
    source = importlib.util.spec_from_file_location("guard", script)
    assert source is not None  # noqa: S101 - a path that ends in .py
    assert source.loader is not None  # noqa: S101 - as above
    guard = importlib.util.module_from_spec(source)
    sys.modules["guard"] = guard
    source.loader.exec_module(guard)
    spent = {"interpreter": BEGUN - started, "imports": time.monotonic() - BEGUN}
    timed(http.client.HTTPSConnection, "connect", spent, "TLS")
    one = guard.Guard(os.environ)
    calls: dict[str, float] = {}
    ask = one.ask

    def named(method: str, path: str, *rest: Any) -> Any:
        before, tls = time.monotonic(), spent.get("TLS", 0.0)
        answer = ask(method, path, *rest)
        part = "login" if path.endswith("/login") else "lease"
        calls[part] = time.monotonic() - before - (spent["TLS"] - tls)
        return answer

    one.ask = named
    one.take()
    before = time.monotonic()
    one.publish()
    ready = time.monotonic()
    parts = {**spent, **calls, "files": ready - before}
    parts["the rest"] = ready - started - sum(parts.values())
    one.ask = ask
    one.give_back("bench")
    output.write_text(json.dumps(parts))


if __name__ == "__main__":
    main(float(sys.argv[1]), sys.argv[2], Path(sys.argv[3]))
