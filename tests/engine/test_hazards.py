"""What must not happen by the way: a secret in plain text in the state, a provider that nobody chose."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from pulumi.automation import CommandError

from lab.stack import Servers
from tests.engine.deployment import Deployment, deployed

SECRET = "4dabf18193072939515e22adb298388d"
"""The key that marks a special value in a state (pulumi/pulumi sdk/proto, `SpecialSigKey`)."""


@pytest.fixture(scope="module")
def shop(servers18: Servers, lab_folder: Path) -> Iterator[Deployment]:
    with deployed(lab_folder, servers18, "kept") as deployment:
        yield deployment


def _secrets(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, str]]:
    """Where each secret of a revealed state stands, and its value."""
    if isinstance(value, dict) and SECRET in value:
        yield ".".join(path), str(json.loads(value["plaintext"]))
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _secrets(inner, (*path, key))
    elif isinstance(value, list):
        for inner in value:
            yield from _secrets(inner, path)


def _state_secrets(shop: Deployment) -> dict[tuple[str, str], str]:
    """Every secret of the state that is not empty, by the resource and the property it stands in."""
    return {
        (resource["urn"].split("::")[-1], path): value
        for resource in shop.state()
        for path, value in _secrets(resource)
        if value not in ("None", "", "{}")
    }


def test_the_state_has_the_secrets_that_its_documentation_lists(shop: Deployment) -> None:
    holders = {holder for holder, _ in _state_secrets(shop)}
    first = {f"kept-kept-{part}-first-password-1" for part in ("deployer", "vault-data", "vault-migrator")}
    logins = {"kept-kept-deployer", "kept-kept-vault-data", "kept-kept-vault-migrator"}
    connections = {"kept-engine-connection-kept-data", "kept-engine-connection-kept-migrator"}
    assert holders == {"kept-admin", "vault", "cluster"} | first | logins | connections


def test_no_secret_stands_in_plain_text_in_any_file_of_the_stack(shop: Deployment) -> None:
    values = set(_state_secrets(shop).values()) | set(shop.servers.secrets(shop.settings).values())
    files = [path for path in shop.stack.folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    assert [path for path in files if path.name.endswith("kept.json")]
    found = [(path.name, value[:4]) for path in files for value in values if value in path.read_text()]
    assert found == []


def test_a_replaced_stash_gives_the_deployer_another_password(shop: Deployment) -> None:
    old, where = _deployer_password(shop), "kept-kept-deployer-first-password-1"
    [stash] = [resource["urn"] for resource in shop.state() if resource["urn"].endswith(f"::{where}")]
    shop.servers.postgres.connect("kept", "runlease_kept_deployer", old).close()
    shop.stack.stack.up(replace=[stash], color="never")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        shop.servers.postgres.connect("kept", "runlease_kept_deployer", old)
    shop.servers.postgres.connect("kept", "runlease_kept_deployer", _deployer_password(shop)).close()


def _deployer_password(shop: Deployment) -> str:
    return _state_secrets(shop)["kept-kept-deployer-first-password-1", "outputs.output"]


def test_a_forgotten_provider_fails(shop: Deployment) -> None:
    program = shop.stack.folder / "stacks" / "__main__.py"
    right = program.read_text()
    program.write_text("import pulumi_postgresql\npulumi_postgresql.Role('anywhere', name='anywhere')\n")
    try:
        with pytest.raises(CommandError, match=r"[Dd]efault provider .*disabled"):
            shop.stack.stack.preview(color="never")
    finally:
        program.write_text(right)
