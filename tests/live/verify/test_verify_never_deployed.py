"""A stack that was never deployed, or a database that is not there: said in plain words, and nothing fails."""

from __future__ import annotations

import json

import pytest
import yaml

from runlease.cli import main
from tests.live.checked_stack import Stack


def verified(stack: Stack, capsys: pytest.CaptureFixture[str]) -> dict[str, list[dict[str, str]]]:
    path = stack.folder / "Pulumi.test.yaml"
    path.write_text(yaml.safe_dump({"config": {"runlease:access": stack.settings}}))
    stack.code = main(["verify", str(path), "--format", "json"])
    told: dict[str, list[dict[str, str]]] = json.loads(capsys.readouterr().out)
    return told


def test_a_stack_that_was_never_deployed_is_missing(stack: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    told = verified(stack, capsys)
    found = {(one["id"], one["where"]) for one in told["findings"]}
    assert told["partial"] == []
    assert stack.code == 3
    for name in ("role {key} {key}_reader", "role {key} {key}_migrator", "lease reader", "binding ci release-read"):
        assert any(
            id == "LV002" and where.startswith("access: " + name.replace("{key}", stack.key)) for id, where in found
        ), name
    for name in ("reap", "create_login", "drop_login", "renew_login"):
        assert ("LV401", f"{stack.key}: database {stack.key}: {name}") in found
    for part in ("broker", "deployer", "login", "vault", "vault_migrator"):
        assert ("LV204", f"{stack.key}: server: runlease_{stack.key}_{part}") in found


def test_a_database_that_is_not_there_is_not_tried(stack: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    stack.database["dbname"] = f"{stack.key}_absent"
    told = verified(stack, capsys)
    assert stack.code in (4, 5)
    assert any("does not exist" in str(reason) for reason in told["partial"])
