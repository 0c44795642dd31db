"""The story of `make demo`: one release of the shop, from nothing to nothing left, told as it happens."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import yaml

from lab import LabError
from lab.folders import private_folder
from lab.https import RefusedError
from lab.runner import Outcome, PipelineRunner, TaskRun, TaskRunner
from lab.runner.node import why_not_isolated
from lab.runner.task import Param
from lab.stack import REPOSITORY, Servers
from runlease.tasks.catalogue import TASKS

SHOP = REPOSITORY / "examples" / "shop"
NAMESPACE, PIPELINE = "ci", "shop-release"
CONFIG_MAP = "runlease-shop-local"
DOCUMENTS = ("pipeline", "pipelinerun")
ROLE_OF = "shop-local.ci.{account}"


@dataclass
class Teller:
    """Says each step with the time since the start, and remembers what held."""

    started: float = field(default_factory=time.monotonic)
    promises: list[tuple[str, bool]] = field(default_factory=list)

    def chapter(self, title: str) -> None:
        """Begin a new part."""
        print(f"\n{self._clock()}  {title}", flush=True)

    def say(self, text: str) -> None:
        """One line of what happens."""
        for line in text.splitlines() or [""]:
            print(f"          {line}", flush=True)

    def held(self, promise: str, true: bool, detail: str = "") -> None:
        """Say whether something that must hold did."""
        print(f"       {'✓' if true else '✗'}  {promise}{f': {detail}' if detail else ''}", flush=True)
        self.promises.append((promise, true))

    def summary(self) -> bool:
        """One table of everything that had to hold; True only if all of it did."""
        width = max(len(promise) for promise, _ in self.promises)
        print(f"\n{self._clock()}  Summary\n\n  {'what had to hold':<{width}}  held\n  {'-' * width}  ----")
        for promise, true in self.promises:
            print(f"  {promise:<{width}}  {'yes' if true else 'NO'}")
        failed = sum(not true for _, true in self.promises)
        print(f"\n  {len(self.promises) - failed} of {len(self.promises)} held.", flush=True)
        return failed == 0

    def _clock(self) -> str:
        return f"[{time.monotonic() - self.started:5.1f} s]"


class Story:
    """One release, the same again, a migration that is cancelled while we look at its lease, and what is refused."""

    def __init__(self, folder: Path, servers: Servers, teller: Teller) -> None:
        self._folder, self._servers, self._tell = folder, servers, teller

    def run(self) -> bool:
        """Tell it all; True only if everything held."""
        tasks = {name: self._made("tekton.dev/v1", "Task", name) for name in TASKS}
        maps = {CONFIG_MAP: self._made("v1", "ConfigMap", CONFIG_MAP)["data"]}
        with TaskRunner(private_folder(self._folder / "runs"), self._servers.issuer, maps) as runner:
            self._release(runner, tasks)
            self._again(runner, tasks)
            login, password = self._cancelled(runner, tasks)
            self._nothing_left(login, password)
            self._seeder(runner, tasks)
        self._refused_tokens()
        return self._tell.summary()

    def _made(self, version: str, kind: str, name: str) -> Mapping[str, Any]:
        """What the deployment has made, in the API server or as YAML."""
        if self._servers.kubernetes:
            found = self._servers.kubernetes.get(version, kind, name, NAMESPACE)
        else:
            path = self._folder / "rendered" / f"{kind.lower()}-{NAMESPACE}-{name}.yaml"
            found = yaml.safe_load(path.read_text())
        if found is None:
            raise LabError(f"lab.story: {kind} {NAMESPACE}/{name} is missing. Fix: look at what the deployment said")
        made: Mapping[str, Any] = found
        return made

    def _release(self, runner: TaskRunner, tasks: Mapping[str, Any]) -> None:
        self._tell.chapter("The Pipeline `shop-release` runs on examples/shop, each task under its own service account")
        if why := why_not_isolated():
            self._tell.say(f"Containers have no roots of their own here ({why}): paths stand for their mounts.")
        pipeline, run = (yaml.safe_load((SHOP / "pipeline" / f"{name}.yaml").read_text()) for name in DOCUMENTS)
        ended = PipelineRunner(runner, tasks).run(pipeline, run, _workspaces(self._folder / "sources"))
        ran = {**ended.tasks, **ended.finals}
        for name, promise in _RELEASE.items():
            outcome = ran.get(name)
            self._tell.say(f"{name}: {outcome.reason} after {outcome.seconds:.1f} s" if outcome else f"{name}: not run")
            self._tell.say(_without_evidence(outcome.output) if outcome else "")
            self._tell.held(promise, bool(outcome and outcome.succeeded), _results(outcome))
        proven = [name for name, outcome in ran.items() if '"revoked":' in outcome.output]
        self._tell.held("the revocation is proven before a task succeeds", len(proven) == 4, ", ".join(proven))

    def _again(self, runner: TaskRunner, tasks: Mapping[str, Any]) -> None:
        self._tell.chapter("The tasks `migrate` and `seed` run again")
        sources = {name: SHOP / folder for name, folder in (("migrate", "migrations"), ("seed", "seed"))}
        runs = {name: self._start(runner, tasks, f"postgres-{name}", name, source) for name, source in sources.items()}
        ended = {name: run.settle() for name, run in runs.items()}
        for outcome in ended.values():
            self._tell.say(_without_evidence(outcome.output))
        self._tell.held("the same migrations again apply nothing", ended["migrate"].results.get("applied") == "0")
        self._tell.held("the same seed again changes nothing", ended["seed"].results.get("changed") == "0")

    def _start(
        self, runner: TaskRunner, tasks: Mapping[str, Any], task: str, of: str, source: Path | None, **params: Param
    ) -> TaskRun:
        lease = {"migrate": "shop-migrator", "seed": "shop-seeder"}[of]
        return runner.start(
            tasks[task],
            service_account=f"{PIPELINE}-{of}",
            params={"lease": lease, **params},
            workspaces={"source": source} if source else {},
        )

    def _cancelled(self, runner: TaskRunner, tasks: Mapping[str, Any]) -> tuple[str, str]:
        self._tell.chapter("A migration that takes long: we look at its lease, then cancel it")
        long = ["psql", "-X", "-q", "-c", "SELECT pg_sleep(60)"]
        run = self._start(runner, tasks, "postgres-migrate", "migrate", SHOP / "migrations", command=long)
        if not run.step_runs("migrate"):
            raise LabError(f"lab.story: the step migrate never ran. Fix: read what was said:\n{run.settle().output}")
        fields = (run.volume("runlease-lease") / "pgpass").read_text().strip().split(":")
        login, password = fields[3], fields[4]
        self._alive(login, password)
        run.cancel()
        outcome = run.settle()
        self._tell.say(outcome.sidecars["guard"])
        self._tell.held(
            "a cancelled task gives its lease back", '"revoked":' in outcome.sidecars["guard"], outcome.reason
        )
        return login, password

    def _alive(self, login: str, password: str) -> None:
        with self._connect(login, password) as session:
            now = session.execute("SELECT session_user || ' as ' || current_user").fetchone()
            self._tell.held("it is itself", bool(now) and now == (f"{login} as {login}",), now[0] if now else "")
            session.execute("SET ROLE shop_owner")
            count = session.execute("SELECT count(*) FROM app.country").fetchone()
            self._tell.held("it becomes the owner and reads what it made", count == (4,))
        for what, sql in _REFUSED.items():
            self._tell.held(f"refused: {what}", *self._refusal(login, password, sql))
        self._tell.held("refused: another database", *self._no_login(login, password, "postgres"))

    def _nothing_left(self, login: str, password: str) -> None:
        self._tell.chapter("After it: nothing of the run is left in the database")
        for what, sql in _LEFT.items():
            row = self._ask(sql, {"login": login})
            self._tell.held(what, row == 0, "" if row == 0 else f"found {row}")
        self._tell.held("its password opens nothing", *self._no_login(login, password, "shop"))
        strangers = self._ask(
            "SELECT count(*) FROM pg_tables WHERE schemaname = 'app' AND tableowner <> 'shop_owner'", {}
        )
        tables = self._ask("SELECT count(*) FROM pg_tables WHERE schemaname = 'app'", {})
        self._tell.held(
            "the migrated tables belong to the owner role", strangers == 0, f"{tables} tables of shop_owner"
        )

    def _seeder(self, runner: TaskRunner, tasks: Mapping[str, Any]) -> None:
        self._tell.chapter("The task `seed` tries what is not its own")
        outcome = self._start(runner, tasks, "postgres-run", "seed", None, sql="DROP TABLE app.orders").settle()
        refused = [line for line in outcome.output.splitlines() if "must be owner" in line]
        self._tell.held("refused: a seeder that drops a table", not outcome.succeeded and bool(refused), *refused[:1])

    def _refused_tokens(self) -> None:
        self._tell.chapter("Tokens that must get nothing")
        issuer = self._servers.issuer
        for namespace, account in ((NAMESPACE, "somebody-else"), ("elsewhere", f"{PIPELINE}-migrate")):
            issuer.create_service_account(namespace, account)
            issuer.create_pod(namespace, "visitor", account)
        wanted = f"{PIPELINE}-migrate"
        issuer.create_pod(NAMESPACE, "again", wanted)
        audience = "runlease/shop-local"
        tokens: dict[str, Callable[[], str]] = {
            "a wrong service account": lambda: issuer.token(NAMESPACE, "somebody-else", audience, pod="visitor"),
            "a wrong namespace": lambda: issuer.token("elsewhere", wanted, audience, pod="visitor"),
            "a wrong audience": lambda: issuer.token(NAMESPACE, wanted, "another", pod="again"),
            "a token without a pod": lambda: issuer.token(NAMESPACE, wanted, audience),
        }
        for what, token in tokens.items():
            self._tell.held(f"refused: {what}", *self._login_refused(token(), wanted))
        right = self._login_refused(issuer.token(NAMESPACE, wanted, audience, pod="again"), wanted)
        self._tell.held("and the right token is let in", not right[0])

    def _login_refused(self, token: str, account: str) -> tuple[bool, str]:
        body = {"role": ROLE_OF.format(account=account), "jwt": token}
        try:
            self._servers.openbao.request("POST", "/auth/shop-local-jwt/login", body)
        except RefusedError as error:
            return error.status == 400, " ".join(error.reason.split())[:110]
        return False, ""

    def _refusal(self, login: str, password: str, sql: str) -> tuple[bool, str]:
        with self._connect(login, password) as session:
            try:
                session.execute(sql)
            except psycopg.errors.InsufficientPrivilege as error:
                return True, str(error.diag.message_primary)
            return False, "it went through"

    def _no_login(self, login: str, password: str, dbname: str) -> tuple[bool, str]:
        try:
            self._connect(login, password, dbname).close()
        except psycopg.OperationalError as error:
            return True, str(error).rsplit("FATAL:", 1)[-1].strip().splitlines()[0]
        return False, "it got in"

    def _connect(self, login: str, password: str, dbname: str = "shop") -> psycopg.Connection[Any]:
        return self._servers.postgres.connect(dbname, login, password)

    def _ask(self, sql: str, values: Mapping[str, str]) -> int:
        with self._servers.postgres.connect("shop") as session:
            row = session.execute(sql, values).fetchone()
        return int(row[0]) if row else -1


def _workspaces(folder: Path) -> dict[str, Path]:
    """What the ConfigMaps of the Pipeline hold, from examples/shop."""
    found = {name: Path(shutil.copytree(SHOP / name, folder / name)) for name in ("migrations", "seed")}
    expected = Path(shutil.copytree(SHOP / "assertions", folder / "expected"))
    shutil.copy(SHOP / "schema.txt", expected)
    return {**found, "expected": expected}


def _without_evidence(output: str) -> str:
    return "\n".join(line for line in output.splitlines() if not line.startswith("{"))


def _results(outcome: Outcome | None) -> str:
    short = {name: text for name, text in outcome.results.items() if len(text) < 10} if outcome else {}
    return ", ".join(f"{name} {text}" for name, text in short.items())


_RELEASE = {
    "migrate": "migrate: six migrations are applied as the owner role",
    "seed": "seed: some 7,300 rows are seeded",
    "verify": "verify: the schema is what is committed",
    "audit": "audit: nothing is left of the run",
}

_REFUSED = {
    "reading a table without becoming the owner": "SELECT * FROM app.customer",
    "making a role": "CREATE ROLE intruder",
    "reading password hashes": "SELECT * FROM pg_authid",
    "running a program on the server": "COPY (SELECT 1) TO PROGRAM 'true'",
    "becoming the broker": "SET ROLE runlease_shop_broker",
    "a temporary table": "CREATE TEMPORARY TABLE t (i int)",
    "a large object": "SELECT lo_create(0)",
    "a longer life": "DO $$ BEGIN EXECUTE format('ALTER ROLE %I VALID UNTIL ''infinity''', session_user); END $$",
}

_LEFT = {
    "no login": "SELECT count(*) FROM pg_roles WHERE rolname = %(login)s",
    "no session": "SELECT count(*) FROM pg_stat_activity WHERE usename = %(login)s OR usesysid <> 0 AND NOT EXISTS "
    "(SELECT FROM pg_roles WHERE oid = usesysid)",
    "no object, default privilege or grant of a login": "SELECT count(*) FROM pg_shdepend d WHERE d.refclassid = "
    "'pg_authid'::regclass AND NOT EXISTS (SELECT FROM pg_authid a WHERE a.oid = d.refobjid)",
    "no schema named after a login": r"SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'run\_%%'",
}


def tell(folder: Path, servers: Servers, teller: Teller) -> bool:
    """Run the whole story; True only if everything held."""
    return Story(folder, servers, teller).run()
