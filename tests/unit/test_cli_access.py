"""`runlease diff`, `report` and `explain` on the command line: what they read, print and exit with."""

from __future__ import annotations

import copy
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from runlease.cli import main
from tests.unit.test_cli import SETTINGS

LONG = {**SETTINGS["leases"]["shop-reader"], "max_ttl": "3h", "ttl": "10m"}


def stack(path: Path, **changes: Any) -> Path:
    settings = {**copy.deepcopy(SETTINGS), **changes}
    path.write_text(yaml.safe_dump({"config": {"runlease:access": settings}}))
    return path


@pytest.fixture
def before(tmp_path: Path) -> Path:
    return stack(tmp_path / "before.yaml")


@pytest.fixture
def after(tmp_path: Path) -> Path:
    return stack(tmp_path / "after.yaml", leases={"shop-reader": LONG})


def test_no_change_is_exit_code_0(before: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["diff", str(before), str(before)]) == 0
    assert "no change of access" in capsys.readouterr().out


def test_a_longer_life_is_told_and_a_broken_rule_is_the_exit_code(
    before: Path, after: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main(["diff", str(before), str(after), "--format", "json"])
    told = json.loads(capsys.readouterr().out)
    assert told["affected"][0]["worst"] == "longer life"
    worst = max((one["severity"] for one in told["findings"]), key=["low", "medium", "high", "critical"].index)
    assert code == {"low": 10, "medium": 11, "high": 12, "critical": 13}[worst]


def test_findings_below_the_threshold_are_exit_code_0(before: Path, after: Path) -> None:
    assert main(["diff", str(before), str(after), "--fail-on", "critical"]) == 0


def test_a_file_takes_the_report_and_nothing_is_printed(
    before: Path, after: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["diff", str(before), str(after), "--format", "markdown", "-o", str(tmp_path / "access.md")])
    assert "longer life" in (tmp_path / "access.md").read_text()
    assert capsys.readouterr().out == ""


def test_a_revision_is_read_as_git_has_it(
    tmp_path: Path, after: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    git = ["git", "-c", "user.name=t", "-c", "user.email=t@localhost"]
    subprocess.run(["git", "init", "-q", "-b", "main"], check=True)
    stack(tmp_path / "stack.yaml")
    subprocess.run([*git, "add", "stack.yaml"], check=True)
    subprocess.run([*git, "commit", "-qm", "one"], check=True)
    after.rename(tmp_path / "stack.yaml")
    main(["diff", "main:stack.yaml", "stack.yaml"])
    assert "longer" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["diff"], "Fix: name them"),
        (["diff", "nowhere:stack.yaml", "stack.yaml"], "git does not have it"),
        (["diff", "--upload-pack=x:stack.yaml", "stack.yaml"], ""),
        (["diff", "missing.yaml", "missing.yaml"], "cannot be read"),
        (["diff", "--preview", "missing.json"], "missing.json"),
        (["diff", "--live", "missing.yaml"], "cannot be read"),
        (["diff", "--live", "missing.yaml", "--preview", "missing.json"], "two ways at once"),
        (["report"], "expected a stack file or --state FILE"),
        (["report", "--state", "missing.json"], "missing.json"),
    ],
)
def test_what_cannot_be_read_is_one_message_and_exit_code_2(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    try:
        code: object = main(arguments)
    except SystemExit as wrong_usage:
        code = wrong_usage.code
    assert code == 2
    error = capsys.readouterr().err
    assert said in error
    assert "Traceback" not in error


def test_a_truncated_preview_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "preview.json"
    path.write_text('{"steps": [{"op": "create", ')
    assert main(["diff", "--preview", str(path)]) == 2
    assert str(path) in capsys.readouterr().err


def test_one_state_is_reported(before: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["report", str(before)])
    assert "ci/release-read  [identity or member]\n  ! has CONNECT" in capsys.readouterr().out


def test_a_chain_is_explained_with_what_makes_each_link(before: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", str(before), "ci/release-read"]) == 0
    told = capsys.readouterr().out
    for link in (
        "[access.pipelines.release.tasks.read]",
        "[access.leases.shop-reader]",
        "[access.databases.shop.profiles.reader]",
        "SELECT ON ALL TABLES IN SCHEMA app TO shop_reader",
    ):
        assert link in told


def test_an_unknown_identity_is_refused_with_those_that_there_are(
    before: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["explain", str(before), "ci/nobody"]) == 2
    assert "expected one of ci/release-read" in capsys.readouterr().err
