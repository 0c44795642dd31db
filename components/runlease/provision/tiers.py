"""Trust tiers: which leases share a Vault connection, and with it a PostgreSQL login and a mutex. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from runlease.access import PROFILES, ProfileName
from runlease.config import DatabaseSettings, LeaseSettings, role_name
from runlease.config.made import own_role
from runlease.provision.broker import Allowed, BrokerFunction, functions

DATA, MIGRATOR = "data", "migrator"
"""Leases that become the owner stand apart from the rest: a stolen Vault login of one tier makes no login of the other,
and a slow statement holds the mutex of its own connection only. Sweepers stand with migrators: they can end any run of
the database, and whoever can become its owner can do worse."""


def tier_of(profile: ProfileName) -> str:
    """The tier of a lease of this profile."""
    return MIGRATOR if PROFILES[profile].runs_as_owner or PROFILES[profile].calls else DATA


@dataclass(frozen=True)
class Tier:
    """One connection of Vault to one database."""

    name: str
    login: str
    """The PostgreSQL login that only this connection uses."""
    connection: str
    """Name of the connection in Vault."""


def tiers_of(key: str) -> tuple[Tier, ...]:
    """The tiers of a database, in a fixed order, with leases or without.

    They stay as long as the database: a live lease is revoked through its connection, so the connection must outlast
    the lease's line in the settings. A login without a lease may make none.
    """
    suffixes = {DATA: "vault", MIGRATOR: "vault_migrator"}
    return tuple(Tier(name, own_role(key, suffix), f"{key}-{name}") for name, suffix in suffixes.items())


def allow_list(key: str, database: DatabaseSettings, leases: Mapping[str, LeaseSettings]) -> tuple[Allowed, ...]:
    """What the broker accepts: each leased profile from the login of its tier, for no longer than its longest lease.

    In an order of its own, so that the same settings make the same function however they are written: Pulumi hands
    them on sorted, a stack file has them as somebody wrote them.
    """
    logins = {tier.name: tier.login for tier in tiers_of(key)}
    wanted = {lease.profile for lease in leases.values()}
    leased = [profile for profile in ProfileName if profile in database.profiles and profile in wanted]
    return tuple(
        Allowed(
            caller=logins[tier_of(profile)],
            profile=profile,
            group_role=role_name(key, profile),
            longest=max(lease.max_ttl.seconds for lease in leases.values() if lease.profile is profile),
            connections=database.profiles[profile].connections,
            runs_as_owner=PROFILES[profile].runs_as_owner,
            own_schema=PROFILES[profile].own_schema,
        )
        for profile in leased
    )


def broker_of(key: str, database: DatabaseSettings, leases: Mapping[str, LeaseSettings]) -> tuple[BrokerFunction, ...]:
    """The four functions of one database's broker, with its names; `leases` are those on this database."""
    return functions(
        allow_list(key, database, leases),
        own_role(key, "login"),
        role_name(key, ProfileName.SWEEPER),
        [tier.login for tier in tiers_of(key)],
    )
