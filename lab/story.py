"""The story of `make demo`: one release of the shop, from nothing to nothing left, told as it happens."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import yaml

from lab import LabError
from lab.https import RefusedError
from lab.pod import StepResult, TaskPod
from lab.processes import Processes
from lab.stack import REPOSITORY, Servers

SHOP = REPOSITORY / "examples" / "shop"
NAMESPACE, PIPELINE = "ci", "shop-release"
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
    """One release: migrate under a lease, look at it while it lives, give it back, seed, try what is refused."""

    def __init__(self, folder: Path, processes: Processes, servers: Servers, teller: Teller) -> None:
        self._folder, self._processes, self._servers, self._tell = folder, processes, servers, teller

    def run(self) -> bool:
        """Tell it all; True only if everything held."""
        login, password = self._migrate()
        self._nothing_left(login, password)
        self._seed()
        self._refused_tokens()
        return self._tell.summary()

    def _pod(self, task: str, lease: str) -> TaskPod:
        account = f"{PIPELINE}-{task}"
        pod = f"{account}-pod"
        issuer = self._servers.issuer
        if self._servers.kubernetes is None:  # the account was rendered and not applied
            issuer.create_service_account(NAMESPACE, account)
        uid = issuer.create_pod(NAMESPACE, pod, account)
        token = issuer.token(NAMESPACE, account, "runlease/shop-local", pod=pod)
        self._tell.say(f"token of {NAMESPACE}/{account}, audience runlease/shop-local, 10 min, bound to pod {uid}")
        folder = self._folder / f"pod-{task}"
        return TaskPod(folder, self._processes, self._config_map(), token, lease, f"postgres-{task}")

    def _config_map(self) -> Mapping[str, str]:
        name = "runlease-shop-local"
        if self._servers.kubernetes:
            found = self._servers.kubernetes.get("v1", "ConfigMap", name, NAMESPACE)
        else:
            path = self._folder / "rendered" / f"configmap-{NAMESPACE}-{name}.yaml"
            found = yaml.safe_load(path.read_text())
        if found is None:
            raise LabError(f"lab.story: ConfigMap {NAMESPACE}/{name} is missing. Fix: look at what the deployment said")
        data: Mapping[str, str] = found["data"]
        return data

    def _migrate(self) -> tuple[str, str]:
        self._tell.chapter("The task `migrate` starts: its guard logs in and takes the lease shop-migrator")
        pod = self._pod("migrate", "shop-migrator")
        pod.start_guard()
        self._step(pod.step("check"), "TLS, login and role are checked before any work")
        self._say_log(pod)
        login, password = _credential(pod)
        self._tell.chapter(f"The step `migrate` applies {SHOP.name}/migrations as the owner role")
        self._step(pod.migrate(SHOP / "migrations"), "six migrations are applied")
        self._step(pod.migrate(SHOP / "migrations"), "the same step again applies nothing")
        self._alive(login, password)
        self._tell.chapter("The step `release` gives the lease back and waits for the evidence")
        self._step(pod.step("release"), "the revocation is proven before the task succeeds")
        pod.stop_guard()
        return login, password

    def _alive(self, login: str, password: str) -> None:
        self._tell.chapter(f"While it lives: what {login} can do, and what it is refused")
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

    def _seed(self) -> None:
        self._tell.chapter("The task `seed` brings shop/seed, CSV and SQL, under the lease shop-seeder")
        pod = self._pod("seed", "shop-seeder")
        pod.start_guard()
        self._step(pod.step("check"), "the seeder is itself, not the owner")
        login, password = _credential(pod)
        self._step(pod.seed(SHOP / "seed"), "some 7,300 rows are seeded")
        self._step(pod.seed(SHOP / "seed"), "the same seed again changes nothing")
        self._tell.held(
            "refused: a seeder that drops a table", *self._refusal(login, password, "DROP TABLE app.orders")
        )
        self._tell.chapter("The task is cancelled: the guard gets SIGTERM and gives the lease back by itself")
        pod.stop_guard()
        gone = self._ask("SELECT count(*) FROM pg_roles WHERE rolname = %(login)s", {"login": login})
        self._tell.held("a cancelled task leaves no login", gone == 0)

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
            return True, str(error).rsplit("FATAL:", 1)[-1].strip()
        return False, "it got in"

    def _connect(self, login: str, password: str, dbname: str = "shop") -> psycopg.Connection[Any]:
        return self._servers.postgres.connect(dbname, login, password)

    def _ask(self, sql: str, values: Mapping[str, str]) -> int:
        with self._servers.postgres.connect("shop") as session:
            row = session.execute(sql, values).fetchone()
        return int(row[0]) if row else -1

    def _step(self, result: StepResult, promise: str) -> None:
        self._tell.say(result.output)
        self._tell.held(promise, result.code == 0, f"{result.seconds:.1f} s")
        if result.code != 0:
            raise LabError(f"lab.story: the step {result.name} ended with {result.code}. Fix: read its output above")

    def _say_log(self, pod: TaskPod) -> None:
        self._tell.say(pod.guard_log.strip())


def _credential(pod: TaskPod) -> tuple[str, str]:
    fields = (pod.shared / "pgpass").read_text().strip().split(":")
    return fields[3], fields[4]


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


def tell(folder: Path, processes: Processes, servers: Servers, teller: Teller) -> bool:
    """Run the whole story; True only if everything held."""
    return Story(folder, processes, servers, teller).run()
