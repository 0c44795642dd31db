"""The lab's child servers: started, awaited, and gone again however the lab ends."""

from __future__ import annotations

import os
import pwd
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import FrameType, TracebackType

from lab import LabError

WRAPPER = Path(__file__).with_name("child.py")


@dataclass(frozen=True)
class Server:
    """A running child: known by its pid alone."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path
    stop_signal: signal.Signals

    @property
    def pid(self) -> int:
        """The server's process id (the wrapper became the server)."""
        return self.process.pid

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self.process.poll() is None

    def tail(self, lines: int = 15) -> str:
        """The last `lines` of its log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])


class Processes:
    """Child servers, stopped in reverse order when the `with` block ends.

    By return, by an exception, by Ctrl-C or by SIGTERM, which is taken as Ctrl-C while the block runs. A parent
    that is killed outright stops nothing, so the kernel does: each server asks for a signal on its parent's
    death (Linux's PR_SET_PDEATHSIG). That signal comes when the *thread* that started the server ends, so
    servers are started from the main thread only.
    """

    def __init__(self, logs: Path) -> None:
        self.logs = logs
        self._servers: list[Server] = []
        self._previous: Callable[[int, FrameType | None], object] | int | None = None

    def __enter__(self) -> Processes:
        self._previous = signal.signal(signal.SIGTERM, _as_interrupt)
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        for server in reversed(self._servers):
            self.stop(server)
        signal.signal(signal.SIGTERM, self._previous or signal.SIG_DFL)

    def start(
        self,
        name: str,
        command: list[str],
        *,
        user: pwd.struct_passwd | None = None,
        environment: dict[str, str] | None = None,
        stop_signal: signal.Signals = signal.SIGTERM,
        death_signal: signal.Signals = signal.SIGKILL,
    ) -> Server:
        """Start `command`, an absolute path first, in a session of its own; it appends to `<logs>/<name>.log`.

        user: who runs it; None is ourselves. environment: all it gets beside PATH and HOME, nothing is
        inherited. stop_signal asks it to end in order; death_signal is what the kernel sends when we are gone:
        SIGKILL, but a server with children of its own needs one that makes it end them.
        Raises LabError outside the main thread.
        """
        if threading.current_thread() is not threading.main_thread():
            raise LabError(
                f"lab.processes: {name} would end with the thread that starts it (got "
                f"{threading.current_thread().name}, expected the main thread). Fix: start it there"
            )
        owner = [str(user.pw_uid), str(user.pw_gid)] if user else [str(os.geteuid()), str(os.getegid())]
        wrapper = [sys.executable, "-I", "-S", str(WRAPPER), str(os.getpid()), str(int(death_signal)), *owner]
        log = self.logs / f"{name}.log"
        with open(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab") as output:
            process = subprocess.Popen(
                [*wrapper, *command],
                cwd="/",
                env=_environment(user, environment or {}),
                start_new_session=True,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        server = Server(name, process, log, stop_signal)
        self._servers.append(server)
        return server

    def stop(self, server: Server, seconds: float = 20) -> None:
        """Ask `server` to end, and kill it after `seconds`; nothing happens when it has ended."""
        if server.running:
            server.process.send_signal(server.stop_signal)
            try:
                server.process.wait(seconds)
            except subprocess.TimeoutExpired:
                server.process.kill()
        server.process.wait()
        if server in self._servers:
            self._servers.remove(server)


def wait_until_ready(server: Server, ready: Callable[[], bool], seconds: float = 60) -> None:
    """Ask `ready` until it is true; LabError with the log's tail if the server ends or time is over."""
    deadline = time.monotonic() + seconds
    while not ready():
        if not server.running:
            raise LabError(
                f"{server.name}: ended with {server.process.returncode} before it was ready:\n"
                f"{server.tail()}\nFix: read its last words above; the whole log is {server.log}"
            )
        if time.monotonic() > deadline:
            raise LabError(
                f"{server.name}: not ready after {seconds:.0f} s:\n{server.tail()}\n"
                f"Fix: read its last words above; the whole log is {server.log}"
            )
        time.sleep(0.1)


def free_port() -> int:
    """A loopback port that nobody listens on now; another program could still take it first."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _environment(user: pwd.struct_passwd | None, extra: dict[str, str]) -> dict[str, str]:
    home = user.pw_dir if user else str(Path.home())
    return {"PATH": os.environ.get("PATH", os.defpath), "HOME": home, **extra}


def _as_interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt("SIGTERM")
