"""LeaseEngine: the database secrets engine with its connections, leases and policies."""

from collections.abc import Mapping
from typing import Any, TypedDict

import pulumi
import pulumi_vault as vault

from runlease.config import DatabaseSettings, LeaseSettings
from runlease.provision.broker import RENEWAL_STATEMENT, REVOCATION_STATEMENT, creation_statement
from runlease.provision.postgres import VaultLogin
from runlease.provision.tiers import tier_of
from runlease.provision.vault.names import (
    USERNAME_TEMPLATE,
    connection_url,
    database_mount,
    policy_name,
    policy_of,
)


class LeaseEngineArgs(TypedDict):
    """The databases with their Vault logins, and the leases on them."""

    installation: str
    """Prefixes the mount and every policy."""
    databases: Mapping[str, DatabaseSettings | Mapping[str, Any]]
    """As in the stack file, by key."""
    leases: Mapping[str, LeaseSettings | Mapping[str, Any]]
    """As in the stack file, by name."""
    logins: Mapping[str, tuple[VaultLogin, ...]]
    """`DatabaseAccess.logins` of each database, by key."""
    max_lease_ttl: int
    """The mount's maximum, in seconds."""


class LeaseEngine(pulumi.ComponentResource):
    """One mount for the installation; one connection for each database and trust tier; one role and policy a lease.

    Give it `depends_on` the databases: then a destroy takes the mount away first, which revokes its leases while the
    broker still stands.
    """

    mount: pulumi.Output[str]
    """Path of the mount."""

    def __init__(self, name: str, args: LeaseEngineArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("runlease:index:LeaseEngine", name, {}, opts)
        self._name, self._installation = name, args["installation"]
        self._leases = {key: LeaseSettings.model_validate(lease) for key, lease in args["leases"].items()}
        self._mount = self._make_mount(args["max_lease_ttl"], (opts.depends_on if opts else None) or [])
        for key, settings in args["databases"].items():
            for login in args["logins"][key]:
                self._connection(key, DatabaseSettings.model_validate(settings), login)
        for lease in self._leases:
            self._policy(lease)
        self.mount = self._mount.path
        self.register_outputs({"mount": self.mount})

    def _make_mount(self, max_lease_ttl: int, after: Any) -> vault.Mount:
        return vault.Mount(
            f"{self._name}-mount",
            path=database_mount(self._installation),
            type="database",
            description=f"runlease: leases of {self._installation}",
            default_lease_ttl_seconds=max_lease_ttl,
            max_lease_ttl_seconds=max_lease_ttl,
            # The login's name joins PostgreSQL's log to the audit log; the password stays hashed.
            audit_non_hmac_response_keys=["username"],
            opts=pulumi.ResourceOptions(parent=self, delete_before_replace=True, depends_on=after),
        )

    def _connection(self, key: str, database: DatabaseSettings, login: VaultLogin) -> None:
        leases = [
            name
            for name, lease in self._leases.items()
            if lease.database == key and tier_of(lease.profile) == login.tier.name
        ]
        connection = vault.database.SecretBackendConnection(
            f"{self._name}-connection-{login.tier.connection}",
            backend=self._mount.path,
            name=login.tier.connection,
            allowed_roles=leases,
            verify_connection=True,
            postgresql=vault.database.SecretBackendConnectionPostgresqlArgs(
                connection_url=connection_url(database),
                username=login.username,
                password=login.password,
                username_template=USERNAME_TEMPLATE,
                password_authentication="scram-sha-256",  # noqa: S106 - a method, no password
                max_open_connections=8,
            ),
            opts=self._under_mount(),
        )
        self._rotate(connection, login, database.vault_login_generation)
        for lease in leases:
            self._lease(lease, connection)

    def _rotate(self, connection: vault.database.SecretBackendConnection, login: VaultLogin, generation: int) -> None:
        """Once for each generation: from then on nobody but Vault knows the password."""
        vault.generic.Endpoint(
            f"{self._name}-rotate-{login.tier.connection}-{generation}",
            path=pulumi.Output.concat(self._mount.path, "/rotate-root/", connection.name),
            data_json="{}",
            disable_read=True,
            disable_delete=True,
            opts=self._under_mount(depends_on=[connection]),
        )

    def _lease(self, name: str, connection: vault.database.SecretBackendConnection) -> None:
        lease = self._leases[name]
        vault.database.SecretBackendRole(
            f"{self._name}-lease-{name}",
            backend=self._mount.path,
            name=name,
            db_name=connection.name,
            default_ttl=lease.ttl.seconds,
            max_ttl=lease.max_ttl.seconds,
            creation_statements=[creation_statement(lease.profile)],
            revocation_statements=[REVOCATION_STATEMENT],
            rollback_statements=[REVOCATION_STATEMENT],
            renew_statements=[RENEWAL_STATEMENT],
            opts=self._under_mount(),
        )

    def _policy(self, lease: str) -> None:
        vault.Policy(
            f"{self._name}-policy-{lease}",
            name=policy_name(self._installation, lease),
            policy=policy_of(self._installation, lease, self._leases),
            allow_overwrite=False,
            opts=pulumi.ResourceOptions(parent=self),
        )

    def _under_mount(self, **more: Any) -> pulumi.ResourceOptions:
        # The mount goes first and takes its leases with it; deleting a connection with live leases would fail half-way.
        return pulumi.ResourceOptions(parent=self, deleted_with=self._mount, delete_before_replace=True, **more)
