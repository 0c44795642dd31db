"""PostgreSQL itself agrees with the effects: what a member can do before and after is what was told."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg.sql import SQL, Identifier

from lab.postgres import PostgresServer
from runlease.access import Access, Grant, ObjectKind, OnAll, OnFuture, OnNamed, Privilege, Role, Target
from runlease.access.effects import Kind, effects

TABLES, LATER = ("orders", "items"), "later"
MEMBERS = ("effect_bi", "effect_ann")
ROLES = ("effect_reader", "effect_writer", "effect_chief")
OWNER = "effect_owner"
PRIVILEGES = (
    Privilege.SELECT,
    Privilege.INSERT,
    Privilege.UPDATE,
    Privilege.DELETE,
    Privilege.TRUNCATE,
    Privilege.REFERENCES,
    Privilege.TRIGGER,
)
Can = set[tuple[str, str, str]]
"""(member, privilege, table)."""


@st.composite
def _accesses(draw: st.DrawFn) -> Access:
    """Group roles in a line, so that no membership is a circle, with grants and members."""
    roles = []
    for place, name in enumerate(ROLES):
        targets: st.SearchStrategy[Target] = st.sampled_from(
            [
                OnAll(ObjectKind.TABLE, "effect"),
                OnFuture(ObjectKind.TABLE, "effect", OWNER),
                *(OnNamed(ObjectKind.TABLE, "effect", (table,)) for table in TABLES),
            ]
        )
        grants = draw(st.lists(st.tuples(st.sampled_from(PRIVILEGES), targets), max_size=4))
        members = draw(st.sets(st.sampled_from((*ROLES[place + 1 :], *MEMBERS)), max_size=2))
        roles.append(
            Role(name, "d", None, tuple(Grant((one,), target, name) for one, target in grants), tuple(sorted(members)))
        )
    return Access("effect", roles=tuple(roles))


@pytest.fixture(scope="module")
def session(postgres: PostgresServer) -> Iterator[psycopg.Connection]:
    with postgres.connect("postgres") as connection:
        yield connection


def _statements(access: Access) -> Iterator[SQL | psycopg.sql.Composed]:
    for name in (OWNER, *ROLES, *MEMBERS):
        yield SQL("CREATE ROLE {}").format(Identifier(name))
    yield SQL("CREATE SCHEMA effect AUTHORIZATION {}").format(Identifier(OWNER))
    for table in TABLES:
        yield SQL("CREATE TABLE effect.{} (id int)").format(Identifier(table))
    for role in access.roles:
        for grant in role.grants:
            yield _granted(grant)
        for member in role.members:
            yield SQL("GRANT {} TO {}").format(Identifier(role.name), Identifier(member))
    yield SQL("SET LOCAL ROLE {}").format(Identifier(OWNER))
    yield SQL("CREATE TABLE effect.{} (id int)").format(Identifier(LATER))
    yield SQL("RESET ROLE")


def _granted(grant: Grant) -> psycopg.sql.Composed:
    privilege, role = SQL(str(grant.privileges[0])), Identifier(grant.role)
    match grant.target:
        case OnAll(_, schema):
            return SQL("GRANT {} ON ALL TABLES IN SCHEMA {} TO {}").format(privilege, Identifier(schema), role)
        case OnNamed(_, schema, (name,)):
            return SQL("GRANT {} ON {} TO {}").format(privilege, Identifier(schema, name), role)
        case OnFuture(_, schema, owner):
            return SQL("ALTER DEFAULT PRIVILEGES FOR ROLE {} IN SCHEMA {} GRANT {} ON TABLES TO {}").format(
                Identifier(owner), Identifier(schema), privilege, role
            )
        case target:
            raise AssertionError(target)


def _can(session: psycopg.Connection, access: Access) -> Can:
    """What PostgreSQL says that the members can do."""
    with session.transaction(force_rollback=True):
        for statement in _statements(access):
            session.execute(statement)
        return {
            (member, str(privilege), table)
            for member in MEMBERS
            for privilege in PRIVILEGES
            for table in (*TABLES, LATER)
            if session.execute(
                "SELECT has_table_privilege(%s, %s, %s)", [member, f"effect.{table}", str(privilege)]
            ).fetchone()
            == (True,)
        }


def _told(before: Access, after: Access, kinds: Iterable[Kind]) -> Can:
    told: Can = set()
    for one in effects(before, after):
        for effect in one.effects:
            if effect.kind in kinds:
                tables = _tables(effect.right.target) - {name.removeprefix("effect.") for name in effect.apart_from}
                told |= {(holder, str(effect.right.privilege), table) for holder in one.holders for table in tables}
    return told


def _tables(target: object) -> set[str]:
    match target:
        case OnNamed(_, _, names):
            return set(names)
        case OnFuture():
            return {LATER}
        case _:
            return set(TABLES)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(_accesses(), _accesses())
def test_what_postgresql_lets_a_member_do_changes_as_told(
    session: psycopg.Connection, before: Access, after: Access
) -> None:
    old, new = _can(session, before), _can(session, after)
    losses = {Kind.LOSS}
    assert _told(before, after, losses) == old - new
    assert _told(before, after, set(Kind) - losses) == new - old
