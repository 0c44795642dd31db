"""What the guard asks of Vault, and what it does with the answers."""

from __future__ import annotations

import json
import os
import re
import stat
from pathlib import Path
from types import ModuleType

import pytest

from tests.unit.guard_inputs import Answers, deploy, jwt


def test_the_role_comes_from_the_tokens_own_subject(
    guard: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vault = Answers()
    monkeypatch.setattr(guard, "request", vault)
    taken = guard.Guard(deploy(tmp_path)).take()
    method, path, body, token = vault.asked[0]
    assert (method, path, body["role"], token) == ("POST", "auth/shop-prod-jwt/login", "shop-prod.ci.migrate", "")
    assert vault.asked[1] == ("GET", "db/creds/shop-migrator", None, "hvs.secret")
    assert (taken.login, taken.pod, taken.max_ttl) == ("run_shop-migrator_x", "shop-pod", 1800)


def test_a_guard_started_again_goes_on_with_its_lease(
    guard: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vault = Answers()
    monkeypatch.setattr(guard, "request", vault)
    environment = deploy(tmp_path)
    first = guard.Guard(environment).take()
    asked = len(vault.asked)
    assert guard.Guard(environment).take() == first
    assert len(vault.asked) == asked
    assert stat.S_IMODE((tmp_path / "state" / "lease.json").stat().st_mode) == 0o600


def test_a_refused_lease_gives_the_token_back(
    guard: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vault = Answers(shop_migrator=403)
    monkeypatch.setattr(guard, "request", vault)
    assert guard.Guard(deploy(tmp_path)).serve() is True
    assert vault.paths == ["auth/shop-prod-jwt/login", "db/creds/shop-migrator", "auth/token/revoke-self"]
    assert not (tmp_path / "shared" / "ready").exists()
    failed = (tmp_path / "shared" / "failed").read_text()
    assert failed.count("\n") == 1
    assert failed.startswith("db/creds/shop-migrator: Vault refused (got 403: no: ***, expected 200). Fix: check the")


def test_giving_back_revokes_in_sync_then_the_token_and_wipes_the_credential(
    guard: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vault = Answers()
    monkeypatch.setattr(guard, "request", vault)
    watchman = guard.Guard(deploy(tmp_path))
    taken = watchman.take()
    watchman.publish(taken)
    os.close(watchman.fifo)
    assert watchman.give_back(taken, "release step") is True
    assert vault.asked[-2] == ("PUT", "sys/leases/revoke", {"lease_id": taken.lease_id, "sync": "true"}, "hvs.secret")
    assert vault.asked[-1] == ("PUT", "auth/token/revoke-self", None, "hvs.secret")
    assert sorted(path.name for path in (tmp_path / "shared").iterdir()) == ["ca.pem", "lease.json", "line", "revoked"]
    assert [path.name for path in (tmp_path / "state").iterdir()] == ["done"]
    evidence = json.loads((tmp_path / "shared" / "revoked").read_text())
    assert {key: evidence[key] for key in ("lease_id", "login", "pod", "asked_by")} == {
        "lease_id": taken.lease_id,
        "login": taken.login,
        "pod": "shop-pod",
        "asked_by": "release step",
    }
    assert evidence["issued"] <= evidence["asked"] <= evidence["revoked"]


def test_a_refused_revocation_is_no_evidence(
    guard: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard, "request", Answers(revoke=403))
    watchman = guard.Guard(deploy(tmp_path))
    taken = watchman.take()
    assert watchman.give_back(taken, "release step") is False
    assert not (tmp_path / "shared" / "revoked").exists()
    assert "the revocation is not proven" in (tmp_path / "shared" / "failed").read_text()
    assert (tmp_path / "state" / "lease.json").exists()


def test_an_unknown_fault_gives_the_lease_back(
    guard: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vault = Answers()
    monkeypatch.setattr(guard, "request", vault)
    environment = deploy(tmp_path)
    (tmp_path / "config" / "database.shop.json").unlink()
    assert guard.Guard(environment).serve() is True
    assert vault.paths[-2:] == ["sys/leases/revoke", "auth/token/revoke-self"]
    assert "database.shop.json" in (tmp_path / "shared" / "failed").read_text()


def test_a_failed_renewal_is_tried_again_and_keeps_the_old_end(
    guard: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard, "request", Answers(renew=403))
    watchman = guard.Guard(deploy(tmp_path))
    taken = watchman.take()
    renewed = watchman.renew(taken)
    assert renewed.expires == taken.expires
    assert renewed.renew_at < taken.renew_at


@pytest.mark.parametrize(
    ("status", "body", "passing", "says"),
    [
        (503, b'{"errors":["Vault is sealed"]}', True, "503: Vault is sealed"),
        (403, b'{"errors":["permission denied"]}', False, "403: permission denied"),
        (400, b'{"errors":["failed to revoke entry: x"]}', True, "400: failed to revoke"),
        (429, b"{}", True, "429: no reason"),
        (200, b"<html>", False, "status 200 without a JSON object"),
        (200, b"17", False, "status 200 without a JSON object"),
        (307, b"<a href=x>", False, "redirects are not followed"),
        (307, b"{}", False, "307"),
        (502, b"<html>", True, "status 502 without a JSON object"),
    ],
)
def test_an_answer_that_is_not_a_yes_says_why(
    guard: ModuleType, status: int, body: bytes, passing: bool, says: str
) -> None:
    with pytest.raises(guard.GuardError, match=re.escape(says)) as caught:
        guard.judge("some/path", status, body, "check it")
    assert caught.value.passing is passing
    assert str(caught.value).startswith("some/path: ")


def test_an_empty_yes_is_a_yes(guard: ModuleType) -> None:
    assert guard.judge("sys/leases/revoke", 204, b"", "") == {}


@pytest.mark.parametrize("address", ["http://vault.internal", "ftp://vault.internal", "vault.internal", ""])
def test_an_address_without_tls_is_refused(guard: ModuleType, address: str) -> None:
    with pytest.raises(guard.GuardError, match="without TLS"):
        guard.request({"address": address, "unsafe_http": "yes"}, "GET", "x", None, "", 1)


@pytest.mark.parametrize(
    "token",
    [
        "",
        "hi",
        "a.b.c",
        jwt({}),
        jwt({"sub": "me"}),
        jwt({"sub": 7}),
        jwt({"sub": "system:serviceaccount:ci"}),
        jwt({"sub": "system:serviceaccount:a:b:c"}),
        jwt({"sub": "me system:serviceaccount:a:b"}),
    ],
)
def test_what_is_no_service_account_token_is_refused(guard: ModuleType, token: str) -> None:
    with pytest.raises(guard.GuardError, match="no service account"):
        guard.identity(token)


def test_taking_registers_every_secret(guard: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "request", Answers())
    environment = deploy(tmp_path)
    guard.Guard(environment).take()
    assert set(guard.SECRETS) == {(tmp_path / "token").read_text(), "hvs.secret", "secret-password"}
