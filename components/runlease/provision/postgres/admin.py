"""The admin provider of a database: what the program itself logs in with."""

import pulumi
import pulumi_postgresql as postgresql

from runlease.access import Server
from runlease.config import DatabaseSettings


def admin_provider(
    key: str, settings: DatabaseSettings, password: pulumi.Input[str], ca_file: pulumi.Input[str]
) -> postgresql.Provider:
    """Log in as the database's admin over TLS. A database that is yet to be created is reached from `postgres`."""
    return postgresql.Provider(
        f"{key}-admin",
        host=settings.host,
        port=settings.port,
        database=settings.dbname if settings.adopted else "postgres",
        username=settings.admin,
        password=password,
        sslmode=settings.libpq_sslmode,
        sslrootcert=ca_file,
        superuser=settings.server is Server.SELF_MANAGED,
    )
