"""PipelineAccess: one declaration → PostgreSQL, Vault, Kubernetes and Tekton, in the order they need one another."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict

import pulumi

from runlease.access import PROFILES, Access, Binding
from runlease.config import Settings, kubernetes_objects, load, to_access
from runlease.config.carried import stack_files
from runlease.provision.admission import LeaseAdmission
from runlease.provision.auditor import LeaseAuditor
from runlease.provision.kubernetes import PipelineIdentity
from runlease.provision.postgres import DatabaseAccess
from runlease.provision.sweeper import LeaseSweeper
from runlease.provision.tekton import TASKS, LeaseTasks
from runlease.provision.vault import ClusterTrust, LeaseEngine, creds_path


@dataclass(frozen=True)
class Providers:
    """Explicit providers. There is no default: a forgotten one must fail, never go to localhost."""

    databases: Mapping[str, pulumi.ProviderResource]
    """The admin of each database, by key."""
    vault: pulumi.ProviderResource
    kubernetes: pulumi.ProviderResource


class PipelineAccessArgs(TypedDict):
    """The settings as in the stack file, and where their paths begin."""

    settings: Settings | Mapping[str, Any]
    providers: Providers
    folder: str
    """Folder that the paths of CA certificates and keys are relative to."""


class PipelineAccess(pulumi.ComponentResource):
    """Everything that the pipelines of one installation need to touch their databases with leases of their own."""

    access: Access
    """What is declared, as the value that reports and rules read."""
    give_public_back: dict[str, pulumi.Output[str]]
    """By database: SQL for after a destroy."""

    def __init__(self, name: str, args: PipelineAccessArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("runlease:index:PipelineAccess", name, {}, opts)
        given = args["settings"]
        self._name, self._settings = name, given if isinstance(given, Settings) else load(given)
        self._given, self._folder = args["providers"], Path(args["folder"])
        self.access = to_access(self._settings)
        databases = {key: self._database(key) for key in self._settings.databases}
        self._engine(databases)
        trust = self._trust()
        self._admission = {namespace: self._admit(namespace) for namespace in self._namespaces()}
        for binding in self._bindings:
            self._identity(binding, trust)
        self._sweeper(trust)
        self._auditor(trust)
        self._tasks()
        self.give_public_back = {key: database.give_public_back for key, database in databases.items()}
        self.register_outputs({"access": str(self.access), "give_public_back": self.give_public_back})

    def _database(self, key: str) -> DatabaseAccess:
        settings = self._settings.databases[key]
        leases = {name: lease for name, lease in self._settings.leases.items() if lease.database == key}
        ca_file = str((self._folder / settings.ca).resolve())
        return DatabaseAccess(
            f"{self._name}-{key}",
            {"key": key, "settings": settings, "leases": leases, "ca_file": ca_file},
            self._child(self._given.databases[key]),
        )

    def _engine(self, databases: Mapping[str, DatabaseAccess]) -> LeaseEngine:
        return LeaseEngine(
            f"{self._name}-engine",
            {
                "installation": self._settings.installation,
                "databases": self._settings.databases,
                "leases": self._settings.leases,
                "logins": {key: database.logins for key, database in databases.items()},
                "max_lease_ttl": self._settings.mount_maximum.seconds,
            },
            self._child(self._given.vault, depends_on=list(databases.values())),
        )

    def _trust(self) -> ClusterTrust:
        cluster = self._settings.cluster
        discovery = cluster.jwks == "discovery"
        return ClusterTrust(
            f"{self._name}-trust",
            {
                "installation": self._settings.installation,
                "issuer": cluster.issuer,
                "existing_mount": self._settings.vault.jwt_mount,
                "discovery": discovery,
                "jwks_url": cluster.jwks if cluster.jwks.startswith("https://") else None,
                "public_keys": [self._text(path) for path in cluster.public_keys],
                "ca": self._text(cluster.jwks_ca) if cluster.jwks_ca else None,
            },
            self._child(self._given.vault),
        )

    def _identity(self, binding: Binding, trust: ClusterTrust) -> None:
        identity = binding.identity
        PipelineIdentity(
            f"{self._name}-{identity.namespace}.{binding.pipeline}.{binding.task}",
            {
                "installation": self._settings.installation,
                "namespace": identity.namespace,
                "service_account": identity.service_account,
                "issuer": identity.issuer,
                "audience": identity.audience,
                "jwt_mount": trust.path,
                "lease": binding.lease,
                "max_ttl": str(self._settings.leases[binding.lease].max_ttl),
            },
            pulumi.ResourceOptions(
                parent=self,
                providers=[self._given.vault, self._given.kubernetes],
                depends_on=self._admission[identity.namespace],
            ),
        )

    @property
    def _bindings(self) -> list[Binding]:
        """Those of pipelines: the sweeper's have none."""
        return [binding for binding in self.access.bindings if binding.pipeline]

    def _namespaces(self) -> list[str]:
        return sorted({binding.identity.namespace for binding in self._bindings})

    def _admit(self, namespace: str) -> list[LeaseAdmission]:
        """The policies of a namespace, when they are wanted: first made and last destroyed of what stands in it."""
        if (settings := self._settings.cluster.admission) is None:
            return []
        bindings = [binding for binding in self._bindings if binding.identity.namespace == namespace]
        made = LeaseAdmission(
            f"{self._name}-admission-{namespace}",
            {
                "installation": self._settings.installation,
                "namespace": namespace,
                "audience": self._settings.audience,
                "accounts": {binding.identity.service_account: binding.lease for binding in bindings},
                "tasks": [] if self._settings.tasks == "existing" else list(TASKS),
                "settings": settings,
            },
            self._child(self._given.kubernetes),
        )
        return [made]

    def _tasks(self) -> None:
        for namespace in self._namespaces():
            leases = sorted({b.lease for b in self._bindings if b.identity.namespace == namespace})
            LeaseTasks(
                f"{self._name}-tasks-{namespace}",
                {
                    "installation": self._settings.installation,
                    "namespace": namespace,
                    "audience": self._settings.audience,
                    "token_expiry": self._settings.cluster.token_expiry.seconds,
                    "existing": self._settings.tasks == "existing",
                    "vault": self._vault_for_guard(),
                    "databases": {
                        key: self._database_for_guard(key)
                        for key in sorted({self._settings.leases[lease].database for lease in leases})
                    },
                    "leases": {lease: self._lease_for_guard(lease) for lease in leases},
                },
                self._child(self._given.kubernetes, depends_on=self._admission[namespace]),
            )

    def _sweeper(self, trust: ClusterTrust) -> None:
        settings = self._settings
        if (sweeper := settings.sweeper) is None:
            return
        LeaseSweeper(
            f"{self._name}-sweeper",
            {
                "installation": settings.installation,
                "settings": sweeper,
                "issuer": settings.cluster.issuer,
                "audience": settings.audience,
                "jwt_mount": trust.path,
                "jwt_mount_name": settings.jwt_mount,
                "leases": list(settings.leases),
                "max_ttl": str(max(settings.leases[lease].max_ttl for lease in sweeper.leases)),
                "namespaces": self._namespaces(),
                "files": stack_files(settings, self._text),
            },
            pulumi.ResourceOptions(parent=self, providers=[self._given.vault, self._given.kubernetes]),
        )

    def _auditor(self, trust: ClusterTrust) -> None:
        settings = self._settings
        if (auditor := settings.auditor) is None:
            return
        LeaseAuditor(
            f"{self._name}-auditor",
            {
                "installation": settings.installation,
                "settings": auditor,
                "issuer": settings.cluster.issuer,
                "audience": settings.audience,
                "jwt_mount": trust.path,
                "max_ttl": str(max(settings.leases[lease].max_ttl for lease in auditor.leases)),
                "objects": kubernetes_objects(settings),
                "files": stack_files(settings, self._text),
            },
            pulumi.ResourceOptions(parent=self, providers=[self._given.vault, self._given.kubernetes]),
        )

    def _vault_for_guard(self) -> dict[str, Any]:
        vault = self._settings.vault
        return {
            "address": vault.address,
            "ca": self._text(vault.ca) if vault.ca else "",
            "namespace": vault.namespace or "",
            "jwt_mount": self._settings.jwt_mount,
        }

    def _database_for_guard(self, key: str) -> dict[str, Any]:
        database = self._settings.databases[key]
        return {
            "host": database.host,
            "port": database.port,
            "dbname": database.dbname,
            "sslmode": database.libpq_sslmode,
            "unsafe_sslmode": database.unsafe_sslmode,
            "ca": self._text(database.ca),
        }

    def _lease_for_guard(self, name: str) -> dict[str, Any]:
        lease = self._settings.leases[name]
        database = self._settings.databases[lease.database]
        role = next(
            role for role in self.access.roles if (role.database, role.profile) == (lease.database, lease.profile)
        )
        return {
            "database": lease.database,
            "creds_path": creds_path(self._settings.installation, name),
            "role": role.runs_as or "",
            "search_path": '"$user",public' if PROFILES[lease.profile].own_schema else ",".join(database.schemas),
            "ttl": lease.ttl.seconds,
            "max_ttl": lease.max_ttl.seconds,
        }

    def _text(self, path: str) -> str:
        return (self._folder / path).read_text(encoding="utf-8")

    def _child(self, provider: pulumi.ProviderResource, **more: Any) -> pulumi.ResourceOptions:
        return pulumi.ResourceOptions(parent=self, providers=[provider], **more)
