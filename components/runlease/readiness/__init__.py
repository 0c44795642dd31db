"""`runlease check`: what will not work, before an `up`. Every outside system is asked read-only; nothing is changed."""

from collections.abc import Mapping
from pathlib import Path

from runlease.config import Settings
from runlease.readers.session import password_variable
from runlease.readiness.cluster import check_issuer
from runlease.readiness.engine import check_engine
from runlease.readiness.findings import Checked, Finding, Severity, as_json, as_text, has_errors
from runlease.readiness.postgres import check_database

__all__ = ["Checked", "Finding", "Severity", "as_json", "as_text", "check", "has_errors"]


def check(settings: Settings, folder: Path, environment: Mapping[str, str]) -> tuple[Checked, ...]:
    """Check each database, Vault and the issuer; one that does not answer keeps none of the others from being checked.

    `folder` is where the settings' paths begin. Secrets come from the environment: `RUNLEASE_ADMIN_PASSWORD_<KEY>` for
    each database, and `VAULT_TOKEN`, which is optional.
    """
    databases = [
        Checked.of(
            f"PostgreSQL {key} ({database.host}:{database.port})",
            check_database(key, database, folder, environment.get(password_variable(key))),
        )
        for key, database in settings.databases.items()
    ]
    engine = check_engine(settings, folder, environment.get("VAULT_TOKEN"))
    return (
        *databases,
        Checked.of(f"Vault ({settings.vault.address})", engine),
        Checked.of(f"Cluster ({settings.cluster.issuer})", check_issuer(settings.cluster, folder)),
    )
