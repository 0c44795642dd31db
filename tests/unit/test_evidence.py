"""`runlease evidence`: which commands it asks, what it keeps, and what it says of what it could not see."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from runlease import cli
from runlease.evidence.bundle.controls import Control
from runlease.evidence.bundle.pieces import Wanted, pieces
from tests.unit.test_cli_access import stack

LOGS = ("--postgres-log", "db.csv", "--audit-log", "audit.json", "--since", "2026-11-01")


class Commands:
    """Stands for the command line below `evidence`: what it was asked, and how each command ends."""

    def __init__(self, **codes: int) -> None:
        self.codes, self.asked = codes, list[tuple[str, ...]]()

    def __call__(self, arguments: Sequence[str]) -> int:
        self.asked.append(tuple(arguments))
        servers = {"answered": {"Vault": "OpenBao 2.7.1"}}
        print(json.dumps(servers) if arguments[0] == "verify" else f"answer of {arguments[0]}")
        code = self.codes.get("prove" if "--prove" in arguments else arguments[0], 0)
        if code == 2:
            print("vault: no answer (got nothing). Fix: start it", file=sys.stderr)
        return code


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "bundle"


def made(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, commands: Commands, *arguments: str) -> int:
    stack_file = stack(tmp_path / "Pulumi.prod.yaml")
    real = cli.run
    monkeypatch.setattr(cli, "run", commands)
    return real(["evidence", str(stack_file), "--out", str(tmp_path / "bundle"), *arguments])


WHOLE = (*LOGS, "--token", "ci/a=token", "--cluster")


def test_everything_that_was_asked_for_is_a_file_with_its_hash(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, out: Path
) -> None:
    assert made(monkeypatch, tmp_path, Commands(), *WHOLE) == 0
    files = {path.name for path in out.iterdir()}
    assert files == {
        "README.md",
        "MANIFEST.sha256",
        "access.html",
        "access.json",
        "rules.json",
        "verify.html",
        "verify.json",
        "prove.json",
        "trace.jsonl",
        "unattributed.txt",
    }
    sums = dict(line.split("  ")[::-1] for line in (out / "MANIFEST.sha256").read_text().splitlines())
    assert sums == {name: hashlib.sha256((out / name).read_bytes()).hexdigest() for name in files - {"MANIFEST.sha256"}}
    assert subprocess.run(["sha256sum", "-c", "--quiet", "MANIFEST.sha256"], cwd=out, check=False).returncode == 0
    readme = (out / "README.md").read_text()
    assert "PARTIAL" not in readme
    assert "* Vault: `OpenBao 2.7.1`" in readme


def test_a_file_that_was_changed_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, out: Path) -> None:
    made(monkeypatch, tmp_path, Commands())
    (out / "verify.json").write_text("{}")
    checked = subprocess.run(["sha256sum", "-c", "MANIFEST.sha256"], cwd=out, capture_output=True, check=False)
    assert checked.returncode == 1


def test_what_was_not_asked_for_makes_it_partial(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, out: Path) -> None:
    assert made(monkeypatch, tmp_path, Commands()) == 4
    readme = (out / "README.md").read_text()
    assert readme.splitlines()[2].startswith("**PARTIAL**")
    assert "no proof" in readme
    assert "no trace" in readme
    assert "no look at Kubernetes" in readme
    assert "NIST AU-10, what was done is bound to who did it: nothing in this bundle." in readme


@pytest.mark.parametrize(
    ("codes", "code"),
    [
        ({"report": 12}, 3),
        ({"verify": 3}, 3),
        ({"verify": 4}, 4),
        ({"trace": 5}, 5),
        ({"prove": 3, "verify": 2}, 5),
        ({"verify": 2}, 4),
    ],
)
def test_it_ends_as_the_worst_of_its_parts(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, codes: dict[str, int], code: int
) -> None:
    assert made(monkeypatch, tmp_path, Commands(**codes), *WHOLE) == code


def test_a_command_without_an_answer_leaves_no_file_and_its_message(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, out: Path
) -> None:
    made(monkeypatch, tmp_path, Commands(verify=2), *WHOLE)
    assert not (out / "verify.json").exists()
    readme = (out / "README.md").read_text()
    assert "verify.json: NOT MADE: vault: no answer (got nothing). Fix: start it" in readme
    assert "| NOT MADE | nothing |" in readme


def test_a_folder_that_is_there_is_not_touched(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out.mkdir()
    commands = Commands()
    assert made(monkeypatch, tmp_path, commands) == 2
    assert commands.asked == []
    assert "is there already" in capsys.readouterr().err
    assert list(out.iterdir()) == []


def test_a_bundle_that_was_interrupted_is_not_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, out: Path) -> None:
    def interrupted(arguments: Sequence[str]) -> int:
        raise KeyboardInterrupt(arguments)

    with pytest.raises(KeyboardInterrupt):
        made(monkeypatch, tmp_path, interrupted)  # type: ignore[arg-type]  # raises, so its type does not matter
    assert [path.name for path in tmp_path.iterdir()] == ["Pulumi.prod.yaml"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--postgres-log", "db.csv"), "of which period"),
        (("--since", "2026-11-01"), "nothing to trace"),
        (("--audit-log", "audit.json"), "nothing to trace"),
    ],
)
def test_half_a_trace_is_refused(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    out: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    said: str,
) -> None:
    assert made(monkeypatch, tmp_path, Commands(), *arguments) == 2
    assert said in capsys.readouterr().err
    assert not out.exists()


def test_every_command_that_it_asks_is_one_that_the_command_line_takes() -> None:
    parser = cli._parser()
    for piece in pieces(Wanted("stack.yaml", ("--login", "audit", "--kubernetes"), ("--token", "ci/a=b"), LOGS)):
        parser.parse_args(piece.arguments)


def test_every_control_is_supported_by_something() -> None:
    wanted = Wanted("stack.yaml", (), (), ())
    assert {control for piece in pieces(wanted) for control in piece.controls} == set(Control)


def test_the_rules_of_a_bundle_are_the_rules(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    [rules] = [piece for piece in pieces(Wanted("x")) if piece.file == "rules.json"]
    assert cli.main(rules.arguments) == 0
    assert json.loads(capsys.readouterr().out)
