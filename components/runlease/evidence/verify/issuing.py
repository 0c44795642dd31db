"""How Vault makes and ends logins, held against what a deployment writes for the settings. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any

from runlease.access.rules import Severity
from runlease.config import Settings
from runlease.config.made import database_mount
from runlease.evidence.verify.check import Found

_PLACE = "Vault"
_UP = "pulumi up: it is a resource of the stack, and is written again"

Said = Mapping[str, Mapping[str, Any]]
"""What Vault says of each thing, by its name."""


def judge_leases(settings: Settings, roles: Said) -> Iterator[Found]:
    """Leases whose statements pass the broker by; one that is missing is a difference, and told there."""
    # Here, because `runlease.provision` brings Pulumi, and whoever only reads a stack file needs none.
    from runlease.provision.broker import RENEWAL_STATEMENT, REVOCATION_STATEMENT, creation_statement

    for name, lease in settings.leases.items():
        if name not in roles:
            continue
        expected = {
            "creation_statements": creation_statement(lease.profile),
            "revocation_statements": REVOCATION_STATEMENT,
            "rollback_statements": REVOCATION_STATEMENT,
            "renew_statements": RENEWAL_STATEMENT,
        }
        other = sorted(key for key, text in expected.items() if roles[name].get(key) != [text])
        if other:
            what = f"its {', '.join(other)} are others than the broker's"
            yield Found("LV706", "lease-statements", Severity.CRITICAL, _PLACE, f"lease {name}", what, _UP)


def judge_connections(settings: Settings, connections: Said) -> Iterator[Found]:
    """Connections that are not what the settings make; no URL is shown, because one may hold a password."""
    expected = _connections(settings)
    for name in connections:
        if name not in expected:
            mend = f"DELETE /v1/{database_mount(settings.installation)}/config/{name}"
            what = "was not declared"
            yield Found("LV707", "connection-changed", Severity.HIGH, _PLACE, f"connection {name}", what, mend)
    for name, wanted in expected.items():
        said = connections.get(name, {})
        there = {**said, **(said.get("connection_details") or {})}
        other = sorted(key for key, value in wanted.items() if _plain(there.get(key)) != value)
        if other:
            what = f"has another {', '.join(other)}" if said else "is not there"
            yield Found("LV707", "connection-changed", Severity.HIGH, _PLACE, f"connection {name}", what, _UP)


def _connections(settings: Settings) -> dict[str, dict[str, Any]]:
    from runlease.provision.tiers import tier_of, tiers_of
    from runlease.provision.vault.names import USERNAME_TEMPLATE, connection_url

    return {
        tier.connection: {
            "connection_url": connection_url(database),
            "username": tier.login,
            "username_template": USERNAME_TEMPLATE,
            "password_authentication": "scram-sha-256",
            "allowed_roles": sorted(
                name
                for name, lease in settings.leases.items()
                if lease.database == key and tier_of(lease.profile) == tier.name
            ),
        }
        for key, database in settings.databases.items()
        for tier in tiers_of(key)
    }


def _plain(value: Any) -> Any:
    return sorted(map(str, value)) if isinstance(value, list) else value
