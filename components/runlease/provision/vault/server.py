"""The provider of Vault or OpenBao."""

from pathlib import Path

import pulumi
import pulumi_vault as vault

from runlease.config import VaultSettings


def vault_provider(settings: VaultSettings, folder: Path, token: pulumi.Input[str] | None) -> vault.Provider:
    """Reach Vault over TLS in its namespace. Without a token the environment gives one."""
    return vault.Provider(
        "vault",
        address=settings.address,
        namespace=settings.namespace,
        ca_cert_file=str((folder / settings.ca).resolve()) if settings.ca else None,
        token=token,
    )
