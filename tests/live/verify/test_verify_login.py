"""The login that verifies: no superuser, what it needs, what it says where it may not; and that nothing is changed."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from psycopg.sql import SQL, Identifier, Literal

from runlease.evidence.verify import checks, edge_postgresql
from tests.live.deployment import Deployment
from tests.live.sites import Sites
from tests.live.verifying import EXPLAINED, Verifier, ids

LOGIN, PASSWORD = "runlease_verify", "verify-password"


@pytest.fixture
def verifier(
    audited: Deployment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Verifier]:
    """A login without any right, and a token without any policy."""
    with audited.as_superuser() as session:
        verifier = session.pgconn.encrypt_password(PASSWORD.encode(), LOGIN.encode(), b"scram-sha-256").decode()
        session.execute(SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(Identifier(LOGIN), Literal(verifier)))
        session.execute(SQL("GRANT CONNECT ON DATABASE {} TO {}").format(Identifier(audited.dbname), Identifier(LOGIN)))
    made = Verifier(audited, tmp_path, monkeypatch, capsys, connect=[LOGIN])
    made.password(PASSWORD)
    yield made
    with audited.as_superuser("postgres") as session:
        session.execute(SQL("DROP OWNED BY {}").format(Identifier(LOGIN)))
    with audited.as_superuser() as session:
        session.execute(SQL("DROP OWNED BY {0}; DROP ROLE {0}").format(Identifier(LOGIN)))


def test_a_login_without_rights_finds_the_same_and_names_what_it_needs_to_see_the_rest(verifier: Verifier) -> None:
    verifier.sql("GRANT TRIGGER ON app.items TO {key}_reader; GRANT SELECT ON app.items TO PUBLIC")
    try:
        answer = verifier.told("--login", LOGIN)
        code, text = verifier.run("--login", LOGIN)
    finally:
        verifier.sql("REVOKE TRIGGER ON app.items FROM {key}_reader; REVOKE SELECT ON app.items FROM PUBLIC")
    assert {"LV210", "LV305", "LV001", "LV003"} <= ids(answer["findings"])
    assert code == 5
    assert text.startswith("PARTIAL, ")
    for right in (
        f'GRANT pg_read_all_settings TO "{LOGIN}";',
        f'GRANT CONNECT ON DATABASE "{verifier.site.key}_closed" TO "{LOGIN}";',
        f'GRANT EXECUTE ON FUNCTION pg_catalog.pg_hba_file_rules() TO "{LOGIN}";',
    ):
        assert right in text
        assert any(right in reason for reason in answer["partial"])


def test_a_lease_of_the_profile_verifier_is_a_login_that_verifies(verifier: Verifier) -> None:
    with verifier.site.leased("verifier") as lease:
        verifier.password(lease.password)
        answer = verifier.told("--login", lease.login)
    assert ids(answer["findings"]) == EXPLAINED
    tried = {reason.split(" not tried")[0].split(": ", 1)[1] for reason in answer["partial"]}
    assert {one for one in tried if one.startswith("server: ")} == {
        "server: LV613 weak-access-rule",
        "server: LV614 broken-access-rule",
        "server: LV616 preloaded-library",
    }
    assert f"database {verifier.site.key}_closed: the database" in tried


def test_without_a_token_vault_is_not_tried_and_the_databases_are(
    verifier: Verifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("VAULT_TOKEN")
    code, text = verifier.run("--login", LOGIN)
    assert code == 5
    assert "Vault: leases and mount: VAULT_TOKEN is missing" in text
    assert "LV612" in text


def test_a_server_that_does_not_answer_is_not_tried_and_vault_is(verifier: Verifier) -> None:
    verifier.change(port=1)
    code, text = verifier.run()
    assert code == 5
    assert text.startswith("PARTIAL, ")
    assert "nothing listens there" in text
    assert "has another connection_url" in text, "what Vault dials is not what the settings say now"


def test_nothing_is_changed(verifier: Verifier) -> None:
    log = verifier.site.openbao.audit_log
    size, before = log.stat().st_size, verifier.site.dump()
    verifier.run("--login", LOGIN)
    assert verifier.site.dump() == before
    told = [json.loads(line)["request"] for line in log.read_bytes()[size:].splitlines()]
    assert {one["operation"] for one in told} == {"read", "list"}


def test_a_dump_of_the_whole_server_is_the_same_before_and_after(
    sites: Sites, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    site = sites.audited(15)
    verifier = Verifier(site, tmp_path, monkeypatch, capsys)

    def dumped() -> str:
        command = ["/usr/lib/postgresql/15/bin/pg_dumpall", "-d", site.postgres.conninfo()]
        environment = {"PGPASSWORD": site.postgres.password}  # each database is dumped by a child of its own
        said = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
        return "\n".join(line for line in said.splitlines() if "restrict" not in line)

    before = dumped()
    verifier.run()
    assert dumped() == before


def test_a_check_could_not_change_anything(verifier: Verifier, monkeypatch: pytest.MonkeyPatch) -> None:
    evil = checks.CHECKS[0].__class__(
        "LV999", "evil", checks.CHECKS[0].severity, "", "SELECT nextval('app.items_id_seq')::text, '', ''"
    )
    monkeypatch.setattr(edge_postgresql, "CHECKS", (evil,))
    monkeypatch.setenv(f"RUNLEASE_ADMIN_PASSWORD_{verifier.site.key.upper()}", verifier.site.postgres.password)
    answer = verifier.told()
    assert any("read-only transaction" in reason for reason in answer["partial"])
