"""A proof of a right site holds, and each thing that is wrong on purpose turns its own attempt to broken, by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from lab.issuer import LabIssuer
from lab.openbao import OpenBao
from runlease.evidence.prove import told
from runlease.evidence.prove.attempts import How, Promise, Row, Verdict
from runlease.evidence.prove.promises import kept
from tests.live.deployment import FOREIGN, MIGRATION, NAMESPACE, PROFILES, Deployment, deploy
from tests.live.provable import Provable


@pytest.fixture(scope="module")
def places(request: pytest.FixtureRequest, openbao: OpenBao, lab_folder: Path) -> Callable[[int], Provable]:
    """Sites of this module's own, because they are broken on purpose; each is made once."""

    @cache
    def made(major: int) -> Provable:
        server = request.getfixturevalue(f"postgres{major}")
        site = deploy(Deployment("proven", f"pg{major}-proven", major, False, server, openbao, LabIssuer()), lab_folder)
        site.migrate(*MIGRATION, "CREATE VIEW seen AS SELECT label FROM items")
        with site.as_superuser() as session:
            session.execute(FOREIGN)
        return Provable(site, lab_folder)

    return made


@pytest.fixture(params=[15, 18], ids=["pg15", "pg18"])
def place(request: pytest.FixtureRequest, places: Callable[[int], Provable]) -> Provable:
    return places(request.param)


def named(rows: Iterable[Row], verdict: Verdict) -> set[str]:
    return {f"{row.lease}: {row.what}" for row in rows if row.verdict is verdict}


# --- a right site


@pytest.mark.parametrize("writes", [False, True], ids=["asked", "writes"])
def test_a_right_site_holds_in_everything(place: Provable, writes: bool) -> None:
    rows = place.prove(writes=writes)
    assert named(rows, Verdict.BROKEN) == set()
    assert told.partial(rows) == ()
    elsewhere = {f"{lease}: CONNECT ON DATABASE {name}" for lease in PROFILES for name in ("postgres", "template1")}
    assert named(rows, Verdict.NOT_TRIED) >= elsewhere
    assert all(": CONNECT ON DATABASE " in one for one in named(rows, Verdict.NOT_TRIED))
    assert {one.verdict for one in kept(rows) if "attempts" in one.why} == {Verdict.HELD}


def test_privileges_to_write_are_used_only_when_that_is_asked_for(place: Provable) -> None:
    used = {f"seeder: {one} ON TABLE app.items" for one in ("INSERT", "UPDATE", "DELETE")} | {
        "seeder: USAGE ON SEQUENCE app.items_id_seq"
    }
    for writes in (False, True):
        rows = place.prove("seeder", writes=writes)
        assert {row.how for row in rows if f"{row.lease}: {row.what}" in used} == {How.TRIED if writes else How.ASKED}


def test_nothing_is_changed(place: Provable) -> None:
    def seen() -> list[tuple[object, ...]]:
        return place.site.rows(
            "SELECT relname::text, relacl::text, relowner, relnatts, reltuples FROM pg_class WHERE relnamespace IN"
            " (SELECT oid FROM pg_namespace WHERE nspname IN ('app', 'public', 'hidden', 'runlease')) UNION ALL"
            " SELECT rolname::text, '', oid, 0, 0 FROM pg_roles UNION ALL"
            " SELECT nspname::text, nspacl::text, nspowner, 0, 0 FROM pg_namespace WHERE nspname !~ '^pg_' UNION ALL"
            " SELECT datname::text, datacl::text, datdba, 0, 0 FROM pg_database UNION ALL"
            " SELECT 'items', max(id)::text, count(*)::int, 0, 0 FROM app.items ORDER BY 1, 2, 3"
        )

    before = seen()
    place.prove(writes=True)
    assert seen() == before


# --- broken on purpose in PostgreSQL


@dataclass(frozen=True)
class Broken:
    """How something is broken and mended, and which attempts of which lease must say so."""

    wrong: str
    right: str
    found: set[str]
    lease: str = "reader"
    alone: bool = True
    """Whether nothing else is broken by it."""


ITEMS = "ON TABLE app.items"
TO_READER = "TO {}_reader"


def granted(what: str, found: str, to: str = "{}_reader", lease: str = "reader") -> Broken:
    return Broken(f"GRANT {what} TO {to}", f"REVOKE {what} FROM {to}", {found}, lease)


BROKEN = {
    "a privilege to write": granted("DELETE ON app.items", f"DELETE {ITEMS}"),
    "a privilege on one column": granted("UPDATE (label) ON app.items", f"UPDATE {ITEMS}"),
    "a privilege to insert into one column": granted("INSERT (label) ON app.items", f"INSERT {ITEMS}"),
    "TRUNCATE": granted("TRUNCATE ON app.items", f"TRUNCATE {ITEMS}"),
    "TRIGGER": granted("TRIGGER ON app.items", f"TRIGGER {ITEMS}"),
    "REFERENCES": granted("REFERENCES ON app.items", f"REFERENCES {ITEMS}"),
    "a view that may be written": granted("UPDATE ON app.seen", "UPDATE ON TABLE app.seen"),
    "a sequence that may be set": granted(
        "UPDATE ON SEQUENCE app.items_id_seq", "UPDATE ON SEQUENCE app.items_id_seq", "{}_seeder", "seeder"
    ),
    "a table that a verifier reads": granted("SELECT ON app.items", f"SELECT {ITEMS}", "{}_verifier", "verifier"),
    "another table for PUBLIC": Broken(
        "GRANT USAGE ON SCHEMA hidden TO PUBLIC; GRANT SELECT ON hidden.secrets TO PUBLIC",
        "REVOKE USAGE ON SCHEMA hidden FROM PUBLIC; REVOKE SELECT ON hidden.secrets FROM PUBLIC",
        {"USAGE ON SCHEMA hidden", "SELECT ON TABLE hidden.secrets"},
        "sandbox",
    ),
    "a privilege that may be passed on": Broken(
        "GRANT SELECT ON app.items TO {}_reader WITH GRANT OPTION",
        "REVOKE GRANT OPTION FOR SELECT ON app.items FROM {}_reader",
        {"GRANT ON TABLE app.items"},
    ),
    "DDL for PUBLIC": granted("CREATE ON SCHEMA app", "CREATE ON SCHEMA app", "PUBLIC", "seeder"),
    "a schema": Broken(
        "GRANT CREATE ON DATABASE {} TO {}_seeder",
        "REVOKE CREATE ON DATABASE {} FROM {}_seeder",
        {"CREATE ON DATABASE proven", "CREATE SCHEMA runlease_prove"},
        "seeder",
    ),
    "a function for PUBLIC": granted("EXECUTE ON FUNCTION app.hello()", "EXECUTE ON FUNCTION app.hello()", "PUBLIC"),
    "a function of the broker": Broken(
        "GRANT USAGE ON SCHEMA runlease TO PUBLIC; GRANT EXECUTE ON FUNCTION runlease.reap() TO PUBLIC",
        "REVOKE USAGE ON SCHEMA runlease FROM PUBLIC; REVOKE EXECUTE ON FUNCTION runlease.reap() FROM PUBLIC",
        {"USAGE ON SCHEMA runlease", "EXECUTE ON FUNCTION runlease.reap()", "runlease.reap()"},
    ),
    "temporary tables": granted(
        "TEMPORARY ON DATABASE {}", "CREATE TEMPORARY TABLE runlease_prove ()", "PUBLIC", "sandbox"
    ),
    "large objects": granted("EXECUTE ON FUNCTION lo_create(oid)", "SELECT lo_create(0)", "PUBLIC"),
    "files of the server": granted(
        "EXECUTE ON FUNCTION pg_read_file(text)", "pg_read_file('PG_VERSION')", "PUBLIC", "verifier"
    ),
    "password hashes": granted(
        "SELECT ON pg_authid", "SELECT rolpassword FROM pg_authid LIMIT 0", "PUBLIC", "verifier"
    ),
    "settings of the server": granted("ALTER SYSTEM ON PARAMETER work_mem", "ALTER SYSTEM SET work_mem", "PUBLIC"),
    "a setting that switches triggers off": granted(
        "SET ON PARAMETER session_replication_role", "SET LOCAL session_replication_role = 'replica'", "PUBLIC"
    ),
    "another database": granted("CONNECT ON DATABASE {}_closed", "CONNECT ON DATABASE proven_closed", "PUBLIC"),
    "a privilege that is gone": Broken(
        "REVOKE SELECT ON app.items FROM {}_reader", "GRANT SELECT ON app.items TO {}_reader", {f"SELECT {ITEMS}"}
    ),
    "a default privilege that is gone": Broken(
        "ALTER DEFAULT PRIVILEGES FOR ROLE {}_owner IN SCHEMA app REVOKE SELECT ON TABLES FROM {}_reader",
        "ALTER DEFAULT PRIVILEGES FOR ROLE {}_owner IN SCHEMA app GRANT SELECT ON TABLES TO {}_reader",
        {"SELECT ON FUTURE TABLES OF proven_owner IN SCHEMA app"},
    ),
    "a login that cannot connect": Broken(
        "REVOKE CONNECT ON DATABASE {} FROM {}_verifier",
        "GRANT CONNECT ON DATABASE {} TO {}_verifier",
        {"CONNECT ON DATABASE proven, and everything in it"},
        "verifier",
    ),
    "a role that can be given away": Broken(
        "GRANT {}_verifier TO {}_reader WITH ADMIN OPTION",
        "REVOKE {}_verifier FROM {}_reader",
        {"GRANT proven_verifier", "hold what proven_verifier holds"},
        alone=False,
    ),
    "another profile": Broken(
        "GRANT {}_seeder TO {}_reader",
        "REVOKE {}_seeder FROM {}_reader",
        {"hold what proven_seeder holds", f"INSERT {ITEMS}", f"DELETE {ITEMS}"},
        alone=False,
    ),
    "the owner": Broken(
        "GRANT {}_owner TO {}_reader",
        "REVOKE {}_owner FROM {}_reader",
        {"hold what proven_owner holds", "ALTER TABLE app.items", f"TRUNCATE {ITEMS}", "CREATE ON SCHEMA app"},
        alone=False,
    ),
    "a table that is a group's own": Broken(
        "ALTER TABLE app.items OWNER TO {}_reader",
        "ALTER TABLE app.items OWNER TO {}_owner; GRANT SELECT ON app.items TO {}_reader",
        {"ALTER TABLE app.items", f"DELETE {ITEMS}"},
        alone=False,
    ),
    "all data of the server": Broken(
        "GRANT pg_read_all_data TO {}_verifier",
        "REVOKE pg_read_all_data FROM {}_verifier",
        {"hold what pg_read_all_data holds", f"SELECT {ITEMS}", "SELECT ON TABLE hidden.secrets"},
        "verifier",
        alone=False,
    ),
    "programs on the server": Broken(
        "GRANT pg_execute_server_program TO {}_sandbox",
        "REVOKE pg_execute_server_program FROM {}_sandbox",
        {"hold what pg_execute_server_program holds", "COPY (SELECT 1) TO PROGRAM 'true'"},
        "sandbox",
        alone=False,
    ),
    "an owner that makes roles": Broken(
        "ALTER ROLE {}_owner CREATEROLE",
        "ALTER ROLE {}_owner NOCREATEROLE",
        {"CREATE ROLE runlease_prove, as proven_owner"},
        "migrator",
        alone=False,
    ),
    "an owner that cannot make tables": Broken(
        "REVOKE CREATE ON SCHEMA app FROM {}_owner",
        "GRANT CREATE ON SCHEMA app TO {}_owner",
        {"CREATE ON SCHEMA app, as proven_owner"},
        "migrator",
    ),
    "a migrator that cannot become the owner": Broken(
        "REVOKE {}_owner FROM {}_migrator",
        "GRANT {}_owner TO {}_migrator",
        {"SET ROLE proven_owner"},
        "migrator",
        alone=False,
    ),
}


ON_15 = {
    "a privilege to write",
    "a privilege on one column",
    "another table for PUBLIC",
    "a privilege that is gone",
    "another profile",
    "the owner",
    "an owner that makes roles",
    "temporary tables",
    "another database",
}
"""What memberships and PUBLIC do differently before 16, and what a reader must be able to rely on; 18 has them all."""
KINDS = [
    pytest.param(major, kind, id=f"pg{major}-{kind}")
    for major in (15, 18)
    for kind in BROKEN
    if major == 18 or kind in ON_15
]


@pytest.mark.parametrize(("place", "kind"), KINDS, indirect=["place"])
def test_what_is_broken_in_the_database_is_found_by_name(place: Provable, kind: str) -> None:
    broken = BROKEN[kind]
    with place.sql(broken.wrong, broken.right):
        rows = place.prove(broken.lease)
    found = named(rows, Verdict.BROKEN)
    expected = {f"{broken.lease}: {one}" for one in broken.found}
    assert found == expected if broken.alone else found >= expected
    assert next(one for one in kept(rows) if "what its profile says" in one.sentence).verdict is Verdict.BROKEN


def test_before_16_a_member_of_the_owner_can_become_it(place: Provable) -> None:
    with place.sql("GRANT {}_owner TO {}_reader", "REVOKE {}_owner FROM {}_reader"):
        found = named(place.prove("reader"), Verdict.BROKEN)
    assert ("reader: SET ROLE proven_owner" in found) is place.site.before_16


@pytest.mark.parametrize("kind", ["a privilege to write", "a privilege on one column", "TRUNCATE"])
def test_what_is_broken_is_found_by_using_it_too(place: Provable, kind: str) -> None:
    broken = BROKEN[kind]
    with place.sql(broken.wrong, broken.right):
        rows = place.prove(broken.lease, writes=True)
    assert named(rows, Verdict.BROKEN) == {f"{broken.lease}: {one}" for one in broken.found}


def test_a_server_that_takes_connections_without_tls_is_found(place: Provable) -> None:
    server = place.site.postgres
    file = server.data / "pg_hba.conf"
    before = file.read_text()
    try:
        file.write_text(before.replace("hostssl", "host"))
        place.site.rows("SELECT pg_reload_conf()")
        assert named(place.prove("verifier"), Verdict.BROKEN) == {"verifier: connect without TLS"}
    finally:
        file.write_text(before)
        place.site.rows("SELECT pg_reload_conf()")


# --- broken on purpose in Vault


on_18 = pytest.mark.parametrize("place", [18], ids=["pg18"], indirect=True)
"""Vault is the same beside every PostgreSQL."""

ROLE = "auth/{}-jwt/role/{}.ci.run-reader"
POD = {"/kubernetes.io/pod/uid": "*-*-*-*-*"}
NAMED = {"/kubernetes.io/namespace": NAMESPACE, "/kubernetes.io/serviceaccount/name": "run-reader"}
JWT: dict[str, tuple[dict[str, object], set[str]]] = {
    "another audience": (
        {"bound_audiences": ["runlease/pg15-proven", "runlease/pg18-proven", "vault"]},
        {"a token for another audience: vault"},
    ),
    "any account of the namespace": (
        {"bound_subject": "", "bound_claims": {"/kubernetes.io/namespace": NAMESPACE, **POD}},
        {
            "a token of another service account of the namespace: ci/run-seeder",
            "a token of another service account of the namespace: ci/run-verifier",
        },
    ),
    "the account of any namespace": (
        {"bound_subject": "", "bound_claims": {"/kubernetes.io/serviceaccount/name": "run-reader", **POD}},
        {"a token of a service account of another namespace: elsewhere/run-reader"},
    ),
    "a token without a pod": ({"bound_claims": NAMED}, {"a token that is bound to no pod"}),
    "a token after its end": ({"clock_skew_leeway": 600}, {"an expired token"}),
}


@on_18
@pytest.mark.parametrize("kind", JWT)
def test_a_jwt_role_that_is_too_wide_is_found_by_name(place: Provable, kind: str) -> None:
    wrong, found = JWT[kind]
    with place.vault(ROLE, **wrong):
        rows = place.prove("reader", "seeder")
    assert named(rows, Verdict.BROKEN) == {f"reader: log in with {one}" for one in found}
    assert next(one for one in kept(rows) if "wrong service account" in one.sentence).verdict is Verdict.BROKEN


@on_18
def test_a_jwt_role_without_audiences_gives_nothing(place: Provable) -> None:
    with place.vault(ROLE, bound_audiences=[]):
        rows = place.prove("reader", "seeder")
    assert named(rows, Verdict.BROKEN) == {f"reader: log in as {NAMESPACE}/run-reader"}


POLICIES = {
    "another lease": ('path "{}-db/creds/seeder" { capabilities = ["read"] }', {"take the lease seeder"}),
    "any lease": ('path "{}-db/creds/+" { capabilities = ["read"] }', {"take the lease seeder"}),
    "revocation by prefix": (
        'path "sys/leases/revoke-prefix/*" { capabilities = ["update", "sudo"] }',
        {"revoke by prefix"},
    ),
    "the mounts": ('path "sys/mounts" { capabilities = ["read"] }', {"list the mounts"}),
    "more tokens": ('path "auth/token/create" { capabilities = ["update"] }', {"make another token"}),
}


@on_18
@pytest.mark.parametrize("kind", POLICIES)
def test_a_policy_that_opens_more_is_found_by_name(place: Provable, kind: str) -> None:
    more, found = POLICIES[kind]
    with place.policy(more):
        rows = place.prove("reader", "seeder")
    assert named(rows, Verdict.BROKEN) == {f"reader: {one}" for one in found}
    assert left(place) == []


@on_18
def test_a_policy_that_opens_any_lease_to_revoke_is_found_by_name(place: Provable) -> None:
    with place.policy("", without=f'"{place.site.installation}-db/creds/reader/*"'):
        rows = place.prove("reader", "seeder")
    found = {"renew a lease of seeder", "revoke a lease of seeder", "revoke a lease of seeder, in sync"}
    assert named(rows, Verdict.BROKEN) == {f"reader: {one}" for one in found}
    assert left(place) == []


def left(place: Provable) -> list[tuple[object, ...]]:
    return place.site.rows("SELECT rolname FROM pg_roles WHERE rolname ~ '^run_'")


def test_a_lease_that_is_another_profiles_is_found(place: Provable) -> None:
    path = "{}-db/roles/reader"
    bao, at = place.site.openbao, "/" + path.replace("{}", place.site.installation)
    statements = bao.request("GET", at, token=bao.root_token)["data"]["creation_statements"]
    with place.vault(path, creation_statements=[one.replace("reader", "seeder") for one in statements]):
        found = named(place.prove("reader"), Verdict.BROKEN)
    assert found >= {f"reader: DELETE {ITEMS}", "reader: hold what proven_seeder holds"}


def test_a_login_that_stays_after_its_lease_is_found(place: Provable) -> None:
    with place.vault("{}-db/roles/reader", revocation_statements=["SELECT 1"]):
        rows = place.prove("reader", "verifier")
    try:
        assert named(rows, Verdict.BROKEN) == {
            "reader: use its open session, after it",
            "reader: log in with its password, after it",
        }
        assert [one.verdict for one in kept(rows) if "leaves no login" in one.sentence] == [Verdict.BROKEN]
    finally:
        for (login,) in left(place):
            place.site.rows("SELECT pg_terminate_backend(pid, 3000) FROM pg_stat_activity WHERE usename = %s", login)
            with place.sql(f"DROP OWNED BY {login}; DROP ROLE {login}", "SELECT 1"):
                pass


def test_nothing_is_left_of_a_proof(place: Provable) -> None:
    place.prove()
    assert left(place) == []
    rows = [row for row in place.prove("reader", "seeder") if row.promise is Promise.NOTHING_LEFT]
    assert {row.verdict for row in rows} == {Verdict.HELD}
