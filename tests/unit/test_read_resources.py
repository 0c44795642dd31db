"""Each type of resource becomes the nouns that it gives, and what is not understood is never silence."""

from __future__ import annotations

from typing import Any

import pytest

from runlease.access import (
    PUBLIC,
    Attribute,
    Grant,
    ObjectKind,
    OnAll,
    OnColumns,
    OnDatabase,
    OnFuture,
    OnNamed,
    OnSchema,
    Privilege,
    Role,
    Target,
    every_privilege,
)
from tests.unit.resources import SECRET_MARK, UNKNOWN, access_of, only_unread, resource

READ = (Privilege.SELECT,)
TABLE = ObjectKind.TABLE


def grant(**edits: Any) -> dict[str, Any]:
    usual = {"role": "bi", "database": "shop", "objectType": "table", "schema": "app", "privileges": ["SELECT"]}
    return {**usual, **edits}


def role_of(access: Any, name: str, database: str = "shop") -> Role:
    (found,) = (role for role in access.roles if (role.name, role.database) == (name, database))
    assert isinstance(found, Role)
    return found


@pytest.mark.parametrize(
    ("inputs", "privileges", "target"),
    [
        (grant(), READ, OnAll(TABLE, "app")),
        (grant(objects=["b", "a"]), READ, OnNamed(TABLE, "app", ("a", "b"))),
        (grant(objectType="database", privileges=["TEMP"]), (Privilege.TEMPORARY,), OnDatabase("shop")),
        (grant(objectType="schema", privileges=["usage"]), (Privilege.USAGE,), OnSchema("app")),
        (grant(objectType="routine", privileges=["EXECUTE"]), (Privilege.EXECUTE,), OnAll(ObjectKind.FUNCTION, "app")),
        (grant(privileges=["ALL"]), every_privilege(OnAll(TABLE, "app")), OnAll(TABLE, "app")),
    ],
)
def test_a_grant_is_read(inputs: dict[str, Any], privileges: tuple[Privilege, ...], target: Target) -> None:
    (held,) = role_of(access_of(resource("Grant", **inputs)), "bi").grants
    assert set(held.privileges) == set(privileges)
    assert held.target == target


def test_a_grant_option_and_public_are_read() -> None:
    made = resource("Grant", **grant(role="public", withGrantOption=True))
    (role,) = access_of(made).roles
    assert role == Role(PUBLIC, "shop", None, (Grant(READ, OnAll(TABLE, "app"), PUBLIC, grantable=True),))
    assert role.grants[0].source == made.urn


def test_a_grant_of_nothing_gives_nothing() -> None:
    assert access_of(resource("Grant", **grant(role="public", privileges=[]))).roles == ()


@pytest.mark.parametrize("schema", ["app", None])
def test_default_privileges_are_read(schema: str | None) -> None:
    made = resource("DefaultPrivileges", **grant(schema=schema, owner="chief"))
    (held,) = role_of(access_of(made), "bi").grants
    assert held.target == OnFuture(TABLE, schema or "*", "chief")


def test_a_role_is_read_with_its_attributes_and_memberships() -> None:
    made = resource(
        "Role", name="lead", login=True, inherit=False, superuser=True, replication=True, roles=["pg_read_all_data"]
    )
    access = access_of(made)
    lead = role_of(access, "lead")
    assert (lead.login, lead.inherit) == (True, False)
    assert lead.attributes == {Attribute.SUPERUSER, Attribute.REPLICATION}
    assert role_of(access, "pg_read_all_data").members == ("lead",)


def test_an_administering_membership_is_no_plain_one() -> None:
    made = resource("GrantRole", role="lead", grantRole="team", withAdminOption=True)
    team = role_of(access_of(made), "team")
    assert (team.members, team.admins) == ((), ("lead",))


def test_a_role_with_grants_in_two_databases_is_two_roles_with_its_members() -> None:
    access = access_of(
        resource("Role", name="team"),
        resource("Role", "ann", name="ann", login=True, roles=["team"]),
        resource("Grant", "one", **grant(role="team")),
        resource("Grant", "two", **grant(role="team", database="billing")),
    )
    for database in ("shop", "billing"):
        assert role_of(access, "team", database).members == ("ann",)
        assert role_of(access, "ann", database).login


def test_a_role_of_the_whole_server_is_told_in_each_database_with_the_members_that_stand_there() -> None:
    access = access_of(
        resource("Role", "ann", name="ann", roles=["pg_read_all_data"]),
        resource("Role", "bob", name="bob", roles=["pg_read_all_data"]),
        resource("Grant", "one", **grant(role="ann")),
        resource("Grant", "two", **grant(role="bob", database="billing")),
    )
    assert role_of(access, "pg_read_all_data", "shop").members == ("ann",)
    assert role_of(access, "pg_read_all_data", "billing").members == ("bob",)
    assert [role.name for role in access.roles] == ["bob", "pg_read_all_data", "ann", "pg_read_all_data"]


def test_memberships_are_followed_through_roles_without_grants() -> None:
    access = access_of(
        resource("Grant", **grant(role="base")),
        resource("Role", "middle", name="middle", roles=["base"]),
        resource("GrantRole", role="ann", grantRole="middle"),
    )
    assert role_of(access, "base").members == ("middle",)
    assert role_of(access, "middle").members == ("ann",)


def test_a_grant_on_columns_is_on_those_and_no_others() -> None:
    access = access_of(
        resource("Grant", **grant(objectType="column", columns=["b", "a"], objects=["t"], privileges=["UPDATE"]))
    )
    (found,) = [one for role in access.roles for one in role.grants]
    assert (found.privileges, found.target) == ((Privilege.UPDATE,), OnColumns("app", "t", ("a", "b")))


def test_who_owns_a_schema_holds_what_an_owner_can() -> None:
    access = access_of(resource("Schema", name="app", owner="eve", database="shop"))
    assert role_of(access, "eve").runs_as == "eve"
    assert role_of(access, "eve").login


def test_databases_of_one_name_on_two_servers_are_told_apart() -> None:
    other = resource("pulumi:providers:postgresql", "other", host="replica", port="5433", superuser="false")
    access = access_of(
        other,
        resource("Grant", "one", **grant()),
        resource("Grant", "two", provider=other.urn, **grant()),
    )
    assert {role.database for role in access.roles} == {"shop@db.internal:5432", "shop@replica:5433"}


@pytest.mark.parametrize(
    ("kind", "inputs", "why"),
    [
        ("Grant", grant(objectType="column", columns=["a"], objects=["t", "u"]), "on columns of one table"),
        ("Grant", grant(objectType="column", objects=["t"]), "on columns of one table"),
        ("Grant", grant(objectType="foreign_server"), "of type foreign_server are not understood"),
        ("Grant", grant(privileges=["FLY"]), "a privilege is not understood"),
        ("Grant", grant(role=UNKNOWN), "role is not known before up"),
        ("Grant", grant(privileges=UNKNOWN), "privileges is not known before up"),
        ("Grant", grant(objects=["a", UNKNOWN]), "objects.1 is not known before up"),
        ("Grant", grant(role="[secret]"), "role is a secret"),
        ("Grant", grant(role={**SECRET_MARK, "plaintext": '"hunter2"'}), "role is a secret"),
        ("Grant", grant(role={**SECRET_MARK, "ciphertext": "v1:a:b"}), "role is a secret"),
        ("Grant", grant(role=None), "role is missing"),
        ("Grant", grant(role={"a": 1}), "role is no text"),
        ("Schema", {"name": "app", "policies": [{"role": "bi"}]}, "policies of a schema are not understood"),
        ("Function", {"name": "f", "schema": "app", "securityDefiner": True, "body": "x"}, "SECURITY DEFINER"),
        ("postgresql:index/subscription:Subscription", {}, "Subscription are not understood"),
        ("vault:identity/group:Group", {}, "Group are not understood"),
        ("kubernetes:apps/v1:Deployment", {}, "Deployment are not understood"),
        ("kubernetes:core/v1:Secret", {"type": "kubernetes.io/service-account-token"}, "a token of an account"),
        ("command:local:Command", {"create": "psql"}, "can do anything"),
        ("Endpoint", {"path": "sys/policies/acl/all"}, "can write anything"),
        ("Policy", {"name": "all", "policy": "path {"}, "policy is no policy in HCL"),
        ("JwtRole", {"backend": "jwt", "roleName": "people"}, "an OIDC role is for people"),
        ("JwtRole", {"backend": "jwt", "roleName": "a", "roleType": "jwt", "namespace": "n"}, "a namespace beside"),
        ("Connection", {"backend": "db", "name": "c", "mysql": {}}, "another engine than PostgreSQL"),
    ],
)
def test_what_is_not_understood_is_said(kind: str, inputs: dict[str, Any], why: str) -> None:
    assert why in only_unread(resource(kind, **inputs))


@pytest.mark.parametrize(
    ("kind", "inputs"),
    [
        ("Function", {"name": "f", "schema": "app", "body": "x"}),
        ("postgresql:index/extension:Extension", {"name": "citext"}),
        ("Endpoint", {"path": "db/rotate-root/shop"}),
        ("Mount", {"path": "kv", "type": "kv"}),
        ("kubernetes:core/v1:Namespace", {}),
        ("kubernetes:core/v1:Secret", {"type": "Opaque", "stringData": "[secret]"}),
        ("aws:s3/bucket:Bucket", {}),
        ("random:index/randomPassword:RandomPassword", {}),
    ],
)
def test_what_gives_nobody_anything_is_passed_over(kind: str, inputs: dict[str, Any]) -> None:
    access = access_of(resource(kind, **inputs))
    assert (access.unread, access.roles) == ((), ())
