"""DatabaseAccess: owner, schemas, group roles, members, grants, PUBLIC and the broker of one database."""

from collections.abc import Mapping
from typing import Any, TypedDict

import pulumi

from runlease.config import DatabaseSettings, LeaseSettings, load_database
from runlease.provision.postgres.deployer import broker_role, deploy_as
from runlease.provision.postgres.foundation import lay_foundation
from runlease.provision.postgres.functions import VaultLogin, make_functions, vault_logins
from runlease.provision.postgres.grants import GrantChain
from runlease.provision.postgres.public import give_public_back, revoke_public
from runlease.provision.postgres.roles import grant_calls, grant_members, grant_profiles, group_roles
from runlease.provision.postgres.site import Site


class DatabaseAccessArgs(TypedDict):
    """What decides which resources exist is plain; only `ca_file` may be known later."""

    key: str
    """Short name of the database; stands in every role that is made for it."""
    settings: DatabaseSettings | Mapping[str, Any]
    """The database as in the stack file."""
    leases: Mapping[str, LeaseSettings | Mapping[str, Any]]
    """The leases on this database, by name."""
    ca_file: pulumi.Input[str]
    """Path of the CA certificate that this program checks PostgreSQL's certificate with."""


class DatabaseAccess(pulumi.ComponentResource):
    """Everything that leases need in one PostgreSQL database, and nothing that a user owns.

    The admin provider comes by `providers=[…]`: a superuser, or for a managed server a CREATEROLE user. The broker, its
    functions and the group roles are made by a second login, the deployer, which becomes the broker. So the broker owns
    them, and from PostgreSQL 16 on administers them without a grant that an update could lose.
    """

    logins: tuple[VaultLogin, ...]
    """One login for each Vault connection."""
    give_public_back: pulumi.Output[str]
    """SQL that gives PUBLIC what it had; a destroy leaves PUBLIC as it is."""

    def __init__(self, name: str, args: DatabaseAccessArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        settings, leases = load_database(args["key"], args["settings"], args["leases"])
        super().__init__("runlease:index:DatabaseAccess", name, _said(args["key"], settings), opts)
        site = Site(self, name, args["key"], settings, leases, args["ca_file"])
        made = lay_foundation(site)
        role = broker_role(site, made)
        chain = GrantChain(self, name, settings.dbname, [*made, role])
        broker = deploy_as(site, role, chain)
        roles = group_roles(site, broker, chain)
        grant_profiles(site, roles, chain)
        grant_members(site, roles, broker, chain)
        schema = make_functions(site, broker, roles, chain)
        grant_calls(site, roles, broker, chain)
        self.logins = vault_logins(site, broker, schema, chain)
        revoke_public(site, broker, chain)
        self.give_public_back = pulumi.Output.from_input(give_public_back(site))
        self.register_outputs({"give_public_back": self.give_public_back})


def _said(key: str, settings: DatabaseSettings) -> dict[str, Any]:
    """What no resource of the component says alone; whoever reads a plan or a state learns it from these inputs."""
    return {
        "key": key,
        "dbname": settings.dbname,
        "owner": settings.owner,
        "schemas": list(settings.schemas),
        "server": str(settings.server),
    }
