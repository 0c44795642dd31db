"""PostgreSQL and OpenBao in the lab are real, and closed to everybody who is not invited."""

from __future__ import annotations

import os
import ssl
import stat
from pathlib import Path

import psycopg
import pytest

from lab import LabError
from lab.certificates import LOCAL_NAMES, CertificateAuthority
from lab.https import HttpsClient, RefusedError
from lab.kubernetes import Kubernetes
from lab.openbao import OpenBao
from lab.postgres import PostgresServer
from lab.postgres_binaries import binaries

# --- PostgreSQL


def test_both_names_of_the_server_are_served(postgres: PostgresServer) -> None:
    for host in LOCAL_NAMES:
        with psycopg.connect(postgres.conninfo(), host=host) as session:
            assert session.execute("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()").fetchone() == (True,)


def test_a_connection_without_tls_is_refused(postgres: PostgresServer) -> None:
    with pytest.raises(psycopg.OperationalError, match=r"pg_hba\.conf rejects connection"):
        psycopg.connect(postgres.conninfo(), sslmode="disable", channel_binding="disable")


def test_a_server_of_another_authority_is_refused(postgres: PostgresServer, tmp_path: Path) -> None:
    other = CertificateAuthority(tmp_path)
    with pytest.raises(psycopg.OperationalError, match="certificate verify failed"):
        psycopg.connect(postgres.conninfo(), sslrootcert=str(other.certificate))


def test_a_server_of_another_name_is_refused(postgres: PostgresServer) -> None:
    with pytest.raises(psycopg.OperationalError, match="does not match host name"):
        psycopg.connect(postgres.conninfo(), host="db.invalid", hostaddr="127.0.0.1")


def test_a_wrong_password_is_refused(postgres: PostgresServer) -> None:
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        postgres.connect(password="wrong")


def test_there_is_no_socket_and_no_other_address(postgres: PostgresServer) -> None:
    with postgres.connect() as session:
        settings = session.execute(
            "SELECT current_setting('unix_socket_directories'), current_setting('listen_addresses')"
        ).fetchone()
    assert settings == ("", "127.0.0.1")


def test_the_log_names_the_login_also_after_set_role(postgres: PostgresServer) -> None:
    with postgres.connect() as session:
        session.execute("SET ROLE pg_monitor")
        session.execute("CREATE TEMPORARY TABLE seen_by_the_log ()")
    line = next(line for line in postgres.log.read_text().splitlines() if "seen_by_the_log" in line)
    assert "[user=postgres,db=postgres,app=" in line
    assert ",client=127.0.0.1,sess=" in line


def test_postgres_keeps_its_data_over_a_restart(postgres: PostgresServer) -> None:
    with postgres.connect() as session:
        session.execute("CREATE ROLE kept")
    postgres.stop()
    assert postgres.pid is None
    postgres.start_again()
    with postgres.connect() as session:
        assert session.execute("DROP ROLE kept").statusmessage == "DROP ROLE"


def test_the_database_server_never_runs_as_root(postgres: PostgresServer) -> None:
    assert Path(f"/proc/{postgres.pid}").stat().st_uid != 0


def test_a_missing_postgres_names_the_package() -> None:
    with pytest.raises(LabError, match="Fix: apt-get install postgresql-11"):
        binaries(11)


# --- OpenBao


def test_openbao_is_sealed_after_a_restart_until_it_is_unsealed(openbao: OpenBao) -> None:
    openbao.stop()
    openbao.start_again()
    assert openbao.sealed
    with pytest.raises(RefusedError, match="sealed"):
        openbao.request("GET", "/sys/mounts", token=openbao.root_token)
    openbao.unseal()
    assert "sys/" in openbao.request("GET", "/sys/mounts", token=openbao.root_token)["data"]


def test_openbao_refuses_whoever_has_no_token(openbao: OpenBao) -> None:
    with pytest.raises(RefusedError) as refused:
        openbao.request("GET", "/sys/mounts")
    assert refused.value.status == 403


def test_openbao_writes_its_audit_log_without_the_token(openbao: OpenBao) -> None:
    openbao.request("GET", "/sys/policies/acl/default", token=openbao.root_token)
    written = openbao.audit_log.read_text()
    assert '"path":"sys/policies/acl/default"' in written
    assert openbao.root_token not in written


def test_openbao_restored_from_a_copy_forgets_what_came_after(openbao: OpenBao, lab_folder: Path) -> None:
    copy = lab_folder / "openbao-copy"
    with pytest.raises(LabError, match="running server"):
        openbao.copy_storage(copy)
    openbao.stop()
    openbao.copy_storage(copy)
    openbao.start_again()
    openbao.unseal()
    policy = {"policy": 'path "none" { capabilities = ["read"] }'}
    openbao.request("PUT", "/sys/policies/acl/later", policy, openbao.root_token)
    openbao.stop()
    openbao.restore_storage(copy)
    openbao.start_again()
    openbao.unseal()
    assert "later" not in openbao.request("LIST", "/sys/policies/acl", token=openbao.root_token)["data"]["keys"]


def test_openbao_of_another_authority_is_refused(openbao: OpenBao, tmp_path: Path) -> None:
    other = CertificateAuthority(tmp_path)
    stranger = HttpsClient(openbao.address, ssl.create_default_context(cafile=str(other.certificate)))
    with pytest.raises(OSError, match="CERTIFICATE_VERIFY_FAILED"):
        stranger.request("GET", "/v1/sys/health")


# --- secrets


def test_no_secret_of_the_servers_can_be_read_by_others(
    postgres: PostgresServer, openbao: OpenBao, kubernetes: Kubernetes, lab_folder: Path
) -> None:
    opened = [lab_folder]
    for folder in opened:
        opened += [one for one in folder.iterdir() if one.is_dir() and one.stat().st_mode & stat.S_IXOTH]
    readable = {
        one.name for folder in opened for one in folder.iterdir() if one.is_file() and one.stat().st_mode & stat.S_IROTH
    }
    assert readable <= {"ca.pem", "issuer.pem"}, "a certificate, and public keys, are no secret"


def test_openbaos_keys_and_postgres_password_are_on_no_disk(
    postgres: PostgresServer, openbao: OpenBao, lab_folder: Path
) -> None:
    secrets = [postgres.password.encode(), openbao.root_token.encode(), openbao._unseal_key.encode()]
    assert all(secrets)
    for path in (Path(folder) / name for folder, _, names in os.walk(lab_folder) for name in names):
        if path.is_file():
            content = path.read_bytes()
            assert not any(secret in content for secret in secrets), path
