"""Each kind of remnant on real servers, one at a time: found by name, ended with --apply, and then gone."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from lab.kubernetes import Kubernetes
from lab.openbao import OpenBao
from lab.postgres import PostgresServer
from tests.live.remains import NOTHING, left, oid_of
from tests.live.statements import outcome, worded
from tests.live.sweeps import SweptSite
from tests.live.test_late_sessions import wait_until_ended

LOGIN = "run_reader_0123456789abcdefghij"


@pytest.fixture(scope="module")
def swept(postgres: PostgresServer, openbao: OpenBao, kubernetes: Kubernetes, lab_folder: Path) -> SweptSite:
    return SweptSite.made("swept", postgres, openbao, kubernetes, lab_folder)


def test_a_run_that_works_is_no_remnant(swept: SweptSite) -> None:
    with swept.site.leased("reader") as lease, swept.site.connect(lease) as session:
        assert swept.told() == []
        assert swept.told(apply=True) == []
        assert outcome(session, "SELECT 1") == "00000"


def test_a_login_without_a_lease_is_found_and_dropped_with_its_session(swept: SweptSite) -> None:
    swept.orphan(LOGIN)
    assert swept.told() == [("login without a lease", LOGIN, "")]
    assert swept.exists(LOGIN)
    assert swept.told(apply=True) == [("login without a lease", LOGIN, "dropped")]
    assert not swept.exists(LOGIN)
    assert swept.told(apply=True) == []


def test_a_login_that_is_younger_is_left_alone(swept: SweptSite) -> None:
    swept.orphan(LOGIN)
    assert swept.told(apply=True, older_than=600) == []
    assert swept.exists(LOGIN)
    assert swept.told(apply=True) == [("login without a lease", LOGIN, "dropped")]


def test_a_login_of_the_other_tier_is_dropped_as_well(swept: SweptSite) -> None:
    login = swept.orphan("run_migrator_0123456789abcdefghij", "migrator")
    assert swept.told(apply=True) == [("login without a lease", login, "dropped")]


def test_where_one_of_two_logins_has_a_lease_neither_is_touched_and_both_are_named(swept: SweptSite) -> None:
    with swept.site.leased("reader") as lease, swept.site.connect(lease) as session:
        swept.orphan(LOGIN)
        found = swept.sweep(apply=True)
        assert [(str(one.remnant.kind), one.outcome) for one in found.told] == [("more logins than leases", "")]
        assert LOGIN in found.told[0].remnant.why
        assert lease.login in found.told[0].remnant.why
        assert found.exit_code == 3
        assert outcome(session, "SELECT 1") == "00000"
    assert swept.told(apply=True) == [("login without a lease", LOGIN, "dropped")]


def test_an_expired_login_is_dropped_whatever_vault_still_knows(swept: SweptSite) -> None:
    lease = swept.site.take("reader")
    with swept.site.as_superuser() as session:
        session.execute(worded("ALTER ROLE {login} VALID UNTIL '2020-01-01'", login=lease.login))
    assert swept.told() == [("expired login", lease.login, "")]
    assert swept.told(apply=True) == [("expired login", lease.login, "dropped")]
    swept.site.revoke(lease)


def test_a_quarantined_login_is_said_until_its_cause_is_gone_and_then_dropped(swept: SweptSite) -> None:
    lease = swept.site.take("migrator")
    with swept.site.connect(lease, role=swept.site.owner) as session:
        session.execute(worded("GRANT SELECT ON items TO {login}", login=lease.login))
    swept.site.revoke(lease)
    assert swept.told() == [("quarantined login", lease.login, "")]
    again = swept.sweep(apply=True)
    assert [one.outcome for one in again.told] == ["quarantined"]
    assert again.exit_code == 3
    swept.site.migrate(f'REVOKE ALL ON items FROM "{lease.login}"')
    assert swept.told(apply=True) == [("quarantined login", lease.login, "dropped")]


def test_a_sandbox_whose_login_somebody_dropped_by_hand_is_dropped(swept: SweptSite) -> None:
    lease = swept.site.take("sandbox")
    with swept.site.connect(lease) as session:
        session.execute(worded("CREATE TABLE {schema}.mine ()", schema=lease.login))
    with swept.site.as_superuser() as session:
        session.execute(worded("DROP OWNED BY {login}", login=lease.login))
        session.execute(worded("DROP ROLE {login}", login=lease.login))
    assert swept.told() == [("schema without a login", lease.login, "")]
    assert swept.told(apply=True) == [("schema without a login", lease.login, "dropped")]
    assert swept.site.rows("SELECT FROM pg_namespace WHERE nspname = %s", lease.login) == []
    swept.site.revoke(lease)


def test_a_session_that_outlived_its_role_is_ended(swept: SweptSite) -> None:
    lease = swept.site.take("migrator")
    with swept.site.as_vault("vault_migrator", undone=False) as vault, vault.transaction():
        vault.execute("SELECT runlease.drop_login(%s)", [lease.login])
        late = swept.site.connect(lease, role=swept.site.owner)
    pid = late.info.backend_pid
    # Whoever takes a lease reaps first, and the sweep takes one.
    assert swept.told(apply=True) in ([], [("session without a role", f"pid {pid}", "ended")])
    wait_until_ended(late)
    late.close()
    swept.site.revoke(lease)


def test_a_lease_whose_pod_is_gone_ends_with_its_token(swept: SweptSite) -> None:
    lease = swept.without_pod("seeder")
    oid = oid_of(swept.site, lease)
    with swept.site.connect(lease) as session:
        found = swept.sweep()
        assert [str(one.remnant.kind) for one in found.told] == ["lease without a pod"]
        assert f"ci/{swept.site.installation}-seeder" in found.told[0].remnant.why
        applied = swept.sweep(apply=True)
        assert applied.told[0].outcome == "revoked"
        assert applied.exit_code == 0
        wait_until_ended(session)
    assert left(swept.site, lease, oid) == NOTHING
    assert swept.told() == []


def test_a_lease_whose_pod_has_finished_ends_too(swept: SweptSite) -> None:
    lease = swept.site.take("verifier")
    swept.kubernetes.finish_pod("ci", f"{swept.site.installation}-verifier")
    applied = swept.sweep(apply=True)
    assert [(str(one.remnant.kind), one.outcome) for one in applied.told][:1] == [("lease without a pod", "revoked")]
    swept.kubernetes.remove_pod("ci", f"{swept.site.installation}-verifier")
    assert not swept.exists(lease.login)


def test_an_entity_that_no_binding_names_any_more_is_said_and_does_not_count(swept: SweptSite) -> None:
    swept.site.revoke(swept.site.take("sandbox"))
    pipeline = swept.settings.pipelines["run"]
    tasks = {task: lease for task, lease in pipeline.tasks.items() if task != "sandbox"}
    fewer = swept.settings.model_copy(update={"pipelines": {"run": pipeline.model_copy(update={"tasks": tasks})}})
    found = swept.sweep(apply=True, settings=fewer)
    said = [(str(one.remnant.kind), one.remnant.subject, one.outcome) for one in found.told]
    assert said == [("entity without an account", "system:serviceaccount:ci:run-sandbox", "")]
    assert found.exit_code == 0


def test_what_only_looks_like_a_leased_login_is_never_touched(swept: SweptSite) -> None:
    names = ("run_reader_stranger00000000000", "run_reader_commented0000000000", "run_reader_foreign000000000000")
    with swept.site.as_superuser() as session:
        for name in names:
            session.execute(worded("CREATE ROLE {name} LOGIN VALID UNTIL '2020-01-01'", name=name))
        session.execute(worded("COMMENT ON ROLE {name} IS 'runlease live postgres reader 1 600'", name=names[1]))
        mark = "runlease live runlease_other_vault reader 1 600"
        session.execute(worded("COMMENT ON ROLE {name} IS ", name=names[2]) + psycopg.sql.Literal(mark))
        session.execute(worded("CREATE SCHEMA {name}", name="run_sandbox_of_somebody_else000"))
    assert swept.told(apply=True) == []
    assert all(map(swept.exists, names))
    with swept.site.as_superuser() as session:
        for name in names:
            session.execute(worded("DROP ROLE {name}", name=name))
        session.execute(worded("DROP SCHEMA {name}", name="run_sandbox_of_somebody_else000"))


def test_saying_changes_nothing(swept: SweptSite) -> None:
    swept.orphan(LOGIN)
    lease = swept.without_pod("seeder")
    before = state(swept)
    assert len(swept.told()) == 2
    assert state(swept) == before
    swept.sweep(apply=True)
    assert not swept.exists(LOGIN)
    assert not swept.exists(lease.login)


def state(swept: SweptSite) -> list[tuple[object, ...]]:
    return swept.site.rows(
        "SELECT rolname::text, rolcanlogin, rolvaliduntil::text, shobj_description(oid, 'pg_authid') FROM pg_roles"
        " UNION ALL SELECT nspname::text, null, null, null FROM pg_namespace ORDER BY 1"
    )
