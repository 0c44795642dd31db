"""The guard without a server: what it decides, what it writes, what it says, what it must never do."""

from __future__ import annotations

import ast
import base64
import importlib.util
import io
import json
import os
import re
import stat
import sys
import tokenize
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

GUARD = Path(__file__).resolve().parents[2] / "tekton" / "guard" / "guard.py"
DATABASE = {"host": "db.internal", "port": 5432, "dbname": "shop", "sslmode": "verify-full", "ca": "PEM"}
CONFIG = {
    "database": "shop",
    "creds_path": "db/creds/shop-migrator",
    "role": "shop_owner",
    "search_path": "app",
    "ttl": 900,
    "max_ttl": 1800,
}
VAULT = {
    "installation": "shop-prod",
    "address": "https://vault.internal:8200",
    "ca": "",
    "namespace": "",
    "jwt_mount": "shop-prod-jwt",
}


@pytest.fixture(scope="module")
def guard() -> ModuleType:
    """The guard, imported by its path: it is a script, not a package."""
    spec = importlib.util.spec_from_file_location("guard", GUARD)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(autouse=True)
def no_secrets_from_other_tests(guard: ModuleType) -> None:
    guard.SECRETS.clear()


def lease(guard: ModuleType, **changes: Any) -> Any:
    """A lease issued at 1000 for 900 s, at most 1800 s."""
    whole = guard.Lease(
        name="shop-migrator",
        lease_id="db/creds/shop-migrator/x",
        login="run_shop-migrator_x",
        password="pa:ss\\word",
        token="hvs.secret",
        pod="shop-pod",
        max_ttl=1800,
        issued=1000,
        expires=1900,
        renew_at=1600,
    )
    return whole._replace(**changes)


def jwt(claims: dict[str, Any]) -> str:
    payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"header.{payload}.signature"


def deploy(root: Path, **changes: Any) -> dict[str, str]:
    """Directories and settings of a guard below `root`; returns its environment."""
    for name in ("config", "shared", "state"):
        (root / name).mkdir()
    for name, document in {"vault": VAULT, "lease.shop-migrator": CONFIG, "database.shop": DATABASE, **changes}.items():
        (root / "config" / f"{name}.json").write_text(json.dumps(document))
    (root / "token").write_text(
        jwt({"sub": "system:serviceaccount:ci:migrate", "kubernetes.io": {"pod": {"name": "shop-pod"}}})
    )
    return {
        "RUNLEASE_LEASE": "shop-migrator",
        "RUNLEASE_CONFIG": str(root / "config"),
        "RUNLEASE_TOKEN": str(root / "token"),
        "RUNLEASE_SHARED": str(root / "shared"),
        "RUNLEASE_STATE": str(root / "state"),
        "RUNLEASE_CANCEL": str(root / "cancel"),
    }


class Answers:
    """Vault's answers by path; stands where `request` stands, so no server is needed."""

    def __init__(self, **refused: int) -> None:
        self.refused = refused
        self.asked: list[tuple[str, str, Any, str]] = []

    def __call__(self, vault: Any, method: str, path: str, body: Any, token: str, timeout: float) -> tuple[int, bytes]:
        self.asked.append((method, path, body, token))
        last = path.rsplit("/", 1)[1].replace("-", "_")
        if last in self.refused:
            return self.refused[last], json.dumps({"errors": [f"no: {token}"]}).encode()
        return 200, json.dumps(
            {
                "auth": {"client_token": "hvs.secret"},
                "lease_id": "db/creds/shop-migrator/x",
                "lease_duration": 900,
                "data": {"username": "run_shop-migrator_x", "password": "secret-password"},
            }
        ).encode()

    @property
    def paths(self) -> list[str]:
        return [path for _, path, _, _ in self.asked]


# ---- what it decides


@pytest.mark.parametrize(
    ("now", "action"),
    [
        (1000, "wait"),
        (1599, "wait"),
        (1600, "renew"),
        (1899, "renew"),
        (1900, "fail"),
    ],
)
def test_a_lease_is_renewed_after_two_thirds_and_fails_at_its_end(guard: ModuleType, now: float, action: str) -> None:
    assert lease(guard).next_action("", now)[0] == action


@pytest.mark.parametrize(("now", "action"), [(2439, "wait"), (2440, "warn"), (2763, "warn"), (2764, "fail")])
def test_a_lease_warns_at_80_percent_and_ends_before_vaults_maximum(guard: ModuleType, now: float, action: str) -> None:
    assert lease(guard, expires=2800, renew_at=2200).next_action("", now)[0] == action


def test_a_lease_that_reaches_its_maximum_is_not_renewed_again(guard: ModuleType) -> None:
    assert lease(guard, expires=2800, renew_at=2000).next_action("", 2300) == ("wait", "")


def test_the_warning_is_said_once(guard: ModuleType) -> None:
    assert lease(guard, expires=2800, renew_at=2200, warned=True).next_action("", 2500)[0] == "wait"


def test_a_wish_to_give_back_comes_before_everything(guard: ModuleType) -> None:
    assert lease(guard).next_action("release step", 99999) == ("give back", "release step")


def test_an_outlived_lease_says_what_to_do(guard: ModuleType) -> None:
    reason = lease(guard).next_action("", 3000)[1]
    assert reason.startswith("lease shop-migrator: ")
    assert re.search(r"\(got 2000 s, expected less than max_ttl 1800 s.*\)\. Fix: raise max_ttl", reason)


@pytest.mark.parametrize(
    ("stopped", "release", "cancel", "who"),
    [
        (True, True, True, "stop signal"),
        (False, True, True, "release step"),
        (False, False, True, "cancel annotation"),
        (False, False, False, ""),
    ],
)
def test_who_asks_is_named(guard: ModuleType, stopped: bool, release: bool, cancel: bool, who: str) -> None:
    assert guard.Line().who_asks(stopped, release, cancel, 1000) == who


@pytest.mark.parametrize(
    ("word", "free_for", "who"),
    [
        ("", 1.9, ""),
        ("", 2.0, "line: hung up without a word"),
        ("migrate", 2.0, "line: hung up without a word"),
        ("handover", 59.9, ""),
        ("handover", 60.0, "line: handed over, and no successor came"),
        ("failed", 0.0, "line: a step failed"),
    ],
)
def test_a_free_line_means_revoke_by_its_last_word(guard: ModuleType, word: str, free_for: float, who: str) -> None:
    assert guard.Line(word, 1000.0).who_asks(False, False, False, 1000 + free_for) == who


def test_a_held_line_asks_for_nothing_however_long(guard: ModuleType) -> None:
    assert guard.Line("check", None).who_asks(False, False, False, 10**9) == ""
    assert guard.Line("failed", None).who_asks(False, False, False, 10**9) == "line: a step failed"


def test_the_line_remembers_since_when_it_is_free(guard: ModuleType) -> None:
    line = guard.Line().after(True, ["check"], 1).after(True, ["handover"], 2).after(False, [], 3).after(False, [], 9)
    assert line == guard.Line("handover", 3)


def test_a_successor_takes_the_handover_back(guard: ModuleType) -> None:
    assert guard.Line("handover", 3.0).after(True, [], 4) == guard.Line("", None)
    assert guard.Line("handover", None).after(True, ["migrate"], 4) == guard.Line("migrate", None)


def test_a_failed_step_stays_failed_whatever_its_successor_says(guard: ModuleType) -> None:
    assert guard.Line("check", None).after(True, ["failed", "migrate"], 4).word == "failed"
    assert guard.Line("failed", 3.0).after(True, ["handover"], 4).word == "failed"


# ---- what it writes


def test_the_passfile_escapes_colon_and_backslash(guard: ModuleType) -> None:
    assert lease(guard).passfile(DATABASE) == "db.internal:5432:shop:run_shop-migrator_x:pa\\:ss\\\\word\n"


def test_the_service_file_verifies_the_server_and_sets_the_owner(guard: ModuleType) -> None:
    assert lease(guard).service_file(DATABASE, CONFIG, Path("/runlease/lease")).splitlines() == [
        "[runlease]",
        "host=db.internal",
        "port=5432",
        "dbname=shop",
        "sslmode=verify-full",
        "user=run_shop-migrator_x",
        "application_name=shop-pod",
        "sslrootcert=/runlease/lease/ca.pem",
        "channel_binding=require",
        "options=-c role=shop_owner -c search_path=app",
    ]


@pytest.mark.parametrize(
    ("config", "options"),
    [
        ({"role": "", "search_path": ""}, None),
        ({"search_path": "app"}, "options=-c search_path=app"),
        ({"role": "o", "search_path": "app, a\\b"}, "options=-c role=o -c search_path=app,\\ a\\\\b"),
    ],
)
def test_options_hold_what_the_lease_sets_and_nothing_else(
    guard: ModuleType, config: dict[str, str], options: str | None
) -> None:
    lines = lease(guard).service_file(DATABASE, config, Path("/x")).splitlines()
    assert [line for line in lines if line.startswith("options")] == ([options] if options else [])


@pytest.mark.parametrize("sslmode", ["require", "prefer", "disable", None])
def test_a_weaker_sslmode_is_refused(guard: ModuleType, sslmode: str | None) -> None:
    with pytest.raises(guard.GuardError, match=r"(weak sslmode|no good 'sslmode')"):
        lease(guard).service_file({**DATABASE, "sslmode": sslmode}, CONFIG, Path("/x"))


def test_a_pinned_ca_is_enough_and_a_weaker_mode_must_be_called_unsafe(guard: ModuleType) -> None:
    pinned = lease(guard).service_file({**DATABASE, "sslmode": "verify-ca"}, CONFIG, Path("/x"))
    unsafe = {**DATABASE, "sslmode": "require", "unsafe_sslmode": "require"}

    assert "sslmode=verify-ca\n" in pinned
    assert "sslmode=require\n" in lease(guard).service_file(unsafe, CONFIG, Path("/x"))


@pytest.mark.parametrize("place", ["host", "dbname", "role", "search_path"])
def test_a_line_break_in_a_setting_is_refused(guard: ModuleType, place: str) -> None:
    value = {place: "x\nsslmode=disable"}
    with pytest.raises(guard.GuardError, match="control characters"):
        lease(guard).service_file({**DATABASE, **value}, {**CONFIG, **value}, Path("/x"))


def test_a_file_is_private_and_replaces_what_was_there_at_once(guard: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "outside").write_text("kept")
    (tmp_path / ".pgpass.draft").symlink_to(tmp_path / "outside")
    (tmp_path / "pgpass").write_text("old")
    old = os.open(tmp_path / "pgpass", os.O_RDONLY)
    guard.write(tmp_path / "pgpass", "new")
    assert os.read(old, 10) == b"old"
    os.close(old)
    assert (tmp_path / "pgpass").read_text() == "new"
    assert stat.S_IMODE((tmp_path / "pgpass").stat().st_mode) == 0o600
    assert (tmp_path / "outside").read_text() == "kept"


def test_ready_appears_last(guard: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    watchman = guard.Guard(deploy(tmp_path))
    written: list[str] = []
    real = guard.write

    def note(path: Path, text: str) -> None:
        written.append(path.name)
        if path.name == "ready":
            assert stat.S_ISFIFO((tmp_path / "shared" / "line").stat().st_mode)
        real(path, text)

    monkeypatch.setattr(guard, "write", note)
    watchman.publish(lease(guard))
    os.close(watchman.fifo)
    assert written == ["ca.pem", "pgpass", "pg_service.conf", "lease.json", "ready"]


def test_what_the_steps_may_read_holds_the_password_in_the_passfile_alone(guard: ModuleType, tmp_path: Path) -> None:
    watchman = guard.Guard(deploy(tmp_path))
    watchman.publish(lease(guard, password="secret-password"))
    os.close(watchman.fifo)
    files = [path for path in (tmp_path / "shared").iterdir() if path.is_file()]
    assert [path.name for path in files if "secret-password" in path.read_text()] == ["pgpass"]
    assert not [path.name for path in files if "hvs.secret" in path.read_text()]
    facts = json.loads((tmp_path / "shared" / "lease.json").read_text())
    assert facts == {
        "lease": "shop-migrator",
        "lease_id": "db/creds/shop-migrator/x",
        "pod": "shop-pod",
        "username": "run_shop-migrator_x",
        "role": "shop_owner",
        "ttl": 900,
        "max_ttl": 1800,
        "expires": "1970-01-01T00:31:40Z",
    }


# ---- what it does with Vault's answers


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


# ---- what it must never do


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


def test_no_message_holds_a_secret_and_each_is_one_line(
    guard: ModuleType, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    guard.SECRETS.update({"hvs.secret", "pa:ss", ""})
    guard.Guard(deploy(tmp_path)).tell("failed", "a hvs.secret\nand pa:ss")
    assert (tmp_path / "shared" / "failed").read_text() == "a *** and ***\n"
    assert capfd.readouterr().err == "runlease guard: failed: a *** and ***\n"


def test_taking_registers_every_secret(guard: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "request", Answers())
    environment = deploy(tmp_path)
    guard.Guard(environment).take()
    assert set(guard.SECRETS) == {(tmp_path / "token").read_text(), "hvs.secret", "secret-password"}


def test_the_source_holds_nothing_that_tekton_substitutes() -> None:
    assert "$(" not in GUARD.read_text()


def test_the_source_imports_the_standard_library_alone() -> None:
    nodes = list(ast.walk(ast.parse(GUARD.read_text())))
    imported = {name.name for node in nodes if isinstance(node, ast.Import) for name in node.names}
    imported |= {str(node.module) for node in nodes if isinstance(node, ast.ImportFrom)}
    assert {name.split(".")[0] for name in imported} <= set(sys.stdlib_module_names)


def test_the_source_runs_on_python_3_9() -> None:
    ast.parse(GUARD.read_text(), feature_version=(3, 9))


def test_the_source_is_at_most_300_lines_of_code() -> None:
    source = GUARD.read_text()
    documented = [
        node.body[0]
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node)
    ]
    prose = {line for text in documented for line in range(text.lineno, (text.end_lineno or 0) + 1)}
    empty = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER)
    tokens = [token for token in tokenize.generate_tokens(io.StringIO(source).readline) if token.type not in empty]
    code = {line for token in tokens for line in range(token.start[0], token.end[0] + 1)} - prose
    assert len(code) <= 300
