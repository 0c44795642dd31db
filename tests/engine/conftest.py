"""The lab's servers with a real `pulumi` in front of them. Where there is none, every test here is skipped."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from psycopg import sql

from lab.kubernetes import Kubernetes
from lab.openbao import OpenBao
from lab.postgres import PostgresServer
from lab.stack import REPOSITORY, Servers, pulumi_found
from tests.live.conftest import kubernetes, lab_ca
from tests.live.servers import *  # noqa: F403 - its fixtures

__all__ = ["kubernetes", "lab_ca"]

MANAGED_ADMIN = "cloud_admin"
PACKAGE = ("components", "tekton", "policy", "pyproject.toml", "README.md", "LICENSE")
"""What the environment of the policy pack is made from."""


@pytest.fixture(scope="session", autouse=True)
def pulumi_cli() -> None:
    if not pulumi_found():
        pytest.skip("no pulumi CLI on PATH: the engine tests need one; see README")


@pytest.fixture(scope="session")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """policy/ of a copy of the repository, with the environment that `pulumi install` makes for it."""
    copy, unlike = tmp_path_factory.mktemp("repository"), shutil.ignore_patterns("venv", "__pycache__")
    for name in PACKAGE:
        if (REPOSITORY / name).is_dir():
            shutil.copytree(REPOSITORY / name, copy / name, ignore=unlike)
        else:
            shutil.copy(REPOSITORY / name, copy / name)
    alone = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    done = subprocess.run(["pulumi", "install"], cwd=copy / "policy", env=alone, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return copy / "policy"


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
