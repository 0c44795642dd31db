"""Pulumi resources as a preview has them, for the readers' tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from runlease.access import Access, Unread
from runlease.readers.properties import Resource
from runlease.readers.resources import to_access

STACK = "urn:pulumi:prod::acme"
SECRET_MARK = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270"}
UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
TYPES = {
    "Role": "postgresql:index/role:Role",
    "Grant": "postgresql:index/grant:Grant",
    "GrantRole": "postgresql:index/grantRole:GrantRole",
    "DefaultPrivileges": "postgresql:index/defaultPrivileges:DefaultPrivileges",
    "Schema": "postgresql:index/schema:Schema",
    "Database": "postgresql:index/database:Database",
    "Function": "postgresql:index/function:Function",
    "Mount": "vault:index/mount:Mount",
    "SecretsMount": "vault:database/secretsMount:SecretsMount",
    "Connection": "vault:database/secretBackendConnection:SecretBackendConnection",
    "Lease": "vault:database/secretBackendRole:SecretBackendRole",
    "Policy": "vault:index/policy:Policy",
    "JwtMount": "vault:jwt/authBackend:AuthBackend",
    "JwtRole": "vault:jwt/authBackendRole:AuthBackendRole",
    "Endpoint": "vault:generic/endpoint:Endpoint",
    "ServiceAccount": "kubernetes:core/v1:ServiceAccount",
    "ClusterRole": "kubernetes:rbac.authorization.k8s.io/v1:ClusterRole",
    "RbacRole": "kubernetes:rbac.authorization.k8s.io/v1:Role",
    "RoleBinding": "kubernetes:rbac.authorization.k8s.io/v1:RoleBinding",
    "ClusterRoleBinding": "kubernetes:rbac.authorization.k8s.io/v1:ClusterRoleBinding",
    "Task": "kubernetes:tekton.dev/v1:Task",
}
PROVIDER = Resource(
    f"{STACK}::pulumi:providers:postgresql::admin",
    "pulumi:providers:postgresql",
    {"host": "db.internal", "port": "5432", "database": "shop", "superuser": "true", "password": "[secret]"},
)


def resource(kind: str, called: str = "it", /, *, provider: str = PROVIDER.urn, **inputs: Any) -> Resource:
    """One resource of a kind above, or of a type written out, below the stack."""
    type_ = TYPES.get(kind, kind)
    return Resource(f"{STACK}::{type_}::{called}", type_, inputs, provider=provider)


def access_of(*resources: Resource) -> Access:
    """What these resources give, with a provider of PostgreSQL beside them."""
    return to_access([PROVIDER, *resources])


def only_unread(*resources: Resource) -> str:
    """Why the one resource that is not understood is not."""
    (unread,) = access_of(*resources).unread
    assert isinstance(unread, Unread)
    assert unread.where == unread.source == resources[-1].urn
    return unread.why


PREVIEWS = Path(__file__).parents[1] / "data" / "previews"
SECRET = "hunter2-in-the-state"


def revealed(value: Any) -> Any:
    """The state as `pulumi stack export --show-secrets` writes it."""
    if isinstance(value, dict):
        if "ciphertext" in value:
            return {**{key: one for key, one in value.items() if key != "ciphertext"}, "plaintext": f'"{SECRET}"'}
        return {
            key: SECRET if key == "password" and isinstance(one, str) else revealed(one) for key, one in value.items()
        }
    return [revealed(one) for one in value] if isinstance(value, list) else value
