"""Names and texts in Vault. Everything begins with the installation, so that no stack rewrites another's. Pure."""

import json
from collections.abc import Iterable, Mapping
from urllib.parse import quote

from runlease.access import PROFILES
from runlease.config import DatabaseSettings, LeaseSettings
from runlease.config.made import creds_path as creds_path
from runlease.config.made import database_mount as database_mount
from runlease.config.made import jwt_mount as jwt_mount
from runlease.config.made import jwt_role as jwt_role
from runlease.config.made import policy_name as policy_name
from runlease.config.made import sweeper_policy_name as sweeper_policy_name

USERNAME_TEMPLATE = '{{ printf "run_%s_%s" .RoleName (random 20 | lowercase) }}'
"""The login carries its lease's name and never `.DisplayName`: a claim with a quote in it would be SQL."""


def policy_of(installation: str, lease: str, leases: Mapping[str, LeaseSettings]) -> str:
    """The policy of one of an installation's leases."""
    made = policy(installation, lease)
    return f"{made}\n{auditing(installation, leases)}" if PROFILES[leases[lease].profile].audits else made


def policy(installation: str, lease: str) -> str:
    """What a run token may do: take its lease, renew and revoke leases under that path, renew and revoke itself.

    No wildcard stands in a path. `lease_id` is bound to the lease's own path by allowed parameters; `sync` must be the
    text "true", because values are compared as they are sent.
    """
    path = creds_path(installation, lease)
    own = json.dumps([f"{path}/*"])
    return "\n".join(
        [
            f'path "{path}" {{\n  capabilities = ["read"]\n}}',
            f'path "sys/leases/revoke" {{\n  capabilities = ["update"]\n'
            f'  allowed_parameters = {{\n    "lease_id" = {own}\n    "sync" = ["true"]\n  }}\n}}',
            f'path "sys/leases/renew" {{\n  capabilities = ["update"]\n'
            f'  allowed_parameters = {{\n    "lease_id" = {own}\n    "increment" = []\n  }}\n}}',
            'path "auth/token/renew-self" {\n  capabilities = ["update"]\n}',
            'path "auth/token/revoke-self" {\n  capabilities = ["update"]\n}',
        ]
    )


def auditing(installation: str, leases: Iterable[str]) -> str:
    """What `runlease verify` asks of Vault: how it is configured, and how many leases there are. It opens no secret.

    What is there and was not declared has a name that nobody knows beforehand, so `+` stands where names are. Vault
    asks for sudo where the leases of others are listed; it lists their ids and no more.
    """
    mount = database_mount(installation)
    listed = [f"sys/leases/lookup/{mount}/creds/{lease}/" for lease in sorted(leases)]
    return "\n".join(
        [
            *(_only(path, "read") for path in ("sys/mounts", "sys/auth")),
            *_named("sys/policies/acl"),
            *_named(f"{mount}/config"),
            *_named(f"{mount}/roles"),
            _only(f"{mount}/static-roles/", "list"),
            *_named("auth/+/role"),
            _only("auth/+/config", "read"),
            _only("sys/leases", "read", "sudo"),
            *(_only(path, "list", "sudo") for path in listed),
        ]
    )


def _named(path: str) -> tuple[str, str]:
    """To list what stands below a path, and to read each of it."""
    return _only(f"{path}/", "list"), _only(f"{path}/+", "read")


def _only(path: str, *capabilities: str) -> str:
    return f'path "{path}" {{\n  capabilities = {json.dumps(list(capabilities))}\n}}'


def sweeper_policy(installation: str, jwt: str, leases: Iterable[str]) -> str:
    """What the sweeper may do beside taking its own leases: look up leases and tokens, and revoke those of runs.

    `jwt` is the JWT mount. Vault keeps a login as a lease below the mount's path, and to revoke that one revokes the
    token and all that it took. Accessors can be listed and looked up of all tokens, because Vault has no narrower path;
    a token cannot be revoked by its accessor.
    """
    mount, logins = database_mount(installation), f"auth/{jwt}/login"
    ours = json.dumps([f"{mount}/creds/*", f"{logins}/*"])
    listed = [f"{mount}/creds/", *(f"{mount}/creds/{lease}/" for lease in sorted(leases)), f"{logins}/"]
    return "\n".join(
        [
            *(f'path "sys/leases/lookup/{path}" {{\n  capabilities = ["list", "sudo"]\n}}' for path in listed),
            f'path "sys/leases/lookup" {{\n  capabilities = ["update"]\n'
            f'  allowed_parameters = {{\n    "lease_id" = {ours}\n  }}\n}}',
            f'path "sys/leases/revoke" {{\n  capabilities = ["update"]\n'
            f'  allowed_parameters = {{\n    "lease_id" = {ours}\n    "sync" = ["true"]\n  }}\n}}',
            'path "sys/leases" {\n  capabilities = ["read", "sudo"]\n}',
            'path "auth/token/accessors/" {\n  capabilities = ["list", "sudo"]\n}',
            'path "auth/token/lookup-accessor" {\n  capabilities = ["update"]\n}',
            'path "identity/entity-alias/id/" {\n  capabilities = ["list"]\n}',
        ]
    )


def connection_url(database: DatabaseSettings) -> str:
    """How Vault dials PostgreSQL; it fills in its login itself, so no password stands here."""
    tls = f"sslmode={database.libpq_sslmode}"
    if database.vault_ca is not None:
        tls += f"&sslrootcert={quote(database.vault_ca)}"
    host = database.vault_host or database.host
    return f"postgresql://{{{{username}}}}:{{{{password}}}}@{host}:{database.port}/{database.dbname}?{tls}"
