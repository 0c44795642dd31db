"""Group roles, their grants and their members."""

from collections.abc import Mapping

import pulumi
import pulumi_postgresql as postgresql

from runlease.access import PROFILES, Grant, OnAll, OnDatabase, OnFuture, OnNamed, OnSchema, ProfileName, Server
from runlease.config import profile_grants, role_name
from runlease.config.made import BROKER_SCHEMA
from runlease.provision.postgres.deployer import Broker
from runlease.provision.postgres.grants import GrantChain
from runlease.provision.postgres.site import Site

Roles = Mapping[ProfileName, postgresql.Role]


def group_roles(site: Site, broker: Broker, chain: GrantChain) -> Roles:
    """One NOLOGIN role for each profile; the broker may hand out each of them."""
    return {profile: _group(site, broker, chain, profile) for profile in site.settings.profiles}


def _group(site: Site, broker: Broker, chain: GrantChain, profile: ProfileName) -> postgresql.Role:
    if holds := _leads_to(site, profile):
        return _led_on(site, broker, chain, profile, holds)
    # What somebody gave by hand on a managed server is no drift to be mended.
    by_hand = ["roles"] if PROFILES[profile].predefined else None
    as_broker = site.options(provider=broker.provider, ignore_changes=by_hand)
    return site.role(f"role-{profile}", role_name(site.key, profile), as_broker, owns_nothing=True)


def _leads_to(site: Site, profile: ProfileName) -> list[str]:
    """The roles that a profile's role is a member of."""
    if PROFILES[profile].runs_as_owner:
        return [site.settings.owner]
    return list(PROFILES[profile].predefined) if site.settings.server is Server.SELF_MANAGED else []


def _led_on(site: Site, broker: Broker, chain: GrantChain, profile: ProfileName, holds: list[str]) -> postgresql.Role:
    """A role that leads to another is made by the admin, because membership there is not the broker's to give.

    One that leads to the owner is NOINHERIT: its members hold nothing of the owner until they become it, on 15 as on
    18.
    """
    role = site.role(
        f"role-{profile}",
        role_name(site.key, profile),
        chain.options(),
        inherit=False if PROFILES[profile].runs_as_owner else None,
        roles=holds,
    )
    admin = postgresql.GrantRole(
        f"{site.name}-admin-{profile}",
        role=broker.role.name,
        grant_role=role.name,
        with_admin_option=True,
        # Gone with the role: a REVOKE fails as long as the broker's own grants hang on it, that is while a login lives.
        opts=pulumi.ResourceOptions.merge(chain.options(), pulumi.ResourceOptions(deleted_with=role)),
    )
    chain.add(admin)
    return role


def grant_profiles(site: Site, roles: Roles, chain: GrantChain) -> None:
    """Every grant of every profile, existing objects and future ones, but what is on the broker itself."""
    for profile, role in roles.items():
        for grant in profile_grants(site.key, site.settings, profile):
            if not _on_broker(grant):
                chain.grant(f"grant-{profile}-{_suffix(grant)}", grant, role.name)


def grant_calls(site: Site, roles: Roles, broker: Broker, chain: GrantChain) -> None:
    """What a profile may call of the broker; after its functions, and as it."""
    for profile, role in roles.items():
        for grant in profile_grants(site.key, site.settings, profile):
            if _on_broker(grant):
                chain.grant(f"grant-{profile}-{_suffix(grant)}", grant, role.name, broker.provider)


def grant_members(site: Site, roles: Roles, broker: Broker, chain: GrantChain) -> None:
    """People and programs with logins of their own. Their roles are not ours: no update of ours can lose this."""
    for profile, settings in site.settings.profiles.items():
        for member in settings.members:
            membership = postgresql.GrantRole(
                f"{site.name}-member-{profile}-{member}",
                role=member,
                grant_role=roles[profile].name,
                opts=chain.options(broker.provider),
            )
            chain.add(membership)


def _on_broker(grant: Grant) -> bool:
    return not isinstance(grant.target, OnDatabase) and grant.target.schema == BROKER_SCHEMA


def _suffix(grant: Grant) -> str:
    """Part of a child's name: from what is granted on, never from a position."""
    match grant.target:
        case OnDatabase():
            return "database"
        case OnSchema(schema):
            return f"schema-{schema}"
        case OnFuture(kind, schema, _):
            return f"future-{kind.lower()}-{schema}"
        case OnAll(kind, schema) | OnNamed(kind, schema):
            return f"{kind.lower()}-{schema}"
        case target:
            raise TypeError(f"no profile grants on this (got {target})")
