"""What a lease costs a whole Task: `postgres-run` beside a Task of one step that has a password of its own.

Both run one statement by psql over verified TLS, in the lab's runner, which starts no container and pulls no image: a
cluster adds the same to both. A TaskRun is over when its status is final, so the revocation is in ours.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from bench import BenchError
from bench.site import ACCOUNT, LEASE, NAMESPACE, Site
from bench.table import Comparison
from lab.runner import TaskRunner
from runlease.tasks import read_task

ROUNDS = 10
STATEMENT = "SELECT 1"
CONFIG = "runlease-shop-local"


def compare(site: Site, rounds: int = ROUNDS) -> list[Comparison]:
    """Seconds from the TaskRun's start to its end, in turns; one round before them is not counted."""
    seen: dict[str, list[float]] = {"with": [], "without": []}
    maps = {CONFIG: site.config, "ca": {"ca.pem": site.servers.postgres.ca.read_text()}}
    with tempfile.TemporaryDirectory() as name, TaskRunner(Path(name), site.servers.issuer, maps) as runner:
        ways: dict[str, Callable[[], float]] = {
            "with": lambda: _seconds(runner, read_task("postgres-run"), LEASED),
            "without": lambda: _seconds(runner, _bare(site), {}),
        }
        for turn in range(rounds + 1):
            for way in ways if turn % 2 else reversed(ways):
                seconds = ways[way]()
                if turn > 0:
                    seen[way].append(seconds)
    site.give_back()
    what = "a whole Task of one statement, with a lease"
    return [Comparison(what, "s", tuple(seen["with"]), "the same with a standing password", tuple(seen["without"]))]


LEASED = {
    "lease": LEASE,
    "installation-config": CONFIG,
    "audience": "runlease/shop-local",
    "command": ["psql", "-X", "-q", "-c", STATEMENT, "service=runlease"],
}


def _seconds(runner: TaskRunner, task: Mapping[str, Any], params: Mapping[str, Any]) -> float:
    started = time.perf_counter()
    outcome = runner.start(task, service_account=ACCOUNT, namespace=NAMESPACE, params=params).wait(60)
    seconds = time.perf_counter() - started
    if not outcome.succeeded:
        raise BenchError(f"bench.overhead: a TaskRun ended with {outcome.reason}:\n{outcome.output[-2000:]}")
    return seconds


def _bare(site: Site) -> Mapping[str, Any]:
    """What the field does: a password in the environment."""
    postgres = site.servers.postgres
    where = f"host=localhost port={postgres.port} dbname=shop user=postgres sslmode=verify-full sslrootcert=/ca/ca.pem"
    step = {
        "name": "run",
        "image": "psql",
        "command": ["psql", "-X", "-q", "-c", STATEMENT, where],
        "env": [{"name": "PGPASSWORD", "value": postgres.password}],
        "volumeMounts": [{"name": "ca", "mountPath": "/ca", "readOnly": True}],
    }
    spec = {"steps": [step], "volumes": [{"name": "ca", "configMap": {"name": "ca"}}]}
    return {"apiVersion": "tekton.dev/v1", "kind": "Task", "metadata": {"name": "bare"}, "spec": spec}
