"""What the guard writes for the steps: private, complete before it is ready, and without a secret too many."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.unit.guard_inputs import CONFIG, DATABASE, deploy, holding, lease


def files(guard: ModuleType, database: dict[str, Any] = DATABASE, config: dict[str, Any] = CONFIG) -> dict[str, str]:
    found: dict[str, str] = lease(guard).files(database, config, Path("/runlease/lease/ca.pem"))
    return found


def service(guard: ModuleType, database: dict[str, Any] = DATABASE, config: dict[str, Any] = CONFIG) -> list[str]:
    return files(guard, database, config)["pg_service.conf"].splitlines()


def test_the_passfile_escapes_colon_and_backslash(guard: ModuleType) -> None:
    assert files(guard)["pgpass"] == "db.internal:5432:shop:run_shop-migrator_x:pa\\:ss\\\\word\n"


def test_the_service_file_verifies_the_server_and_sets_the_owner(guard: ModuleType) -> None:
    assert service(guard) == [
        "[runlease]",
        "host=db.internal",
        "port=5432",
        "dbname=shop",
        "user=run_shop-migrator_x",
        "application_name=shop-pod",
        "sslmode=verify-full",
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
    assert [line for line in service(guard, config=config) if line.startswith("options")] == (
        [options] if options else []
    )


@pytest.mark.parametrize("sslmode", ["require", "prefer", "disable", "", None])
def test_a_weaker_sslmode_is_refused(guard: ModuleType, sslmode: str | None) -> None:
    with pytest.raises(guard.GuardError, match="weak sslmode"):
        service(guard, {**DATABASE, "sslmode": sslmode})


def test_a_pinned_ca_is_enough_and_a_weaker_mode_must_be_called_unsafe(guard: ModuleType) -> None:
    assert "sslmode=verify-ca" in service(guard, {**DATABASE, "sslmode": "verify-ca"})
    assert "sslmode=require" in service(guard, {**DATABASE, "sslmode": "require", "unsafe_sslmode": "require"})


def test_without_a_ca_the_systems_own_are_asked(guard: ModuleType) -> None:
    assert "sslrootcert=system" in service(guard, {**DATABASE, "ca": ""})


@pytest.mark.parametrize("place", ["host", "dbname", "role", "search_path"])
@pytest.mark.parametrize("character", ["\n", "\r", "\0", "\x7f"])
def test_a_control_character_in_a_setting_is_refused(guard: ModuleType, place: str, character: str) -> None:
    value = {place: f"x{character}sslmode=disable"}
    with pytest.raises(guard.GuardError, match="control characters"):
        files(guard, {**DATABASE, **value}, {**CONFIG, **value})


@pytest.mark.parametrize("field", ["login", "password", "pod"])
def test_a_control_character_in_what_vault_or_the_token_says_is_refused(guard: ModuleType, field: str) -> None:
    with pytest.raises(guard.GuardError, match="control characters"):
        lease(guard, **{field: "x\nsslmode=disable"}).files(DATABASE, CONFIG, Path("/x"))


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
    one = holding(guard, tmp_path)
    written: list[str] = []
    real = guard.write

    def note(path: Path, text: str) -> None:
        written.append(path.name)
        if path.name == "ready":
            assert stat.S_ISFIFO((tmp_path / "shared" / "line").stat().st_mode)
        real(path, text)

    monkeypatch.setattr(guard, "write", note)
    one.publish()
    os.close(one.fifo)
    assert written == ["ca.pem", "pgpass", "pg_service.conf", "lease.json", "ready"]


def test_what_the_steps_may_read_holds_the_password_in_the_passfile_alone(guard: ModuleType, tmp_path: Path) -> None:
    one = holding(guard, tmp_path, password="secret-password")
    one.publish()
    os.close(one.fifo)
    files = [path for path in (tmp_path / "shared").iterdir() if path.is_file()]
    assert [path.name for path in files if "secret-password" in path.read_text()] == ["pgpass"]
    assert not [path.name for path in files if "hvs.secret" in path.read_text()]
    facts = json.loads((tmp_path / "shared" / "lease.json").read_text())
    assert facts.pop("expires").endswith("Z")
    assert facts == {
        "lease": "shop-migrator",
        "lease_id": "db/creds/shop-migrator/x",
        "pod": "shop-pod",
        "run": "",
        "username": "run_shop-migrator_x",
        "role": "shop_owner",
        "ttl": 900,
        "max_ttl": 1800,
    }


def test_the_steps_learn_the_pipeline_run_that_the_pods_label_names(guard: ModuleType, tmp_path: Path) -> None:
    one = holding(guard, tmp_path)
    (tmp_path / "pod" / "run").write_text("shop-release-7\n")
    one.publish()
    os.close(one.fifo)
    assert json.loads((tmp_path / "shared" / "lease.json").read_text())["run"] == "shop-release-7"


def test_what_is_told_takes_the_credential_away_and_frees_the_volume(guard: ModuleType, tmp_path: Path) -> None:
    one = holding(guard, tmp_path)
    one.publish()
    os.close(one.fifo)
    (tmp_path / "shared" / ".pgpass.draft").write_text("half a password")
    one.tell("failed", "a reason")
    assert sorted(path.name for path in (tmp_path / "shared").iterdir()) == ["ca.pem", "failed", "lease.json", "line"]


def test_no_message_holds_a_secret_and_each_is_one_line(
    guard: ModuleType, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    guard.SECRETS.update({"hvs.secret", "pa:ss", ""})
    guard.Guard(deploy(tmp_path)).tell("failed", "a hvs.secret\nand pa:ss")
    assert (tmp_path / "shared" / "failed").read_text() == "a *** and ***\n"
    assert capfd.readouterr().err == "runlease guard: a *** and ***\n"
