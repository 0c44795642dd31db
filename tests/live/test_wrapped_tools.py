"""Tools of the field in Tasks of their users' own, wrapped, and run against a lease: Alembic, Django, Liquibase."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab.liquibase import liquibase_folder
from lab.runner import Image, Mount, Outcome, Reason, Sidecars, TaskRun, TaskRunner
from lab.runner.pod import wait_until
from lab.stack import REPOSITORY
from runlease.tasks import Connection, Wrapping, wrap
from tests.live.deployment import NAMESPACE, Deployment
from tests.live.sites import Sites
from tests.live.task_runs import left_of

EXAMPLES = REPOSITORY / "examples" / "wrap"
FAILING = {
    "alembic": (
        "migrations/versions/0002_broken.py",
        'import time\nfrom alembic import op\nrevision, down_revision = "0002", "0001"\n'
        'def upgrade():\n    op.execute("CREATE TABLE broken ()")\n    op.execute("SELECT 1/0")\n',
    ),
    "django": (
        "shop/migrations/0002_broken.py",
        "from django.db import migrations\nclass Migration(migrations.Migration):\n"
        "    dependencies = [('shop', '0001_product')]\n"
        "    operations = [migrations.RunSQL(['CREATE TABLE broken ()', 'SELECT 1/0'])]\n",
    ),
    "liquibase": (
        "changelog.sql",
        "--liquibase formatted sql\n--changeset shop:2\nCREATE TABLE broken ();\nSELECT 1/0;\n",
    ),
}


@dataclass(frozen=True)
class Tool:
    """One tool: how its Task is wrapped, and which tables it makes."""

    name: str
    step: str
    tables: tuple[str, ...]
    process: str
    """What stands in its command line."""
    connection: str = "service"


TOOLS = (
    Tool("alembic", "upgrade", ("alembic_customer", "alembic_version"), "alembic"),
    Tool("django", "migrate", ("django_migrations", "shop_product"), "manage.py"),
    Tool(
        "liquibase",
        "update",
        ("databasechangelog", "databasechangeloglock", "liquibase_order"),
        "LiquibaseCommandLine",
        "jdbc-url=LIQUIBASE_COMMAND_URL",
    ),
)
tools = pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.name)


@pytest.fixture(scope="module", params=[15], ids=["pg15"])
def shop(request: pytest.FixtureRequest, sites: Sites) -> Deployment:
    return sites.site(request.param, managed=False)


@pytest.fixture
def runner(shop: Deployment, lab_folder: Path, tmp_path: Path) -> Iterator[TaskRunner]:
    rendered = lab_folder / f"deployment-{shop.installation}" / "rendered"
    name = f"runlease-{shop.installation}"
    data = yaml.safe_load((rendered / f"configmap-{NAMESPACE}-{name}.yaml").read_text())["data"]
    with TaskRunner(tmp_path / "runs", shop.issuer, {name: data}, images()) as running:
        yield running


def images() -> dict[str, Image]:
    """What stands for the images of the examples."""
    here = dict.fromkeys((Path(sys.prefix), Path(sys.base_prefix)))
    python = Image(
        (str(Path(sys.prefix) / "bin"),),
        tuple(Mount(path, str(path), writable=False) for path in here if not path.is_relative_to("/usr")),
        {"PYTHONDONTWRITEBYTECODE": "1"},
    )
    folder = liquibase_folder()
    liquibase = Image((str(folder),), (Mount(folder, str(folder), writable=False),))
    by_tool = {"alembic": python, "django": python, "liquibase": liquibase}
    return {_task(name)["spec"]["steps"][0]["image"]: image for name, image in by_tool.items()}


def _task(tool: str) -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load((EXAMPLES / tool / "task.yaml").read_text())
    return document


Start = Callable[..., TaskRun]


@pytest.fixture
def start(shop: Deployment, runner: TaskRunner) -> Start:
    """Wraps a Task for the migrator and starts it."""

    def started(task: dict[str, Any], connections: str = "service", **more: Any) -> TaskRun:
        forms = tuple(map(Connection.parse, connections.split()))
        wrapped = wrap(task, Wrapping("migrator", forms, installation=shop.installation, audience=shop.audience))
        return runner.start(wrapped, service_account="run-migrator", **more)

    return started


@dataclass
class Watch:
    """What a run's processes show to everybody on the node while it works: their arguments and environments."""

    passwords: set[str] = field(default_factory=set)
    seen: set[str] = field(default_factory=set)

    def look(self, run: TaskRun) -> None:
        """Look once."""
        passfile = run.volume("runlease-lease") / "pgpass"
        try:
            self.passwords.add(passfile.read_text().strip().rsplit(":", 1)[1])
        except (OSError, IndexError):
            return
        for process in Path("/proc").glob("[0-9]*"):
            try:
                environment = (process / "environ").read_bytes()
                if b"PGPASSFILE=" in environment:
                    shown = (process / "cmdline").read_bytes() + b"\0" + environment
                    self.seen.add(shown.decode(errors="replace").replace("\0", "\n"))
            except OSError:
                continue

    def until(self, run: TaskRun) -> Outcome:
        """Look until the run is settled."""
        while True:
            self.look(run)
            try:
                return run.settle(0.03)
            except TimeoutError:
                continue


def owners(shop: Deployment, tables: tuple[str, ...]) -> dict[str, str]:
    found = shop.rows(
        "SELECT tablename::text, tableowner::text FROM pg_tables WHERE schemaname = 'app' AND tablename = ANY(%s)",
        list(tables),
    )
    return dict(found)


@tools
def test_a_real_tool_migrates_as_the_owner_and_no_process_shows_the_password(
    tool: Tool, shop: Deployment, start: Start
) -> None:
    run = start(_task(tool.name), tool.connection, workspaces={"source": EXAMPLES / tool.name / "project"})
    watch = Watch()
    outcome = watch.until(run)

    assert outcome.reason is Reason.SUCCEEDED, outcome
    assert [(step.name, step.code) for step in outcome.steps] == [("check", 0), (tool.step, 0), ("release", 0)]
    assert owners(shop, tool.tables) == dict.fromkeys(tool.tables, shop.owner)
    assert left_of(outcome, shop) == []
    assert '"asked_by": "release step"' in outcome.step("release").output
    (password,) = watch.passwords
    assert len(password) > 15
    assert [shown for shown in watch.seen if tool.process in shown], watch.seen
    for text in (*watch.seen, outcome.output, *outcome.sidecars.values()):
        assert password not in text


@tools
def test_a_real_tools_failure_ends_the_run_and_the_lease(
    tool: Tool, shop: Deployment, start: Start, tmp_path: Path
) -> None:
    source = shutil.copytree(EXAMPLES / tool.name / "project", tmp_path / "source")
    path, text = FAILING[tool.name]
    (source / path).write_text(text)
    outcome = start(_task(tool.name), tool.connection, workspaces={"source": source}).settle(60)

    assert outcome.reason is Reason.STEP_FAILED
    assert outcome.step(tool.step).code not in (0, None)
    assert "division by zero" in outcome.step(tool.step).output
    assert outcome.step("release").skipped
    assert '"revoked": "' in outcome.sidecars["guard"]
    assert owners(shop, ("broken",)) == {}
    assert left_of(outcome, shop) == []


def psql(name: str, *words: str) -> dict[str, Any]:
    query = "SELECT session_user, current_user, current_schema(), current_setting('application_name')"
    return {"name": name, "image": "psql:1", "command": ["sh", "-c", f'psql -X -A -t {" ".join(words)} -c "{query}"']}


def task_of(*steps: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": "tekton.dev/v1", "kind": "Task", "metadata": {"name": "own"}, "spec": {"steps": list(steps)}}


@pytest.mark.parametrize(
    ("form", "words"),
    [("service", ()), ("variables", ()), ("libpq-url", ('"$DATABASE_URL"',))],
    ids=lambda one: str(one),
)
@pytest.mark.parametrize("mode", Sidecars)
@pytest.mark.parametrize("shop", [15, 18], indirect=True, ids=["pg15", "pg18"])
def test_every_form_of_a_connection_is_the_lease_and_runs_as_the_owner(
    form: str, words: tuple[str, ...], mode: Sidecars, shop: Deployment, start: Start
) -> None:
    run = start(task_of(psql("one", *words), psql("two", *words)), form, sidecars=mode)
    outcome = run.settle(60)
    assert outcome.reason is Reason.SUCCEEDED, outcome
    for step in ("one", "two"):
        login, *rest = outcome.step(step).output.split("|")
        assert login.startswith("run_migrator_")
        assert rest == [shop.owner, "app", f"{run.spec.name}-pod"]


def test_a_wrapped_step_that_is_killed_costs_the_lease_though_nobody_tells_the_guard(
    shop: Deployment, start: Start
) -> None:
    command = ["sh", "-c", "echo at work; exec sleep 60"]
    run = start(task_of({"name": "work", "image": "sh:1", "command": command}), controller_down=True)
    assert run.step_runs("work")
    assert wait_until(lambda: "at work" in (run.folder / "work.log").read_text(), 20)
    (login,) = re.findall(r"^check: ok: (\S+) as ", (run.folder / "check.log").read_text(), re.MULTILINE)
    query = "SELECT rolname FROM pg_roles WHERE rolname = %s"
    assert shop.rows(query, login)
    run.kill_step()
    assert wait_until(lambda: shop.rows(query, login) == [], 20)
    run.controller_returns()
    outcome = run.settle(60)
    assert outcome.reason is Reason.STEP_FAILED
    assert "line: hung up without a word" in outcome.sidecars["guard"]
