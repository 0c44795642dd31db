"""Each type of resource becomes the nouns that it gives, and what is not understood is never silence."""

from __future__ import annotations

from typing import Any

import pytest

from runlease.access import (
    PUBLIC,
    Account,
    Attribute,
    Duration,
    Grant,
    ObjectKind,
    OnAll,
    OnDatabase,
    OnFuture,
    OnNamed,
    OnSchema,
    Permission,
    Privilege,
    Role,
    Target,
    every_privilege,
)
from runlease.access.lifetimes import SYSTEM_MAXIMUM
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
        ("Grant", grant(objectType="column", columns=["a"], objects=["t"]), "privileges on columns are not understood"),
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


MOUNT = resource("Mount", path="db", type="database", defaultLeaseTtlSeconds=600, maxLeaseTtlSeconds=3600)
URL = "postgresql://{{username}}:{{password}}@db.internal:5432/shop?sslmode=verify-full"


def connection(**edits: Any) -> Any:
    inner = {"connectionUrl": URL, "username": "vault", "password": "[secret]", **edits}
    return resource("Connection", backend="db", name="shop", allowedRoles=["*"], postgresql=inner)


def lease(*creation: str, **edits: Any) -> Any:
    usual = {"backend": "db", "name": "app", "dbName": "shop", "creationStatements": list(creation)}
    return resource("Lease", **{**usual, **edits})


@pytest.mark.parametrize(
    ("url", "host", "dbname", "sslmode", "username"),
    [
        (URL, "db.internal:5432", "shop", "verify-full", "vault"),
        ("postgres://root:hunter2@db/shop", "db:5432", "shop", "", "root"),
        (
            "host=db port=6543 dbname=shop user=root password=hunter2 sslmode='require'",
            "db:6543",
            "shop",
            "require",
            "root",
        ),
    ],
)
def test_a_connection_is_read_without_its_password(
    url: str, host: str, dbname: str, sslmode: str, username: str
) -> None:
    access = access_of(MOUNT, connection(connectionUrl=url, username="vault" if url == URL else None))
    (found,) = access.connections
    assert (found.host, found.dbname, found.sslmode, found.username) == (host, dbname, sslmode, username)
    assert (found.allowed_roles, found.mount_maximum) == (("*",), Duration(3600))
    assert "hunter2" not in repr(access)


def test_a_secrets_mount_has_its_connections() -> None:
    inner = {"name": "shop", "connectionUrl": URL, "username": "vault", "allowedRoles": ["app"]}
    (found,) = access_of(resource("SecretsMount", path="db", maxLeaseTtlSeconds=60, postgresqls=[inner])).connections
    assert (str(found), found.allowed_roles, found.mount_maximum) == ("db/shop", ("app",), Duration(60))


@pytest.mark.parametrize(
    ("creation", "role"),
    [
        (
            "CREATE ROLE \"{{name}}\" LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}' IN ROLE shop_app",
            "shop_app",
        ),
        ("CREATE USER {{name}} PASSWORD '{{password}}'; GRANT \"Shop-App\" TO {{name}};", "Shop-App"),
        ('CREATE ROLE "{{name}}" LOGIN; ALTER ROLE "{{name}}" SET role = \'x\'', ""),
    ],
)
def test_a_lease_leads_to_the_role_of_its_statements(creation: str, role: str) -> None:
    access = access_of(MOUNT, connection(), lease(creation))
    (found,) = access.leases
    assert (found.role, found.database, found.connection) == (role, "shop", "shop")
    assert (found.ttl, found.max_ttl) == (Duration(600), Duration(3600))
    assert access.unread == ()


@pytest.mark.parametrize(
    "creation",
    [
        'CREATE ROLE "{{name}}" SUPERUSER LOGIN',
        'CREATE ROLE "{{name}}" LOGIN; GRANT SELECT ON ALL TABLES IN SCHEMA app TO "{{name}}"',
        'CREATE ROLE "{{name}}" IN ROLE a, b',
        "SELECT runlease.create_login('{{name}}', '{{password}}', '{{expiration}}', 'reader')",
        "SELECT app.make('{{name}}')",
    ],
)
def test_a_lease_that_cannot_be_followed_is_unread_and_still_there(creation: str) -> None:
    access = access_of(MOUNT, connection(), lease(creation))
    assert [(one.name, one.role) for one in access.leases] == [("app", "")]
    assert len(access.unread) == 1


def test_lifetimes_fall_back_to_the_servers_own() -> None:
    (found,) = access_of(connection(), lease('CREATE ROLE "{{name}}"', maxTtl=0)).leases
    assert (found.ttl, found.max_ttl) == (SYSTEM_MAXIMUM, SYSTEM_MAXIMUM)


def test_a_lease_without_its_connection_is_unread() -> None:
    assert "is not read, so its database is not known" in only_unread(MOUNT, lease("x"))


def test_a_second_lease_of_a_name_is_unread() -> None:
    first, second = lease("CREATE ROLE {{name}}"), resource("Lease", "z", backend="other", name="app", dbName="x")
    assert "a second lease is called app, in the mount other" in only_unread(MOUNT, connection(), first, second)


def jwt_role(**edits: Any) -> Any:
    usual = {
        "backend": "jwt",
        "roleName": "app",
        "roleType": "jwt",
        "boundSubject": "system:serviceaccount:ci:app",
        "boundAudiences": ["vault"],
        "tokenPolicies": ["app"],
    }
    return resource("JwtRole", **{**usual, **edits})


def bindings(policy: str, *more: Any, **edits: Any) -> list[str]:
    made = resource("Policy", name="app", policy=policy)
    created = 'CREATE ROLE "{{name}}" IN ROLE shop_app'
    return [str(one) for one in access_of(MOUNT, connection(), lease(created), made, jwt_role(**edits), *more).bindings]


@pytest.mark.parametrize(
    ("policy", "opened"),
    [
        ('path "db/creds/app" { capabilities = ["read"] }', True),
        ('path "db/creds/app" { policy = "read" }', True),
        ('{"path": {"db/creds/*": {"capabilities": ["read", "list"]}}}', True),
        ('path "+/creds/app" { capabilities = ["read"] }', True),
        ('path "db/creds/ap*" { capabilities = ["read"] }\npath "db/creds/app" { capabilities = ["deny"] }', False),
        ('path "db/creds/*" { capabilities = ["deny"] }\npath "db/creds/app" { capabilities = ["read"] }', True),
        ('path "db/creds/app" { capabilities = ["read", "deny"] }', False),
        ('path "db/creds/*" { capabilities = ["deny"] }\npath "db/creds/a*" { capabilities = ["read"] }', True),
        ('path "db/creds/*" { capabilities = ["read"] }\npath "db/creds/a*" { capabilities = ["deny"] }', False),
        ('path "db/creds/*" { capabilities = ["read"] }\npath "+/creds/app" { capabilities = ["deny"] }', True),
        ('path "db/creds/app" { capabilities = ["update"] }', False),
        ('path "db/creds/other" { capabilities = ["read"] }', False),
        ('path "db/+" { capabilities = ["read"] }', False),
    ],
)
def test_a_policy_opens_the_leases_that_vault_would(policy: str, opened: bool) -> None:
    assert bindings(policy) == (["ci/app may obtain app"] if opened else [])


READ_APP = 'path "db/creds/app" { capabilities = ["read"] }'


@pytest.mark.parametrize(
    ("edits", "identity"),
    [
        ({"boundSubject": None}, "*/*"),
        ({"boundSubject": None, "boundClaims": {"/kubernetes.io/namespace": "ci"}}, "ci/*"),
        ({"boundSubject": None, "boundClaims": {"sub": "system:serviceaccount:ci:other"}}, "ci/other"),
    ],
)
def test_who_is_not_bound_is_everybody_and_never_nobody(edits: dict[str, Any], identity: str) -> None:
    assert bindings(READ_APP, **edits) == [f"{identity} may obtain app"]


def test_each_audience_is_a_binding_with_its_issuer() -> None:
    mount = resource("JwtMount", path="jwt", boundIssuer="https://issuer")
    made = resource("Policy", name="app", policy=READ_APP)
    created = lease('CREATE ROLE "{{name}}" IN ROLE shop_app')
    access = access_of(MOUNT, connection(), created, made, mount, jwt_role(boundAudiences=["b", "a"]))
    assert [one.identity.audience for one in access.bindings] == ["a", "b"]
    assert (
        {one.identity.issuer for one in access.bindings} == {one.issuer for one in access.trusts} == {"https://issuer"}
    )


def test_a_policy_that_is_made_elsewhere_is_said() -> None:
    access = access_of(jwt_role(tokenPolicies=["default", "theirs"]))
    assert [str(one) for one in access.unread] == ["policy theirs: is made elsewhere, and JWT role jwt/app carries it"]


def binding(kind: str, name: str, namespace: str | None = "ci", binds: str = "RoleBinding") -> Any:
    return resource(
        binds,
        "binding",
        metadata={"name": "b", "namespace": namespace},
        roleRef={"kind": kind, "name": name},
        subjects=[{"kind": "ServiceAccount", "name": "bot"}, {"kind": "Group", "name": "devs"}],
    )


def test_rbac_is_read_rule_by_rule_and_subject_by_subject() -> None:
    rules = [{"verbs": ["create"], "resources": ["pods"]}, {"verbs": ["get"], "nonResourceURLs": ["/healthz"]}]
    role = resource("RbacRole", metadata={"name": "r", "namespace": "ci"}, rules=rules)
    assert access_of(role, binding("Role", "r")).permissions == (
        Permission("devs", "ci", ("create",), ("pods",)),
        Permission("system:serviceaccount:ci:bot", "ci", ("create",), ("pods",)),
    )


def test_a_role_that_every_cluster_has_is_known_and_another_is_said() -> None:
    found = access_of(binding("ClusterRole", "cluster-admin", None, "ClusterRoleBinding")).permissions
    assert {(one.namespace, one.verbs, one.resources) for one in found} == {("*", ("*",), ("*",))}
    assert "whose rules are not read" in only_unread(binding("ClusterRole", "theirs"))


def test_an_account_automounts_unless_it_says_no() -> None:
    access = access_of(
        resource("ServiceAccount", "a", metadata={"name": "a", "namespace": "ci"}),
        resource("ServiceAccount", "b", metadata={"name": "b"}, automountServiceAccountToken=False),
    )
    assert access.accounts == (Account("ci", "a", True), Account("default", "b", False))


def test_a_task_has_the_texts_that_a_secret_could_stand_in() -> None:
    spec = {
        "params": [{"name": "image", "default": "a:1"}, {"name": "list", "default": ["x", "y"]}],
        "stepTemplate": {"env": [{"name": "LEVEL", "value": "debug"}]},
        "steps": [
            {
                "name": "go",
                "image": "$(params.image)",
                "script": "echo",
                "args": ["-v", "all"],
                "env": [
                    {"name": "PGPASSWORD", "valueFrom": {"secretKeyRef": {"name": "shop", "key": "p"}}},
                    {"name": "TOKEN", "value": "[secret]"},
                ],
                "envFrom": [{"secretRef": {"name": "more"}}],
            }
        ],
        "sidecars": [{"name": "guard", "image": "guard:1"}],
        "volumes": [{"name": "v", "secret": {"secretName": "files"}}],
    }
    (task,) = access_of(resource("Task", metadata={"name": "t", "namespace": "ci"}, spec=spec)).tasks
    assert task.images == (("steps.go", "$(params.image)"), ("sidecars.guard", "guard:1"))
    assert task.scripts == (("steps.go", "echo"),)
    assert dict(task.values) == {
        "params.image": "a:1",
        "params.list": "x y",
        "stepTemplate.env.LEVEL": "debug",
        "steps.go.args": "-v all",
    }
    assert dict(task.secrets) == {
        "volumes.v": "files",
        "steps.go.env.PGPASSWORD": "shop",
        "steps.go.env.TOKEN": "[secret]",
        "steps.go.envFrom": "more",
    }
