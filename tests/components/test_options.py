"""Options that decide what survives: providers, order of replacement, what a destroy keeps, and what is secret."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.components.monitor import Program, Registered, is_secret

REPLACED_IN_PLACE = {
    "Grant", "GrantRole", "DefaultPrivileges", "Mount", "AuthBackend", "SecretBackendConnection", "SecretBackendRole",
    "AuthBackendRole", "ServiceAccount", "ConfigMap", "Task", "Endpoint",
}  # fmt: skip


def postgres(program: Program) -> list[Registered]:
    return [one for one in program.custom if one.package == "postgresql"]


def test_every_resource_has_an_explicit_provider(rich: Program) -> None:
    assert len(rich.custom) > 100
    assert not [str(one) for one in rich.custom if not one.provider]


def test_a_provider_that_is_used_is_one_that_the_program_made(rich: Program) -> None:
    made = {one.name for one in rich.resources.values() if one.type.startswith("pulumi:providers:")}
    assert {one.provider for one in rich.custom} == made
    assert made == {
        "shop-admin",
        "store-admin",
        "shop-prod-shop-deployer",
        "shop-prod-store-deployer",
        "vault",
        "cluster",
    }


@pytest.mark.parametrize("database", ["shop", "store"])
def test_what_the_broker_owns_is_made_by_the_deployer_and_the_rest_by_the_admin(rich: Program, database: str) -> None:
    mine = [one for one in postgres(rich) if one.name.startswith(f"shop-prod-{database}-")]
    by_deployer = {one.name.removeprefix(f"shop-prod-{database}-") for one in mine if "deployer" in one.provider}
    assert {one.provider for one in mine} == {f"{database}-admin", f"shop-prod-{database}-deployer"}
    profiles = {"shop": ["reader", "seeder", "verifier", "sandbox"], "store": ["reader", "seeder"]}[database]
    members = {"shop": {"member-reader-bi_tool", "member-reader-ana", "member-migrator-ana"}, "store": set[str]()}
    assert by_deployer == {
        *(f"role-{profile}" for profile in profiles),
        "login",
        *(f"broker-{name}" for name in ("reap", "create_login", "drop_login", "renew_login")),
        "public-broker-schema",
        "public-broker-functions",
        *(f"grant-vault-{tier}-{what}" for tier in ("data", "migrator") for what in ("schema", "functions")),
        *members[database],
    }


def test_no_resource_of_one_database_goes_to_another(rich: Program) -> None:
    for resource in postgres(rich):
        other = "store" if resource.name.startswith("shop-prod-shop-") else "shop-admin"
        assert other not in resource.provider.removeprefix("shop-prod-"), resource


def test_a_replacement_deletes_first_where_deleting_last_would_take_the_new_one_away(rich: Program) -> None:
    kinds = {one.kind for one in rich.custom}
    assert kinds >= REPLACED_IN_PLACE
    careless = [
        str(one) for one in rich.custom if one.kind in REPLACED_IN_PLACE and not one.request.deleteBeforeReplace
    ]
    assert not careless


def test_connections_and_leases_go_with_their_mount(rich: Program) -> None:
    (mount,) = rich.of("Mount")
    under = [*rich.of("SecretBackendConnection"), *rich.of("SecretBackendRole"), *rich.of("Endpoint")]
    assert len(under) == 4 + 6 + 4
    assert {one.request.deletedWith for one in under} == {mount.urn}


def test_a_grant_that_cannot_or_must_not_be_taken_away_goes_with_its_role(rich: Program) -> None:
    """The broker's ADMIN while a login lives, and CONNECT of logins that would be locked out after a destroy."""
    mount = "shop-prod-engine-mount"
    gone = {one.name: one.request.deletedWith.split("::")[-1] for one in rich.custom if one.request.deletedWith}
    assert {name: role for name, role in gone.items() if role != mount} == {
        "shop-prod-shop-admin-migrator": "shop-prod-shop-role-migrator",
        "shop-prod-store-admin-migrator": "shop-prod-store-role-migrator",
        "shop-prod-shop-connect-shop_app": "shop-prod-shop-broker",
        "shop-prod-shop-connect-shop_jobs": "shop-prod-shop-broker",
    }


def test_a_destroy_keeps_what_is_a_users_and_nothing_of_ours(rich: Program) -> None:
    assert {one.name for one in rich.resources.values() if one.request.retainOnDelete} == {
        "shop-prod-shop-extension-citext",
        "shop-prod-shop-extension-uuid-ossp",
        "shop-prod-store-owner",
        "shop-prod-store-database",
        "shop-prod-store-schema-app",
    }


def test_an_adopted_database_is_not_made(rich: Program) -> None:
    assert [one.name for one in rich.of("Database")] == ["shop-prod-store-database"]
    assert not [
        one for one in rich.of("Schema") if one.inputs["database"] == "shop" and one.inputs["name"] != "runlease"
    ]
    assert not [one for one in rich.of("Role") if one.inputs["name"] == "shop_owner"]


def passwords(program: Program) -> Iterator[tuple[str, Any]]:
    for resource in program.resources.values():
        if resource.kind == "SecretBackendConnection":
            # An object that holds a secret is one as a whole.
            given = resource.given["postgresql"]
            yield str(resource), given if is_secret(given) else given["password"]
        elif resource.kind == "Stash":
            yield str(resource), resource.given["input"]
        elif resource.type == "pulumi:providers:vault":
            yield str(resource), resource.given["token"]
        elif resource.type == "pulumi:providers:kubernetes":
            yield str(resource), resource.given["kubeconfig"]
        elif "password" in resource.given:
            yield str(resource), resource.given["password"]


def test_every_password_is_a_secret(rich: Program) -> None:
    found = list(passwords(rich))
    # 3 logins of each database, their stashes, an admin and a deployer each, 4 connections, Vault's token, kubeconfig.
    assert len(found) == 6 + 6 + 4 + 4 + 2
    assert not [name for name, value in found if not is_secret(value)]


def test_every_login_has_a_password_and_nothing_else_has(rich: Program) -> None:
    for role in rich.of("Role"):
        assert ("password" in role.given) == bool(role.given.get("login")), role


def test_no_two_logins_share_a_password(rich: Program) -> None:
    values = [role.inputs["password"] for role in rich.of("Role") if "password" in role.given]
    assert len(set(values)) == len(values) == 6
    assert all(len(value) >= 43 for value in values)


@pytest.mark.parametrize("part", ["deployer", "vault-data", "vault-migrator"])
def test_a_first_password_is_kept_whatever_the_program_says_later(rich: Program, part: str) -> None:
    stash = rich.named(f"shop-prod-shop-{part}-first-password-1")
    assert list(stash.request.ignoreChanges) == ["input"]
    assert list(stash.request.additionalSecretOutputs) == ["output"]


def test_a_new_generation_is_a_new_password_and_another_rotation_of_vaults_logins_alone(
    rich: Program, with_: Any
) -> None:
    changed = with_(lambda settings: settings["databases"]["shop"].update(vault_login_generation=2))
    new = {urn.split("::")[-1] for urn in set(changed.resources) - set(rich.resources)}
    assert new == {
        "shop-prod-shop-vault-data-first-password-2",
        "shop-prod-shop-vault-migrator-first-password-2",
        "shop-prod-engine-rotate-shop-data-2",
        "shop-prod-engine-rotate-shop-migrator-2",
    }


def test_the_brokers_memberships_are_no_drift(rich: Program) -> None:
    ignoring = {one.name: list(one.request.ignoreChanges) for one in rich.custom if one.request.ignoreChanges}
    assert ignoring == {"shop-prod-shop-broker": ["roles"], "shop-prod-store-broker": ["roles"]}


@pytest.mark.parametrize("kind", ["Grant", "GrantRole", "DefaultPrivileges"])
def test_every_grant_is_retried_by_the_hook_of_its_database(rich: Program, kind: str) -> None:
    for resource in rich.of(kind):
        database = "shop" if resource.name.startswith("shop-prod-shop-") else "store"
        assert list(resource.request.hooks.on_error) == [f"runlease:retry-grant:shop-prod-{database}"], resource


def test_no_two_hooks_share_a_name(rich: Program) -> None:
    assert sorted(rich.hooks) == ["runlease:retry-grant:shop-prod-shop", "runlease:retry-grant:shop-prod-store"]


def test_no_resource_is_protected_or_imported_by_itself(rich: Program) -> None:
    assert not [str(one) for one in rich.resources.values() if one.request.protect or one.request.importId]
