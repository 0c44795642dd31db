"""A stack's program: what it refuses before anything is registered, and what a preview can do without."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pulumi
import pulumi_postgresql as postgresql
import pytest
from pulumi.runtime import rpc

from runlease.config import ConfigError
from runlease.provision import DatabaseAccess
from runlease.provision.stack import deploy
from tests.components.monitor import UNKNOWN, Program, deployed, run, secrets_of

Settings = dict[str, Any]
With = Callable[[Callable[[Settings], object]], Program]


@pytest.fixture
def refused(folder: Path) -> Callable[..., list[str]]:
    """The messages of a stack that is refused, after it was seen that nothing at all was registered."""

    def messages(settings: Settings, secrets: dict[str, str], plain: dict[str, str], where: Path = folder) -> list[str]:
        found: list[str] = []

        def program() -> None:
            try:
                deploy(where)
            except ConfigError as error:
                found.extend(error.messages)

        registered = run(program, {"runlease:access": json.dumps(settings), **plain}, secrets, preview=False)
        assert found, "the stack was not refused"
        assert not registered.resources
        return found

    return messages


@pytest.mark.parametrize("key", ["runlease:admin-password-shop", "runlease:vault-token", "runlease:kubeconfig"])
def test_a_secret_in_plain_text_is_refused_before_any_resource(
    settings: Settings, refused: Callable[..., list[str]], key: str
) -> None:
    secrets = secrets_of(settings)
    plain = {key: secrets.pop(key)}
    (message,) = refused(settings, secrets, plain)
    assert message == f"{key}: a secret in plain text. Fix: pulumi config set --secret {key}"


def test_an_admins_password_that_is_missing_is_named(settings: Settings, refused: Callable[..., list[str]]) -> None:
    secrets = secrets_of(settings)
    del secrets["runlease:admin-password-store"]
    (message,) = refused(settings, secrets, {})
    assert message.startswith("runlease:admin-password-store: is missing. Fix: ")


def test_an_empty_passphrase_is_refused(
    settings: Settings, refused: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "")
    (message,) = refused(settings, secrets_of(settings), {})
    assert message.startswith("PULUMI_CONFIG_PASSPHRASE: is empty")
    assert "Fix: set a passphrase" in message


def test_no_passphrase_is_another_secrets_provider_and_fine(
    settings: Settings, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PULUMI_CONFIG_PASSPHRASE", raising=False)
    assert deployed(settings, folder).resources


def test_files_that_are_not_there_are_named_all_at_once(
    settings: Settings, refused: Callable[..., list[str]], tmp_path: Path
) -> None:
    found = refused(settings, secrets_of(settings), {}, tmp_path)
    assert [message.split(": ")[0] for message in found] == [
        "access.databases.shop.ca",
        "access.databases.store.ca",
        "access.vault.ca",
        "access.cluster.public_keys.0",
    ]


def test_settings_that_are_wrong_are_refused_before_any_resource(
    settings: Settings, refused: Callable[..., list[str]]
) -> None:
    settings["databases"]["shop"]["sslmode"] = "disable"
    settings["pipelines"]["shop-release"]["namespace"] = "*"
    assert len(refused(settings, secrets_of(settings), {})) == 2


def test_a_stack_without_a_token_and_a_kubeconfig_takes_the_environments(settings: Settings, folder: Path) -> None:
    secrets = {key: value for key, value in secrets_of(settings).items() if "admin-password" in key}
    program = run(lambda: deploy(folder), {"runlease:access": json.dumps(settings)}, secrets, preview=False)
    assert "token" not in program.named("vault").given
    assert "kubeconfig" not in program.named("cluster").given


def test_a_preview_registers_what_an_up_does(rich: Program, settings: Settings, folder: Path) -> None:
    assert set(deployed(settings, folder, preview=True).resources) == set(rich.resources)


def test_a_database_previews_while_the_path_of_its_ca_is_unknown(settings: Settings) -> None:
    def program() -> None:
        unknown: pulumi.Output[str] = pulumi.Output.from_input(rpc.UNKNOWN)
        admin = postgresql.Provider("admin", host="db.internal", password=pulumi.Output.secret("x"))
        leases = {name: one for name, one in settings["leases"].items() if one["database"] == "shop"}
        DatabaseAccess(
            "shop",
            {"key": "shop", "settings": settings["databases"]["shop"], "leases": leases, "ca_file": unknown},
            pulumi.ResourceOptions(providers=[admin]),
        )

    previewed = run(program, {}, {}, preview=True)
    deployer = next(one for one in previewed.resources.values() if one.type == "pulumi:providers:postgresql"
                    and one.name == "shop-deployer")  # fmt: skip
    assert deployer.given["sslrootcert"] == UNKNOWN
    assert len(previewed.of("Function")) == 4


def test_what_gives_public_back_after_a_destroy_is_printed(settings: Settings, folder: Path) -> None:
    printed: dict[str, Any] = {}

    def program() -> None:
        made = deploy(folder)
        for key, statement in made.give_public_back.items():
            statement.apply(lambda text, key=key: printed.update({key: text}))  # type: ignore[misc]  # bound in the loop

    run(program, {"runlease:access": json.dumps(settings)}, secrets_of(settings), preview=False)
    assert printed["shop"].splitlines() == [
        'GRANT CONNECT, TEMPORARY ON DATABASE "shop" TO PUBLIC;',
        'GRANT CONNECT, TEMPORARY ON DATABASE "postgres" TO PUBLIC;',
        'GRANT CONNECT, TEMPORARY ON DATABASE "legacy" TO PUBLIC;',
        "GRANT USAGE ON SCHEMA public TO PUBLIC;",
        'ALTER DEFAULT PRIVILEGES FOR ROLE "shop_owner" GRANT EXECUTE ON FUNCTIONS TO PUBLIC;',
        "GRANT EXECUTE ON FUNCTION pg_catalog.lo_creat TO PUBLIC;",
        "GRANT EXECUTE ON FUNCTION pg_catalog.lo_create TO PUBLIC;",
        "GRANT EXECUTE ON FUNCTION pg_catalog.lo_from_bytea TO PUBLIC;",
    ]
    assert "lo_creat" not in printed["store"]
    assert 'GRANT "store_owner" TO CURRENT_USER;' in printed["store"]
