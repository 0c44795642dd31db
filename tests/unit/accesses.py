"""Random Access values: small names, so that two of them have much in common."""

from __future__ import annotations

from hypothesis import strategies as st

from runlease.access import (
    PUBLIC,
    Access,
    Account,
    Binding,
    Duration,
    Grant,
    Identity,
    Lease,
    ObjectKind,
    OnAll,
    OnColumns,
    OnDatabase,
    OnFuture,
    OnNamed,
    OnSchema,
    Privilege,
    Role,
    Trust,
    Unread,
)

DATABASES, ROLES, LOGINS = ("shop", "billing"), ("reader", "writer", "chief"), ("bi", "ann")
TABLES = ("orders", "items")
_privileges = st.lists(st.sampled_from(list(Privilege)), min_size=1, max_size=3, unique=True).map(tuple)
_targets = st.one_of(
    st.just(OnDatabase("shop")),
    st.just(OnSchema("app")),
    st.just(OnAll(ObjectKind.TABLE, "app")),
    st.just(OnFuture(ObjectKind.TABLE, "app", "owner")),
    st.lists(st.sampled_from(TABLES), min_size=1, max_size=2, unique=True).map(
        lambda names: OnNamed(ObjectKind.TABLE, "app", tuple(names))
    ),
    st.sampled_from(TABLES).map(lambda table: OnColumns("app", table, ("id", "label"))),
)
_durations = st.sampled_from([Duration(300), Duration(600), Duration(1200)])


@st.composite
def _role(draw: st.DrawFn, database: str, name: str) -> Role:
    grants = draw(st.lists(st.tuples(_privileges, _targets, st.booleans()), max_size=3))
    return Role(
        name,
        database,
        None,
        tuple(Grant(privileges, target, name, grantable) for privileges, target, grantable in grants),
        members=tuple(draw(st.lists(st.sampled_from((*ROLES, *LOGINS)), max_size=2, unique=True))),
        runs_as=draw(st.sampled_from([None, None, "owner"])),
    )


@st.composite
def accesses(draw: st.DrawFn) -> Access:
    """An Access with a few of everything."""
    names = draw(
        st.lists(st.tuples(st.sampled_from(DATABASES), st.sampled_from((*ROLES, PUBLIC))), max_size=4, unique=True)
    )
    roles = tuple(draw(_role(database, name)) for database, name in names)
    leases = tuple(
        Lease(f"{database}-{name}", database, None, name, draw(_durations), draw(_durations))
        for database, name in names
    )
    bindings = tuple(
        Binding(
            Identity("ci", f"task-{number}", "https://issuer", draw(st.sampled_from(["one", "two"]))),
            draw(st.sampled_from([lease.name for lease in leases])),
            "release",
            f"task-{number}",
        )
        for number in range(draw(st.integers(0, 3)))
        if leases
    )
    return Access(
        "shop-prod",
        roles=roles,
        leases=leases,
        bindings=bindings,
        trusts=tuple(Trust("jwt", name) for name in draw(st.sets(st.sampled_from("ab")))),
        accounts=tuple(Account("ci", name, draw(st.booleans())) for name in draw(st.sets(st.sampled_from("ab")))),
        unread=tuple(Unread(name, "why") for name in draw(st.sets(st.sampled_from("ab")))),
    )
