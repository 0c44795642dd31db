"""The lab's servers with a real `pulumi` in front of them. Where there is none, every test here is skipped."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from psycopg import sql

from lab.kubernetes import Kubernetes
from lab.openbao import OpenBao
from lab.postgres import PostgresServer
from lab.stack import Servers, pulumi_found
from tests.live.conftest import kubernetes, lab_ca, lab_folder, openbao, postgres15, postgres18, processes

__all__ = ["kubernetes", "lab_ca", "lab_folder", "openbao", "postgres15", "postgres18", "processes"]

MANAGED_ADMIN = "cloud_admin"


@pytest.fixture(scope="session", autouse=True)
def pulumi_cli() -> None:
    if not pulumi_found():
        pytest.skip("no pulumi CLI on PATH: the engine tests need one; see README")


@pytest.fixture(scope="session")
def servers(openbao: OpenBao, kubernetes: Kubernetes) -> Callable[[PostgresServer], Servers]:
    """A PostgreSQL server beside OpenBao and Kubernetes, with an admin as a cloud provider would make it."""
    password = "a-cloud-password"

    def with_postgres(postgres: PostgresServer) -> Servers:
        with postgres.connect() as connection:
            connection.execute(
                sql.SQL("CREATE ROLE {} LOGIN CREATEROLE CREATEDB PASSWORD {}").format(
                    sql.Identifier(MANAGED_ADMIN), sql.Literal(password)
                )
            )
        return Servers(postgres, openbao, kubernetes, kubernetes, {MANAGED_ADMIN: password})

    return with_postgres


@pytest.fixture(scope="session")
def servers15(servers: Callable[[PostgresServer], Servers], postgres15: PostgresServer) -> Servers:
    return servers(postgres15)


@pytest.fixture(scope="session")
def servers18(servers: Callable[[PostgresServer], Servers], postgres18: PostgresServer) -> Servers:
    return servers(postgres18)
