"""Vault and OpenBao: the only package that imports pulumi_vault."""

from runlease.provision.vault.engine import LeaseEngine, LeaseEngineArgs
from runlease.provision.vault.names import creds_path, database_mount, jwt_mount, jwt_role, sweeper_policy_name
from runlease.provision.vault.server import vault_provider
from runlease.provision.vault.trust import ClusterTrust, ClusterTrustArgs, may_sweep, trust_identity, trust_scheduled

__all__ = [
    "ClusterTrust",
    "ClusterTrustArgs",
    "LeaseEngine",
    "LeaseEngineArgs",
    "creds_path",
    "database_mount",
    "jwt_mount",
    "jwt_role",
    "may_sweep",
    "sweeper_policy_name",
    "trust_identity",
    "trust_scheduled",
    "vault_provider",
]
