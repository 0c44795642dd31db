"""What leases are measured on: a deployed lab with the token of a pod, and the guard as its Task starts it."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from bench import BenchError
from lab.certificates import CertificateAuthority
from lab.folders import lab_folder, private_folder, write_private
from lab.issuer import LabIssuer
from lab.openbao import OpenBao
from lab.postgres import PostgresServer
from lab.postgres_binaries import binaries
from lab.processes import Processes
from lab.stack import Servers, apply_without_pulumi, local_settings, on_servers
from runlease.provision.tekton import read_task

NAMESPACE, ACCOUNT, LEASE = "ci", "shop-release-migrate", "shop-migrator"
ROLE, JWT_MOUNT = f"shop-local.{NAMESPACE}.{ACCOUNT}", "auth/shop-local-jwt"
CREDS = f"shop-local-db/creds/{LEASE}"
MEMORY = "/dev/shm"  # noqa: S108 - private folders are made in it
PYTHON = f"{sys.base_prefix}/bin/python3"
"""The interpreter that the virtual environment stands on: an image has none, and starts its own by the first line."""


@dataclass(frozen=True)
class Site:
    """A deployed lab and the token of a pod."""

    servers: Servers
    config: Mapping[str, str]
    """The installation's ConfigMap."""
    token: Path

    def give_back(self) -> None:
        """Revoke every lease and every run token, and see that no login is left."""
        openbao = self.servers.openbao
        for prefix in (CREDS, f"{JWT_MOUNT}/login"):
            openbao.request("PUT", f"/sys/leases/revoke-prefix/{prefix}", {"sync": True}, openbao.root_token)
        with self.servers.postgres.connect("shop") as session:
            left = session.execute(r"SELECT count(*) FROM pg_roles WHERE rolname LIKE 'run\_%'").fetchone()
        if left != (0,):
            raise BenchError(f"bench.site: logins are left after a revocation (got {left}, expected none)")


@dataclass(frozen=True)
class GuardFolder:
    """The directories that a guard sees, and its script as the Task carries it."""

    script: Path
    shared: Path
    environment: Mapping[str, str]

    @classmethod
    def make(cls, site: Site, folder: Path) -> GuardFolder:
        """A new one below `folder`."""
        script = folder / "guard.py"
        script.write_text(read_task("postgres-migrate")["spec"]["sidecars"][0]["script"])
        config, shared, state, pod = (private_folder(folder / part) for part in ("config", "shared", "state", "pod"))
        for name, text in site.config.items():
            (config / name).write_text(text)
        environment = {
            "RUNLEASE_LEASE": LEASE,
            "RUNLEASE_CONFIG": str(config),
            "RUNLEASE_TOKEN": str(site.token),
            "RUNLEASE_SHARED": str(shared),
            "RUNLEASE_STATE": str(state),
            "RUNLEASE_POD": str(pod),
        }
        return cls(script, shared, environment)


@contextmanager
def deployed_site() -> Iterator[Site]:
    """Real OpenBao and PostgreSQL with TLS, deployed with the components, for the block."""
    with lab_folder() as folder, Processes(folder) as processes:
        ca = CertificateAuthority(folder)
        postgres = PostgresServer.start(folder, ca, processes, binaries(None))
        issuer = LabIssuer()
        servers = Servers(postgres, OpenBao.start(folder, ca, processes), issuer, None)
        apply_without_pulumi(on_servers(local_settings(), servers, folder), servers, folder)
        rendered = folder / "rendered" / f"configmap-{NAMESPACE}-runlease-shop-local.yaml"
        issuer.create_service_account(NAMESPACE, ACCOUNT)
        issuer.create_pod(NAMESPACE, "bench", ACCOUNT)
        token = issuer.token(NAMESPACE, ACCOUNT, "runlease/shop-local", pod="bench")
        yield Site(
            servers,
            yaml.safe_load(rendered.read_text())["data"],
            write_private(private_folder(folder / "pod") / "token", token),
        )
