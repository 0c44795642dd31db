"""What goes wrong between a guard and Vault: it says why, leaves nothing, and holds on where it can."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from lab.certificates import CertificateAuthority
from lab.faults import Fault, FaultyProxy, faulty_proxy
from lab.folders import private_folder
from lab.openbao import OpenBao
from tests.live.deployment import Deployment
from tests.live.guards import Config, Guard, Place, config_of, logins, tokens, wait_until

LOGIN, CREDS, REVOKE, RENEW = "/login", "/creds/reader", "/leases/revoke", "/leases/renew"
AWAY = "vault.invalid"


@pytest.fixture(scope="module", autouse=True)
def away(
    openbao: OpenBao,
    lab_ca: CertificateAuthority,
    guarded: Deployment,
    lab_folder: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[dict[str, Guard]]:
    """Guards whose Vault stays away, by what they say of it: their patience runs while the other tests do."""
    folder, guards = tmp_path_factory.mktemp("away"), dict[str, Guard]()

    def start(name: str, address: str) -> None:
        config = config_of(guarded, lab_folder, vault={"address": address})
        guards[name] = Guard.placed(folder / f"guard-{len(guards)}", config, guarded.token_of_pod("reader"), "reader")
        guards[name].start()

    with ExitStack() as proxies:
        for name, fault in (("Vault is sealed", Fault.SEALED), ("timed out", Fault.SILENT)):
            proxy = proxies.enter_context(faulty_proxy(openbao, lab_ca, folder / fault))
            proxy.fail(LOGIN, fault)
            start(name, proxy.address)
        with socket.create_server(("127.0.0.1", 0)) as closed:
            port = closed.getsockname()[1]
        start("Connection refused", f"https://127.0.0.1:{port}")
        yield guards
    for guard in guards.values():
        guard.kill()


def refused(guard: Guard) -> str:
    """The one line that the steps get, at once, from a guard that has no lease; it stays until it is told."""
    began = time.monotonic()
    reason = guard.start().until("failed")
    assert time.monotonic() - began < 15, "a refusal is no matter of patience"
    assert reason.count("\n") == 1
    assert reason.strip() in guard.log
    assert guard.left() <= {"lease.json"}
    assert guard.process
    assert guard.process.poll() is None
    assert guard.stop() == 0
    assert guard.left() == set()
    return reason


# --- refused for good: told at once


@pytest.mark.usefixtures("nothing_left")
def test_no_token_is_told(place: Place) -> None:
    assert refused(place(token="")).startswith("token: no pod's (got another text, expected a JWT). Fix: mount")


@pytest.mark.usefixtures("nothing_left")
def test_a_wrong_audience_is_told(guarded: Deployment, place: Place) -> None:
    reason = refused(place(token=guarded.token_of_pod("reader", "https://kubernetes.default.svc")))
    assert reason.startswith("auth/guarded-jwt/login: Vault refused (got 400: error validating token")
    assert "Fix: check the token's audience" in reason
    assert "guarded.ci.run-reader" in reason


@pytest.mark.usefixtures("nothing_left")
def test_a_lease_that_the_task_may_not_have_is_told_and_the_token_is_revoked(place: Place) -> None:
    reason = refused(place(lease="seeder"))
    assert reason.startswith("guarded-db/creds/seeder: Vault refused (got 403:")
    assert "Fix: check the policy of guarded.ci.run-reader" in reason


def test_a_lease_without_a_file_is_told(place: Place) -> None:
    assert "lease.unknown.json" in refused(place(lease="unknown"))


@pytest.mark.parametrize("ca", ["another", "", "no certificate"], ids=["another CA", "no CA", "no certificate"])
def test_a_server_that_is_not_trusted_is_told(
    guarded: Deployment, lab_folder: Path, tmp_path: Path, place: Place, ca: str
) -> None:
    if ca == "another":
        ca = CertificateAuthority(private_folder(tmp_path / "ca")).certificate.read_text()
    reason = refused(place(config_of(guarded, lab_folder, vault={"ca": ca})))
    assert reason.startswith("auth/guarded-jwt/login: no answer from https://localhost:")
    assert "SSL" in reason
    assert "Fix: check `address` and `ca` in vault.json" in reason


def test_a_certificate_for_another_name_is_told(
    openbao: OpenBao, lab_ca: CertificateAuthority, guarded: Deployment, lab_folder: Path, tmp_path: Path, place: Place
) -> None:
    with faulty_proxy(openbao, lab_ca, tmp_path / "proxy", AWAY) as proxy:
        reason = refused(place(config_of(guarded, lab_folder, vault={"address": proxy.address})))
    assert "Hostname mismatch" in reason
    assert not proxy.requests


def test_a_server_without_tls_is_told(guarded: Deployment, lab_folder: Path, place: Place) -> None:
    with socket.create_server(("127.0.0.1", 0)) as plain:
        address = f"https://127.0.0.1:{plain.getsockname()[1]}"
        guard = place(config_of(guarded, lab_folder, vault={"address": address})).start()
        session, _ = plain.accept()
        with session:
            session.recv(1000)
            session.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        reason = guard.until("failed")
    assert "SSLError" in reason
    assert guard.stop() == 0


@pytest.mark.usefixtures("nothing_left")
@pytest.mark.parametrize("path", [LOGIN, CREDS])
def test_an_answer_that_is_not_json_is_told(place: Place, proxy: FaultyProxy, behind: Config, path: str) -> None:
    proxy.fail(path, Fault.NOT_JSON)
    assert "got 200: no JSON object; is `address` Vault's?" in refused(place(behind))


# --- passing: tried again for a while


@pytest.mark.usefixtures("nothing_left")
@pytest.mark.parametrize(
    ("path", "fault"),
    [
        *((CREDS, fault) for fault in (Fault.SLOW, Fault.REFUSED, Fault.CUT, Fault.SEALED)),
        *((LOGIN, fault) for fault in (Fault.REFUSED, Fault.SEALED)),
    ],
)
def test_a_fault_that_passes_costs_no_second_login(
    guarded: Deployment, place: Place, proxy: FaultyProxy, behind: Config, fault: Fault, path: str
) -> None:
    before = logins(guarded)
    proxy.fail(path, fault)
    guard = place(behind).start()
    wait_until(lambda: proxy.asked(path) >= 1, "the fault is met")
    proxy.heal()
    guard.ready()
    wait_until(lambda: logins(guarded) == before | {guard.login}, "no login but its own")
    assert guard.stop() == 0


def test_a_login_whose_answer_is_lost_leaves_a_token_without_a_lease(
    guarded: Deployment, place: Place, proxy: FaultyProxy, behind: Config
) -> None:
    """Nobody knows that token; it ends at its TTL."""
    before = logins(guarded), tokens(guarded)
    proxy.fail(LOGIN, Fault.CUT)
    guard = place(behind).start()
    wait_until(lambda: proxy.asked(LOGIN) >= 1, "the fault is met")
    proxy.heal()
    guard.ready()
    assert logins(guarded) - before[0] == {guard.login}
    assert guard.stop() == 0
    assert logins(guarded) == before[0]
    assert len(tokens(guarded) - before[1]) == 1


@pytest.mark.usefixtures("nothing_left")
@pytest.mark.parametrize("fault", [Fault.REFUSED, Fault.CUT, Fault.SEALED])
def test_a_fault_while_it_gives_back_passes(
    guarded: Deployment, place: Place, proxy: FaultyProxy, behind: Config, fault: Fault
) -> None:
    guard = place(behind).start().ready()
    login = guard.login
    proxy.fail(REVOKE, fault)
    (guard.shared / "release").touch()
    wait_until(lambda: proxy.asked(REVOKE) >= 1, "the fault is met")
    proxy.heal()
    assert guard.evidence()["login"] == login not in logins(guarded)
    assert guard.stop() == 0


@pytest.mark.usefixtures("nothing_left")
def test_a_guard_that_dies_before_it_sees_its_lease_leaves_no_login(
    guarded: Deployment, place: Place, proxy: FaultyProxy, behind: Config
) -> None:
    before = logins(guarded)
    proxy.fail(CREDS, Fault.HELD)
    guard = place(behind).start()
    wait_until(lambda: logins(guarded) - before, "a login that the guard has not seen")
    (unseen,) = logins(guarded) - before
    guard.kill()
    proxy.heal()
    guard.start().ready()
    wait_until(lambda: logins(guarded) == before | {guard.login}, "no login but its own")
    assert guard.login != unseen
    assert guard.stop() == 0


@pytest.mark.usefixtures("nothing_left")
def test_a_stop_signal_while_vault_is_away_takes_no_lease(place: Place, proxy: FaultyProxy, behind: Config) -> None:
    proxy.fail(LOGIN, Fault.SEALED)
    guard = place(behind).start()
    wait_until(lambda: proxy.asked(LOGIN) >= 1, "the first try")
    assert guard.stop() == 0
    assert not proxy.asked(CREDS)
    assert "stopped before it had a lease" in guard.log


@pytest.mark.usefixtures("nothing_left")
def test_a_revocation_that_vault_refuses_is_told_and_tried_again_on_the_stop_signal(
    guarded: Deployment, place: Place, proxy: FaultyProxy, behind: Config
) -> None:
    guard = place(behind).start().ready()
    login = guard.login
    proxy.fail(REVOKE, Fault.NOT_JSON)
    (guard.shared / "release").touch()
    assert guard.until("failed").startswith("something may be left: sys/leases/revoke: ")
    assert not (guard.shared / "revoked").exists()
    assert login in logins(guarded)
    proxy.heal()
    assert guard.stop() == 0
    assert guard.evidence()["login"] == login not in logins(guarded)


# --- the server itself


@pytest.mark.usefixtures("nothing_left")
def test_a_vault_that_is_sealed_or_restarted_in_the_middle_gets_the_lease_back(
    guarded: Deployment, openbao: OpenBao, place: Place
) -> None:
    guards = [place().start().ready() for _ in range(2)]
    mine = [guard.login for guard in guards]
    openbao.request("PUT", "/sys/seal", {}, openbao.root_token)
    (guards[0].shared / "release").touch()
    time.sleep(1)
    openbao.unseal()
    assert guards[0].evidence()["login"] == mine[0] not in logins(guarded)
    openbao.stop()
    (guards[1].shared / "release").touch()
    time.sleep(1)
    assert not (guards[1].shared / "failed").exists()
    openbao.start_again()
    openbao.unseal()
    assert guards[1].evidence()["login"] == mine[1] not in logins(guarded)
    assert [guard.stop() for guard in guards] == [0, 0]


def test_a_vault_that_stays_away_is_told_after_a_bounded_time(away: dict[str, Guard]) -> None:
    for name, guard in away.items():
        assert name in guard.until("failed")
        assert 19 < (guard.shared / "failed").stat().st_mtime - (guard.folder / "token").stat().st_mtime < 45
        assert not guard.left() & {"ready", "pgpass", "pg_service.conf"}
        assert guard.stop() == 0


@pytest.mark.usefixtures("nothing_left")
def test_a_proxy_variable_is_ignored(place: Place) -> None:
    dead = dict.fromkeys(("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "HTTP_PROXY"), "http://127.0.0.1:9")
    assert place().start(**dead).ready().stop() == 0
