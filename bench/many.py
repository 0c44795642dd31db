"""200 guards at once, beside 200 bare clients that do the same two calls: leases in a second, and how long each waited.

All processes start as fast as one parent can start them; a lease is there when its file is. In turns, on one site.
"""

from __future__ import annotations

import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles

from bench import BenchError, bare_client
from bench.site import CREDS, JWT_MOUNT, MEMORY, PYTHON, ROLE, GuardFolder, Site
from bench.table import Comparison

COUNT, ROUNDS = 200, 7
PATIENCE = 120.0
"""Seconds after which a round is given up."""


@dataclass(frozen=True)
class Start:
    """One process to be: what is started, and the file that it writes when its lease is there."""

    command: list[str]
    environment: dict[str, str]
    done: Path


@dataclass(frozen=True)
class Crowd:
    """How one round went: seconds from the first start to the last lease, and each process's own wait."""

    wall: float
    waits: tuple[float, ...]

    @property
    def median(self) -> float:
        """Half of them waited no longer, in seconds."""
        return median(self.waits)

    @property
    def p95(self) -> float:
        """19 of 20 waited no longer, in seconds."""
        return quantiles(self.waits, n=20)[-1]


def compare(site: Site, rounds: int = ROUNDS, count: int = COUNT) -> list[Comparison]:
    """Rate, median and 95th percentile; every lease must come, in every round."""
    ways = (guard, client)
    seen: dict[str, list[Crowd]] = {way.__name__: [] for way in ways}
    _crowd(site, client, count)  # not counted: the first crowd after a start is slower, whichever it is
    for turn in range(rounds):
        for way in ways if turn % 2 else reversed(ways):
            seen[way.__name__].append(_crowd(site, way, count))
    guards, clients = seen["guard"], seen["client"]
    what, beside = f"{count} guards at once", f"{count} bare clients"
    return [
        Comparison(
            f"{what}: leases in a second",
            "/s",
            tuple(count / one.wall for one in guards),
            beside,
            tuple(count / one.wall for one in clients),
            at_least=0.9,
        ),
        Comparison(f"{what}: wall time", "s", _all(guards, "wall"), beside, _all(clients, "wall")),
        Comparison(f"{what}: p50", "s", _all(guards, "median"), beside, _all(clients, "median")),
        Comparison(f"{what}: p95", "s", _all(guards, "p95"), beside, _all(clients, "p95")),
    ]


def guard(site: Site, folder: Path) -> Start:
    """The Task's sidecar."""
    made = GuardFolder.make(site, folder)
    return Start([PYTHON, str(made.script)], dict(made.environment), made.shared / "ready")


def client(site: Site, folder: Path) -> Start:
    """Two calls and one file."""
    openbao, done = site.servers.openbao, folder / "done"
    wanted = [openbao.address, str(openbao.ca), str(site.token), JWT_MOUNT, ROLE, CREDS, str(done)]
    return Start([PYTHON, bare_client.__file__, *wanted], {}, done)


def _all(crowds: list[Crowd], what: str) -> tuple[float, ...]:
    return tuple(float(getattr(one, what)) for one in crowds)


def _crowd(site: Site, way: Callable[[Site, Path], Start], count: int) -> Crowd:
    with tempfile.TemporaryDirectory(dir=MEMORY, prefix="runlease-bench-") as name:
        folders = [Path(name, str(number)) for number in range(count)]
        for folder in folders:
            folder.mkdir()
        starts = [way(site, folder) for folder in folders]
        running: list[tuple[float, subprocess.Popen[bytes]]] = []
        try:
            for start in starts:
                # A file's time is the wall clock's.
                running.append((time.time(), _started(start)))
            _wait(starts, running)
            waits = tuple(start.done.stat().st_mtime - began for start, (began, _) in zip(starts, running, strict=True))
            wall = max(start.done.stat().st_mtime for start in starts) - running[0][0]
        finally:
            _end([process for _, process in running])
            site.give_back()
    return Crowd(wall, waits)


def _started(start: Start) -> subprocess.Popen[bytes]:
    with start.done.with_name("log").open("wb") as log:
        return subprocess.Popen(start.command, env=start.environment, stdout=log, stderr=log)


def _wait(starts: list[Start], running: list[tuple[float, subprocess.Popen[bytes]]]) -> None:
    end, missing = time.monotonic() + PATIENCE, list(zip(starts, running, strict=True))
    while missing := [(start, run) for start, run in missing if not start.done.exists()]:
        ended = [start for start, (_, process) in missing if process.poll() is not None]
        if ended or time.monotonic() > end:
            log = (ended or [missing[0][0]])[0].done.with_name("log").read_text()
            raise BenchError(f"bench.many: {len(missing)} of {len(starts)} got no lease:\n{log[-2000:]}")
        time.sleep(0.05)


def _end(processes: list[subprocess.Popen[bytes]]) -> None:
    for process in processes:
        process.send_signal(signal.SIGTERM)
    for process in processes:
        process.wait(PATIENCE)
