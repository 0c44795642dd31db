"""Runs of Tasks on one site, and what to ask of their outcomes."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab.runner import Outcome, TaskRun, TaskRunner
from runlease.provision.tekton import read_task
from tests.live.deployment import NAMESPACE, Deployment

Begin = Callable[..., TaskRun]
"""Begins a run of a Task on one site: see `begin`."""

NUMBERS = count()
"""One issuer knows the pods of all tests, so their names differ."""

ONE_SERVER = pytest.mark.parametrize("shop", [18], indirect=True, ids=["pg18"])
"""For what is decided before the server is asked."""


def config_map(site: Deployment, lab_folder: Path) -> dict[str, str]:
    """What the deployment tells the guard."""
    rendered = lab_folder / f"deployment-{site.installation}" / "rendered"
    path = rendered / f"configmap-{NAMESPACE}-runlease-{site.installation}.yaml"
    return dict(yaml.safe_load(path.read_text())["data"])


def begin(
    runner: TaskRunner,
    site: Deployment,
    task: str,
    lease: str,
    source: Path | None = None,
    run: str = "",
    max_ttl: int | None = None,
    **params: str | Sequence[str],
) -> TaskRun:
    """Start a Task as the account that may obtain the lease. `max_ttl`: what the guard is told, in seconds."""
    name = f"runlease-{site.installation}"
    maps: dict[str, Mapping[str, str]] = dict(runner.config_maps)
    if max_ttl is not None:
        file = f"lease.{lease}.json"
        maps["short"] = {**maps[name], file: json.dumps(json.loads(maps[name][file]) | {"max_ttl": max_ttl})}
        runner.config_maps, name = maps, "short"
    given = {key.replace("_", "-"): value for key, value in params.items()}
    return runner.start(
        read_task(task),
        name=f"{task}-{next(NUMBERS)}",
        service_account=f"run-{lease}",
        params={"lease": lease, "installation-config": name, "audience": site.audience, **given},
        workspaces={"source": source} if source else {},
        pipeline_run=run,
    )


def begin_on(runner: TaskRunner, site: Deployment) -> Begin:
    """The same for one site."""
    return partial(begin, runner, site)


def codes(outcome: Outcome) -> dict[str, int | None]:
    """The exit code of each step that ran."""
    return {step.name: step.code for step in outcome.steps if not step.skipped}


def login_of(outcome: Outcome) -> str:
    """The login that the step `check` has named."""
    named = re.search(r"^check: ok: (\S+) as ", outcome.output, re.MULTILINE)
    assert named, outcome.output
    return named[1]


def left_of(outcome: Outcome, site: Deployment) -> list[tuple[Any, ...]]:
    """What stands of the run's login and its sessions; the server may hold the logins of other tests as well."""
    login = login_of(outcome)
    roles = site.rows("SELECT rolname FROM pg_roles WHERE rolname = %s", login)
    return roles + site.rows("SELECT pid FROM pg_stat_activity WHERE usename = %s", login)


def last_line(outcome: Outcome) -> str:
    """The last thing that was said."""
    return outcome.output.strip().splitlines()[-1]


def sql_files(folder: Path, **texts: str | bytes) -> Path:
    """A workspace; `_0001_customer="CREATE …"` is its file `0001_customer.sql`."""
    folder.mkdir(exist_ok=True)
    for name, text in texts.items():
        content = text if isinstance(text, bytes) else text.encode()
        (folder / f"{name.removeprefix('_')}.sql").write_bytes(content)
    return folder
