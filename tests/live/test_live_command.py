"""`runlease diff --live STACK_FILE` as it is typed: what it prints in every format, and what it exits with."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from runlease.access.rules import Severity
from runlease.cli import main
from runlease.commands.access import FORMATS
from tests.live.deployment import Deployment, settings_of
from tests.live.live_reader import reader_of
from tests.live.statements import worded

Command = Callable[..., tuple[int, str]]
"""Runs it with more arguments: exit code, and all that it printed."""


@pytest.fixture
def command(
    shop: Deployment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Command:
    stack_file = tmp_path / "Pulumi.shop.yaml"
    stack_file.write_text(yaml.safe_dump({"config": {"runlease:access": settings_of(shop, tmp_path)}}))
    for name, value in reader_of(shop, tmp_path).environment.items():
        monkeypatch.setenv(name, value)

    def run(*arguments: str) -> tuple[int, str]:
        code = main(["diff", "--live", str(stack_file), *arguments])
        printed = capsys.readouterr()
        return code, printed.out + printed.err

    return run


def test_what_is_as_declared_is_no_change(command: Command) -> None:
    code, told = command("--fail-on", "high")
    assert "no change of access" in told
    assert code == 0


def test_what_somebody_granted_by_hand_is_a_gain_in_every_format(command: Command, shop: Deployment) -> None:
    with shop.as_superuser() as session:
        session.execute("CREATE ROLE moonlighter LOGIN IN ROLE pg_write_all_data")
        session.execute(worded("GRANT SELECT ON app.items TO PUBLIC"))
        session.execute(worded("GRANT {owner} TO moonlighter", owner=shop.owner))
        try:
            answers = {form: command("--format", form) for form in FORMATS}
        finally:
            session.execute(worded("REVOKE SELECT ON app.items FROM PUBLIC"))
            session.execute("DROP ROLE moonlighter")
    assert {code for code, _ in answers.values()} == {Severity.CRITICAL.value}
    assert all("moonlighter" in told and "PUBLIC" in told for _, told in answers.values())
    names = {one["name"] for one in json.loads(answers["json"][1])["changes"]}
    assert {f"{shop.key} PUBLIC", f"{shop.key} {shop.owner}"} <= names
    for secret in (shop.postgres.password, shop.openbao.root_token):
        assert not any(secret in told for _, told in answers.values())


def test_a_server_that_is_not_there_is_one_clear_line(
    command: Command, shop: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"RUNLEASE_ADMIN_PASSWORD_{shop.key.upper()}", "wrong")
    code, told = command()
    assert code == 2
    assert "Fix: " in told
    assert "Traceback" not in told
