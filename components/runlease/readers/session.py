"""A session in PostgreSQL that can change nothing, and in plain words why there is none."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from runlease.access.sql import identifier
from runlease.config import DatabaseSettings

SECONDS = 5
"""How long to wait for a connection; a statement may take twice as long."""

_SESSION = f"-c default_transaction_read_only=on -c statement_timeout={2 * SECONDS}s -c search_path=pg_catalog"
"""search_path: an admin may be a superuser, and must run nothing that somebody planted in the database."""


@dataclass(frozen=True)
class Refusal:
    """Why a server cannot be asked. `access.databases.shop.host: no answer (got …)`, and what mends it."""

    where: str
    """Path in the settings."""
    problem: str
    fix: str

    def __str__(self) -> str:
        return f"{self.where}: {self.problem}. Fix: {self.fix}"


def password_variable(key: str) -> str:
    """The environment variable with the password of a database's admin."""
    return f"RUNLEASE_ADMIN_PASSWORD_{key.upper()}"


def connect(
    database: DatabaseSettings, dbname: str, folder: Path, password: str | None, login: str | None = None
) -> psycopg.Connection[Any]:
    """Log in; without a password libpq looks for one (PGPASSFILE). Raises OperationalError.

    login: default the settings' admin.
    """
    return psycopg.connect(
        host=database.host,
        port=database.port,
        user=login or database.admin,
        password=password,
        dbname=dbname,
        sslmode=database.libpq_sslmode,
        sslrootcert=str(folder / database.ca),
        connect_timeout=SECONDS,
        options=_SESSION,
        application_name="runlease",
    )


def in_plain_words(key: str, database: DatabaseSettings, said: str) -> Refusal:
    """Why a server cannot be asked, from what libpq or the server said. Pure."""
    server = f"{database.host}:{database.port}"
    names = {"server": server, "admin": database.admin, "ca": database.ca, "variable": password_variable(key)}
    names |= {"database": identifier(database.dbname), "grantee": identifier(database.admin)}
    unknown = ("", "host", "cannot be asked", "see that psql connects to {server} as {admin}")
    _, setting, problem, fix = next((refusal for refusal in _REFUSALS if refusal[0] in said), unknown)
    got = " ".join(said.split())
    return Refusal(f"access.databases.{key}.{setting}", f"{problem.format(**names)} (got {got})", fix.format(**names))


_REFUSALS = (
    ("certificate verify failed", "ca", "this CA did not sign the server's certificate", "put the CA that did at {ca}"),
    (
        "does not match host name",
        "host",
        "the server's certificate is for another name",
        "dial a name that it has, or set sslmode: verify-pinned-ca",
    ),
    ("root certificate file", "ca", "the CA certificate cannot be read", "put the CA certificate (PEM) at {ca}"),
    ("not support SSL", "host", "the server speaks no TLS", "give it a certificate, set ssl = on, and restart it"),
    ("no password supplied", "admin", "no password for {admin}", "export {variable}=…, or PGPASSFILE=<file>"),
    (
        "password authentication failed",
        "admin",
        "the admin's password is refused",
        "export {variable}=<that of {admin}>",
    ),
    (
        "pg_hba.conf",
        "host",
        "pg_hba.conf keeps {admin} out from here",
        "add to it: hostssl all {admin} <this network> scram-sha-256",
    ),
    (
        "does not have CONNECT privilege",
        "admin",
        "{admin} may not connect to the database",
        "GRANT CONNECT ON DATABASE {database} TO {grantee};",
    ),
    ("translate host name", "host", "no such host", "correct the name, or run this where it resolves"),
    ("onnection refused", "host", "nothing listens there", "start the server, or correct host and port"),
    ("timeout expired", "host", "no answer", "open the way to {server}, or run this from inside the network"),
    ("statement timeout", "dbname", "the catalogs are not read in time", "run it when the server is less busy"),
)
"""What libpq or the server says → setting, problem, fix."""
