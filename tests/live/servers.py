"""The lab's servers as fixtures: each is started when the first test asks for it, once a session.

What looks at all that is there takes the longer, and finds the more, the more other tests have left. So a folder whose
`conftest.py` imports these names, `own_folder` among them, has PostgreSQL and OpenBao for itself; the API server stays
everybody's.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import folders
from lab.certificates import CertificateAuthority
from lab.issuer import LabIssuer
from lab.openbao import OpenBao
from lab.postgres import PostgresServer
from lab.postgres_binaries import binaries
from lab.processes import Processes
from tests.live.sites import Sites

__all__ = [
    "own_folder",
    "own_openbao",
    "own_postgres",
    "own_postgres15",
    "own_postgres18",
    "own_processes",
    "own_sites",
]


@pytest.fixture(scope="session", name="lab_folder")
def own_folder() -> Iterator[Path]:
    with folders.lab_folder() as folder:
        yield folder


@pytest.fixture(scope="session", name="processes")
def own_processes(lab_folder: Path) -> Iterator[Processes]:
    with Processes(lab_folder) as running:
        yield running


@pytest.fixture(scope="session", name="postgres15")
def own_postgres15(lab_folder: Path, lab_ca: CertificateAuthority, processes: Processes) -> PostgresServer:
    return PostgresServer.start(lab_folder, lab_ca, processes, binaries(15), unsafe_no_fsync=True)


@pytest.fixture(scope="session", name="postgres18")
def own_postgres18(lab_folder: Path, lab_ca: CertificateAuthority, processes: Processes) -> PostgresServer:
    return PostgresServer.start(lab_folder, lab_ca, processes, binaries(18), unsafe_no_fsync=True)


@pytest.fixture(scope="session", name="postgres", params=["pg15", "pg18"])
def own_postgres(request: pytest.FixtureRequest) -> PostgresServer:
    """Each test that asks for it runs twice: before and after the membership rules of PostgreSQL 16."""
    server = request.getfixturevalue(f"postgres{request.param.removeprefix('pg')}")
    assert isinstance(server, PostgresServer)
    return server


@pytest.fixture(scope="session", name="openbao")
def own_openbao(lab_folder: Path, lab_ca: CertificateAuthority, processes: Processes) -> OpenBao:
    return OpenBao.start(lab_folder, lab_ca, processes)


@pytest.fixture(scope="session", name="sites")
def own_sites(request: pytest.FixtureRequest, lab_folder: Path, openbao: OpenBao, issuer: LabIssuer) -> Sites:
    def server(major: int) -> PostgresServer:
        found = request.getfixturevalue(f"postgres{major}")
        assert isinstance(found, PostgresServer)
        return found

    return Sites(server, openbao, issuer, lab_folder)
