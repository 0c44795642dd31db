"""Whatever a state or a preview holds, no command prints a secret of it: every output in every format is searched."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from runlease.cli import main
from runlease.commands.access import FORMATS
from tests.unit.resources import PREVIEWS, SECRET, revealed

CIPHERTEXT = "v1:AAAA"
STATES = sorted(PREVIEWS.glob("state*.json"))
PLANS = sorted(path for path in PREVIEWS.iterdir() if path not in STATES)
NAMED = pytest.mark.parametrize("plan", PLANS, ids=lambda one: one.name)


def _documents(path: Path) -> list[Any]:
    lines = path.read_text().splitlines() if path.suffix == ".jsonl" else [path.read_text()]
    return [json.loads(line) for line in lines]


def _planted(path: Path, folder: Path) -> Path:
    """The file with its secrets revealed, and one more in each place of a resource that a person could misuse."""
    planted = folder / path.name
    planted.write_text("\n".join(json.dumps(_misused(revealed(one))) for one in _documents(path)))
    return planted


def _misused(value: Any) -> Any:
    """What `--show-secrets` shows; a password in a URL, a statement or any text. Keys and names stay as they are."""
    if isinstance(value, list):
        return [_misused(one) for one in value]
    if not isinstance(value, dict):
        return SECRET if value == "[secret]" else value
    found = {key: _misused(one) for key, one in value.items()}
    if isinstance(found.get("connectionUrl"), str):
        found["connectionUrl"] = found["connectionUrl"].replace("://", f"://root:{SECRET}@", 1)
    if isinstance(found.get("creationStatements"), list):
        found["creationStatements"] = [*found["creationStatements"], f"ALTER ROLE vault PASSWORD '{SECRET}'"]
    if isinstance(found.get("inputs"), dict):
        found["inputs"]["password"] = SECRET
    for key in ("token", "kubeconfig", "script", "description"):
        if isinstance(found.get(key), str):
            found[key] = f"{found[key]} {SECRET}"
    return found


def _told(capsys: pytest.CaptureFixture[str], *arguments: object) -> Iterator[str]:
    """What a command prints, and what it writes, in every format."""
    for form in FORMATS:
        main([*map(str, arguments), "--format", form])
        printed = capsys.readouterr()
        yield printed.out + printed.err


def test_the_search_has_something_to_find(tmp_path: Path) -> None:
    found = [path for path in [*STATES, *PLANS] if SECRET in _planted(path, tmp_path).read_text()]
    assert {path.name for path in (*STATES, *PLANS)} - {path.name for path in found} == {"failed.json", "hidden.json"}


@pytest.mark.parametrize("state", STATES, ids=lambda one: one.name)
def test_a_report_of_a_state_prints_none(state: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for source in (state, _planted(state, tmp_path)):
        for told in _told(capsys, "report", "--state", source):
            assert "shop" in told
            assert SECRET not in told
            assert CIPHERTEXT not in told


@NAMED
def test_a_difference_of_a_preview_prints_none(plan: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    state = _planted(PREVIEWS / "state.json", tmp_path)
    for source in (plan, _planted(plan, tmp_path)):
        for told in _told(capsys, "diff", "--preview", source, "--state", state):
            assert told
            assert SECRET not in told
            assert CIPHERTEXT not in told


@NAMED
def test_a_message_about_a_broken_file_prints_none(
    plan: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = _planted(plan, tmp_path).read_text()
    ends = [match.end() for match in re.finditer(SECRET, text[:-1])]
    for cut in {*ends[:2], *ends[-2:], len(text) - 1}:
        broken = tmp_path / "broken.json"
        broken.write_text(text[:cut])
        assert main(["diff", "--preview", str(broken)]) == 2
        printed = capsys.readouterr()
        assert "Fix: " in printed.err
        assert SECRET not in printed.out + printed.err
