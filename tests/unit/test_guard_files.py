"""What the guard writes for the steps: private, complete before it is ready, and without a secret too many."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from types import ModuleType

import pytest

from tests.unit.guard_inputs import CONFIG, DATABASE, deploy, lease


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
        "run": "",
        "username": "run_shop-migrator_x",
        "role": "shop_owner",
        "ttl": 900,
        "max_ttl": 1800,
        "expires": "1970-01-01T00:31:40Z",
    }


def test_the_steps_learn_the_pipeline_run_that_the_pods_label_names(guard: ModuleType, tmp_path: Path) -> None:
    watchman = guard.Guard(deploy(tmp_path))
    (tmp_path / "pod" / "run").write_text("shop-release-7\n")
    watchman.publish(lease(guard))
    os.close(watchman.fifo)
    assert json.loads((tmp_path / "shared" / "lease.json").read_text())["run"] == "shop-release-7"


def test_a_cancel_annotation_counts_as_soon_as_it_says_something(guard: ModuleType, tmp_path: Path) -> None:
    watchman = guard.Guard(deploy(tmp_path))
    assert watchman.of_pod("cancel") == ""
    (tmp_path / "pod" / "cancel").write_text("")
    assert watchman.of_pod("cancel") == ""
    (tmp_path / "pod" / "cancel").write_text("CANCEL")
    assert watchman.of_pod("cancel") == "CANCEL"


def test_no_message_holds_a_secret_and_each_is_one_line(
    guard: ModuleType, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    guard.SECRETS.update({"hvs.secret", "pa:ss", ""})
    guard.Guard(deploy(tmp_path)).tell("failed", "a hvs.secret\nand pa:ss")
    assert (tmp_path / "shared" / "failed").read_text() == "a *** and ***\n"
    assert capfd.readouterr().err == "runlease guard: failed: a *** and ***\n"
