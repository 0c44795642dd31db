"""What resources say of Vault: connections, leases, policies and JWT roles, and who obtains what."""

from __future__ import annotations

from typing import Any

import pytest

from runlease.access import (
    Duration,
)
from runlease.access.lifetimes import SYSTEM_MAXIMUM
from tests.unit.resources import access_of, only_unread, resource

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
