"""A real PostgreSQL on the loopback address: TLS only, SCRAM only, and a log that names who said what."""

from __future__ import annotations

import pwd
import secrets
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path

import psycopg
from psycopg.conninfo import make_conninfo

from lab import LabError
from lab.certificates import LOCAL_NAMES, Certificate, CertificateAuthority
from lab.folders import entered_by_all, private_folder, unprivileged_user, write_private
from lab.postgres_binaries import Binaries
from lab.processes import Processes, Server, free_port, wait_until_ready

ACCESS = """\
# No line but this one lets anybody in: over TLS, with a password that only its owner knows.
hostssl all all 127.0.0.1/32 scram-sha-256
host    all all all          reject
"""

LOG_LINE_PREFIX = "%m [%p] %q[user=%u,db=%d,app=%a,client=%h,sess=%c] "
"""What `runlease trace` reads: the login (%u) stays the same when a session changes its role."""


class PostgresServer:
    """A running server; its data, certificate and log go with the folder that it was started in."""

    host = "localhost"
    superuser = "postgres"

    def __init__(self, data: Path, ca: Path, processes: Processes, binaries: Binaries, password: str) -> None:
        self.data = data
        self.ca = ca
        self.password = password
        self.version = binaries.version
        self.pgaudit = binaries.pgaudit
        self.port = free_port()
        self._binaries = binaries
        self._processes = processes
        self._server: Server | None = None

    @classmethod
    def start(
        cls,
        folder: Path,
        ca: CertificateAuthority,
        processes: Processes,
        binaries: Binaries,
        *,
        unsafe_no_fsync: bool = False,
        settings: Mapping[str, object] | None = None,
    ) -> PostgresServer:
        """Make a new cluster below `folder` and start it.

        As root it runs as `postgres`, or else `nobody`, who must be able to enter `folder`; otherwise as us.
        unsafe_no_fsync: for tests that may lose their data; a demo shows real times.
        settings: of the server, beside the lab's own or in their place.
        Raises LabError with the server's last words when it does not come up.
        """
        user = unprivileged_user()
        if user and not entered_by_all(folder):
            raise LabError(
                f"lab.postgres: {user.pw_name} runs PostgreSQL and cannot enter {folder} (expected "
                "x for others on it and all folders above). Fix: use lab.folders.lab_folder()"
            )
        home = private_folder(folder / f"postgresql-{binaries.major}", user)
        server = cls(home / "data", ca.certificate, processes, binaries, secrets.token_urlsafe(24))
        _initialise(binaries, server.data, server.password, user)
        certificate = ca.issue(LOCAL_NAMES, home, owner=user)
        _configure(server, certificate, user, {"fsync": "off" if unsafe_no_fsync else "on", **(settings or {})})
        server.start_again()
        return server

    @property
    def log(self) -> Path:
        """The server's log, in its own words: one file for all its starts."""
        return self._processes.logs / f"{self._name}.log"

    def conninfo(self, dbname: str = "postgres", user: str = superuser, password: str | None = None) -> str:
        """A libpq connection string that checks the server's certificate and name; the superuser's by default.

        Raises LabError for another user without a password.
        """
        if password is None and user != self.superuser:
            raise LabError(f"lab.postgres: no password for {user}. Fix: give conninfo() the password of {user}")
        return make_conninfo(
            "",
            host=self.host,
            port=self.port,
            dbname=dbname,
            user=user,
            password=password or self.password,
            sslmode="verify-full",
            sslrootcert=str(self.ca),
            channel_binding="require",
            connect_timeout=10,
        )

    def connect(
        self, dbname: str = "postgres", user: str = superuser, password: str | None = None
    ) -> psycopg.Connection:
        """A connection in autocommit; psycopg.OperationalError when the server refuses."""
        return psycopg.connect(self.conninfo(dbname, user, password), autocommit=True)

    def stop(self) -> None:
        """Stop the server: sessions are ended, data is safe."""
        if self._server:
            self._processes.stop(self._server)

    def start_again(self) -> None:
        """Start the server on its data, port and password."""
        command = [str(self._binaries.folder / "postgres"), "-D", str(self.data)]
        self._server = self._processes.start(
            self._name, command, user=unprivileged_user(), stop_signal=signal.SIGINT, death_signal=signal.SIGQUIT
        )  # "fast" and "immediate" shutdown
        wait_until_ready(self._server, self._answers)

    @property
    def pid(self) -> int | None:
        """The postmaster's process id while it runs."""
        return self._server.pid if self._server and self._server.running else None

    @property
    def _name(self) -> str:
        return f"postgresql-{self._binaries.major}"

    def _answers(self) -> bool:
        try:
            self.connect().close()
        except psycopg.OperationalError:
            return False
        return True


def _initialise(binaries: Binaries, data: Path, password: str, user: pwd.struct_passwd | None) -> None:
    """Run initdb; the superuser's password goes through a private file that is gone afterwards."""
    file = write_private(data.parent / "password", password, user)
    command = [
        str(binaries.folder / "initdb"),
        "--pgdata",
        str(data),
        "--username",
        PostgresServer.superuser,
        "--pwfile",
        str(file),
        "--auth",
        "scram-sha-256",
        "--encoding",
        "UTF8",
        "--no-locale",
    ]
    account = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": [user.pw_gid]} if user else {}
    done = subprocess.run(  # type: ignore[call-overload]  # the account's arguments come as one dict
        command, cwd="/", capture_output=True, text=True, check=False, env={"LC_ALL": "C"}, **account
    )
    file.unlink()
    if done.returncode != 0:
        raise LabError(
            f"lab.postgres: initdb ended with {done.returncode}: {done.stderr.strip()}. Fix: run {command[0]} by hand"
        )


def _configure(
    server: PostgresServer, certificate: Certificate, user: pwd.struct_passwd | None, more: Mapping[str, object]
) -> None:
    """Write pg_hba.conf and what differs from PostgreSQL's defaults."""
    settings = {
        "listen_addresses": "127.0.0.1",
        "port": server.port,
        "unix_socket_directories": "",
        "max_connections": 200,
        "password_encryption": "scram-sha-256",
        "ssl": "on",
        "ssl_cert_file": certificate.certificate,
        "ssl_key_file": certificate.key,
        "ssl_min_protocol_version": "TLSv1.2",
        "log_line_prefix": LOG_LINE_PREFIX,
        "log_connections": "on",
        "log_disconnections": "on",
        "log_statement": "ddl",
        "log_timezone": "UTC",
        "timezone": "UTC",
        "shared_preload_libraries": "pgaudit" if server.pgaudit else "",
        **more,
    }
    lines = "".join(f"{name} = '{value}'\n" for name, value in settings.items())
    write_private(server.data / "pg_hba.conf", ACCESS, user)
    write_private(server.data / "postgresql.auto.conf", lines, user)
