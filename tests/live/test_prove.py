"""A proof of a right site holds, and each thing that is wrong on purpose turns its own attempt to broken, by name."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from lab.issuer import LabIssuer
from lab.openbao import OpenBao
from lab.postgres import PostgresServer
from runlease.evidence.prove import told
from runlease.evidence.prove.attempts import How, Promise, Verdict
from runlease.evidence.prove.promises import kept
from tests.live.broken_on_purpose import BROKEN
from tests.live.deployment import MIGRATION, PROFILES, Deployment, deploy
from tests.live.provable import Provable, named
from tests.live.sites import FOREIGN


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


KEPT = "PUBLIC may keep it: access.databases.kept.public is keep"
RENTED = "a managed server's admin cannot take it from PUBLIC"


@pytest.mark.parametrize(
    ("key", "managed", "database", "reason", "left"),
    [
        (
            "kept",
            False,
            {"public": "keep"},
            KEPT,
            {"SELECT lo_create(0)", "USAGE ON SCHEMA public"},
        ),
        ("let", True, {}, RENTED, {"SELECT lo_create(0)", "SELECT lo_creat(-1)", "SELECT lo_from_bytea(0, '')"}),
    ],
    ids=["public: keep", "managed"],
)
def test_what_cannot_be_closed_is_no_gap_and_the_rest_holds(
    key: str,
    managed: bool,
    database: dict[str, object],
    reason: str,
    left: set[str],
    postgres18: PostgresServer,
    openbao: OpenBao,
    lab_folder: Path,
) -> None:
    site = Deployment(key, f"pg18-{key}", 18, managed, postgres18, openbao, LabIssuer())
    deploy(site, lab_folder, **database)
    site.migrate(*MIGRATION)
    rows = Provable(site, lab_folder, database).prove("reader", "migrator")
    assert named(rows, Verdict.BROKEN) == set()
    assert told.partial(rows) == ()
    assert {row.what for row in rows if row.lease == "reader" and row.reason == reason} >= left
    assert {"reader: SELECT ON TABLE app.items", "reader: give it back"} <= named(rows, Verdict.HELD)


def test_privileges_to_write_are_used_only_when_that_is_asked_for(place: Provable) -> None:
    used = {f"seeder: {one} ON TABLE app.items" for one in ("INSERT", "UPDATE", "DELETE")} | {
        "seeder: USAGE ON SEQUENCE app.items_id_seq"
    }
    for writes in (False, True):
        rows = place.prove("seeder", writes=writes)
        assert {row.how for row in rows if f"{row.lease}: {row.what}" in used} == {How.TRIED if writes else How.ASKED}


def test_nothing_is_changed(place: Provable) -> None:
    before = place.site.dump("app.items")
    place.prove(writes=True)
    assert place.site.dump("app.items") == before


# --- broken on purpose in PostgreSQL


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
    assert found >= expected
    assert found == expected or not broken.alone
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


def test_nothing_is_left_of_a_proof(place: Provable) -> None:
    place.prove()
    assert place.left() == []
    rows = [row for row in place.prove("reader", "seeder") if row.promise is Promise.NOTHING_LEFT]
    assert {row.verdict for row in rows} == {Verdict.HELD}
