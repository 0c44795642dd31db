"""The broker role and the deployer: who owns the functions, and who may make them."""

from dataclasses import dataclass

import pulumi
import pulumi_postgresql as postgresql

from runlease.access import Server
from runlease.provision.postgres.grants import GrantChain
from runlease.provision.postgres.passwords import first_password, scram_verifier
from runlease.provision.postgres.site import Site


@dataclass(frozen=True)
class Broker:
    """The broker role, and the provider through which things are made that belong to it."""

    role: postgresql.Role
    provider: postgresql.Provider


def broker_role(site: Site, after: list[pulumi.Resource]) -> postgresql.Role:
    """NOLOGIN and CREATEROLE. It signals sessions whose role is gone, where a superuser can let it.

    From PostgreSQL 16 on it is a member, with ADMIN only, of every role it makes: `roles` is not a drift to be mended.
    """
    superuser = site.settings.server is Server.SELF_MANAGED
    return site.role(
        "broker",
        site.own("broker"),
        site.options(depends_on=after, ignore_changes=["roles"]),
        create_role=True,
        roles=["pg_signal_backend"] if superuser else [],
    )


def deploy_as(site: Site, role: postgresql.Role, chain: GrantChain) -> Broker:
    """Make the deployer, a login that becomes the broker, and a provider that logs in as it.

    Its password is a production credential: on PostgreSQL 15 a CREATEROLE role is nearly a superuser.
    """
    chain.database("grant-broker-database", role.name, ["CONNECT", "CREATE"])
    password = first_password(f"{site.name}-deployer", 1, site.component)
    deployer = site.role(
        "deployer",
        site.own("deployer"),
        chain.options(),
        login=True,
        password=password.apply(scram_verifier),
        assume_role=role.name,
        roles=[role.name],
    )
    chain.add(deployer)
    provider = postgresql.Provider(
        f"{site.name}-deployer",
        host=site.settings.host,
        port=site.settings.port,
        database=site.settings.dbname,
        username=deployer.name,
        password=password,
        sslmode=site.settings.libpq_sslmode,
        sslrootcert=site.ca_file,
        superuser=False,
        opts=site.options(depends_on=[deployer]),
    )
    return Broker(role, provider)
