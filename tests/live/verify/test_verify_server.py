"""Sessions, settings, access rules and other databases: what no transaction can undo is done and put back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from psycopg.sql import SQL, Identifier, Literal

from lab.certificates import CertificateAuthority
from lab.postgres import PostgresServer
from lab.postgres_binaries import binaries
from lab.processes import Processes
from runlease.config import load
from runlease.evidence.verify.check import Found, NotTried
from runlease.evidence.verify.checks import CHECKS
from runlease.evidence.verify.edge_postgresql import ask, verify_server
from runlease.evidence.verify.site import Site
from tests.live.deployment import Deployment, settings_of


@pytest.fixture
def site(audited: Deployment, tmp_path: Path) -> Site:
    return Site.of(audited.key, load(settings_of(audited, tmp_path)))


def asked(site: Site, session: psycopg.Connection, id: str) -> list[Found]:
    answers = list(ask(site, session, [check for check in CHECKS if check.id == id]))
    assert [one for one in answers if isinstance(one, NotTried)] == []
    return [one for one in answers if isinstance(one, Found)]


# --- sessions


def test_a_session_whose_role_was_dropped_is_found_by_its_pid(audited: Deployment, site: Site) -> None:
    with audited.leased("reader") as lease, audited.connect(lease) as orphan, audited.as_superuser() as session:
        with session.transaction(force_rollback=True):
            session.execute(SQL("DROP OWNED BY {0}; DROP ROLE {0}").format(Identifier(lease.login)))
            (found,) = asked(site, session, "LV103")
            assert found.object == f"pid {orphan.info.backend_pid}"
            session.execute(found.mend.encode())
        with pytest.raises(psycopg.OperationalError):
            orphan.execute("SELECT 1")


def test_a_session_past_its_logins_expiry_is_found_by_its_pid(audited: Deployment, site: Site) -> None:
    with audited.leased("reader") as lease, audited.connect(lease) as late, audited.as_superuser() as session:
        with session.transaction(force_rollback=True):
            session.execute(SQL("ALTER ROLE {} VALID UNTIL '2020-01-01'").format(Identifier(lease.login)))
            (found,) = asked(site, session, "LV104")
        assert found.object == f"pid {late.info.backend_pid}"
        assert asked(site, session, "LV104") == []


# --- other databases


def test_what_stands_open_in_another_database_is_found_there(audited: Deployment, site: Site) -> None:
    reader = Identifier(f"{audited.key}_reader")
    with audited.as_superuser(audited.neighbour) as session:
        session.execute("GRANT CREATE ON SCHEMA public TO PUBLIC; CREATE TABLE public.left_open (one int)")
        session.execute(
            SQL("GRANT TRIGGER ON public.left_open TO {}; GRANT SELECT ON public.left_open TO PUBLIC").format(reader)
        )
        answers = list(verify_server(site, audited.as_superuser))
        session.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC; DROP TABLE public.left_open")
    found = {(one.id, one.place, one.object) for one in answers if isinstance(one, Found)}
    there = f"{audited.key}: database {audited.neighbour}"
    assert {
        ("LV203", there, f"runlease_{audited.key}_vault"),
        ("LV210", there, f"{audited.key}_reader"),
        ("LV214", f"{audited.key}: server", f"{audited.key}_reader"),
        ("LV304", there, "schema public"),
        ("LV305", there, "public.left_open"),
    } <= found


# --- settings


@contextmanager
def setting(audited: Deployment, name: str, value: str) -> Iterator[psycopg.Connection]:
    """A setting of the whole server, and a session that was there before."""
    with audited.as_superuser() as session:
        (before,) = session.execute("SELECT current_setting(%s)", [name]).fetchone() or ("",)
        change = SQL("ALTER SYSTEM SET {} = {}")
        session.execute(change.format(Identifier(name), Literal(value)))
        session.execute("SELECT pg_reload_conf()")
        try:
            yield session
        finally:
            session.execute(change.format(Identifier(name), Literal(before)))
            session.execute("SELECT pg_reload_conf()")
            until(session, name, before)


def until(session: psycopg.Connection, name: str, value: str) -> None:
    """Wait until a reload has reached this session."""
    while session.execute("SELECT current_setting(%s) = %s", [name, value]).fetchone() != (True,):
        session.execute("SELECT pg_sleep(0.02)")


@pytest.mark.parametrize(
    ("id", "name", "value"),
    [
        ("LV601", "ssl", "off"),
        ("LV602", "ssl_min_protocol_version", "TLSv1.1"),
        ("LV605", "log_line_prefix", "%m [%p] "),
    ],
)
def test_a_setting_that_a_reload_brings_is_found(
    audited: Deployment, site: Site, id: str, name: str, value: str
) -> None:
    with setting(audited, name, value) as session:
        until(session, name, value)
        (found,) = asked(site, session, id)
        assert found.object == name
        assert found.mend.startswith(f"ALTER SYSTEM SET {name} = ")
    with audited.as_superuser() as session:
        assert asked(site, session, id) == []


@pytest.mark.parametrize(("id", "name"), [("LV603", "log_connections"), ("LV604", "log_disconnections")])
def test_a_setting_of_new_sessions_is_found(audited: Deployment, site: Site, id: str, name: str) -> None:
    with setting(audited, name, "off") as old, audited.as_superuser() as session:
        while session.execute("SELECT current_setting(%s)", [name]).fetchone() == ("on",):
            session.close()
            session = audited.as_superuser()
        (found,) = asked(site, session, id)
        session.close()
        assert found.object == name
        old.execute(SQL("ALTER SYSTEM SET {} = on").format(Identifier(name)))


def test_a_library_that_is_loaded_into_sessions_is_found(audited: Deployment, site: Site) -> None:
    with audited.as_superuser() as session:
        session.execute("SET session_preload_libraries = 'auto_explain, \"plpgsql\"'")
        (found,) = asked(site, session, "LV616")
        assert found.object == "session_preload_libraries"
        session.execute("SET session_preload_libraries = auto_explain")
        assert asked(site, session, "LV616") == []


def test_a_server_where_a_transaction_may_outlive_its_session_is_found(
    audited: Deployment, site: Site, lab_folder: Path, lab_ca: CertificateAuthority, processes: Processes
) -> None:
    folder = lab_folder / f"prepared-{audited.major}"
    folder.mkdir(mode=0o711)
    program, settings = binaries(audited.major), {"max_prepared_transactions": 2}
    server = PostgresServer.start(folder, lab_ca, processes, program, unsafe_no_fsync=True, settings=settings)
    with server.connect() as session:
        (found,) = asked(site, session, "LV617")
    assert found.object == "max_prepared_transactions"
    assert "is 2" in str(found)


def test_statements_that_are_not_logged_are_found_unless_pgaudit_or_log_statement_logs_them(
    audited: Deployment, site: Site
) -> None:
    with audited.as_superuser() as session:
        assert [one.object for one in asked(site, session, "LV612")] == [audited.dbname]
        session.execute("SET log_statement = mod")
        assert asked(site, session, "LV612") == []


# --- pg_hba


@pytest.mark.parametrize(
    ("line", "id"),
    [
        ("host all all 10.0.0.0/8 scram-sha-256", "LV613"),
        ("hostssl all all 10.0.0.0/8 md5", "LV613"),
        ("local all all trust", "LV613"),
        ("hostssl all all 10.0.0.0/8 nonsense", "LV614"),
    ],
)
def test_a_line_of_pg_hba_that_lets_too_much_in_is_found_by_its_number(
    audited: Deployment, site: Site, line: str, id: str
) -> None:
    file = audited.postgres.data / "pg_hba.conf"
    before = file.read_text()
    file.write_text(before + line + "\n")
    try:
        with audited.as_superuser() as session:
            (found,) = asked(site, session, id)
    finally:
        file.write_text(before)
    assert found.object == f"pg_hba line {len(before.splitlines()) + 1}"
    with audited.as_superuser() as session:
        assert asked(site, session, id) == []
