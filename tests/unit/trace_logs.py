"""Logs as PostgreSQL and Vault write them, of lines that a test names."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from runlease.evidence.trace import Answer, Question, Sources, trace
from runlease.evidence.trace.owners import Owners

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
LOGIN, OTHER = "run_reader_aaaaaaaaaaaaaaaaaaaa", "run_reader_bbbbbbbbbbbbbbbbbbbb"
VAULT = "runlease_shop_vault"


@dataclass(frozen=True)
class Line:
    """One entry of PostgreSQL's log, `at` seconds after noon."""

    at: float
    message: str
    user: str = LOGIN
    severity: str = "LOG"
    application: str = ""
    session: str = "6b05f113.1"
    statement: str = ""
    code: str = "00000"


def stamp(at: float) -> str:
    return (NOON + timedelta(seconds=at)).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3] + " UTC"


def csvlog(lines: Iterable[Line]) -> bytes:
    written = io.StringIO()
    for line in lines:
        row = [stamp(line.at), line.user, "shop", "7", "10.0.0.1:5", line.session, "1", "SELECT", stamp(0), "3/4", "0"]
        row += [line.severity, line.code, line.message, "", "", "", "", "", line.statement, "", "", line.application]
        row += ["client backend", "", "0"]
        quoted = [
            f'"{cell.replace(chr(34), chr(34) * 2)}"' if number in _TEXTS and cell else cell
            for number, cell in enumerate(row)
        ]
        written.write(",".join(quoted) + "\n")
    return written.getvalue().encode()


_TEXTS = frozenset({1, 2, 4, 7, 13, 19, 22, 23})


def jsonlog(lines: Iterable[Line]) -> bytes:
    return b"".join(json.dumps(_object(line), separators=(",", ":")).encode() + b"\n" for line in lines)


def _object(line: Line) -> dict[str, Any]:
    made = {"timestamp": stamp(line.at), "user": line.user, "dbname": "shop", "pid": 7, "session_id": line.session}
    made |= {"error_severity": line.severity, "message": line.message, "application_name": line.application}
    return made | {"state_code": line.code} | ({"statement": line.statement} if line.statement else {})


def plain(lines: Iterable[Line]) -> bytes:
    return "".join(_plain(line) for line in lines).encode()


def _plain(line: Line) -> str:
    said = f"user={line.user},db=shop,app={line.application},client=10.0.0.1,sess={line.session}"
    begin = f"{stamp(line.at)} [7] [{said}] "
    parts = [(line.severity, line.message), *([("STATEMENT", line.statement)] if line.statement else [])]
    return "".join(begin + f"{severity}:  {text}".replace("\n", "\n\t") + "\n" for severity, text in parts)


WRITERS: dict[str, Callable[[Iterable[Line]], bytes]] = {"csvlog": csvlog, "jsonlog": jsonlog, "stderr": plain}


def created(login: str = LOGIN, at: float = 0, caller: str = VAULT, user: str = VAULT, profile: str = "reader") -> Line:
    said = f"event=create login={login} oid=16452 database=shop profile={profile} caller={caller}"
    return Line(at, f"runlease ledger: {said} expires=2026-11-24T12:15:00Z outcome=live", user, session="6b05f113.f")


def dropped(
    login: str = LOGIN, at: float = 60, outcome: str = "dropped", user: str = VAULT, caller: str = VAULT
) -> Line:
    said = f"event=drop login={login} oid=16452 database=shop profile=reader caller={caller}"
    return Line(
        at, f"runlease ledger: {said} expires=2026-11-24T12:15:00Z outcome={outcome}", user, session="6b05f113.f"
    )


def statement(at: float, text: str, login: str = LOGIN, **more: Any) -> Line:
    return Line(at, f"statement: {text}", login, **more)


def taken(login: str = LOGIN, pod: str = "release-1-migrate-pod", at: float = 0.01, uid: str = "") -> dict[str, Any]:
    """Vault's answer with a lease."""
    token = {"namespace": "ci", "service_account": "migrate", "pod": pod, "pod_uid": uid or f"uid-of-{pod}"}
    return {
        "time": (NOON + timedelta(seconds=at)).strftime("%Y-%m-%dT%H:%M:%S.%f789Z"),
        "type": "response",
        "auth": {"accessor": f"hmac-sha256:{pod}", "metadata": token},
        "request": {"path": "shop-db/creds/reader", "mount_type": "database"},
        "response": {"secret": {"lease_id": "shop-db/creds/reader/x"}, "data": {"username": login}},
    }


def revoked(pod: str = "release-1-migrate-pod", at: float = 59) -> dict[str, Any]:
    """Vault's answer to a run that gives its lease back."""
    entry = taken(pod=pod, at=at)
    return entry | {"request": {"path": "sys/leases/revoke"}, "response": {}}


def audit_log(*entries: dict[str, Any]) -> bytes:
    return b"".join(json.dumps(entry, separators=(",", ":")).encode() + b"\n" for entry in entries)


class Logs:
    """Files of one test, and answers from them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.postgres: list[Path] = []
        self.audit: list[Path] = []
        self._open: list[Answer] = []

    def server(self, content: bytes) -> Path:
        self.postgres.append(self.folder / f"postgresql-{len(self.postgres)}.log")
        self.postgres[-1].write_bytes(content)
        return self.postgres[-1]

    def vault(self, *entries: dict[str, Any]) -> Path:
        self.audit.append(self.folder / f"audit-{len(self.audit)}.log")
        self.audit[-1].write_bytes(audit_log(*entries))
        return self.audit[-1]

    def ask(self, owners: Any = None, question: Question | None = None, **more: Any) -> Answer:
        known = Owners([("kubernetes.json", owners)] if owners else [])
        asked = question or Question(since=NOON - timedelta(days=1))
        self._open.append(trace(asked, Sources(self.postgres, self.audit, known, **more)))
        return self._open[-1]

    def close(self) -> None:
        for answer in self._open:
            answer.close()


def texts(answer: Answer) -> list[str]:
    return [event.text for event in answer.events]


def kinds(answer: Answer) -> list[tuple[str, str]]:
    return [(one.kind, one.login) for one in answer.findings]


def pod(name: str, task_run: str, uid: str = "") -> dict[str, Any]:
    return {
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": "ci",
            "uid": uid or f"uid-of-{name}",
            "ownerReferences": [_by("TaskRun", task_run)],
        },
    }


def task_run(name: str, pipeline_run: str, *pods: str) -> dict[str, Any]:
    above = [_by("PipelineRun", pipeline_run)] if pipeline_run else []
    status = {"podName": pods[0]} if pods else {}
    return {
        "kind": "TaskRun",
        "metadata": {"name": name, "namespace": "ci", "uid": f"uid-{name}", "ownerReferences": above},
        "status": status,
    }


def _by(kind: str, name: str) -> dict[str, Any]:
    return {"apiVersion": "tekton.dev/v1", "kind": kind, "name": name, "uid": f"uid-{name}", "controller": True}


def items(*objects: dict[str, Any]) -> dict[str, Any]:
    return {"kind": "List", "items": list(objects)}


def two_runs(logs: Logs, *more: Line) -> None:
    logs.vault(taken(), taken(OTHER, "other-pod"), revoked())
    lines = [created(), created(OTHER), statement(1, "SELECT a"), statement(2, "SELECT b", OTHER), *more]
    logs.server(csvlog([*lines, dropped(), dropped(OTHER)]))


OWNED = items(
    pod("release-1-migrate-pod", "release-1-migrate"),
    task_run("release-1-migrate", "release-1", "release-1-migrate-pod"),
    pod("other-pod", "other"),
    task_run("other", "release-2", "other-pod"),
)
