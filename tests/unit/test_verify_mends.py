"""What mends a difference, as text: quoted, in an order that takes nothing away again, and never a statement within."""

from __future__ import annotations

from dataclasses import replace

import pytest

from runlease.access import (
    Access,
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
    ProfileName,
    Role,
)
from runlease.access.diff import Change, diff
from runlease.evidence.verify.mends import mend

SELECT, INSERT = Privilege.SELECT, Privilege.INSERT
TABLES = OnAll(ObjectKind.TABLE, "app")
READER = Role("shop_reader", "shop", ProfileName.READER, (Grant((SELECT,), TABLES, "shop_reader"),), members=("bi",))


def mended(before: Role | None, after: Role | None) -> str:
    sides = [Access("x", roles=(one,) if one else ()) for one in (before, after)]
    (change,) = diff(*sides)
    return mend(change, "x")


def granted(*grants: Grant) -> Role:
    return replace(READER, grants=grants)


@pytest.mark.parametrize(
    ("after", "statements"),
    [
        (
            granted(Grant((SELECT, INSERT), TABLES, "shop_reader")),
            'REVOKE INSERT ON ALL TABLES IN SCHEMA "app" FROM "shop_reader";',
        ),
        (granted(), 'GRANT SELECT ON ALL TABLES IN SCHEMA "app" TO "shop_reader";'),
        (
            granted(Grant((SELECT,), OnNamed(ObjectKind.TABLE, "app", ("a",)), "shop_reader")),
            'GRANT SELECT ON ALL TABLES IN SCHEMA "app" TO "shop_reader";',
        ),
        (
            granted(*READER.grants, Grant((SELECT, INSERT), OnColumns("app", "a", ("id", 'x"y')), "shop_reader")),
            'REVOKE INSERT ("id", "x""y") ON TABLE "app"."a" FROM "shop_reader";',
        ),
        (
            granted(*READER.grants, Grant((Privilege.CREATE,), OnSchema("app"), "shop_reader")),
            'REVOKE CREATE ON SCHEMA "app" FROM "shop_reader";',
        ),
        (
            granted(*READER.grants, Grant((Privilege.TEMPORARY,), OnDatabase("shop"), "shop_reader")),
            'REVOKE TEMPORARY ON DATABASE "shop" FROM "shop_reader";',
        ),
        (
            granted(*READER.grants, Grant((INSERT,), OnFuture(ObjectKind.TABLE, "app", "own"), "shop_reader")),
            'ALTER DEFAULT PRIVILEGES FOR ROLE "own" IN SCHEMA "app" REVOKE INSERT ON TABLES FROM "shop_reader";',
        ),
        (replace(READER, members=("bi", "eve")), 'REVOKE "shop_reader" FROM "eve";'),
        (replace(READER, members=()), 'GRANT "shop_reader" TO "bi";'),
        (replace(READER, admins=("eve",)), 'REVOKE "shop_reader" FROM "eve";'),
        (replace(READER, login=True), 'ALTER ROLE "shop_reader" NOLOGIN;'),
        (replace(READER, runs_as="own"), 'REVOKE "own" FROM "shop_reader";'),
    ],
)
def test_a_role_that_changed_is_made_what_was_declared(after: Role, statements: str) -> None:
    assert mended(READER, after) == statements


def test_a_role_that_is_gone_is_for_a_deployment() -> None:
    assert mended(READER, None).startswith("pulumi up: ")


def test_a_role_that_nobody_declared_loses_what_it_has() -> None:
    stranger = Role("stranger", "shop", None, (Grant((SELECT,), TABLES, "stranger"),), members=("eve",))
    assert mended(None, stranger) == (
        'REVOKE SELECT ON ALL TABLES IN SCHEMA "app" FROM "stranger"; REVOKE "stranger" FROM "eve";'
    )


@pytest.mark.parametrize(
    "name",
    ['x"; DROP TABLE app.items; --', "f(text); DROP TABLE app.items; --)", "f(a'b)", "g(text) TO PUBLIC, h(int)"],
)
def test_a_name_is_never_a_statement(name: str) -> None:
    for kind in ObjectKind:
        after = granted(*READER.grants, Grant((INSERT,), OnNamed(kind, "app", (name,)), "shop_reader"))
        start, end = f'REVOKE INSERT ON {kind} "app"."', '" FROM "shop_reader";'
        assert mended(READER, after) == start + name.replace('"', '""') + end


def test_a_name_that_cannot_be_written_is_said() -> None:
    after = granted(*READER.grants, Grant((SELECT,), OnNamed(ObjectKind.FUNCTION, "app", (64 * "x",)), "shop_reader"))
    assert "by hand" in mended(READER, after)


def test_a_function_keeps_its_arguments() -> None:
    target = OnNamed(ObjectKind.FUNCTION, "app", ('f(integer, app."a b"[])',))
    after = granted(*READER.grants, Grant((Privilege.EXECUTE,), target, "shop_reader"))
    assert mended(READER, after) == 'REVOKE EXECUTE ON FUNCTION "app"."f"(integer, app."a b"[]) FROM "shop_reader";'


def test_a_lease_and_a_binding_that_nobody_declared_are_deleted_and_others_deployed_again() -> None:
    lease = Lease("reader", "shop", ProfileName.READER, "shop_reader", Duration(60), Duration(60))
    identity = Identity("ci", "a", "https://issuer", "x")
    binding = Binding(identity, "reader", "", "", source="auth/x-jwt/role/x.ci.a")
    assert mend(Change("leases", None, lease), "x") == "DELETE /v1/x-db/roles/reader"
    assert mend(Change("bindings", None, binding), "x") == "DELETE /v1/auth/x-jwt/role/x.ci.a"
    for change in (Change("leases", lease, None), Change("bindings", binding, None)):
        assert mend(change, "x").startswith("pulumi up: ")
