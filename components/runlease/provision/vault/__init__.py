"""Vault and OpenBao: the only package that imports pulumi_vault."""

from runlease.provision.vault.engine import LeaseEngine, LeaseEngineArgs
from runlease.provision.vault.names import creds_path, database_mount, jwt_mount, jwt_role
from runlease.provision.vault.server import vault_provider
from runlease.provision.vault.trust import ClusterTrust, ClusterTrustArgs, trust_identity, trust_sweeper

__all__ = [
    "ClusterTrust",
    "ClusterTrustArgs",
    "LeaseEngine",
    "LeaseEngineArgs",
    "creds_path",
    "database_mount",
    "jwt_mount",
    "jwt_role",
    "trust_identity",
    "trust_sweeper",
    "vault_provider",
]
