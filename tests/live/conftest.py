"""What live tests ask for on the lab's servers, which `tests/live/servers.py` starts.

A server that cannot be found or started fails the tests that need it, with what to install; none is skipped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache, partial
from itertools import count
from pathlib import Path

import psycopg
import pytest

from lab import LabError
from lab.certificates import CertificateAuthority
from lab.faults import FaultyProxy, faulty_proxy
from lab.issuer import LabIssuer
from lab.kubernetes import Kubernetes
from lab.kubernetes_server import find_apiserver
from lab.openbao import OpenBao
from lab.postgres import PostgresServer
from lab.processes import Processes
from lab.runner import Image, Mount, TaskRunner
from lab.stack import Servers, on_servers
from tests.live.checked_stack import Stack, clean, named
from tests.live.deployment import Deployment, Lease, Leased, deploy
from tests.live.guards import Config, Guard, Place, config_of, logins, tokens, wait_until
from tests.live.runner_tasks import Start
from tests.live.servers import *  # noqa: F403 - its fixtures
from tests.live.shop_runs import Shop, open_shop
from tests.live.sites import Sites
from tests.live.task_runs import Begin, begin_on, config_map


@pytest.fixture(scope="session")
def lab_ca(lab_folder: Path) -> CertificateAuthority:
    return CertificateAuthority(lab_folder)


@pytest.fixture(scope="session")
def kubernetes(lab_folder: Path, lab_ca: CertificateAuthority, processes: Processes) -> Kubernetes:
    apiserver = find_apiserver()
    if apiserver is None:
        raise LabError(
            "tests/live: no kube-apiserver on PATH, in KUBEBUILDER_ASSETS or in the lab's cache. "
            "Fix: make kubernetes (5 to 11 minutes, once), or export RUNLEASE_LAB_KUBECONFIG=<file>"
        )
    return Kubernetes.start(lab_folder, lab_ca, processes, apiserver)


@pytest.fixture(scope="session")
def issuer() -> LabIssuer:
    return LabIssuer()


MATRIX = [
    pytest.param((major, managed), id=f"pg{major}-{'managed' if managed else 'self_managed'}")
    for major in (15, 18)
    for managed in (False, True)
]
"""Before and after the membership rules of PostgreSQL 16, deployed by a superuser and without one."""


@pytest.fixture(scope="session", params=MATRIX)
def site(request: pytest.FixtureRequest, sites: Sites) -> Deployment:
    """A database that runlease created, with every profile; each test that asks for it runs four times."""
    return sites.site(*request.param)


@pytest.fixture(scope="session", params=MATRIX)
def shelf(request: pytest.FixtureRequest, sites: Sites) -> Deployment:
    """A database that existed with its tables, where the seeder is narrowed to one of them; four times as well."""
    return sites.shelf(*request.param)


@pytest.fixture(params=[15, 18], ids=["pg15", "pg18"], scope="module")
def shop(request: pytest.FixtureRequest, sites: Sites) -> Deployment:
    """The self-managed site of each version, for Tasks."""
    return sites.site(request.param, False)


@pytest.fixture(params=[15, 18], ids=["pg15", "pg18"], scope="module")
def audited(request: pytest.FixtureRequest, sites: Sites) -> Deployment:
    """A self-managed site of each version in which no other test leaves anything."""
    return sites.audited(request.param)


@pytest.fixture
def runs(shop: Deployment, lab_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Begin]:
    """Begin a run of a Task there: name of the Task, name of the lease, and what `task_runs.begin` takes."""
    maps = {f"runlease-{shop.installation}": config_map(shop, lab_folder)}
    with TaskRunner(tmp_path_factory.mktemp("runs"), shop.issuer, maps) as runner:
        yield begin_on(runner, shop)


@pytest.fixture(scope="session")
def shops(
    request: pytest.FixtureRequest, lab_folder: Path, openbao: OpenBao, issuer: LabIssuer
) -> Iterator[Callable[[int], Shop]]:
    """The shop on a PostgreSQL of that version: deployed, migrated, and ready for TaskRuns."""
    with ExitStack() as opened:

        @cache
        def shop(major: int) -> Shop:
            server = request.getfixturevalue(f"postgres{major}")
            site = Deployment("tasks", f"pg{major}-tasks", major, False, server, openbao, issuer)
            return opened.enter_context(open_shop(site, lab_folder))

        yield shop


@pytest.fixture(scope="session")
def guarded(postgres18: PostgresServer, openbao: OpenBao, issuer: LabIssuer, lab_folder: Path) -> Deployment:
    """A site for guards alone: what stands in its database, and in Vault for it, is theirs."""
    return deploy(Deployment("guarded", "guarded", 18, False, postgres18, openbao, issuer), lab_folder)


@pytest.fixture
def place(guarded: Deployment, lab_folder: Path, tmp_path: Path) -> Iterator[Place]:
    """Guards with a reader's token, each in directories of its own."""
    made: list[Guard] = []

    def one(config: Config | None = None, token: str | None = None, lease: str = "reader") -> Guard:
        given = guarded.token_of_pod("reader") if token is None else token
        folder = tmp_path / f"guard-{len(made)}"
        made.append(Guard.placed(folder, config or config_of(guarded, lab_folder), given, lease))
        return made[-1]

    yield one
    for guard in made:
        guard.end()


@pytest.fixture(scope="module")
def leased(site: Deployment) -> Iterator[Leased]:
    """One lease and session of each profile, for all tests of a site that leave no trace."""
    held: dict[str, tuple[Lease, psycopg.Connection]] = {}

    def one(profile: str) -> tuple[Lease, psycopg.Connection]:
        if profile not in held:
            lease = site.take(profile)
            held[profile] = lease, site.connect(lease)
        return held[profile]

    yield one
    for lease, session in held.values():
        session.close()
        site.revoke(lease)


@pytest.fixture(scope="module")
def as_owner(site: Deployment) -> Iterator[psycopg.Connection]:
    """A session of a migration: a leased login that runs as the owner."""
    with site.leased("migrator") as lease, site.connect(lease, role=site.owner) as session:
        yield session


@pytest.fixture
def vault(site: Deployment) -> Iterator[psycopg.Connection]:
    """A session of Vault's login for data; all it does is undone."""
    with site.as_vault() as session:
        yield session


NUMBERS = count()


@pytest.fixture
def stack(
    postgres: PostgresServer,
    openbao: OpenBao,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Iterator[Stack]:
    """A database that exists with its owner and schema, as it should be; Vault with a token, and a static key."""
    key = f"ready{next(NUMBERS)}"
    settings = on_servers(named(key), Servers(postgres, openbao, LabIssuer(), None), tmp_path)
    monkeypatch.setenv("VAULT_TOKEN", openbao.root_token)
    made = Stack(key, postgres, tmp_path, settings, monkeypatch, capsys)
    made.sql("CREATE DATABASE {key}", "postgres")
    made.sql(
        "CREATE ROLE {key}_owner; CREATE SCHEMA app AUTHORIZATION {key}_owner;"
        "CREATE TABLE app.orders (id serial); ALTER TABLE app.orders OWNER TO {key}_owner"
    )
    yield made
    clean(postgres, key)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts TaskRuns on this machine that need no server; 0.8 s stand for the 30 of grace."""
    tools = tmp_path / "tools"
    (tools / "bin").mkdir(parents=True)
    (tools / "bin" / "hello").write_text("#!/bin/sh\necho hello\n")
    (tools / "bin" / "hello").chmod(0o755)
    image = Image(path=("/tools/bin",), mounts=(Mount(tools, "/tools", writable=False),))
    folder, maps = tmp_path / "runs", {"map": {"key": "value"}}
    with TaskRunner(folder, LabIssuer(), maps, {"greeter": image}, grace=3) as runner:
        yield partial(runner.start, service_account="a")


@pytest.fixture
def proxy(openbao: OpenBao, lab_ca: CertificateAuthority, tmp_path: Path) -> Iterator[FaultyProxy]:
    with faulty_proxy(openbao, lab_ca, tmp_path / "proxy") as running:
        yield running


@pytest.fixture
def behind(guarded: Deployment, lab_folder: Path, proxy: FaultyProxy) -> Config:
    """The installation's settings with the proxy in Vault's place."""
    return config_of(guarded, lab_folder, vault={"address": proxy.address})


@pytest.fixture
def nothing_left(guarded: Deployment) -> Iterator[None]:
    """No login and no token that were not there before."""
    before = logins(guarded), tokens(guarded)
    yield
    wait_until(lambda: logins(guarded) <= before[0] and tokens(guarded) <= before[1], "the logins and tokens are gone")
