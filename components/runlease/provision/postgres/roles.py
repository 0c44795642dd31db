"""Group roles, their grants and their members."""

from collections.abc import Mapping

import pulumi
import pulumi_postgresql as postgresql

from runlease.access import PROFILES, Grant, OnDatabase, OnFuture, OnSchema, ProfileName
from runlease.config import profile_grants, role_name
from runlease.config.made import BROKER_SCHEMA
from runlease.provision.postgres.deployer import Broker
from runlease.provision.postgres.grants import GrantChain
from runlease.provision.postgres.site import Site

Roles = Mapping[ProfileName, postgresql.Role]


def group_roles(site: Site, broker: Broker, chain: GrantChain) -> Roles:
    """One NOLOGIN role for each profile; the broker may hand out each of them."""
    return {
        profile: _runs_as_owner(site, broker, chain, profile)
        if PROFILES[profile].runs_as_owner
        else site.role(
            f"role-{profile}", role_name(site.key, profile), site.options(provider=broker.provider), owns_nothing=True
        )
        for profile in site.settings.profiles
    }


def _runs_as_owner(site: Site, broker: Broker, chain: GrantChain, profile: ProfileName) -> postgresql.Role:
    """A role that leads to the owner is made by the admin, because membership in the owner is not the broker's to give.

    NOINHERIT: its members hold nothing of the owner until they become it, on 15 as on 18.
    """
    role = site.role(
        f"role-{profile}",
        role_name(site.key, profile),
        chain.options(),
        inherit=False,
        roles=[site.settings.owner],
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
        case target:
            return f"{target.kind.lower()}-{target.schema}"
