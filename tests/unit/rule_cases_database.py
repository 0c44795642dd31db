"""Small Access values that break or keep the rules on a database: (rule, case, access, where)."""

from __future__ import annotations

from dataclasses import replace

from runlease.access import (
    EVERY,
    PUBLIC,
    Access,
    Attribute,
    Duration,
    Grant,
    Lease,
    ObjectKind,
    OnAll,
    OnDatabase,
    OnFuture,
    OnNamed,
    OnSchema,
    Privilege,
    Role,
    Target,
)

P = Privilege
TABLES = OnAll(ObjectKind.TABLE, "app")
ORDERS = OnNamed(ObjectKind.TABLE, "app", ("orders",))
FUTURE = OnFuture(ObjectKind.TABLE, "app", "shop_owner")
ALL = (P.SELECT, P.INSERT, P.UPDATE, P.DELETE, P.TRUNCATE, P.REFERENCES, P.TRIGGER)
ALL_WORDS = ", ".join(ALL)
LEASE = Lease("load", "shop", None, "app", Duration(300), Duration(1800))


def role(*grants: tuple[tuple[Privilege, ...], Target], name: str = "app", **more: object) -> Role:
    made = Role(name, "shop", None, tuple(Grant(privileges, target, name) for privileges, target in grants))
    return replace(made, **{"members": ("jane",), **more})  # type: ignore[arg-type]  # each test says a field of Role


def roles(*several: Role) -> Access:
    return Access("shop-prod", roles=several)


def granted(*privileges: Privilege, on: Target, name: str = "app", **more: object) -> Access:
    return roles(role((privileges, on), name=name, **more))


def lease(**more: object) -> Access:
    holder = role(((P.SELECT,), ORDERS), members=())
    return Access("shop-prod", roles=(holder,), leases=(replace(LEASE, **more),))  # type: ignore[arg-type]  # fields by name


def made_by(*creation: str) -> Access:
    return lease(creation=creation, revocation=("SELECT f('{{name}}')",))


ADMIN = Role("admin", "shop", None, (), login=True, attributes=frozenset({Attribute.SUPERUSER}))

BROKEN: list[tuple[str, str, Access, str]] = [
    *(
        (
            "RL001",
            attribute,
            roles(role(name="eve", attributes=frozenset({attribute}))),
            f"{attribute} of role eve of shop",
        )
        for attribute in Attribute
        if attribute is not Attribute.CREATEDB
    ),
    (
        "RL002",
        "a table",
        granted(P.SELECT, on=ORDERS, name=PUBLIC),
        "grant SELECT ON TABLE app.orders TO PUBLIC of shop",
    ),
    (
        "RL002",
        "a database",
        granted(P.CONNECT, on=OnDatabase("shop"), name=PUBLIC),
        "grant CONNECT ON DATABASE shop TO PUBLIC of shop",
    ),
    ("RL003", "a table", granted(*ALL, on=ORDERS), f"grant {ALL_WORDS} ON TABLE app.orders TO app of shop"),
    (
        "RL003",
        "with MAINTAIN",
        granted(*ALL, P.MAINTAIN, on=ORDERS),
        f"grant {ALL_WORDS}, MAINTAIN ON TABLE app.orders TO app of shop",
    ),
    (
        "RL003",
        "a schema",
        granted(P.USAGE, P.CREATE, on=OnSchema("app")),
        "grant USAGE, CREATE ON SCHEMA app TO app of shop",
    ),
    (
        "RL003",
        "a database",
        granted(P.CONNECT, P.CREATE, P.TEMPORARY, on=OnDatabase("shop")),
        "grant CONNECT, CREATE, TEMPORARY ON DATABASE shop TO app of shop",
    ),
    ("RL004", "TRIGGER", granted(P.TRIGGER, on=ORDERS), "grant TRIGGER ON TABLE app.orders TO app of shop"),
    (
        "RL004",
        "REFERENCES",
        granted(P.SELECT, P.REFERENCES, on=ORDERS),
        "grant SELECT, REFERENCES ON TABLE app.orders TO app of shop",
    ),
    ("RL004", "MAINTAIN", granted(P.MAINTAIN, on=TABLES), "grant MAINTAIN ON ALL TABLES IN SCHEMA app TO app of shop"),
    ("RL005", "a reader", granted(P.TRUNCATE, on=ORDERS), "grant TRUNCATE ON TABLE app.orders TO app of shop"),
    ("RL006", "data", roles(role(name="pg_read_all_data")), "member jane of role pg_read_all_data of shop"),
    (
        "RL006",
        "a shell",
        roles(role(name="pg_execute_server_program")),
        "member jane of role pg_execute_server_program of shop",
    ),
    ("RL006", "files", roles(role(name="pg_write_server_files")), "member jane of role pg_write_server_files of shop"),
    (
        "RL006",
        "an administrator",
        roles(role(name="pg_read_all_data", members=(), admins=("jane",))),
        "member jane of role pg_read_all_data of shop",
    ),
    ("RL006", "one that PostgreSQL adds later", roles(role(name="pg_new")), "member jane of role pg_new of shop"),
    (
        "RL007",
        "a table",
        granted(P.SELECT, on=ORDERS, login=True, members=()),
        "grant SELECT ON TABLE app.orders TO app of shop",
    ),
    (
        "RL007",
        "a database",
        granted(P.TEMPORARY, on=OnDatabase("shop"), login=True, members=()),
        "grant TEMPORARY ON DATABASE shop TO app of shop",
    ),
    ("RL008", "members", roles(role(login=True)), "role app of shop"),
    ("RL008", "leases", replace(lease(), roles=(role(login=True, members=()),)), "role app of shop"),
    (
        "RL009",
        "a login",
        roles(role(admins=("lead",)), role(name="lead", login=True, members=())),
        "admin lead of role app of shop",
    ),
    ("RL009", "somebody unknown", roles(role(admins=("lead",))), "admin lead of role app of shop"),
    (
        "RL009",
        "a group that logins are in",
        roles(role(admins=("leads",)), role(name="leads")),
        "admin leads of role app of shop",
    ),
    (
        "RL009",
        "a group of groups",
        roles(role(admins=("a",)), role(name="a", members=("b",)), role(name="b", members=("c", "b"))),
        "admin a of role app of shop",
    ),
    (
        "RL009",
        "a privilege",
        roles(Role("app", "shop", None, (Grant((P.SELECT,), ORDERS, "app", grantable=True),), ("jane",))),
        "grant SELECT ON TABLE app.orders TO app WITH GRANT OPTION of shop",
    ),
    (
        "RL010",
        "a default privilege",
        granted(P.SELECT, on=OnFuture(ObjectKind.TABLE, EVERY, "")),
        "grant SELECT ON FUTURE TABLES OF  IN SCHEMA * TO app of shop",
    ),
    (
        "RL010",
        "a statement",
        made_by("ALTER DEFAULT PRIVILEGES IN SCHEMA app GRANT SELECT ON TABLES TO app"),
        "lease load",
    ),
    (
        "RL010",
        "a lower-case statement",
        made_by("alter  default\nprivileges grant select on tables to app"),
        "lease load",
    ),
    ("RL011", "UPDATE", granted(P.UPDATE, on=TABLES), "grant UPDATE ON ALL TABLES IN SCHEMA app TO app of shop"),
    (
        "RL011",
        "DELETE in future",
        granted(P.DELETE, on=FUTURE),
        "grant DELETE ON FUTURE TABLES OF shop_owner IN SCHEMA app TO app of shop",
    ),
    ("RL036", "nobody", granted(P.SELECT, on=ORDERS, members=()), "role app of shop"),
    (
        "RL036",
        "a group of nobody",
        roles(role(((P.SELECT,), ORDERS), members=("a",)), role(name="a", members=("app",))),
        "role app of shop",
    ),
    (
        "RL036",
        "a lease in another database",
        replace(lease(), leases=(replace(LEASE, database="billing"),)),
        "role app of shop",
    ),
]

KEPT: list[tuple[str, str, Access]] = [
    ("RL001", "no attribute", roles(role(login=True))),
    ("RL001", "CREATEDB", roles(role(attributes=frozenset({Attribute.CREATEDB})))),
    ("RL002", "a role", granted(P.SELECT, on=ORDERS)),
    ("RL002", "PUBLIC without a grant", roles(role(name=PUBLIC))),
    ("RL003", "all but one", granted(*ALL[:-1], P.MAINTAIN, on=ORDERS)),
    (
        "RL003",
        "EXECUTE, which is all of a function",
        granted(P.EXECUTE, on=OnNamed(ObjectKind.FUNCTION, "app", ("f",))),
    ),
    ("RL004", "SELECT", granted(P.SELECT, on=ORDERS)),
    ("RL005", "a migrator", granted(P.TRUNCATE, on=ORDERS, runs_as="shop_owner")),
    ("RL006", "watching", roles(role(name="pg_monitor"))),
    ("RL006", "nobody", roles(role(name="pg_read_all_data", members=()))),
    ("RL006", "roles of PostgreSQL", roles(role(name="pg_write_all_data", members=("pg_maintain",)))),
    ("RL007", "CONNECT", granted(P.CONNECT, on=OnDatabase("shop"), login=True, members=())),
    ("RL007", "a group role", granted(P.SELECT, on=ORDERS)),
    ("RL008", "a login without members", roles(role(login=True, members=()))),
    ("RL009", "members", roles(role(), role(name="jane", login=True, members=()))),
    ("RL009", "an administrator that nobody is", roles(role(admins=("a",)), role(name="a", members=()))),
    ("RL009", "a superuser, whom RL001 finds", roles(role(admins=("admin",)), ADMIN)),
    ("RL010", "an owner", granted(P.SELECT, on=FUTURE)),
    ("RL010", "a statement", made_by("ALTER DEFAULT PRIVILEGES FOR ROLE o GRANT SELECT ON TABLES TO app")),
    ("RL011", "a named table", granted(P.UPDATE, P.DELETE, on=ORDERS)),
    ("RL011", "INSERT", granted(P.SELECT, P.INSERT, on=TABLES)),
    ("RL011", "a sequence", granted(P.UPDATE, on=OnAll(ObjectKind.SEQUENCE, "app"))),
    ("RL036", "a member", granted(P.SELECT, on=ORDERS)),
    ("RL036", "a login", granted(P.SELECT, on=ORDERS, login=True, members=())),
    ("RL036", "a lease", lease()),
    ("RL036", "a member of a member", roles(role(((P.SELECT,), ORDERS), members=("a",)), role(name="a"))),
    ("RL036", "no grant", roles(role(members=()))),
    ("RL036", "PUBLIC", granted(P.SELECT, on=ORDERS, name=PUBLIC, members=())),
]
