"""What a difference means for whom: against an oracle that multiplies everything out, and by kind."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given

from runlease.access import (
    PUBLIC,
    Access,
    Binding,
    Duration,
    Grant,
    Identity,
    Lease,
    ObjectKind,
    OnAll,
    OnNamed,
    Privilege,
    Role,
)
from runlease.access.effects import Kind, effects
from tests.unit.accesses import accesses

READS = Grant((Privilege.SELECT,), OnAll(ObjectKind.TABLE, "app"), "reader")
READER = Role("reader", "shop", None, (READS,))
LEASE = Lease("shop-reader", "shop", None, "reader", Duration(300), Duration(600))
MIGRATE = Identity("ci", "migrate", "https://issuer", "runlease/shop")
ACCESS = Access("shop", roles=(READER,), leases=(LEASE,), bindings=(Binding(MIGRATE, "shop-reader", "p", "t"),))

Held = dict[tuple[str, str, str, str], float]
"""(holder, database, privilege, object) → how long."""


def multiplied(access: Access) -> Held:
    """Every holder with every privilege on every single object, the slow way, with two tables in every schema."""
    roles = {(role.database, role.name): role for role in access.roles}
    above: dict[tuple[str, str], set[str]] = {
        key: {role.name for role in access.roles if role.database == key[0] and key[1] in (*role.members, *role.admins)}
        for key in {(role.database, name) for role in access.roles for name in (role.name, *role.members, *role.admins)}
    }

    def closure(database: str, name: str) -> set[str]:
        found, waiting = set[str](), {name}
        while waiting:
            one = waiting.pop()
            found.add(one)
            waiting |= above.get((database, one), set()) - found
        return found

    def rights(database: str, name: str) -> set[tuple[str, str]]:
        found = set()
        for one in closure(database, name):
            role = roles.get((database, one))
            for grant in role.grants if role else ():
                for privilege in grant.privileges:
                    objects = [str(grant.target)]
                    if isinstance(grant.target, OnNamed):
                        objects = [f"{grant.target.schema}.{one}" for one in grant.target.names]
                    if isinstance(grant.target, OnAll):
                        objects = [f"{grant.target.schema}.{one}" for one in ("orders", "items", "another")]
                    options = ("", "*") if grant.grantable else ("",)
                    found |= {(f"{privilege}{o}", x) for x in objects for o in options}
            if role and role.runs_as:
                found.add(("OWNER", role.runs_as))
        return found

    held: Held = {}

    def note(holder: str, database: str, name: str, lasts: float) -> None:
        for privilege, target in rights(database, name):
            key = holder, database, privilege, target
            held[key] = max(held.get(key, 0.0), lasts)

    leases = {lease.name: lease for lease in access.leases}
    for binding in access.bindings:
        lease = leases[binding.lease]
        note(str(binding.identity), lease.database, lease.role, lease.max_ttl.seconds)
    groups = {role.name for role in access.roles}
    for role in access.roles:
        for member in set(role.members) - groups:
            note(member, role.database, role.name, float("inf"))
        if role.name == PUBLIC:
            note(PUBLIC, role.database, PUBLIC, float("inf"))
    return held


def told(before: Access, after: Access) -> tuple[set[tuple[str, str, str]], set[tuple[str, str, str]]]:
    """(holder, database, privilege) of everything that the effects say comes or lasts longer, and of what goes."""
    more: set[tuple[str, str, str]] = set()
    less: set[tuple[str, str, str]] = set()
    for one in effects(before, after):
        for holder in one.holders:
            for effect in one.effects:
                side = less if effect.kind in (Kind.LOSS, Kind.SHORTER) else more
                side.add((holder, effect.right.database, str(effect.right.privilege or "OWNER")))
    return more, less


@given(accesses(), accesses())
def test_every_privilege_whose_reach_changed_is_named_and_no_other(before: Access, after: Access) -> None:
    old, new = multiplied(before), multiplied(after)
    more = {(h, d, p.rstrip("*")) for (h, d, p, o), lasts in new.items() if lasts > old.get((h, d, p, o), 0.0)}
    less = {(h, d, p.rstrip("*")) for (h, d, p, o), lasts in old.items() if lasts > new.get((h, d, p, o), 0.0)}
    assert told(before, after) == (more, less)


@given(accesses())
def test_nothing_changes_for_anybody_between_equal_values(access: Access) -> None:
    assert effects(access, access) == ()


def changed(**changes: object) -> Access:
    return dataclasses.replace(ACCESS, **changes)  # type: ignore[arg-type]  # fields by name


def grants(*privileges: Privilege) -> tuple[Role, ...]:
    return (dataclasses.replace(READER, grants=(dataclasses.replace(READS, privileges=privileges),)),)


@pytest.mark.parametrize(
    ("after", "kind"),
    [
        (changed(roles=grants(Privilege.SELECT, Privilege.UPDATE)), Kind.WRITER),
        (changed(roles=(dataclasses.replace(READER, runs_as="shop_owner"),)), Kind.OWNER),
        (changed(leases=(dataclasses.replace(LEASE, max_ttl=Duration(601)),)), Kind.LONGER),
        (changed(leases=(dataclasses.replace(LEASE, max_ttl=Duration(599)),)), Kind.SHORTER),
        (changed(roles=(READER, Role(PUBLIC, "shop", None, (READS,)))), Kind.TO_PUBLIC),
        (changed(roles=(dataclasses.replace(READER, members=("bi",)),)), Kind.NEW_HOLDER),
        (changed(roles=grants(Privilege.SELECT, Privilege.REFERENCES)), Kind.GAIN),
        (changed(bindings=()), Kind.LOSS),
    ],
    ids=lambda value: value.name if isinstance(value, Kind) else "",
)
def test_each_kind_of_change_is_called_what_it_is(after: Access, kind: Kind) -> None:
    assert effects(ACCESS, after)[0].worst is kind


def test_a_table_that_was_in_reach_by_all_of_them_is_no_gain() -> None:
    named = Grant((Privilege.SELECT,), OnNamed(ObjectKind.TABLE, "app", ("orders",)), "reader")
    both = changed(roles=(dataclasses.replace(READER, grants=(READS, named)),))
    assert effects(ACCESS, both) == ()


def test_losing_all_tables_but_one_names_the_one_that_stays() -> None:
    named = Grant((Privilege.SELECT,), OnNamed(ObjectKind.TABLE, "app", ("orders",)), "reader")
    (one,) = effects(ACCESS, changed(roles=(dataclasses.replace(READER, grants=(named,)),)))
    assert [(effect.kind, effect.apart_from) for effect in one.effects] == [(Kind.LOSS, ("app.orders",))]


def test_holders_that_share_a_change_are_told_together() -> None:
    more = tuple(Binding(Identity("ci", f"t{n}", "https://i", "a"), "shop-reader", "p", f"t{n}") for n in range(3))
    shared = changed(bindings=more)
    (one,) = effects(shared, dataclasses.replace(shared, roles=grants(Privilege.SELECT, Privilege.INSERT)))
    assert one.holders == ("ci/t0", "ci/t1", "ci/t2")
