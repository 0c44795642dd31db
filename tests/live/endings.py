"""Runs of postgres-migrate that end in every way, and what is known of each afterwards."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from lab.runner import Outcome, PipelineOutcome, PipelineRunner, Sidecars, TaskRun, TaskRunner
from lab.runner.pipelinerun import Stop
from lab.runner.pod import wait_until
from runlease.tasks.catalogue import read_task
from tests.live.deployment import Deployment

NUMBERS = count()
RECONCILE = 1.0
"""Seconds until Tekton's controller acts; more than two looks of the guard, less than what it waits after a hang-up."""
QUERY = ("psql", "-X", "-q", "-c", "SELECT pg_sleep(60)")


@dataclass(frozen=True)
class Stage:
    """Where runs end: one deployment, one runner."""

    site: Deployment
    runner: TaskRunner
    source: Path

    def params(self, *command: str) -> dict[str, Any]:
        """The parameters of a run that does this."""
        name = f"runlease-{self.site.installation}"
        about = {"lease": "migrator", "installation-config": name, "audience": self.site.audience}
        return {**about, "command": list(command)}

    def start(self, mode: Sidecars, *command: str, **asked: Any) -> TaskRun:
        """Start a run of a command under a lease."""
        usual = {"task": read_task("postgres-migrate"), "service_account": "run-migrator"}
        arguments = {**usual, "params": self.params(*command), "workspaces": {"source": self.source}, **asked}
        return self.runner.start(**arguments, name=f"ends-{next(NUMBERS)}", sidecars=mode)

    def login(self, run: TaskRun) -> str:
        """The login of the run, once a query of it is at work."""
        lease = run.volume("runlease-lease") / "lease.json"
        assert wait_until(lambda: lease.exists() or run.done, 60), run.pod.sidecar_output()
        login = str(json.loads(lease.read_text())["username"])
        at_work = "SELECT FROM pg_stat_activity WHERE usename = %s AND query LIKE '%%pg_sleep%%' AND state = 'active'"
        assert wait_until(lambda: bool(self.site.rows(at_work, login)) or run.done, 60), run.pod.sidecar_output()
        return login

    def alive(self, login: str) -> bool:
        """Whether the login, or a session of it, is there."""
        asked = "SELECT 1 FROM pg_roles WHERE rolname = %s UNION SELECT 1 FROM pg_stat_activity WHERE usename = %s"
        return bool(self.site.rows(asked, login, login))


@dataclass(frozen=True)
class Seen:
    """What is known after an ending."""

    outcome: Outcome
    logins: set[str]
    left: set[str]
    """Logins that are still there."""
    asked_by: list[str]
    """Who asked for each lease, as the guards' evidence says."""
    told: list[bool]
    """Whether the guard of each pod ever got SIGTERM."""
    codes: list[int | None]
    """What the guard of each pod exited with."""


def seen(stage: Stage, run: TaskRun) -> Seen:
    """Wait for the end of everything, and look."""
    logins = set(re.findall(r"login (run_\S+) until", run.settle(90).sidecars["guard"]))
    # Where nobody stops the guard it gives the lease back by itself, a little later.
    wait_until(lambda: len(_asked_by(run)) >= len(logins), 3)
    guards = [pod.sidecars[0] for pod in run.pods]
    told, codes = [one.was_told for one in guards], [one.code for one in guards]
    return Seen(run.settle(), logins, set(filter(stage.alive, logins)), _asked_by(run), told, codes)


def _asked_by(run: TaskRun) -> list[str]:
    """What the guards' evidence says, in its order."""
    said = run.settle().sidecars["guard"]
    return [json.loads(found)["asked_by"] for found in re.findall(r'(\{.*"asked_by".*"revoked".*\})', said)]


def with_step(name: str, **fields: Any) -> Mapping[str, Any]:
    """postgres-migrate with other fields of one step."""
    document: dict[str, Any] = deepcopy(dict(read_task("postgres-migrate")))
    next(one for one in document["spec"]["steps"] if one["name"] == name).update(fields)
    return document


# --- how runs end

End = Callable[[Stage, Sidecars], Seen]


def ended(*command: str, **asked: Any) -> End:
    """A run that ends by itself."""
    return lambda stage, mode: seen(stage, stage.start(mode, *command, **asked))


def stopped(by: Callable[[TaskRun], object], **asked: Any) -> End:
    """A run that is ended from outside while its query works."""

    def end(stage: Stage, mode: Sidecars) -> Seen:
        run = stage.start(mode, *QUERY, **asked)
        stage.login(run)
        by(run)
        return seen(stage, run)

    return end


def deleted_by_force(stage: Stage, mode: Sidecars) -> Seen:
    """The pod goes, another comes and works under a lease of its own; then the run is cancelled."""
    run = stage.start(mode, *QUERY)
    first = stage.login(run)
    run.delete_pod(force=True)
    assert wait_until(lambda: len(run.pods) == 2, 20)
    assert stage.login(run) != first
    run.cancel()
    return seen(stage, run)


def retried(stage: Stage, mode: Sidecars) -> Seen:
    """The first attempt's command is killed; the second succeeds."""
    task = with_step("migrate", env=[{"name": "RETRY", "value": "$(context.task.retry-count)"}])
    again = ("sh", "-c", f'[ "$RETRY" = 1 ] || exec {QUERY[0]} -X -q -c "{QUERY[-1]}"')
    run = stage.start(mode, *again, task=task, retries=1)
    stage.login(run)
    run.kill_step()
    assert wait_until(lambda: len(run.pods) == 2, 20)
    return seen(stage, run)


def without_controller(stage: Stage, mode: Sidecars) -> Seen:
    """The command is killed while Tekton's controller is down; it comes back when the lease is gone."""
    run = stage.start(mode, *QUERY, controller_down=True)
    login = stage.login(run)
    run.kill_step()
    assert wait_until(lambda: not stage.alive(login), 20)
    run.controller_returns()
    return seen(stage, run)


def guard_killed(stage: Stage, mode: Sidecars) -> Seen:
    """The guard is killed; then the run is cancelled."""
    run = stage.start(mode, *QUERY)
    stage.login(run)
    run.pod.kill_sidecar("guard")
    guard = run.pod.sidecars[0]
    assert wait_until(lambda: guard.output.count(" until ") == 2 if mode is Sidecars.NATIVE else not guard.running, 20)
    run.cancel()
    return seen(stage, run)


def not_given_back(stage: Stage, mode: Sidecars) -> Seen:
    """The guard cannot ask Vault any more when the command ends."""
    run = stage.start(mode, "psql", "-X", "-q", "-c", "SELECT pg_sleep(1)")
    stage.login(run)
    (run.volume("runlease-config") / "vault.json").write_text("{}")
    return seen(stage, run)


# --- how PipelineRuns end

PLAIN: dict[str, Any] = {
    "metadata": {"name": "plain"},
    "spec": {"steps": [{"name": "one", "image": "x", "script": "true"}]},
}


@dataclass(frozen=True)
class PipelineSeen:
    """What is known after the end of a PipelineRun."""

    outcome: PipelineOutcome
    work: Seen
    """Of its leased task."""


def pipeline_ended(
    stage: Stage, mode: Sidecars, how: Stop | None, timeouts: Mapping[str, str], query: str
) -> PipelineSeen:
    """Run a leased task with a task after it and one in `finally`; stop it while the query works, if `how` says so."""
    tasks = {"postgres-migrate": read_task("postgres-migrate"), "plain": PLAIN}
    params = [{"name": name, "value": value} for name, value in stage.params(*QUERY[:-1], query).items()]
    work = {
        "name": "work",
        "taskRef": {"name": "postgres-migrate"},
        "params": params,
        "workspaces": [{"name": "source"}],
    }
    after, last = ({"name": name, "taskRef": {"name": "plain"}} for name in ("after", "last"))
    pipeline = {
        "metadata": {"name": "p"},
        "spec": {"tasks": [work, {**after, "runAfter": ["work"]}], "finally": [last]},
    }
    accounts = [{"pipelineTaskName": "work", "serviceAccountName": "run-migrator"}]
    run = {
        "metadata": {"name": f"pipe-{next(NUMBERS)}"},
        "spec": {"taskRunTemplate": {"serviceAccountName": "plain"}, "taskRunSpecs": accounts, "timeouts": timeouts},
    }
    runner = PipelineRunner(stage.runner, tasks, sidecars=mode)
    with ThreadPoolExecutor(1) as threads:
        running = threads.submit(runner.run, pipeline, run, {"source": stage.source})
        assert wait_until(lambda: "work" in runner.running or running.done(), 20)
        if how:
            stage.login(runner.running["work"])
            runner.stop(how)
        return PipelineSeen(running.result(), seen(stage, runner.running["work"]))


@dataclass(frozen=True)
class Row:
    """One ending: how it comes about, and what must be so afterwards, in each mode where they differ."""

    end: End
    reason: str
    ran: tuple[str, ...]
    classic: tuple[str, ...]
    """Who asks for each lease, in classic mode."""
    native: tuple[str, ...] = field(default=("stop signal",))
    pods: int = 1
    told: tuple[bool, ...] = (True,)
    """Whether the guard of each pod gets SIGTERM in classic mode; in native mode it always does."""
    left: tuple[Sidecars, ...] = ()
    """The modes in which the lease lives on, until its TTL."""
    code: int = 0
    """What a guard that gets SIGTERM exits with: 1 when something may be left."""
