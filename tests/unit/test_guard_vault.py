"""What the guard asks of Vault, and what it does with the answers."""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.unit.guard_inputs import VAULT, Answers, deploy, holding

LOGIN, CREDS, DROP = "auth/shop-prod-jwt/login", "db/creds/shop-migrator", "auth/token/revoke-self"
RENEW_TOKEN, RENEW, REVOKE = "auth/token/renew-self", "sys/leases/renew", "sys/leases/revoke"


def test_the_role_comes_from_the_token(guard: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    vault = Answers(guard, monkeypatch)
    one = guard.Guard(deploy(tmp_path))
    one.take()
    login, creds = vault.asked
    assert (login.method, login.path, login.body["role"], login.token) == ("POST", LOGIN, "shop-prod.ci.migrate", "")
    assert (creds.method, creds.path, creds.body, creds.token) == ("GET", CREDS, None, "hvs.secret")
    assert (one.lease.login, one.lease.pod, one.lease.max_ttl) == ("run_shop-migrator_x", "shop-pod", 1800)


@pytest.mark.parametrize("namespace", ["platform", ""])
def test_a_namespace_of_vault_stands_in_a_header(
    guard: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, namespace: str
) -> None:
    vault = Answers(guard, monkeypatch)
    guard.Guard(deploy(tmp_path, vault={**VAULT, "namespace": namespace})).take()
    assert {one.headers.get("X-Vault-Namespace", "") for one in vault.asked} == {namespace}


def test_an_address_may_have_a_path(guard: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    vault = Answers(guard, monkeypatch)
    guard.Guard(deploy(tmp_path, vault={**VAULT, "address": "https://gate.internal:444/vault/"})).take()
    assert vault.hosts[0] == "gate.internal:444"
    assert vault.paths[0] == f"/vault/v1/{LOGIN}"


def test_a_guard_started_again_goes_on_with_its_lease(
    guard: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vault = Answers(guard, monkeypatch)
    environment = deploy(tmp_path)
    first = guard.Guard(environment)
    first.take()
    second = guard.Guard(environment)
    second.stop()
    assert second.lease == first.lease
    assert second.run() == 0
    assert vault.paths == [LOGIN, CREDS, REVOKE, DROP]
    assert guard.Guard(environment).lease.lease_id == ""


def test_a_guard_killed_before_it_saw_its_lease_revokes_the_token_first(
    guard: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vault = Answers(guard, monkeypatch)
    environment = deploy(tmp_path)
    guard.Guard(environment).keep(token="hvs.before")
    guard.Guard(environment).take()
    assert vault.paths == [DROP, LOGIN, CREDS]
    assert vault.asked[0].token == "hvs.before"


def test_a_lease_that_was_asked_for_and_not_seen_goes_with_its_token_before_another(
    guard: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vault = Answers(guard, monkeypatch, shop_migrator=ConnectionResetError("gone"))
    one = guard.Guard(deploy(tmp_path))
    guard.patiently(one.take, guard.clock() + 20)
    assert vault.paths == [LOGIN, CREDS, DROP, LOGIN, CREDS]
    assert one.lease.login == "run_shop-migrator_x"


def test_a_guard_that_was_told_to_stop_takes_no_lease(
    guard: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vault = Answers(guard, monkeypatch)
    one = guard.Guard(deploy(tmp_path))
    one.stop()
    assert one.run() == 0
    assert vault.paths == []
    assert "stopped before it had a lease" in (tmp_path / "shared" / "failed").read_text()


@pytest.mark.parametrize(("token_ttl", "ttl"), [(0, 900), (300, 300), (2000, 900)])
def test_a_lease_lives_no_longer_than_its_token(
    guard: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, token_ttl: int, ttl: int
) -> None:
    vault = Answers(guard, monkeypatch)
    vault.token_ttl = token_ttl
    one = guard.Guard(deploy(tmp_path))
    one.take()
    assert one.lease.ttl == ttl
    vault.now += 100
    one.renew()
    assert (one.lease.renewed, one.lease.ttl) == (1100, ttl)
    assert vault.paths[-2:] == [RENEW_TOKEN, RENEW]


def test_a_token_that_a_full_volume_does_not_take_is_given_back(
    guard: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vault, real = Answers(guard, monkeypatch), guard.write
    one = guard.Guard(deploy(tmp_path))

    def full(path: Path, content: str) -> None:
        if path == tmp_path / "state" / "lease.json":
            raise OSError("No space left on device")
        real(path, content)

    monkeypatch.setattr(guard, "write", full)
    monkeypatch.setattr(guard.time, "sleep", one.stop)
    one.run()
    assert vault.paths == [LOGIN, DROP]
    assert vault.asked[1].token == "hvs.secret"


def test_a_refused_lease_gives_the_token_back(
    guard: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vault = Answers(guard, monkeypatch, shop_migrator=403)
    one = guard.Guard(deploy(tmp_path))
    monkeypatch.setattr(guard.time, "sleep", one.stop)
    assert one.run() == 0
    assert vault.paths == [LOGIN, CREDS, DROP]
    assert not (tmp_path / "shared" / "ready").exists()
    failed = (tmp_path / "shared" / "failed").read_text()
    assert failed.count("\n") == 1
    assert failed.startswith(f"{CREDS}: Vault refused (got 403: no: ***, expected 200). Fix: check the")


def test_giving_back_revokes_in_sync_then_the_token_and_wipes_the_credential(
    guard: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vault = Answers(guard, monkeypatch)
    one = holding(guard, tmp_path)
    lease = one.lease
    one.publish()
    vault.now += 5
    assert one.give_back("release step") is True
    revoke, drop = vault.asked
    assert (revoke.method, revoke.path, revoke.token) == ("PUT", REVOKE, "hvs.secret")
    assert revoke.body == {"lease_id": lease.lease_id, "sync": "true"}
    assert (drop.method, drop.path, drop.token) == ("PUT", DROP, "hvs.secret")
    assert sorted(path.name for path in (tmp_path / "shared").iterdir()) == ["ca.pem", "lease.json", "line", "revoked"]
    assert not {lease.token, lease.password} & set(json.loads((tmp_path / "state" / "lease.json").read_text()).values())
    evidence = json.loads((tmp_path / "shared" / "revoked").read_text())
    assert (
        evidence.items()
        >= {
            "lease": "shop-migrator",
            "lease_id": lease.lease_id,
            "login": lease.login,
            "pod": "shop-pod",
            "asked_by": "release step",
        }.items()
    )
    assert evidence["issued"] <= evidence["asked"] <= evidence["revoked"]


def test_the_evidence_is_whole_however_long_the_reason_was(
    guard: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Answers(guard, monkeypatch)
    assert holding(guard, tmp_path).give_back("because\n" * 1000) is True
    assert json.loads((tmp_path / "shared" / "revoked").read_text())["asked_by"].startswith("because\nbecause")


def test_a_guard_killed_after_the_revocation_tells_the_same_evidence_again(
    guard: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vault = Answers(guard, monkeypatch)
    one = holding(guard, tmp_path, evidence='{"revoked": "then"}')
    one.stop()
    assert one.run() == 0
    assert vault.paths == [DROP]
    assert (tmp_path / "shared" / "revoked").read_text() == '{"revoked": "then"}\n'
    assert not (tmp_path / "shared" / "ready").exists()


def test_a_refused_revocation_is_no_evidence_and_is_tried_again_on_the_stop_signal(
    guard: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vault = Answers(guard, monkeypatch, revoke=403)
    one = holding(guard, tmp_path)
    (tmp_path / "shared" / "release").touch()
    monkeypatch.setattr(guard.time, "sleep", one.stop)
    assert one.run() == 1
    assert vault.paths == [REVOKE, REVOKE]
    assert not (tmp_path / "shared" / "revoked").exists()
    assert not (tmp_path / "shared" / "pgpass").exists()
    assert "something may be left: sys/leases/revoke: Vault refused" in (tmp_path / "shared" / "failed").read_text()


def test_a_token_that_stays_is_told_though_the_lease_is_gone(
    guard: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Answers(guard, monkeypatch, revoke_self=403)
    assert holding(guard, tmp_path).give_back("release step") is False
    assert json.loads((tmp_path / "shared" / "revoked").read_text())["asked_by"] == "release step"
    assert "something may be left: auth/token/revoke-self" in (tmp_path / "shared" / "failed").read_text()


def test_an_unknown_fault_gives_the_lease_back(
    guard: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vault = Answers(guard, monkeypatch)
    one = holding(guard, tmp_path)
    (tmp_path / "config" / "database.shop.json").unlink()
    one.stop()
    assert one.run() == 0
    assert vault.paths == [REVOKE, DROP]
    failed = (tmp_path / "shared" / "failed").read_text()
    assert re.fullmatch(r"guard: it stopped \(got FileNotFoundError: .*database\.shop\.json.*\)\. Fix: .*\n", failed)
    assert "database.shop.json" in json.loads((tmp_path / "shared" / "revoked").read_text())["asked_by"]


@pytest.mark.parametrize("text", ["", "{", '{"token": "hvs.x"', "[]", '{"colour": 1}', "\x00"])
def test_a_state_that_cannot_be_read_takes_no_second_lease(
    guard: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    vault = Answers(guard, monkeypatch)
    one = guard.Guard(deploy(tmp_path))
    (tmp_path / "state" / "lease.json").write_text(text)
    one.stop()
    assert one.run() == 1
    assert vault.paths == []
    assert "something may be left" in (tmp_path / "shared" / "failed").read_text()


@pytest.mark.parametrize("fault", [403, 503, ConnectionResetError("gone"), TimeoutError("slow")])
@pytest.mark.parametrize("where", ["renew_self", "renew"])
def test_a_failed_renewal_keeps_the_old_end_and_is_tried_again_before_it(
    guard: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: int | Exception, where: str
) -> None:
    vault = Answers(guard, monkeypatch, **{where: fault})
    one = guard.Guard(deploy(tmp_path))
    one.take()
    end = one.lease.renewed + one.lease.ttl * guard.END_AT
    vault.now += 600
    one.renew()
    assert one.lease.renewed + one.lease.ttl * guard.END_AT == pytest.approx(end)
    assert one.lease.next_action("", vault.now + 100) == ("wait", "")
    assert one.lease.next_action("", vault.now + 250) == ("renew", "")


@pytest.mark.parametrize("address", ["http://127.0.0.1:9", "ftp://127.0.0.1:9", "127.0.0.1:9", "", "https://"])
@pytest.mark.parametrize("ca", ["", "no certificate"])
def test_nothing_is_asked_without_verified_tls(guard: ModuleType, tmp_path: Path, address: str, ca: str) -> None:
    one = guard.Guard(deploy(tmp_path, vault={**VAULT, "address": address, "ca": ca}))
    with pytest.raises(guard.GuardError, match="expected one over verified TLS"):
        one.ask("GET", "x", None, "")


def test_taking_registers_every_secret(guard: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Answers(guard, monkeypatch)
    one = guard.Guard(deploy(tmp_path))
    one.take()
    assert one.lease.password == "secret-password"
    assert {(tmp_path / "token").read_text(), "hvs.secret", "secret-password"} <= guard.SECRETS


def test_a_log_that_is_gone_does_not_keep_the_lease(
    guard: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*_: Any, **__: Any) -> None:
        raise BrokenPipeError

    vault = Answers(guard, monkeypatch)
    monkeypatch.setattr("builtins.print", gone)
    assert holding(guard, tmp_path).give_back("stop signal") is True
    assert vault.paths == [REVOKE, DROP]
