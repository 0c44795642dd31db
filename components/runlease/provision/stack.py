"""What a stack's program does: read its settings, make explicit providers, and hand both to `PipelineAccess`."""

import os
from pathlib import Path

import pulumi

from runlease.config import ConfigError, Settings, load
from runlease.config.files import missing_files
from runlease.provision.kubernetes import cluster_provider
from runlease.provision.pipeline import PipelineAccess, Providers
from runlease.provision.postgres import admin_provider
from runlease.provision.vault import vault_provider

_SECRETS = ("vault-token", "kubeconfig")


def deploy(folder: Path) -> PipelineAccess:
    """Provision the current stack; `folder` is where the paths in its settings begin.

    Secrets: `admin-password-<database>` for each database, and if wanted `vault-token` and `kubeconfig`. Raises
    ConfigError with everything that is wrong before any resource is registered.
    """
    config = pulumi.Config("runlease")
    settings = _settings(config, folder)
    providers = Providers(
        databases={
            key: admin_provider(
                key,
                database,
                config.require_secret(password_key(key)),
                str((folder / database.ca).resolve()),
            )
            for key, database in settings.databases.items()
        },
        vault=vault_provider(settings.vault, folder, config.get_secret("vault-token")),
        kubernetes=cluster_provider(settings.cluster, config.get_secret("kubeconfig")),
    )
    made = PipelineAccess(settings.installation, {"settings": settings, "providers": providers, "folder": str(folder)})
    pulumi.export("access", str(made.access))
    pulumi.export("give_public_back", made.give_public_back)
    return made


def password_key(database: str) -> str:
    """The secret that holds the password of a database's admin."""
    return f"admin-password-{database}"


def _settings(config: pulumi.Config, folder: Path) -> Settings:
    settings = load(config.require_object("access"))
    if errors := [*_secrets(config, settings), *missing_files(settings, folder), *_passphrase()]:
        raise ConfigError(errors)
    return settings


def _secrets(config: pulumi.Config, settings: Settings) -> list[str]:
    needed = [password_key(key) for key in settings.databases]
    missing = [
        f"runlease:{key}: is missing. Fix: pulumi config set --secret runlease:{key}"
        for key in needed
        if config.get(key) is None
    ]
    plain = [
        f"runlease:{key}: a secret in plain text. Fix: pulumi config set --secret runlease:{key}"
        for key in (*needed, *_SECRETS)
        if config.get(key) is not None and not pulumi.runtime.is_config_secret(f"runlease:{key}")
    ]
    return missing + plain


def _passphrase() -> list[str]:
    if os.environ.get("PULUMI_CONFIG_PASSPHRASE") != "":
        return []
    return [
        "PULUMI_CONFIG_PASSPHRASE: is empty, so the state's secrets are not encrypted with anything. "
        "Fix: set a passphrase, or PULUMI_CONFIG_PASSPHRASE_FILE, or use another secrets provider"
    ]
