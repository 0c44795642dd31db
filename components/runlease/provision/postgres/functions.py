"""The broker's schema and functions, and the logins that Vault calls them with."""

from dataclasses import dataclass

import pulumi
import pulumi_postgresql as postgresql

from runlease.provision.broker import SCHEMA, BrokerFunction
from runlease.provision.postgres.deployer import Broker
from runlease.provision.postgres.grants import GrantChain
from runlease.provision.postgres.passwords import first_password
from runlease.provision.postgres.roles import Roles
from runlease.provision.postgres.site import Site
from runlease.provision.tiers import Tier, broker_of, tiers_of

_CALLABLE = ["create_login", "drop_login", "renew_login", "reap"]


@dataclass(frozen=True)
class VaultLogin:
    """The PostgreSQL login of one Vault connection."""

    tier: Tier
    username: pulumi.Output[str]
    password: pulumi.Output[str]
    """The first password. Dead as soon as Vault has rotated it."""


def make_functions(site: Site, broker: Broker, roles: Roles, chain: GrantChain) -> pulumi.Output[str]:
    """The marker role, the schema and the four functions, all the broker's; return the schema's name.

    The admin makes the schema: pulumi-postgresql becomes the database's owner to make one, which the broker must not.
    """
    as_broker = site.options(provider=broker.provider)
    marker = site.role("login", site.own("login"), as_broker, owns_nothing=True)
    schema = postgresql.Schema(
        f"{site.name}-broker-schema",
        name=SCHEMA,
        database=site.settings.dbname,
        owner=broker.role.name,
        opts=chain.options(),
    )
    chain.add(schema)
    chain.revoke_public("public-broker-schema", "schema", schema.name, provider=broker.provider)
    for function in broker_of(site.key, site.settings, site.leases):
        opts = pulumi.ResourceOptions(depends_on=[marker, *roles.values()])
        made = _function(site, schema, function, pulumi.ResourceOptions.merge(chain.options(broker.provider), opts))
        chain.add(made)
    chain.revoke_public("public-broker-functions", "function", schema.name, provider=broker.provider)
    return schema.name


def _function(
    site: Site, schema: postgresql.Schema, function: BrokerFunction, opts: pulumi.ResourceOptions
) -> postgresql.Function:
    return postgresql.Function(
        f"{site.name}-broker-{function.name}",
        name=function.name,
        schema=schema.name,
        database=site.settings.dbname,
        args=[postgresql.FunctionArgArgs(name=argument, type="text") for argument in function.arguments],
        returns=function.returns,
        language="plpgsql",
        security_definer=True,
        strict=True,
        body=function.body,
        opts=opts,
    )


def vault_logins(site: Site, broker: Broker, schema: pulumi.Output[str], chain: GrantChain) -> tuple[VaultLogin, ...]:
    """One login for each tier: no attribute, no membership, EXECUTE on the broker's functions and nothing else."""
    return tuple(_vault_login(site, broker, schema, chain, tier) for tier in tiers_of(site.key))


def _vault_login(site: Site, broker: Broker, schema: pulumi.Output[str], chain: GrantChain, tier: Tier) -> VaultLogin:
    part = f"vault-{tier.name}"
    password = first_password(f"{site.name}-{part}", site.settings.vault_login_generation, site.component)
    login = site.role(
        part,
        tier.login,
        chain.options(),
        login=True,
        inherit=False,
        password=password,
        # After a rotation Vault opens a session for each request that waits: room for 32 clients at once, and a bound.
        connection_limit=40,
        statement_timeout=30_000,
        idle_in_transaction_session_timeout=60_000,
        search_paths=["pg_catalog", "pg_temp"],
    )
    chain.database(f"grant-{part}-database", login.name, ["CONNECT"])
    chain.usage(f"grant-{part}-schema", login.name, schema, broker.provider)
    chain.execute(f"grant-{part}-functions", login.name, schema, _CALLABLE, broker.provider)
    return VaultLogin(tier, login.name, password)
