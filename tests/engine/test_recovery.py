"""An `up` that was cut off is finished by the next one; a Vault that was restored gets new passwords."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg
import pytest

from lab.certificates import CertificateAuthority
from lab.https import RefusedError
from lab.openbao import OpenBao
from lab.processes import Processes
from lab.stack import PulumiStack, Servers
from tests.engine.deployment import Deployment, Taken


@contextmanager
def _up(stack: PulumiStack) -> Iterator[subprocess.Popen[bytes]]:
    command = ["pulumi", "up", "--yes", "--skip-preview", "--non-interactive", "--stack", stack.stack.name]
    with subprocess.Popen(
        command,
        cwd=stack.folder,
        env={**os.environ, **stack.environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        yield process


def _descendants(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    tasks = {
        int(child) for task in Path(f"/proc/{pid}/task").iterdir() for child in (task / "children").read_text().split()
    } | set(map(int, children))
    return [found for child in tasks for found in (*_descendants(child), child)]


def _lose_the_machine(process: subprocess.Popen[bytes]) -> None:
    """Nobody gets to say goodbye: the CLI and all that it started are killed."""
    plugins = _descendants(process.pid)
    process.kill()
    for pid in plugins:
        os.kill(pid, signal.SIGKILL)
    process.wait()


def _wait(until: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while not until():
        assert process.poll() is None, "the up ended before it came that far"
        assert time.monotonic() < deadline, "the up did not come that far"
        time.sleep(0.1)


def _waits_for_a_lock(superuser: psycopg.Connection, words: str) -> bool:
    asked = superuser.execute("SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE %s", [words])
    return asked.fetchone() is not None


def _works(deployment: Deployment) -> None:
    for lease in ("migrator", "reader"):
        with deployment.session(deployment.take(lease)) as session:
            session.execute("SELECT 1")


def test_an_up_that_was_killed_after_the_deployer_is_finished(servers18: Servers, lab_folder: Path) -> None:
    """The server hangs at the deployer's first role (another transaction holds the name), then the machine goes."""
    shop = Deployment(lab_folder, servers18, "killed")
    superuser, other = servers18.postgres.connect(), psycopg.connect(servers18.postgres.conninfo())
    with closing(superuser), closing(other), _up(shop.stack) as process:
        other.execute("CREATE ROLE runlease_killed_login")
        _wait(lambda: _waits_for_a_lock(superuser, 'CREATE ROLE "runlease_killed_login"%'), process)
        time.sleep(2)  # what runs beside it comes to an end
        _lose_the_machine(process)
        superuser.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
        other.rollback()
    assert {"runlease_killed_broker", "runlease_killed_deployer"} <= shop.roles()
    shop.stack.stack.cancel()
    shop.apply()
    shop.stack.expect_unchanged()
    _works(shop)
    shop.stack.stack.destroy(color="never")
    assert shop.roles() == {"killed_owner"}


def test_an_up_that_was_killed_before_the_rotation_is_finished(servers15: Servers, lab_folder: Path) -> None:
    """Vault has its connection and PostgreSQL keeps it waiting when it wants to set a password of its own."""
    shop = Deployment(lab_folder, servers15, "unrotated")
    with closing(servers15.postgres.connect()) as superuser, _up(shop.stack) as process:
        _wait(lambda: "runlease_unrotated_vault" in shop.roles(), process)
        with closing(psycopg.connect(servers15.postgres.conninfo())) as other:
            other.execute("SELECT FROM pg_authid WHERE rolname = 'runlease_unrotated_vault' FOR UPDATE")
            _wait(lambda: _waits_for_a_lock(superuser, 'ALTER ROLE "runlease_unrotated_vault"%'), process)
            time.sleep(2)  # what runs beside it comes to an end
            _lose_the_machine(process)
    shop.stack.stack.cancel()
    shop.apply()
    shop.stack.expect_unchanged()
    _works(shop)
    shop.stack.stack.destroy(color="never")


def test_an_up_that_was_interrupted_is_finished_by_the_next(servers18: Servers, lab_folder: Path) -> None:
    """Ctrl-C lets the engine write down what it has done: there is nothing to cancel."""
    shop = Deployment(lab_folder, servers18, "interrupted")
    with _up(shop.stack) as process:
        _wait(lambda: "interrupted_reader" in shop.roles(), process)
        process.send_signal(signal.SIGINT)
        process.wait(60)
    assert process.returncode != 0
    shop.apply()
    shop.stack.expect_unchanged()
    _works(shop)
    shop.stack.stack.destroy(color="never")


@pytest.fixture
def restored(servers18: Servers, lab_folder: Path, lab_ca: CertificateAuthority, processes: Processes) -> Deployment:
    """A deployment whose OpenBao, one of its own, was set back to before it last changed its passwords."""
    bao = OpenBao.start(lab_folder / "restored", lab_ca, processes)
    servers = Servers(servers18.postgres, bao, servers18.issuer, servers18.kubernetes)
    shop = Deployment(lab_folder, servers, "restored")
    shop.apply()
    bao.stop()
    bao.copy_storage(lab_folder / "copy")
    bao.start_again()
    bao.unseal()
    for tier in ("data", "migrator"):
        shop.rotate(tier)
    _works(shop)
    bao.stop()
    bao.restore_storage(lab_folder / "copy")
    bao.start_again()
    bao.unseal()
    return shop


def test_a_new_generation_brings_a_restored_vault_back(restored: Deployment) -> None:
    assert restored.apply() == 0
    for lease in ("reader", "migrator"):
        with pytest.raises(RefusedError, match="password authentication failed"):
            restored.take(lease)
    restored.database["vault_login_generation"] = 2
    restored.apply()
    restored.stack.expect_unchanged()
    assert restored.apply() == 0
    _works(restored)
    _the_first_passwords_are_dead(restored)
    restored.stack.stack.destroy(color="never")


def _the_first_passwords_are_dead(shop: Deployment) -> None:
    """Vault has changed them: the ones in the state log nobody in."""
    stashes = {r["urn"].split("::")[-1]: r["outputs"] for r in shop.state() if r["type"] == "pulumi:index:Stash"}
    logins = {"vault-data": "runlease_restored_vault", "vault-migrator": "runlease_restored_vault_migrator"}
    for part, login in logins.items():
        first = json.loads(stashes[f"restored-restored-{part}-first-password-2"]["output"]["plaintext"])
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            shop.session(Taken(login, first, "", ""))
