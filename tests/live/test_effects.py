"""PostgreSQL itself agrees with the effects: what a member can do before and after is what was told."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg.sql import SQL, Identifier

from lab.postgres import PostgresServer
from runlease.access import (
    Access,
    Grant,
    ObjectKind,
    OnAll,
    OnColumns,
    OnFuture,
    OnNamed,
    Privilege,
    Role,
    Target,
    every_privilege,
)
from runlease.access.effects import Kind, effects
from runlease.access.rights import Right

TABLES, LATER = ("orders", "items"), "later"
COLUMN = "id"
"""The one column of each table: who has a privilege on the table has it there."""
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
OF_COLUMNS = every_privilege(OnColumns("effect", "orders", (COLUMN,)))
Can = set[tuple[str, str, str]]
"""(member, privilege, table or column): `orders` and `orders(id)`."""


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
        columns = st.sampled_from([OnColumns("effect", table, (COLUMN,)) for table in TABLES])
        granted = st.tuples(st.sampled_from(PRIVILEGES), targets) | st.tuples(st.sampled_from(OF_COLUMNS), columns)
        grants = draw(st.lists(granted, max_size=4))
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
        case OnColumns(schema, table, (name,)):
            return SQL("GRANT {} ({}) ON {} TO {}").format(privilege, Identifier(name), Identifier(schema, table), role)
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
        tables = session.execute(
            "SELECT member, privilege, name FROM unnest(%s::text[]) member, unnest(%s::text[]) privilege,"
            " unnest(%s::text[]) name WHERE has_table_privilege(member, 'effect.' || name, privilege)",
            [list(MEMBERS), list(map(str, PRIVILEGES)), [*TABLES, LATER]],
        ).fetchall()
        columns = session.execute(
            "SELECT member, privilege, format('%%s(%%s)', name, %s::text)"
            " FROM unnest(%s::text[]) member, unnest(%s::text[]) privilege, unnest(%s::text[]) name"
            " WHERE has_column_privilege(member, 'effect.' || name, %s, privilege)",
            [COLUMN, list(MEMBERS), list(map(str, OF_COLUMNS)), [*TABLES, LATER], COLUMN],
        ).fetchall()
        return {*tables, *columns}


def _told(before: Access, after: Access, kinds: Iterable[Kind]) -> Can:
    told: Can = set()
    for one in effects(before, after):
        for effect in one.effects:
            if effect.kind in kinds:
                apart = {part for name in effect.apart_from for part in _parts(name.removeprefix("effect."))}
                reached = _reached(effect.right) - apart
                told |= {(holder, str(effect.right.privilege), name) for holder in one.holders for name in reached}
    return told


def _reached(right: Right) -> set[str]:
    match right.target:
        case OnColumns(_, table, (name,)):
            return {f"{table}({name})"}
        case OnNamed(_, _, names):
            wholes = set(names)
        case OnFuture():
            wholes = {LATER}
        case _:
            wholes = set(TABLES)
    return {part for name in wholes for part in _parts(name) if "(" not in part or right.privilege in OF_COLUMNS}


def _parts(name: str) -> set[str]:
    """A table with its column; a column alone."""
    return {name} if "(" in name else {name, f"{name}({COLUMN})"}


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(_accesses(), _accesses())
def test_what_postgresql_lets_a_member_do_changes_as_told(
    session: psycopg.Connection, before: Access, after: Access
) -> None:
    old, new = _can(session, before), _can(session, after)
    losses = {Kind.LOSS}
    assert _told(before, after, losses) == old - new
    assert _told(before, after, set(Kind) - losses) == new - old
