"""However it ends, the guard gives the lease back: each ending of a guard that holds one, on real servers."""

from __future__ import annotations

import os
import signal
import stat
import time
from pathlib import Path

import psycopg
import pytest

from tests.live.deployment import Deployment
from tests.live.guards import GUARD, PYTHON, Guard, Place, config_of, in_small_volume, logins, tokens, wait_until


@pytest.fixture
def holding(place: Place) -> Guard:
    return place().start().ready()


def assert_given_back(site: Deployment, guard: Guard, login: str, asked_by: str) -> None:
    evidence = guard.evidence()
    assert (evidence["login"], evidence["asked_by"]) == (login, asked_by)
    assert login not in logins(site)
    assert not guard.left() & {"pgpass", "pg_service.conf", "ready"}
    assert guard.stop() == 0
    assert guard.left() == set()


# --- while it holds a lease


def test_the_steps_get_what_libpq_needs_and_nobody_else_can_read_it(guarded: Deployment, holding: Guard) -> None:
    for path in [*holding.shared.iterdir(), *(holding.folder / "state").iterdir()]:
        found = path.stat()
        assert (stat.S_IMODE(found.st_mode), found.st_uid) == (0o600, os.getuid()), path
    environment = {
        "PGSERVICEFILE": str(holding.shared / "pg_service.conf"),
        "PGPASSFILE": str(holding.shared / "pgpass"),
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        with psycopg.connect("service=runlease") as session:
            found_row = session.execute(
                "SELECT session_user::text, current_setting('application_name'), ssl FROM pg_stat_ssl"
                " WHERE pid = pg_backend_pid()"
            ).fetchone()
    assert found_row == (holding.login, "guarded-reader", True)


def test_no_secret_stands_in_log_arguments_or_environment(guarded: Deployment, holding: Guard) -> None:
    assert holding.process
    secrets = {holding.kept["token"], holding.password, (holding.folder / "token").read_text()}
    assert holding.kept["password"] in secrets
    seen = [Path(f"/proc/{holding.process.pid}/{name}").read_text() for name in ("cmdline", "environ")]
    holding.stop()
    for text in (*seen, holding.log, holding.evidence().__repr__()):
        assert not [secret for secret in secrets if secret in text]


# --- endings


def test_the_release_step_gives_it_back(guarded: Deployment, holding: Guard) -> None:
    login = holding.login
    (holding.shared / "release").touch()
    assert_given_back(guarded, holding, login, "release step")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_gives_it_back_and_ends_the_guard(guarded: Deployment, holding: Guard, number: signal.Signals) -> None:
    login, before = holding.login, tokens(guarded)
    holding.signal(number)
    assert holding.wait() == 0
    assert holding.evidence()["asked_by"] == "stop signal"
    assert login not in logins(guarded)
    assert len(before - tokens(guarded)) == 1
    assert holding.left() == set()


def test_more_signals_change_nothing(guarded: Deployment, holding: Guard) -> None:
    login = holding.login
    for _ in range(5):
        holding.signal(signal.SIGTERM)
        time.sleep(0.01)
    assert holding.wait() == 0
    assert holding.evidence()["login"] == login


def test_a_second_and_a_half_is_enough_when_a_pod_is_deleted_by_force(guarded: Deployment, holding: Guard) -> None:
    login = holding.login
    holding.signal(signal.SIGTERM)
    time.sleep(1.5)
    holding.kill()
    assert login not in logins(guarded)
    assert holding.left() == set()


def test_the_cancel_annotation_gives_it_back(guarded: Deployment, holding: Guard) -> None:
    login = holding.login
    (holding.folder / "pod" / "cancel").write_text("CANCEL")
    assert_given_back(guarded, holding, login, "cancel annotation")


def test_a_step_that_dies_without_a_word_gives_it_back(guarded: Deployment, holding: Guard) -> None:
    login = holding.login
    with holding.step():
        time.sleep(0.5)
    assert_given_back(guarded, holding, login, "line: hung up without a word")


def test_a_step_that_dies_before_the_guard_has_looked_counts(guarded: Deployment, holding: Guard) -> None:
    login = holding.login
    with holding.step():
        pass
    assert_given_back(guarded, holding, login, "line: hung up without a word")


def test_a_failed_step_gives_it_back_at_once(guarded: Deployment, holding: Guard) -> None:
    login = holding.login
    with holding.step() as say:
        say("failed")
        assert_given_back(guarded, holding, login, "line: a step failed")


def test_a_handover_keeps_it_for_the_next_step(guarded: Deployment, holding: Guard) -> None:
    login = holding.login
    with holding.step() as say:
        say("handover")
    time.sleep(2.5)  # longer than a hang-up may last
    with holding.step() as say:
        assert login in logins(guarded)
        say("handover")
    (holding.shared / "release").touch()
    assert_given_back(guarded, holding, login, "release step")


def test_a_fault_of_its_own_gives_it_back_and_says_why(guarded: Deployment, lab_folder: Path, place: Place) -> None:
    config = config_of(guarded, lab_folder, database={"sslmode": "prefer"})
    guard = place(config).start()
    reason = guard.until("failed")
    assert reason.startswith("database: weak sslmode (got prefer, expected verify-full)")
    evidence = guard.evidence()
    assert evidence["asked_by"] == reason.strip()
    assert evidence["login"] not in logins(guarded)
    assert not (guard.shared / "ready").exists()
    assert guard.stop() == 0


def test_work_that_outlives_the_lease_is_told_and_ended(guarded: Deployment, lab_folder: Path, place: Place) -> None:
    guard = place(config_of(guarded, lab_folder, lease={"max_ttl": 3})).start().ready()
    login = guard.login
    assert guard.until("failed").startswith("lease: the work outlives it (got 3 s, expected less than max_ttl 3 s")
    assert guard.evidence()["login"] == login not in logins(guarded)
    assert guard.log.count("raise max_ttl or split the work") >= 2  # the warning before the end
    assert guard.stop() == 0


# --- killed, and started again


def test_a_killed_guard_is_followed_by_one_that_goes_on_with_its_lease(guarded: Deployment, holding: Guard) -> None:
    login, before = holding.login, logins(guarded)
    with holding.step() as say:
        time.sleep(0.5)
        holding.kill()
        (holding.shared / "ready").unlink()
        holding.start().ready()
        assert holding.login == login
        assert logins(guarded) == before
        time.sleep(0.5)
        say("failed")
        assert_given_back(guarded, holding, login, "line: a step failed")


def test_a_step_that_died_while_no_guard_ran_is_noticed_by_the_next(guarded: Deployment, holding: Guard) -> None:
    login = holding.login
    with holding.step():
        time.sleep(0.5)
        holding.kill()
    holding.start()
    assert_given_back(guarded, holding, login, "line: hung up without a word")


def test_a_guard_started_after_its_end_does_nothing(guarded: Deployment, holding: Guard) -> None:
    holding.stop()
    before = logins(guarded), tokens(guarded), holding.log
    assert holding.start().wait() == 0
    assert (logins(guarded), tokens(guarded), holding.log) == before


def test_a_guard_that_has_given_back_stays_until_it_is_told(guarded: Deployment, holding: Guard) -> None:
    (holding.shared / "release").touch()
    evidence = holding.evidence()
    holding.kill()
    (holding.shared / "revoked").unlink()
    holding.start()
    assert holding.evidence() == evidence
    assert holding.process
    assert holding.process.poll() is None
    assert holding.stop() == 0


def test_a_torn_state_takes_no_second_lease(guarded: Deployment, holding: Guard) -> None:
    before = logins(guarded)
    holding.kill()
    path = holding.folder / "state" / "lease.json"
    whole = path.read_text()
    path.write_text(whole[: len(whole) // 2])
    holding.start()
    wait_until(lambda: "something may be left" in holding.until("failed"), "the reason")
    assert logins(guarded) == before
    path.write_text(whole)
    assert holding.stop() == 0  # on the stop signal it tries once more
    assert holding.evidence()["asked_by"] == "stop signal"


# --- a full volume


def test_a_full_volume_while_it_publishes_gives_the_lease_back(guarded: Deployment, place: Place) -> None:
    before = logins(guarded)
    guard = place()
    guard.start(in_small_volume(guard.folder, "12k"))
    assert guard.process
    guard.view = f"/proc/{guard.process.pid}/root"
    wait_until(lambda: (guard.shared / "revoked").exists(), guard.log)
    assert "No space left on device" in (guard.shared / "failed").read_text()
    assert logins(guarded) == before
    assert not guard.left() & {"pgpass", "pg_service.conf", "ready"}
    assert guard.stop() == 0


def test_a_volume_that_a_step_has_filled_does_not_keep_the_lease(guarded: Deployment, place: Place) -> None:
    guard = place()
    guard.start(in_small_volume(guard.folder, "64k"))
    assert guard.process
    guard.view = f"/proc/{guard.process.pid}/root"
    wait_until(lambda: (guard.shared / "ready").exists(), guard.log)
    login = guard.login
    with pytest.raises(OSError, match="No space left"):
        (guard.shared / "junk").write_bytes(b"x" * 65536)
    (guard.shared / "release").touch()
    assert guard.evidence()["login"] == login not in logins(guarded)
    assert guard.stop() == 0


# --- clocks

JUMPS = """
import runpy, sys, time
real, begun = time.time, time.time()
time.time = lambda: real() + (float(sys.argv[2]) if real() > begun + 1 else 0.0)
runpy.run_path(sys.argv[1], run_name="__main__")
"""


def test_a_date_that_jumps_neither_ends_a_lease_nor_lets_it_outlive_its_maximum(
    guarded: Deployment, lab_folder: Path, place: Place
) -> None:
    began, config, guards = time.monotonic(), config_of(guarded, lab_folder, lease={"max_ttl": 4}), list[Guard]()
    for days in (1, -1):
        guards.append(place(config).start([*PYTHON, "-c", JUMPS, str(GUARD), str(days * 86400)]).ready())
    mine = {guard.login for guard in guards}
    time.sleep(2)
    assert mine <= logins(guarded)
    for guard in guards:
        assert "got 4 s, expected less than max_ttl 4 s" in guard.until("failed")
        assert guard.evidence()["login"] in mine - logins(guarded)
        assert guard.stop() == 0
    assert time.monotonic() - began > 3
