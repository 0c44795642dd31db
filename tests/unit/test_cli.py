"""The command line: what it reads, what it exits with, and what it does not load."""

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

import runlease.cli
from runlease.cli import main
from runlease.readiness import Checked, Severity
from runlease.readiness.findings import Finding

SETTINGS: dict[str, Any] = {
    "installation": "shop-prod",
    "vault": {"address": "https://localhost:1", "ca": "ca.pem"},
    "cluster": {"issuer": "https://localhost:1", "jwks": "static", "public_keys": ["issuer.pem"]},
    "databases": {
        "shop": {
            "server": "self_managed",
            "host": "localhost",
            "port": 1,
            "dbname": "shop",
            "ca": "ca.pem",
            "public": "keep",
            "owner": "shop_owner",
            "schemas": ["app"],
            "profiles": {"reader": {}},
        }
    },
    "leases": {"shop-reader": {"database": "shop", "profile": "reader", "ttl": "5m", "max_ttl": "10m"}},
    "pipelines": {"release": {"namespace": "ci", "tasks": {"read": "shop-reader"}}},
}


@pytest.fixture
def stack_file(tmp_path: Path) -> Path:
    for name in ("ca.pem", "issuer.pem"):
        (tmp_path / name).write_text("not a certificate")
    path = tmp_path / "Pulumi.test.yaml"
    path.write_text(yaml.safe_dump({"config": {"runlease:access": SETTINGS}}))
    return path


def test_a_terminated_command_ends_as_an_interrupted_one_and_says_so_in_one_line(
    stack_file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(runlease.cli, "check", lambda *_: signal.raise_signal(signal.SIGTERM))
    assert main(["check", str(stack_file)]) == 1
    said = "runlease: interrupted. What was taken is given back; nothing is said of the rest\n"
    assert capsys.readouterr() == ("", said)
    assert signal.getsignal(signal.SIGTERM) is before


def found(monkeypatch: pytest.MonkeyPatch, *severities: Severity) -> None:
    findings = [Finding(severity, "where", "problem", "fix") for severity in severities]
    monkeypatch.setattr(runlease.cli, "check", lambda *_: (Checked.of("Vault", findings),))


@pytest.mark.parametrize(
    ("severities", "code"), [((), 0), ((Severity.NOTE, Severity.WARNING), 0), ((Severity.ERROR, Severity.NOTE), 3)]
)
def test_only_an_error_is_an_exit_code(
    stack_file: Path, monkeypatch: pytest.MonkeyPatch, severities: tuple[Severity, ...], code: int
) -> None:
    found(monkeypatch, *severities)
    assert main(["check", str(stack_file)]) == code


def test_a_failure_of_the_tool_is_not_taken_for_a_finding(stack_file: Path) -> None:
    program = (
        "import runlease.cli as cli\ndef fail(*_): raise RuntimeError('broken')\ncli.check = fail\n"
        f"raise SystemExit(cli.main(['check', {str(stack_file)!r}]))"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert "RuntimeError: broken" in ended.stderr


def test_all_wrong_settings_are_told_at_once(stack_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wrong = {**SETTINGS, "vault": {"address": "http://vault"}, "unknown": 1}
    stack_file.write_text(yaml.safe_dump({"config": {"runlease:access": wrong}}))
    assert main(["check", str(stack_file)]) == 2
    told = capsys.readouterr()
    assert "access.vault.address" in told.err
    assert "access.unknown" in told.err
    assert told.out == ""


def test_missing_files_are_wrong_settings(stack_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (stack_file.parent / "ca.pem").unlink()
    assert main(["check", str(stack_file)]) == 2
    told = capsys.readouterr().err
    assert "access.databases.shop.ca: no such file" in told
    assert "access.vault.ca: no such file" in told


@pytest.mark.parametrize("text", ["", "config: {}", "config: [1", "- 1", "config: {runlease:access: text}"])
def test_a_stack_file_without_settings_is_refused(
    stack_file: Path, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    stack_file.write_text(text)
    assert main(["check", str(stack_file)]) == 2
    assert "Fix:" in capsys.readouterr().err


def test_a_stack_file_that_is_not_there_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(tmp_path / "Pulumi.none.yaml")]) == 2
    assert "Pulumi.none.yaml: cannot be read" in capsys.readouterr().err


def test_every_system_is_checked_although_none_answers(
    stack_file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUNLEASE_ADMIN_PASSWORD_SHOP", "hunter2")
    assert main(["check", str(stack_file), "--format", "json"]) == 3
    told = capsys.readouterr().out
    systems = json.loads(told)["systems"]
    assert [len(system["findings"]) for system in systems] == [1, 1, 1]
    assert "hunter2" not in told


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith("runlease ")


@pytest.mark.parametrize("arguments", [[], ["check"], ["unknown"]])
def test_a_wrong_call_is_refused(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2


def test_a_check_needs_no_pulumi() -> None:
    program = "import runlease.cli, sys; print([name for name in sys.modules if name.startswith('pulumi')])"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert loaded.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--prove", "--login", "audit"), "verify: not of this way (got --login, expected no --prove)"),
        (("--prove", "--fail-on", "high"), "verify: not of this way (got --fail-on, expected no --prove)"),
        (("--prove", "--identity", "x"), "verify: not of this way (got --identity, expected no --prove)"),
        (("--identity", "x", "--kubernetes"), "verify: who asks is said twice"),
        (("--identity", "x", "--login", "audit"), "verify: who asks is said twice"),
        (("--mint", "--token", "ci/a=b"), "verify: not of this way (got --token, --mint, expected --prove)"),
    ],
)
def test_verify_takes_no_option_of_the_other_way(
    stack_file: Path, arguments: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["verify", str(stack_file), *arguments]) == 2
    assert said in capsys.readouterr().err
