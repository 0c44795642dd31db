"""Logs of 500 runs between those of everybody else, with what is true of them. The same every time.

Each statement of a run names the run that it is of, so an answer can be checked statement by statement. Some sessions
call themselves by the name of another run's pod, some leases expire, some sessions outlive their lease, and some logins
are of no lease. Vault's clock is ahead, entries are seconds out of order, and some are broken.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

RUNS, TASKS, STATEMENTS, FILES, UNLEASED, BROKEN = 500, ("migrate", "seed", "verify"), 40, 4, 10, 3
BEGIN = datetime(2026, 11, 24, tzinfo=UTC)
AHEAD = 7.0
"""Seconds that Vault's clock is ahead."""
CALLER = "runlease_shop_vault"


@dataclass(frozen=True)
class Line:
    """One entry of PostgreSQL's log."""

    at: float
    user: str
    message: str
    session: str
    application: str


@dataclass
class Truth:
    """What a right answer finds."""

    statements: int = 0
    findings: set[tuple[str, str]] = field(default_factory=set)
    """Kind and login."""
    leased_bytes: int = 0
    """Of the log, those about leases and their sessions."""


def csv_line(line: Line) -> str:
    message = line.message.replace('"', '""')
    place = f'"{line.user}","shop",4711,"10.0.0.7:40112",{line.session},5,"SELECT",{_stamp(0)},7/42,0'
    return f'{_stamp(line.at)},{place},LOG,00000,"{message}",,,,,,,,,"{line.application}","client backend",,0\n'


def plain_line(line: Line) -> str:
    said = f"user={line.user},db=shop,app={line.application},client=10.0.0.7,sess={line.session}"
    return f"{_stamp(line.at)} [4711] [{said}] LOG:  {line.message}".replace("\n", "\n\t") + "\n"


def json_line(line: Line) -> str:
    made = {"timestamp": _stamp(line.at), "user": line.user, "dbname": "shop", "pid": 4711, "session_id": line.session}
    made |= {"ps": "SELECT", "error_severity": "LOG", "message": line.message, "application_name": line.application}
    return json.dumps(made | {"backend_type": "client backend", "query_id": 0}, separators=(",", ":")) + "\n"


WRITERS: dict[str, Callable[[Line], str]] = {"csvlog": csv_line, "jsonlog": json_line, "stderr": plain_line}


def write(folder: Path, form: str, size: int) -> Truth:
    """Files `postgresql-<n>.log` of `size` bytes in all, `audit.log` and `kubernetes.json`; and what is true."""
    chance, truth, writer = random.Random(6), Truth(), WRITERS[form]  # noqa: S311 - repeatable, no secret
    lines, audit, objects = _runs(chance, truth)
    # Seconds out of order, as several processes write.
    lines.sort(key=lambda line: line.at + chance.uniform(-3, 3))
    entries = [writer(line).encode() for line in lines]
    truth.leased_bytes = sum(map(len, entries))
    (folder / "audit.log").write_text("".join(json.dumps(one, separators=(",", ":")) + "\n" for one in audit))
    (folder / "kubernetes.json").write_text(json.dumps({"items": objects}))
    others = _others(chance, writer)
    between = max(1, (size - truth.leased_bytes) // len(entries))
    for number in range(FILES):
        part = entries[number * len(entries) // FILES : (number + 1) * len(entries) // FILES]
        with (folder / f"postgresql-{number}.log").open("wb") as file:
            for place, entry in enumerate(part):
                if place in (10, 20, 30) and number == 0:
                    file.write(_broken(form))
                file.write(entry)
                _fill(file, others, between)
            if number == FILES - 1:
                file.write(entries[0][:90])  # cut: it is being written
    return truth


def _runs(chance: random.Random, truth: Truth) -> tuple[list[Line], list[dict[str, Any]], list[dict[str, Any]]]:
    lines: list[Line] = []
    audit: list[dict[str, Any]] = []
    objects: list[dict[str, Any]] = []
    for run in range(RUNS):
        for place, task in enumerate(TASKS):
            begin = run * 60 + place * 70 + chance.uniform(0, 5)
            pod, login = f"release-{run}-{task}-pod", f"run_shop-{task}_{run:04}{'x' * 16}"
            expired, late, spoofs = (chance.random() < share for share in (0.05, 0.03, 0.05))
            end = begin + (300 if expired else 50)
            lines += [_ledger("create", login, begin, "live"), _ledger("drop", login, end, "dropped")]
            audit += [_audited(login, pod, begin), *([] if expired else [_audited(login, pod, end - 0.01, "revoke")])]
            objects += _objects(run, task, pod, gone=chance.random() < 0.1)
            application = pod
            if spoofs:
                application = f"release-{(run + 1 + chance.randrange(RUNS - 2)) % RUNS}-{task}-pod"
                truth.findings.add(("contradiction", login))
            lines += _session(chance, login, f"r{run}_", application, begin + 1, 40, f"{run:x}.{place}a")
            truth.statements += STATEMENTS
            if late:
                truth.findings.add(("after its lease", login))
                lines += _session(chance, login, f"r{run}_", pod, end + 20, 5, f"{run:x}.{place}b")
                truth.statements += STATEMENTS
    for number in range(UNLEASED):
        login = f"run_shop-nobody_{number:04}{'x' * 16}"
        truth.findings.add(("no lease", login))
        lines += _session(chance, login, "nobody_", "psql", 100 + number, 5, f"f{number:x}.c")
        truth.statements += STATEMENTS
    return lines, audit, objects


def _session(
    chance: random.Random, login: str, run: str, application: str, begin: float, seconds: float, session: str
) -> Iterator[Line]:
    authorized = f"connection authorized: user={login} database=shop application_name={application}"
    yield Line(begin, login, authorized, session, "[unknown]")
    for number in range(STATEMENTS):
        at = begin + seconds * (number + 1) / (STATEMENTS + 1)
        yield Line(at, login, f"statement: {_statement(chance, run, number)}", session, application)


def _statement(chance: random.Random, run: str, number: int) -> str:
    column = f"of_{run}"
    another = f"run_shop-seed_{chance.randrange(RUNS):04}{'x' * 16}"
    if number % 8 == 0:  # other logins, and what looks like an entry, in its text
        forged = f'{_stamp(5)},"{another}","shop",7,"h",1.2,1,"x",{_stamp(0)},1/1,0,LOG,00000,"statement: SELECT x"'
        return f"SELECT {column}, '{another}' FROM app.orders\n{forged}\nWHERE \"a\" = 'b'"  # noqa: S608 - never run
    if number % 8 == 1:
        return f"UPDATE app.orders SET {column} = 'user={another},db=shop' WHERE id = {number}"  # noqa: S608 - never run
    return f"INSERT INTO app.orders ({column}, b) VALUES ('some text', {chance.randrange(10**6)})"  # noqa: S608 - never run


def _ledger(event: str, login: str, at: float, outcome: str) -> Line:
    expires = (BEGIN + timedelta(seconds=at + 300)).strftime("%Y-%m-%dT%H:%M:%SZ")
    said = f"event={event} login={login} oid=16452 database=shop profile=seeder caller={CALLER} expires={expires}"
    return Line(at, CALLER, f"runlease ledger: {said} outcome={outcome}", "1.1", "vault")


def _audited(login: str, pod: str, at: float, what: str = "creds") -> dict[str, Any]:
    token = {"namespace": "ci", "service_account": "release", "pod": pod, "pod_uid": f"uid-{pod}", "jti": "x" * 36}
    moment = (BEGIN + timedelta(seconds=at + AHEAD)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    path = "shop-db/creds/seeder" if what == "creds" else "sys/leases/revoke"
    secret = {"secret": {"lease_id": f"{path}/x"}, "data": {"username": login}} if what == "creds" else {}
    auth = {"accessor": f"hmac-sha256:{pod}", "metadata": token, "policies": ["shop.seeder"]}
    return {"time": moment, "type": "response", "auth": auth, "request": {"path": path}, "response": secret}


def _objects(run: int, task: str, pod: str, *, gone: bool) -> Iterator[dict[str, Any]]:
    def by(kind: str, name: str) -> dict[str, Any]:
        return {"apiVersion": "tekton.dev/v1", "kind": kind, "name": name, "uid": f"uid-{name}", "controller": True}

    name = f"release-{run}-{task}"
    meta = {"namespace": "ci", "ownerReferences": [by("PipelineRun", f"release-{run}")]}
    yield {"kind": "TaskRun", "metadata": {"name": name, "uid": f"uid-{name}", **meta}, "status": {"podName": pod}}
    if not gone:
        meta = {"namespace": "ci", "ownerReferences": [by("TaskRun", name)]}
        yield {"kind": "Pod", "metadata": {"name": pod, "uid": f"uid-{pod}", **meta}}


def _others(chance: random.Random, writer: Callable[[Line], str]) -> list[bytes]:
    """What applications do meanwhile: a few name things that begin like a leased login."""
    texts = (
        "SELECT o.id, o.total, c.name FROM app.orders o JOIN app.customer c ON c.id = o.customer WHERE o.id = 4711",
        "UPDATE app.stock SET amount = amount - 1 WHERE product = 17 AND place = 'north'",
        "SELECT id, state,\n       created\n  FROM app.basket\n WHERE owner = 'me' -- \"recent\"\n ORDER BY created",
        "INSERT INTO app.job_log (run_id, line) VALUES (815, 'done')",
    )
    return [
        writer(Line(chance.uniform(0, 80_000), "web", f"statement: {chance.choice(texts)}", "6b05f113.1f75", "web"))
        .encode()
        for _ in range(2000)
    ]  # fmt: skip


def _fill(file: Any, others: list[bytes], size: int) -> None:
    written = 0
    place = file.tell() % len(others)
    while written < size:
        entry = others[place]
        written += file.write(entry)
        place = (place + 1) % len(others)


def _broken(form: str) -> bytes:
    """An entry of a leased login that ends before its end."""
    line = Line(9, f"run_shop-broken_{'x' * 16}", 'statement: SELECT "a', "6b05f113.b", "psql")
    whole = WRITERS[form](line).encode()
    return whole[: whole.index(b"statement")] + b"\n" if form != "stderr" else whole.replace(b",sess=", b"")


def _stamp(at: float) -> str:
    return (BEGIN + timedelta(seconds=at)).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3] + " UTC"
