"""A stack file on disk, and the files that its settings name."""

from collections.abc import Mapping
from pathlib import Path

import yaml

from runlease.config.load import ConfigError, load
from runlease.config.settings import Settings

ACCESS = "runlease:access"
"""The key of a stack's settings."""


def read_stack_file(path: Path) -> Settings:
    """The settings in a stack file such as `stacks/Pulumi.staging.yaml`. Raises ConfigError with all errors at once."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise _unreadable(str(path), error) from error
    return read_stack_text(text, str(path))


def read_stack_text(text: str, where: str) -> Settings:
    """The settings in the text of a stack file; `where` names it in messages. Raises ConfigError."""
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise _unreadable(where, error) from error
    config = document.get("config") if isinstance(document, dict) else None
    if not isinstance(config, dict) or ACCESS not in config:
        raise ConfigError([f"{where}: no settings (expected config: {ACCESS}:). Fix: see stacks/Pulumi.prod.yaml"])
    return load(config[ACCESS])


def _unreadable(where: str, error: Exception) -> ConfigError:
    said = " ".join(str(error).split())
    return ConfigError([f"{where}: cannot be read (got {said}). Fix: name a stack file in YAML"])


def missing_files(settings: Settings, folder: Path) -> list[str]:
    """One message for each file that the settings name and that is not there."""
    named = {"access.cluster.jwks_ca": settings.cluster.jwks_ca or ""}
    named |= {f"access.cluster.public_keys.{i}": path for i, path in enumerate(settings.cluster.public_keys)}
    return [*missing_certificates(settings, folder), *_missing(named, folder)]


def missing_certificates(settings: Settings, folder: Path) -> list[str]:
    """The same for the CAs of the databases and Vault alone: all that whoever dials them needs."""
    named = {f"access.databases.{key}.ca": database.ca for key, database in settings.databases.items()}
    return _missing({**named, "access.vault.ca": settings.vault.ca or ""}, folder)


def _missing(named: Mapping[str, str], folder: Path) -> list[str]:
    return [
        f"{where}: no such file (got {path!r}, looked in {folder}). Fix: put the certificate there or correct the path"
        for where, path in named.items()
        if path and not (folder / path).is_file()
    ]
