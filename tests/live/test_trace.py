"""Real runs, traced from the real logs of PostgreSQL, in each of its formats, and of OpenBao."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.sql import SQL, Identifier, Literal

from lab.certificates import CertificateAuthority
from lab.folders import lab_folder as own_folder
from lab.issuer import LabIssuer
from lab.openbao import OpenBao
from lab.postgres import PostgresServer
from lab.postgres_binaries import binaries
from lab.processes import Processes
from lab.runner import TaskRunner
from runlease.cli import main
from runlease.provision.tekton import read_task
from tests.live.deployment import NAMESPACE, Deployment, Lease, deploy
from tests.live.task_runs import config_map

LOGGED = {
    "logging_collector": "on",
    "log_destination": "stderr,csvlog,jsonlog",
    "log_filename": "server.log",
    "log_statement": "all",
    "log_duration": "on",
    "pgaudit.log": "read,write",
    "pgaudit.log_relation": "on",
    "pgaudit.log_rows": "on",
}
FORMATS = {"stderr": "server.log", "csvlog": "server.csv", "jsonlog": "server.json"}
STATEMENTS = "SELECT label, 'a secret' FROM items;\nSELECT 1/0;"


@dataclass(frozen=True)
class Traced:
    """What was done on one server, and where it was logged."""

    site: Deployment
    run: str
    """The TaskRun, and its login."""
    login: str
    spoofed: Lease
    """Called itself by the name of the TaskRun's pod."""
    unleased: str
    """Made by Vault's login, and by no lease."""
    late: Lease
    """Had a session when it was dropped."""
    hashed: Lease
    """Taken while the mount hashed usernames."""
    folder: Path

    def ask(self, form: str, *question: str) -> list[str]:
        """The arguments for one format."""
        logs = self.site.postgres.data / "log" / FORMATS[form]
        return ["trace", "--postgres-log", str(logs), "--audit-log", str(self.site.openbao.audit_log), *question]


@pytest.fixture(scope="module", params=[15, 18], ids=["pg15", "pg18"])
def traced(request: pytest.FixtureRequest, lab_ca: CertificateAuthority) -> Iterator[Traced]:
    """Servers of their own, because every statement is logged three times, and Vault's logins lose their passwords."""
    with own_folder() as folder, Processes(folder) as processes:
        built = binaries(request.param)
        settings = {name: value for name, value in LOGGED.items() if built.pgaudit or "." not in name}
        server = PostgresServer.start(folder, lab_ca, processes, built, unsafe_no_fsync=True, settings=settings)
        openbao = OpenBao.start(folder, lab_ca, processes)
        name = f"traced{request.param}"
        site = deploy(Deployment(name, name, request.param, False, server, openbao, LabIssuer()), folder)
        site.migrate("CREATE TABLE items (label text)")
        yield _done(site, folder)


def _done(site: Deployment, folder: Path) -> Traced:
    run, login = _task(site, folder)
    spoofed = site.take("reader")
    conninfo = site.postgres.conninfo(site.dbname, spoofed.login, spoofed.password)
    with psycopg.connect(conninfo, autocommit=True, application_name=f"{run}-pod") as session:
        session.execute("SELECT count(*) FROM app.items")
    site.revoke(spoofed)
    hashed = _hashed(site)
    return Traced(site, run, login, spoofed, _unleased(site), _late(site), hashed, folder)


@contextmanager
def _as_vault(site: Deployment, tier: str) -> Iterator[psycopg.Connection]:
    """Whoever has the password of one of Vault's logins."""
    login, password = site.own(tier), "a-stolen-password"
    with site.as_superuser() as session:
        verifier = session.pgconn.encrypt_password(password.encode(), login.encode(), b"scram-sha-256").decode()
        session.execute(SQL("ALTER ROLE {} PASSWORD {}").format(Identifier(login), Literal(verifier)))
    with site.postgres.connect(site.dbname, login, password) as session:
        yield session


def _task(site: Deployment, folder: Path) -> tuple[str, str]:
    name = f"runlease-{site.installation}"
    with TaskRunner(folder / "runs", site.issuer, {name: config_map(site, folder)}) as runner:
        params = {"lease": "reader", "installation-config": name, "audience": site.audience, "sql": STATEMENTS}
        run = f"{site.installation}-release-1-read"
        ended = runner.start(
            read_task("postgres-run"), service_account="run-reader", name=run, params=params, pipeline_run="another"
        ).settle(60)
        assert "division by zero" in ended.output, ended.output
        return run, next(word for word in ended.output.split() if word.startswith("run_reader_"))


def _unleased(site: Deployment) -> str:
    """A login that is no lease of Vault's."""
    login, verifier = (
        "run_reader_without_a_lease",
        f"SCRAM-SHA-256$4096:{'A' * 22}==${'A' * 43}=:{'A' * 43}=",
    )
    with _as_vault(site, "vault") as vault:
        until = vault.execute("SELECT (now() + interval '1 minute')::text").fetchall()[0][0]
        vault.execute("SELECT runlease.create_login(%s, %s, %s, 'reader')", [login, verifier, until])
        vault.execute("SELECT runlease.drop_login(%s)", [login])
    return login


def _late(site: Deployment) -> Lease:
    """A session that slips in before the drop commits, and becomes the owner."""
    lease = site.take("migrator")
    with _as_vault(site, "vault_migrator") as vault:
        with vault.transaction():
            vault.execute("SELECT runlease.drop_login(%s)", [lease.login])
            session = site.connect(lease, role=site.owner)
        time.sleep(2.2)  # what is allowed around the end of a lease
        session.execute("SELECT 'late' FROM items")
        vault.execute("SELECT runlease.reap()")
    session.close()
    return lease


def _hashed(site: Deployment) -> Lease:
    def tune(keys: list[str]) -> None:
        body = {"audit_non_hmac_response_keys": keys}
        site.openbao.request("POST", f"/sys/mounts/{site.installation}-db/tune", body, site.openbao.root_token)

    tune([])
    with site.leased("reader") as lease, site.connect(lease) as session:
        session.execute("SELECT 'hashed' FROM app.items")
    tune(["username"])
    return lease


@pytest.fixture
def vault(traced: Traced, monkeypatch: pytest.MonkeyPatch) -> None:
    """OpenBao says the hashes of usernames."""
    bao = traced.site.openbao
    for name, value in {"VAULT_ADDR": bao.address, "VAULT_TOKEN": bao.root_token, "VAULT_CACERT": str(bao.ca)}.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.usefixtures("vault")
def test_a_run_is_traced_to_its_statements(traced: Traced, form: str, capsys: pytest.CaptureFixture[str]) -> None:
    known = traced.folder / "kubernetes.json"
    known.write_text(json.dumps(_kubernetes(traced)))
    question = ["--run", "release-1", "--kubernetes", str(known), "--format", "json", "--audit-device", "lab"]
    assert main(traced.ask(form, *question)) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    (lease,) = [line for line in lines if line["is"] == "lease"]
    assert (lease["login"], lease["pod"], lease["outcome"]) == (traced.login, f"{traced.run}-pod", "dropped")
    assert (lease["task_run"], lease["pipeline_run"]) == (traced.run, "release-1")
    assert lease["made"] < lease["asked_for_revocation"]
    events = [line for line in lines if line["is"] == "event"]
    assert {event["login"] for event in events} == {traced.login}
    (statement,) = [one for one in events if one["kind"] == "statement" and "FROM items" in one["statement"]]
    assert statement["statement"].startswith("SELECT label, ? FROM items")
    (error,) = [one for one in events if one["kind"] == "error"]
    assert (error["statement"], error["error"].removeprefix("22012 ")) == ("SELECT ?/?;", "division by zero")
    if traced.site.postgres.pgaudit:
        assert "app.items" in [one["table"] for one in events if one["kind"] == "audit"]
    assert "a secret" not in json.dumps(lines)


def _kubernetes(traced: Traced) -> object:
    """What an API server says of the pod that the lab's runner ran, by its real uid."""

    def by(kind: str, name: str) -> dict[str, object]:
        return {"apiVersion": "tekton.dev/v1", "kind": kind, "name": name, "uid": name, "controller": True}

    pod = f"{traced.run}-pod"
    uid = traced.site.issuer.create_pod(NAMESPACE, pod, "run-reader")
    meta = {"name": pod, "namespace": NAMESPACE, "uid": uid, "ownerReferences": [by("TaskRun", traced.run)]}
    run = {"name": traced.run, "namespace": NAMESPACE, "uid": traced.run}
    run["ownerReferences"] = [by("PipelineRun", "release-1")]  # type: ignore[assignment]  # JSON
    return {
        "items": [{"kind": "Pod", "metadata": meta}, {"kind": "TaskRun", "metadata": run, "status": {"podName": pod}}]
    }


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.usefixtures("vault")
def test_what_no_lease_explains_is_found(traced: Traced, form: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(traced.ask(form, "--unattributed", "--format", "json", "--audit-device", "lab")) == 3
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    found = {(line["kind"], line["login"]) for line in lines if line["is"] == "finding"}
    assert found == {
        ("no lease", traced.unleased),
        ("after its lease", traced.late.login),
        ("contradiction", traced.spoofed.login),
    }


@pytest.mark.usefixtures("vault")
def test_hashed_usernames_are_resolved_by_vault(traced: Traced, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(traced.ask("csvlog", "--statement", "'hashed'", "--audit-device", "lab")) == 0
    told = capsys.readouterr().out
    assert f"{traced.hashed.login}: pod {traced.site.installation}-reader" in told


@pytest.mark.usefixtures("vault")
def test_an_audit_device_of_another_name_is_told_with_the_fix(
    traced: Traced, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(traced.ask("csvlog", "--unattributed", "--audit-device", "nosuch")) == 2
    assert "sys/audit-hash/nosuch: is not answered" in capsys.readouterr().err


def test_without_vault_a_hashed_lease_makes_the_answer_partial(
    traced: Traced, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("VAULT_ADDR", raising=False)
    assert main(traced.ask("stderr", "--unattributed")) == 5
    told = capsys.readouterr().out
    assert told.startswith("PARTIAL: ")
    assert f"no lease: {traced.hashed.login}" in told


VAULT_LISTS = ("sys/mounts", "sys/auth", "sys/audit", "sys/policies/acl?list=true", "identity/entity/id?list=true")


def _everything(traced: Traced) -> list[Any]:
    """Catalogs and a table with the versions of their rows, and what OpenBao lists of itself and its leases."""
    site = traced.site
    leases = f"sys/leases/lookup/{site.installation}-db/creds?list=true"
    asked = (site.openbao.request("GET", f"/{one}", token=site.openbao.root_token) for one in (*VAULT_LISTS, leases))
    return [*site.dump("app.items"), *(one["data"] for one in asked)]


@pytest.mark.usefixtures("vault")
def test_nothing_is_changed_and_vault_is_asked_for_hashes_alone(traced: Traced) -> None:
    before, size = _everything(traced), traced.site.openbao.audit_log.stat().st_size
    assert main(traced.ask("csvlog", "--statement", "'hashed'", "--audit-device", "lab")) == 0
    told = [json.loads(line) for line in traced.site.openbao.audit_log.read_bytes()[size:].splitlines()]
    assert {one["request"]["path"] for one in told} == {"sys/audit-hash/lab"}
    assert _everything(traced) == before
