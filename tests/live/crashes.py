"""Servers that are killed outright and come back, and runs that end in any way meanwhile."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

import psycopg

from lab import LabError
from lab.https import RefusedError
from lab.kubernetes import Kubernetes
from lab.openbao import OpenBao
from lab.postgres import PostgresServer
from lab.processes import Processes, Server
from tests.live.deployment import NAMESPACE, Deployment
from tests.live.guards import Config, Guard
from tests.live.statements import worded

PROFILES = ("reader", "sandbox", "migrator")
RETRIES = 240


class Ending(StrEnum):
    KILL, TERM, RELEASE = "kill", "term", "release"


@dataclass(frozen=True)
class Fate:
    """How one run is to end."""

    number: int
    profile: str
    ending: Ending
    after: float
    connects: bool


def fates(chance: random.Random, runs: int, first: int) -> list[Fate]:
    """Half of the guards are killed; a signal comes between their first breath and their work."""
    endings = [Ending.KILL, Ending.KILL, Ending.TERM, Ending.RELEASE]
    return [_fate(chance, first + number, endings) for number in range(runs)]


def _fate(chance: random.Random, number: int, endings: list[Ending]) -> Fate:
    after, connects = chance.uniform(0.1, 2.5), chance.random() < 0.4
    return Fate(number, chance.choice(PROFILES), chance.choice(endings), after, connects)


@dataclass
class Apiserver:
    """The lab's own API server. No run needs it once its pods have their tokens."""

    kubernetes: Kubernetes
    processes: Processes
    started: Server | None = None
    command: list[str] = field(default_factory=list)

    def kill(self) -> None:
        """It takes its time to come back: `wait` before a sweep."""
        pid, self.command = _process_of(self.kubernetes)
        os.kill(pid, signal.SIGKILL)
        self._start()

    def wait(self) -> None:
        """Until it answers; where it ended by itself it is started again: its port may have been another's."""
        _again(self._answer)

    def _start(self) -> None:
        self.started = self.processes.start("kube-apiserver", self.command)

    def _answer(self) -> None:
        if self.started and not self.started.running:
            said = self.started.tail()
            self._start()
            raise LabError(f"tests.live.crashes: the API server ended by itself:\n{said}")
        self.kubernetes.get("v1", "Namespace", NAMESPACE)


@dataclass
class Crowd:
    """Runs of one site: a pod in the API server, a guard as a process, and for some a session that stays open."""

    site: Deployment
    apiserver: Apiserver
    config: Config
    folder: Path
    tokens: dict[int, str]
    sessions: list[psycopg.Connection]

    def announce(self, fate: Fate) -> None:
        """The pod and its token, as kubelet has them before a container starts."""
        account, pod = f"run-{fate.profile}", f"crash-{fate.number}"
        kubernetes = self.apiserver.kubernetes
        kubernetes.create_service_account(NAMESPACE, account)
        kubernetes.create_pod(NAMESPACE, pod, account)
        self.tokens[fate.number] = kubernetes.token(NAMESPACE, account, self.site.audience, pod)

    def live(self, fate: Fate) -> None:
        """One run, from its guard's start to its end."""
        guard = Guard.placed(self.folder / str(fate.number), self.config, self.tokens[fate.number], fate.profile)
        guard.start()
        until = time.monotonic() + fate.after
        _wait(lambda: (guard.shared / "ready").exists() or time.monotonic() > until)
        if fate.connects and (guard.shared / "ready").exists():
            self._connect(guard, fate)
        _wait(lambda: time.monotonic() > until)
        if fate.ending is Ending.RELEASE:
            (guard.shared / "release").touch()
            _wait(lambda: any((guard.shared / name).exists() for name in ("revoked", "failed")), 15)
        guard.signal(signal.SIGKILL if fate.ending is Ending.KILL else signal.SIGTERM)
        guard.end()

    def _connect(self, guard: Guard, fate: Fate) -> None:
        with suppress(psycopg.Error, OSError, IndexError):
            conninfo = self.site.postgres.conninfo(self.site.dbname, guard.login, guard.password)
            session = psycopg.connect(conninfo, autocommit=True)
            self.sessions.append(session)
            if fate.profile == "sandbox":
                session.execute(worded("CREATE TABLE {schema}.mine ()", schema=guard.login))

    def bury(self, ended: Iterable[Fate]) -> None:
        """Their pods go, as Kubernetes removes them."""
        for fate in ended:
            self.apiserver.kubernetes.remove_pod(NAMESPACE, f"crash-{fate.number}")


def _wait(true: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not true() and time.monotonic() < deadline:
        time.sleep(0.02)


# --- killing servers; from the main thread, which alone may start them


def kill_openbao(openbao: OpenBao) -> None:
    os.kill(openbao.pid or 0, signal.SIGKILL)
    openbao.stop()  # it is gone already, and must be waited for
    _again(openbao.start_again)
    _again(openbao.unseal)


def kill_postgres(server: PostgresServer) -> None:
    """The postmaster alone: its children notice, and until they have gone it does not start again."""
    os.kill(server.pid or 0, signal.SIGKILL)
    server.stop()  # it is gone already, and must be waited for: its lock file names its pid
    _again(server.start_again)


def _process_of(kubernetes: Kubernetes) -> tuple[int, list[str]]:
    """The lab's own API server, by the folder that its certificate is in; its state is etcd's."""
    home = str(kubernetes.kubeconfig.parent)
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            words = path.read_bytes().decode().split("\0")[:-1]
            if words and words[0].endswith("kube-apiserver") and any(home in word for word in words):
                return int(path.parent.name), words
    raise LabError("tests.live.crashes: no kube-apiserver of the lab. Fix: unset RUNLEASE_LAB_KUBECONFIG")


def _again(attempt: Callable[[], object]) -> None:
    for _ in range(RETRIES):
        try:
            attempt()
            return
        except (LabError, RefusedError, OSError, psycopg.Error):
            time.sleep(0.5)
    attempt()


# --- what is left

_ACCESS = """
SELECT 'relation ' || c.oid::regclass::text || ' ' || a::text FROM pg_class c, unnest(c.relacl) a
UNION ALL SELECT 'schema ' || nspname || ' ' || a::text FROM pg_namespace, unnest(nspacl) a
UNION ALL SELECT 'database ' || datname || ' ' || a::text FROM pg_database, unnest(datacl) a
UNION ALL SELECT 'function ' || p.oid::regprocedure::text || ' ' || a::text FROM pg_proc p, unnest(proacl) a
UNION ALL SELECT 'default ' || defaclrole::regrole::text || ' ' || a::text FROM pg_default_acl, unnest(defaclacl) a
UNION ALL SELECT 'member ' || roleid::regrole::text || ' ' || member::regrole::text FROM pg_auth_members
"""


def access_entries(site: Deployment) -> set[str]:
    """Every entry of every access list, and every membership."""
    return {entry for (entry,) in site.rows(_ACCESS)}


def counts(site: Deployment, declared: set[str]) -> dict[str, int]:
    """What there is of runs."""
    logins, sessions, schemas = site.rows(
        "SELECT (SELECT count(*) FROM pg_roles WHERE rolname ~ '^run_'),"
        " (SELECT count(*) FROM pg_stat_activity a LEFT JOIN pg_roles r ON r.oid = a.usesysid WHERE a.usesysid <> 0"
        "   AND a.datname = current_database() AND (r.oid IS NULL OR r.rolname ~ '^run_')),"
        " (SELECT count(*) FROM pg_namespace WHERE nspname ~ '^run_')"
    )[0]
    return {
        "logins": logins,
        "sessions": sessions,
        "schemas": schemas,
        "access entries": len(access_entries(site) - declared),
    }


NOTHING = {"logins": 0, "sessions": 0, "schemas": 0, "access entries": 0}
