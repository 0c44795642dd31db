"""lease-audit: what a run has left fails it, and what others do does not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lab.runner import Outcome, TaskRunner
from lab.runner.pod import wait_until
from tests.live.deployment import Deployment, Lease
from tests.live.remains import undroppable
from tests.live.sites import Sites
from tests.live.task_runs import ONE_SERVER, Begin, begin_on, codes, config_map, last_line

TASK, LEASE, RUN = "lease-audit", "verifier", "shop-release-7"


@contextmanager
def left_by(shop: Deployment, run: str, profile: str = "reader") -> Iterator[Lease]:
    """A lease that a run holds, named as the step `check` does."""
    with shop.leased(profile) as lease:
        with shop.connect(lease) as session:
            session.execute(f"ALTER ROLE CURRENT_USER SET application_name = '{run}'".encode())
        yield lease


def audit(runs: Begin, run: str = RUN, patience: str = "0") -> Outcome:
    ended: Outcome = runs(TASK, LEASE, run=run, patience=patience).settle()
    return ended


def assert_left(ended: Outcome, *things: str) -> None:
    assert codes(ended) == {"check": 0, "audit": 1}, ended.output
    assert ended.results["left"] == str(len(things))
    listed = ended.output.splitlines()[-len(things) - 1 : -1]
    assert [line for line, thing in zip(listed, things, strict=True) if not line.startswith(thing)] == []
    assert last_line(ended).startswith(f"audit: something of {RUN} is left (got {len(things)}, expected nothing;")


def test_nothing_is_left(runs: Begin) -> None:
    ended = audit(runs)
    assert ended.succeeded, ended.output
    assert codes(ended) == {"check": 0, "audit": 0, "release": 0}
    assert ended.results == {"left": "0"}
    assert f"audit: nothing of {RUN} is left in the database" in ended.output


def test_a_task_before_it_bears_the_name_of_its_run(runs: Begin, shop: Deployment) -> None:
    run = runs("postgres-run", "reader", command=["sleep", "60"], run=RUN)
    assert run.step_runs("run")
    assert_left(audit(runs), "login run_reader_")
    run.cancel()
    assert audit(runs, patience="40").succeeded


def test_a_login_with_its_session_is_left(runs: Begin, shop: Deployment) -> None:
    with left_by(shop, RUN) as lease, shop.connect(lease):
        assert_left(audit(runs), f"login {lease.login}, live, valid until ", "session ")


def test_a_sandbox_is_left_with_its_schema(runs: Begin, shop: Deployment) -> None:
    with left_by(shop, RUN, "sandbox") as lease:
        assert_left(audit(runs), f"login {lease.login}, live", f"schema {lease.login}")


def test_a_migrator_is_of_the_same_database(runs: Begin, shop: Deployment) -> None:
    with left_by(shop, RUN, "migrator") as lease:
        assert_left(audit(runs), f"login {lease.login}, live")


def test_a_quarantined_login_is_left_with_what_keeps_it(runs: Begin, shop: Deployment) -> None:
    with undroppable(shop) as (lease, _):
        with shop.connect(lease) as session:
            session.execute(f"ALTER ROLE CURRENT_USER SET application_name = '{RUN}'".encode())
        shop.revoke(lease)
        assert_left(
            audit(runs),
            f"login {lease.login}, quarantined",
            f"objects of login {lease.login} in database {shop.neighbour}: 1",
        )
        assert audit(runs, "shop-release-8").succeeded


def test_it_waits_for_a_lease_that_is_being_given_back(runs: Begin, shop: Deployment) -> None:
    with left_by(shop, RUN):
        run = runs(TASK, LEASE, run=RUN, patience="30")
        log = run.folder / "audit.log"
        assert wait_until(lambda: log.exists() and "waiting up to 30 s" in log.read_text(), 30)
    ended = run.settle()
    assert ended.succeeded, ended.output
    assert ended.results == {"left": "0"}


def test_other_runs_and_logins_of_people_do_not_disturb_it(runs: Begin, shop: Deployment, sites: Sites) -> None:
    with left_by(shop, "shop-release-70") as other, shop.connect(other), shop.leased("migrator"):
        assert audit(runs).succeeded
    with left_by(sites.beside(shop), RUN):
        assert audit(runs).succeeded


def test_a_schema_whose_login_is_gone_is_left_of_whoever(runs: Begin, shop: Deployment) -> None:
    with shop.as_superuser() as session:
        session.execute("CREATE SCHEMA run_sandbox_0123456789")
        try:
            assert_left(audit(runs), "schema run_sandbox_0123456789 of a login that is gone")
        finally:
            session.execute("DROP SCHEMA run_sandbox_0123456789")


def test_a_session_whose_login_is_gone_is_left_of_whoever(
    shop: Deployment, sites: Sites, lab_folder: Path, tmp_path: Path
) -> None:
    """Where the broker may not end it: without a superuser, and without pg_signal_backend."""
    managed = sites.beside(shop)
    maps = {f"runlease-{managed.installation}": config_map(managed, lab_folder)}
    with managed.as_superuser() as admin, TaskRunner(tmp_path / "runs", managed.issuer, maps) as runner:
        admin.execute("CREATE ROLE visitor LOGIN PASSWORD 'visitor'; GRANT CONNECT ON DATABASE mshop TO visitor")
        with managed.postgres.connect(managed.dbname, "visitor", "visitor"):
            admin.execute("REVOKE CONNECT ON DATABASE mshop FROM visitor; DROP ROLE visitor")
            ended = audit(begin_on(runner, managed))
            assert_left(ended, "session ")
            assert "of a login that is gone" in ended.output


@ONE_SERVER
@pytest.mark.parametrize(
    ("run", "patience", "line"),
    [
        ("", "0", "no PipelineRun (got no label tekton.dev/pipelineRun). Fix: use the Task in a Pipeline's finally"),
        (RUN, "soon", "patience is no number of seconds (got 'soon', expected e.g. 40). Fix: correct the parameter"),
    ],
)
def test_wrong_parameters_end_with_one_line(run: str, patience: str, line: str, runs: Begin) -> None:
    ended = audit(runs, run, patience)
    assert codes(ended) == {"check": 0, "audit": 1}
    assert last_line(ended) == f"audit: {line}"
