"""What runlease calls the things that it makes, where more than one part must know. Pure."""

from collections.abc import Iterable
from typing import Literal

from runlease.access import Identity
from runlease.access.profiles import BROKER_SCHEMA as BROKER_SCHEMA

Scheduled = Literal["sweeper", "auditor"]
"""Section of the settings that says what runs on a schedule; named as the profile of its leases."""

_OWN_ROLES = ("broker", "deployer", "login", "vault", "vault_migrator")


def own_role(key: str, part: str) -> str:
    """A role that is runlease's own: it carries the database's key."""
    return f"runlease_{key}_{part}"


def roles_made(key: str, profiles: Iterable[str]) -> set[str]:
    """Every role that may be made for a database: a group role a profile, and runlease's own."""
    return {f"{key}_{profile}" for profile in profiles} | {own_role(key, part) for part in _OWN_ROLES}


def database_mount(installation: str) -> str:
    """Path of the database secrets engine in Vault."""
    return f"{installation}-db"


def jwt_mount(installation: str) -> str:
    """Path of the JWT auth mount, unless the settings name an existing one."""
    return f"{installation}-jwt"


def policy_name(installation: str, lease: str) -> str:
    """Name of a lease's policy in Vault. A dot stands in neither part, so no two installations meet."""
    return f"{installation}.{lease}"


def jwt_role(installation: str, identity: Identity) -> str:
    """Name of an identity's JWT role. A dot stands in no installation and no namespace, so no two identities meet."""
    return f"{installation}.{identity.namespace}.{identity.service_account}"


def creds_path(installation: str, lease: str) -> str:
    """Where the lease is read."""
    return f"{database_mount(installation)}/creds/{lease}"


def sweeper_policy_name(installation: str) -> str:
    """Name of the sweeper's policy. The second dot stands in no lease's, so the two never meet."""
    return f"{installation}.runlease.sweeper"


def scheduled_account(installation: str, section: Scheduled) -> str:
    """The service account of what runs on a schedule; it carries the installation: two may share a namespace."""
    return f"{installation}-{section}"


def config_map_name(installation: str) -> str:
    """The ConfigMap in each namespace of runs that tells the guard where the servers are."""
    return f"runlease-{installation}"
