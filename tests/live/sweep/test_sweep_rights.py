"""What a sweeper's login, and its tokens, can do: end what runs left, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import LiteralString

import psycopg
import pytest
from psycopg.sql import SQL, Identifier

from lab.https import RefusedError
from lab.kubernetes import Kubernetes
from lab.openbao import OpenBao
from lab.postgres import PostgresServer
from tests.live.broker_calls import DONE, VERIFIER, call, moment
from tests.live.sites import FOREIGN
from tests.live.statements import DENIED, outcome, tried, worded
from tests.live.sweeps import SweptSite
from tests.live.test_broker_callers import OUTSIDE
from tests.live.test_broker_hostile_caller import HOSTILE, PLANTED_FIRST, TRAP

LOGIN = "run_reader_0123456789abcdefghij"


@pytest.fixture(scope="module")
def swept(postgres: PostgresServer, openbao: OpenBao, kubernetes: Kubernetes, lab_folder: Path) -> SweptSite:
    return SweptSite.made("sweeper", postgres, openbao, kubernetes, lab_folder)


@pytest.fixture
def sweeper(swept: SweptSite) -> Iterator[psycopg.Connection]:
    """A session with a sweeper's lease, as whoever stole it has it."""
    path = f"/{swept.site.installation}-db/creds/sweeper"
    made = swept.site.openbao.request("GET", path, token=swept.environment["VAULT_TOKEN"])
    server = swept.site.postgres
    with server.connect(swept.site.dbname, made["data"]["username"], made["data"]["password"]) as session:
        yield session
    root = swept.site.openbao.root_token
    swept.site.openbao.request("PUT", "/sys/leases/revoke", {"lease_id": made["lease_id"]}, root)


def test_a_sweeper_can_do_nothing_but_drop_and_reap(swept: SweptSite, sweeper: psycopg.Connection) -> None:
    site = swept.site
    with site.as_superuser() as session:
        session.execute(FOREIGN)
    names = {part: site.own(part) for part in ("broker", "deployer")} | {
        "owner": site.owner,
        "reader": f"{site.key}_reader",
        "marker": site.own("login"),
        "other": site.own("vault"),
    }
    # Before 16 every leased login may become the marker, which holds nothing.
    expected = OUTSIDE | ({"SET ROLE {marker}": DONE} if site.before_16 else {})
    assert {one: tried(sweeper, worded(one, **names)) for one in OUTSIDE} == expected


def test_a_sweeper_can_neither_make_nor_renew_a_login(swept: SweptSite, sweeper: psycopg.Connection) -> None:
    swept.orphan(LOGIN)
    assert (
        tried(sweeper, call("create_login", "run_reader_other00000000000", VERIFIER, moment(300), "reader")) == DENIED
    )
    assert (
        tried(sweeper, call("create_login", "run_sweeper_other0000000000", VERIFIER, moment(300), "sweeper")) == DENIED
    )
    assert tried(sweeper, call("renew_login", LOGIN, moment(300))) == DENIED
    assert sweeper.execute(call("drop_login", LOGIN)).fetchone() == ("dropped",)
    assert sweeper.execute(call("drop_login", LOGIN)).fetchone() == ("absent",)


@pytest.mark.parametrize(
    "mark",
    [
        "'runlease live postgres reader 1 600'",
        "'runlease live runlease_other_vault reader 1 600'",
        "'somebody live {maker} reader 1 600'",
        "''",
        "NULL",
    ],
)
def test_a_sweeper_drops_nothing_that_this_databases_logins_did_not_make(
    swept: SweptSite, sweeper: psycopg.Connection, mark: LiteralString
) -> None:
    with swept.site.as_superuser() as session:
        session.execute(worded("CREATE ROLE {login}", login=LOGIN))
        said = SQL(mark).format(maker=SQL(swept.site.own("vault")))
        session.execute(SQL("COMMENT ON ROLE {} IS {}").format(Identifier(LOGIN), said))
    try:
        assert outcome(sweeper, call("drop_login", LOGIN)) == DENIED
        assert swept.exists(LOGIN)
    finally:
        with swept.site.as_superuser() as session:
            session.execute(worded("DROP ROLE {login}", login=LOGIN))


@pytest.mark.parametrize(
    "login", ["postgres", "run_", "RUN_reader_0123456789abcdefghij", "run_reader_0123456789abcdefghi;"]
)
def test_a_sweeper_drops_nothing_outside_the_name_space(sweeper: psycopg.Connection, login: str) -> None:
    assert tried(sweeper, call("drop_login", login)) == DENIED


def test_a_schema_of_somebody_else_is_not_dropped_for_its_name(swept: SweptSite, sweeper: psycopg.Connection) -> None:
    with swept.site.as_superuser() as session:
        session.execute(worded("CREATE SCHEMA {name}", name=LOGIN))
    assert sweeper.execute(call("drop_login", LOGIN)).fetchone() == ("absent",)
    with swept.site.as_superuser() as session:
        session.execute(worded("DROP SCHEMA {name}", name=LOGIN))


def test_a_quarantined_sweeper_sweeps_no_more(swept: SweptSite, sweeper: psycopg.Connection) -> None:
    """Its group is what makes it one; the marker, the comment and the name alone do not."""
    swept.orphan(LOGIN)
    (name,) = sweeper.execute("SELECT session_user::text").fetchall()[0]
    with swept.site.as_superuser() as session:
        revoke = "REVOKE {group} FROM {login} GRANTED BY {broker}"
        roles = {"group": f"{swept.site.key}_sweeper", "login": name, "broker": swept.site.own("broker")}
        session.execute(worded(revoke, **roles))
    assert outcome(sweeper, call("drop_login", LOGIN)) == DENIED
    swept.sweep(apply=True)
    assert not swept.exists(LOGIN)


def test_what_a_sweeper_plants_never_runs_as_the_broker(swept: SweptSite, sweeper: psycopg.Connection) -> None:
    swept.orphan(LOGIN)
    heard: list[str] = []
    sweeper.add_notice_handler(lambda said: heard.append(said.message_primary or ""))
    (name,) = sweeper.execute("SELECT session_user::text").fetchall()[0]
    with swept.site.as_superuser() as session, session.transaction(force_rollback=True):
        session.add_notice_handler(lambda said: heard.append(said.message_primary or ""))
        session.execute(TRAP)
        session.execute(worded("SET SESSION AUTHORIZATION {name}", name=name))
        session.execute(PLANTED_FIRST)
        assert outcome(session, "SELECT * FROM pg_roles") == DONE
        assert set(heard) == {f"trapped {name}"}
        heard.clear()
        session.execute(PLANTED_FIRST)
        assert session.execute(call("drop_login", LOGIN)).fetchone() == ("dropped",)
        session.execute(PLANTED_FIRST)
        assert outcome(session, call("reap")) == DONE
    assert heard == []
    swept.sweep(apply=True)


@pytest.mark.parametrize("settings", HOSTILE.values(), ids=HOSTILE)
def test_hostile_settings_of_a_sweeper_change_nothing(
    swept: SweptSite, sweeper: psycopg.Connection, settings: str
) -> None:
    swept.orphan(LOGIN)
    sweeper.execute(settings.encode())
    assert sweeper.execute(call("drop_login", LOGIN)).fetchone() == ("dropped",)
    assert not swept.exists(LOGIN)


def test_a_sweepers_vault_token_can_revoke_what_is_ours_and_nothing_else(swept: SweptSite) -> None:
    bao, token, mount = swept.site.openbao, swept.environment["VAULT_TOKEN"], f"{swept.site.installation}-db"
    lease = swept.site.take("reader")
    refused = [
        ("GET", f"/{mount}/creds/reader", None),
        ("GET", f"/{mount}/creds/migrator", None),
        ("GET", f"/{mount}/config/{swept.site.key}-data", None),
        ("POST", f"/{mount}/roles/reader", {"db_name": "x"}),
        ("PUT", "/sys/leases/revoke", {"lease_id": "auth/token/create/x", "sync": "true"}),
        ("PUT", "/sys/leases/revoke", {"lease_id": f"{mount}x/creds/reader/y", "sync": "true"}),
        ("PUT", "/sys/leases/renew", {"lease_id": lease.id}),
        ("PUT", f"/sys/leases/revoke-prefix/{mount}", None),
        ("PUT", f"/sys/leases/revoke-force/{mount}", None),
        ("POST", "/auth/token/revoke-accessor", {"accessor": "x"}),
        ("POST", "/auth/token/create", {}),
        ("GET", "/sys/policies/acl?list=true", None),
        ("GET", "/identity/entity/id?list=true", None),
        ("GET", "/sys/mounts", None),
    ]
    for method, path, body in refused:
        with pytest.raises(RefusedError) as denied:
            bao.request(method, path, body, token)
        assert denied.value.status == 403, path
    bao.request("PUT", "/sys/leases/revoke", {"lease_id": lease.id, "sync": "true"}, token)
    assert not swept.exists(lease.login)
