"""What the servers of a stack have now: PostgreSQL's catalogs and Vault, read-only, put together as one Access."""

from collections.abc import Mapping
from pathlib import Path

import psycopg

from runlease.access import Access
from runlease.config import Settings
from runlease.config.files import missing_certificates
from runlease.readers.allow_list import read_allow_list
from runlease.readers.bindings import Leases, read_bindings
from runlease.readers.catalog import Catalog, read_catalog
from runlease.readers.catalog_roles import CatalogNouns
from runlease.readers.engine import Engine
from runlease.readers.engine_nouns import Issued, Trusted
from runlease.readers.error import ReadError
from runlease.readers.session import connect, in_plain_words, password_variable


def read_live(
    settings: Settings, folder: Path, environment: Mapping[str, str], logins: Mapping[str, str] | None = None
) -> Access:
    """Everything that the settings' databases and Vault say of who can do what; nothing is changed.

    `folder` is where the settings' paths begin. Secrets come from the environment: `RUNLEASE_ADMIN_PASSWORD_<KEY>` for
    each database (or PGPASSFILE), and `VAULT_TOKEN`. What may not be read or is not understood is in `unread`.
    logins: logins in PostgreSQL by database; default each database's admin.
    Raises ReadError, with one line for each server that cannot be asked at all.
    """
    if absent := missing_certificates(settings, folder):
        raise ReadError("\n".join(absent))
    catalogs = _catalogs(settings, folder, environment, logins or {})
    nouns = [CatalogNouns(key, settings.databases[key], catalog) for key, catalog in catalogs.items()]
    engine = Engine(settings.vault, folder, environment.get("VAULT_TOKEN", ""))
    allow_lists = {key: read_allow_list(catalog.create_login) for key, catalog in catalogs.items()}
    issued = Issued(engine, settings, allow_lists)
    issued.read()
    trusted = Trusted(engine, settings, Leases.of(issued.leases))
    trusted.read()
    bindings, missing = read_bindings(trusted.trusts, trusted.policies, Leases.of(issued.leases), {})
    return Access(
        settings.installation,
        databases=tuple(one.database() for one in nouns),
        roles=tuple(role for one in nouns for role in one.roles()),
        leases=tuple(issued.leases),
        bindings=bindings,
        connections=tuple(issued.connections),
        policies=tuple(trusted.policies),
        trusts=tuple(trusted.trusts),
        unread=(*(unread for one in nouns for unread in one.unread()), *engine.unread, *missing),
    )


def _catalogs(
    settings: Settings, folder: Path, environment: Mapping[str, str], logins: Mapping[str, str]
) -> Mapping[str, Catalog]:
    found, wrong = {}, []
    for key, database in settings.databases.items():
        try:
            password = environment.get(password_variable(key))
            with connect(database, database.dbname, folder, password, logins.get(key)) as session:
                found[key] = read_catalog(session, key, database.owner)
        except psycopg.Error as failed:
            wrong.append(str(in_plain_words(key, database, str(failed))))
    if not environment.get("VAULT_TOKEN"):
        wrong.append(
            "VAULT_TOKEN: is missing (got nothing, expected a token that reads what docs/live.md lists). "
            "Fix: log in, and export VAULT_TOKEN=<the token>"
        )
    if wrong:
        raise ReadError("\n".join(wrong))
    return found
