"""The LeaseAuditor on real servers: what its pod has is enough for a whole verification, and for nothing else."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import PIPE
from typing import Any

import pytest
import yaml
from psycopg.errors import InsufficientPrivilege

from lab.faults import Fault, FaultyProxy
from lab.folders import private_folder
from lab.https import RefusedError
from lab.kubernetes import Kubernetes
from lab.openbao import OpenBao
from lab.postgres import PostgresServer
from lab.stack import Servers, apply_without_pulumi
from runlease.cli import main
from runlease.config import load
from runlease.evidence.exits import FOUND, PARTIAL
from runlease.evidence.prove.attempts import Verdict
from runlease.evidence.prove.edge_proof import Prover
from runlease.evidence.prove.tokens import Token
from runlease.evidence.prove.wallet import Wallet
from runlease.readers.session import password_variable
from tests.live.deployment import MIGRATION, NAMESPACE, PROFILES, Deployment, deploy, settings_of
from tests.live.guards import wait_until
from tests.live.provable import named
from tests.live.scheduled import Scheduled
from tests.live.verifying import EXPLAINED

HOME = "auditors"
OFFERED: dict[str, object] = {name: {} for name in (*PROFILES, "auditor")}
Verify = Callable[..., tuple[int, dict[str, Any]]]


@pytest.fixture(scope="module", params=[15, 18])
def audited(
    request: pytest.FixtureRequest,
    openbao: OpenBao,
    kubernetes: Kubernetes,
    tmp_path_factory: pytest.TempPathFactory,
) -> Scheduled:
    server: PostgresServer = request.getfixturevalue(f"postgres{request.param}")
    folder = tmp_path_factory.mktemp("auditor")
    site = Deployment("seen", f"pg{request.param}-seen", request.param, False, server, openbao, kubernetes)
    home = private_folder(folder / "deployed")
    auditor = {"namespace": HOME, "image": "registry/runlease", "leases": ["auditor"]}
    settings = {**settings_of(site, home, profiles=OFFERED, close=[]), "auditor": auditor}
    for namespace in (NAMESPACE, HOME):
        kubernetes.create_namespace(namespace)
    apply_without_pulumi(settings, Servers(server, openbao, kubernetes, kubernetes), home)
    site.migrate(*MIGRATION)
    return Scheduled.placed(site, kubernetes, folder, "auditor", HOME)


@pytest.fixture
def verify(audited: Scheduled, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Verify:
    return audited.commanded("verify", monkeypatch, capsys)


@contextmanager
def let_in(audited: Scheduled, partial: list[str]) -> Iterator[None]:
    """Run the GRANTs that the answer asks for, and take them back: databases of other tests, closed to PUBLIC."""
    grant = re.compile(r'Fix: GRANT (CONNECT ON DATABASE "\w+") TO "seen_auditor";$')
    asked = [grant.search(reason) for reason in partial]
    assert all(asked), partial
    rights = [found[1] for found in asked if found]
    with audited.site.as_superuser() as session:
        for right in rights:
            session.execute(f"GRANT {right} TO seen_auditor".encode())
        try:
            yield
        finally:
            for right in rights:
                session.execute(f"REVOKE {right} FROM seen_auditor".encode())


def test_its_pod_has_all_that_a_whole_answer_needs_and_leaves_nothing(audited: Scheduled, verify: Verify) -> None:
    with audited.site.as_superuser("postgres") as session:
        session.execute("CREATE DATABASE seen_archive")
        session.execute("REVOKE CONNECT ON DATABASE seen_archive FROM PUBLIC")
    try:
        code, found = verify()
        assert code == FOUND + 2, "found and partial"
        assert any("seen_archive" in reason for reason in found["partial"])
        with let_in(audited, found["partial"]):
            code, found = verify()
    finally:
        with audited.site.as_superuser("postgres") as session:
            session.execute("DROP DATABASE seen_archive")
    assert found["partial"] == []
    assert {one["id"] for one in found["findings"]} == EXPLAINED
    assert code == FOUND
    assert audited.site.leased_logins() == []
    assert audited.site.leases("auditor") == 0


def test_a_pod_that_is_stopped_gives_back_the_lease_that_vault_is_just_giving(
    audited: Scheduled, proxy: FaultyProxy
) -> None:
    text = (audited.folder / "stack" / "stack.yaml").read_text()
    stack = audited.folder / "stack" / "held.yaml"
    stack.write_text(text.replace(audited.site.openbao.address, proxy.address))
    proxy.fail("/creds/auditor", Fault.HELD)
    command = [sys.executable, "-c", "import sys; from runlease.cli import main; sys.exit(main())", "verify"]
    arguments = [str(stack), "--identity", str(audited.folder / "identity")]
    environment = {**os.environ, **audited.environment}
    with subprocess.Popen([*command, *arguments], env=environment, stdout=PIPE, stderr=PIPE) as running:
        wait_until(audited.site.leased_logins, "a login")
        running.terminate()
        time.sleep(0.5)
        assert running.poll() is None
        proxy.heal()
        printed, said = running.communicate(timeout=60)
    assert said.decode() == "runlease: interrupted. What was taken is given back; nothing is said of the rest\n"
    assert (running.returncode, printed) == (1, b"")
    assert audited.site.leased_logins() == []
    assert [proxy.asked(end) for end in ("/leases/revoke", "/revoke-self")] == [1, 1]


def test_it_sees_what_is_wrong_in_each_of_the_three_systems(audited: Scheduled, verify: Verify) -> None:
    site = audited.site
    path = f"/sys/policies/acl/{site.installation}.reader"
    text = site.openbao.request("GET", path, token=site.openbao.root_token)["data"]["policy"]
    wider = {"policy": text + '\npath "sys/raw" { capabilities = ["read"] }'}
    with site.as_superuser() as session:
        session.execute("GRANT TRIGGER ON app.items TO seen_reader")
    site.openbao.request("PUT", path, wider, site.openbao.root_token)
    audited.kubernetes._client.request("DELETE", f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/run-reader")
    try:
        with let_in(audited, verify()[1]["partial"]):
            _, found = verify()
    finally:
        audited.kubernetes.create_service_account(NAMESPACE, "run-reader")
        site.openbao.request("PUT", path, {"policy": text}, site.openbao.root_token)
        with site.as_superuser() as session:
            session.execute("REVOKE TRIGGER ON app.items FROM seen_reader")
    assert {"LV210", "LV705", "LV801"} <= {one["id"] for one in found["findings"]}


ALIKE = {
    "a reader that reads settings": ("GRANT pg_read_all_settings {to} seen_reader", "LV207"),
    "an auditor that monitors": ("GRANT pg_monitor {to} seen_auditor", "LV207"),
    "a broker that reads settings itself": ("GRANT pg_read_all_settings {to} runlease_seen_broker", "LV207"),
    "an auditor that makes in another database": ("GRANT CREATE ON DATABASE postgres {to} seen_auditor", "LV212"),
    "a reader that is let into another database": ("GRANT CONNECT ON DATABASE postgres {to} seen_reader", "LV212"),
    "a reader of access rules": ("GRANT EXECUTE ON FUNCTION pg_hba_file_rules() {to} seen_reader", "LV003"),
}


@pytest.mark.parametrize(("grant", "id"), ALIKE.values(), ids=ALIKE)
def test_what_only_looks_like_an_auditor_is_found(audited: Scheduled, verify: Verify, grant: str, id: str) -> None:
    with audited.site.as_superuser() as session:
        session.execute(grant.format(to="TO").encode())
    try:
        _, found = verify()
    finally:
        with audited.site.as_superuser() as session:
            session.execute(grant.format(to="FROM").replace("GRANT", "REVOKE").encode())
    assert id in {one["id"] for one in found["findings"]}


def test_an_auditor_that_lost_its_rights_says_which_it_lacks(audited: Scheduled, verify: Verify) -> None:
    with audited.site.as_superuser() as session:
        session.execute("REVOKE pg_read_all_settings FROM seen_auditor")
    try:
        said = "\n".join(verify()[1]["partial"])
    finally:
        with audited.site.as_superuser() as session:
            session.execute("GRANT pg_read_all_settings TO seen_auditor")
    assert "LV616 preloaded-library not tried: " in said
    assert 'Fix: GRANT pg_read_all_settings TO "seen_auditor";' in said


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT FROM app.items",
        "INSERT INTO app.items DEFAULT VALUES",
        "CREATE TABLE public.mine ()",
        "SELECT pg_read_file('PG_VERSION')",
        "SET ROLE seen_owner",
        "SET ROLE seen_reader",
        "SET ROLE pg_read_all_data",
        "GRANT pg_read_all_settings TO seen_reader",
    ],
)
def test_its_login_reads_no_table_writes_nothing_and_becomes_nobody(audited: Scheduled, statement: str) -> None:
    with audited.site.leased("auditor") as lease, audited.site.connect(lease) as session:
        assert session.execute("SELECT count(*) > 0 FROM pg_hba_file_rules()").fetchone() == (True,)
        assert session.execute("SHOW session_preload_libraries").fetchone() is not None
        with pytest.raises(InsufficientPrivilege):
            session.execute(statement.encode())


def test_a_proof_of_its_lease_finds_nothing_open_that_is_not_declared(audited: Scheduled) -> None:
    settings = load(yaml.safe_load((audited.folder / "stack" / "stack.yaml").read_text())["config"]["runlease:access"])
    leases = {"auditor": settings.leases["auditor"]}
    only = settings.model_copy(update={"leases": leases, "pipelines": {}})
    wallet = Wallet((Token.read(audited.token(audited.site.audience)),))
    rows = Prover(only, audited.folder / "stack", wallet).prove()
    assert named(rows, Verdict.BROKEN) == set()
    held = named(rows, Verdict.HELD)
    assert "auditor: EXECUTE ON FUNCTION pg_catalog.pg_hba_file_rules()" in held
    assert "auditor: list the policies" in held
    assert "auditor: hold what pg_read_all_settings holds" in held


def test_the_api_server_lets_its_account_get_those_objects_and_no_other(audited: Scheduled) -> None:
    api, name = audited.as_account(), f"runlease-{audited.site.installation}"
    for path in (f"configmaps/{name}", "serviceaccounts/run-reader"):
        assert api.request("GET", f"/api/v1/namespaces/{NAMESPACE}/{path}")["metadata"]["name"]
    for path in ("configmaps", "configmaps/kube-root-ca.crt", "secrets", "pods", "serviceaccounts/default"):
        with pytest.raises(RefusedError) as refused:
            api.request("GET", f"/api/v1/namespaces/{NAMESPACE}/{path}")
        assert refused.value.status == 403, path


def test_its_token_takes_no_other_lease_and_reads_no_secret(audited: Scheduled) -> None:
    site = audited.site
    body = {"role": f"{site.installation}.{HOME}.{audited.account}", "jwt": audited.token(site.audience)}
    made = site.openbao.request("POST", f"/auth/{site.installation}-jwt/login", body)["auth"]
    for path in ("creds/reader", "creds/migrator", "static-creds/any"):
        with pytest.raises(RefusedError) as refused:
            site.openbao.request("GET", f"/{site.installation}-db/{path}", token=made["client_token"])
        assert refused.value.status == 403
    read = site.openbao.request("GET", f"/{site.installation}-db/config/seen-data", token=made["client_token"])
    assert "password" not in read["data"]["connection_details"]
    site.openbao.request("PUT", "/auth/token/revoke-self", {}, made["client_token"])


def test_where_vault_does_not_let_it_in_nothing_is_tried_and_it_says_why(audited: Scheduled, verify: Verify) -> None:
    token = audited.folder / "identity" / "vault-token"
    kept = token.read_text()
    token.write_text(audited.token("runlease/other"))
    try:
        code, found = verify()
    finally:
        token.write_text(kept)
    assert (code, found["findings"]) == (PARTIAL, [])
    (reason,) = found["partial"]
    assert "refuses JWT role" in reason


def test_on_a_managed_server_its_role_can_be_had_and_the_rest_is_not_tried(
    postgres18: PostgresServer,
    openbao: OpenBao,
    kubernetes: Kubernetes,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    site = Deployment("rented", "pg18-rented", 18, True, postgres18, openbao, kubernetes)
    deploy(site, tmp_path, profiles=OFFERED)
    stack = tmp_path / "Pulumi.test.yaml"
    stack.write_text(yaml.safe_dump({"config": {"runlease:access": settings_of(site, tmp_path, profiles=OFFERED)}}))
    with site.leased("auditor") as lease:
        monkeypatch.setenv("VAULT_TOKEN", lease.token)
        monkeypatch.setenv(password_variable("rented"), lease.password)
        main(["verify", str(stack), "--login", lease.login, "--format", "json"])
        found = json.loads(capsys.readouterr().out)
    assert {one["id"] for one in found["findings"]} <= EXPLAINED
    said = "\n".join(found["partial"])
    assert 'GRANT pg_read_all_settings TO "rented_auditor";' in said
    assert 'GRANT EXECUTE ON FUNCTION pg_catalog.pg_hba_file_rules() TO "rented_auditor";' in said
    assert {reason.split(" not tried")[0].split(": ")[0] for reason in found["partial"]} == {"rented"}, "Vault was read"
