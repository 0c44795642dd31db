"""Roles, memberships and grants: one resource for each fact, one after the other, and nothing for PUBLIC."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.components.monitor import Program, Registered

With = Callable[[Callable[[dict[str, Any]], object]], Program]
GRANTS = ("Grant", "GrantRole", "DefaultPrivileges")


def of_database(program: Program, key: str, *kinds: str) -> list[Registered]:
    found = [one for one in program.custom if one.name.startswith(f"shop-prod-{key}-") and one.kind in kinds]
    return sorted(found, key=lambda one: one.order)


def roles(program: Program, key: str) -> dict[str, dict[str, Any]]:
    return {role.inputs["name"]: role.inputs for role in of_database(program, key, "Role")}


def shop(**values: Any) -> Callable[[dict[str, Any]], object]:
    return lambda settings: settings["databases"]["shop"].update(values)


def test_the_roles_of_a_database_carry_its_key(rich: Program) -> None:
    assert set(roles(rich, "shop")) == {
        "runlease_shop_broker",
        "runlease_shop_deployer",
        "runlease_shop_login",
        "runlease_shop_vault",
        "runlease_shop_vault_migrator",
        *(f"shop_{profile}" for profile in ("reader", "seeder", "migrator", "verifier", "sandbox")),
    }


def test_only_the_deployer_and_vault_log_in(rich: Program) -> None:
    assert {name for name, role in roles(rich, "shop").items() if role.get("login")} == {
        "runlease_shop_deployer",
        "runlease_shop_vault",
        "runlease_shop_vault_migrator",
    }


def test_only_the_broker_makes_roles_and_nobody_is_a_superuser(rich: Program) -> None:
    for key in ("shop", "store"):
        assert [name for name, role in roles(rich, key).items() if role.get("createRole")] == [f"runlease_{key}_broker"]
        for name, role in roles(rich, key).items():
            assert not [flag for flag in ("superuser", "createDatabase", "replication", "bypassRowLevelSecurity")
                        if role.get(flag)], name  # fmt: skip


@pytest.mark.parametrize("login", ["runlease_shop_vault", "runlease_shop_vault_migrator"])
def test_vaults_login_has_no_membership(rich: Program, login: str) -> None:
    role = roles(rich, "shop")[login]
    assert not role.get("roles")
    assert role["inherit"] is False
    assert not [one for one in rich.of("GrantRole") if one.inputs["role"] == login]


def test_only_the_deployer_becomes_the_broker(rich: Program) -> None:
    assert {
        name: role["roles"]
        for name, role in roles(rich, "shop").items()
        if "runlease_shop_broker" in role.get("roles", [])
    } == {"runlease_shop_deployer": ["runlease_shop_broker"]}
    assert roles(rich, "shop")["runlease_shop_deployer"]["assumeRole"] == "runlease_shop_broker"
    assert not [one for one in rich.of("GrantRole") if one.inputs["grantRole"] == "runlease_shop_broker"]


def test_only_the_migrator_leads_to_the_owner_and_inherits_nothing_of_it(rich: Program) -> None:
    led = {name: role for name, role in roles(rich, "shop").items() if "shop_owner" in role.get("roles", [])}
    assert list(led) == ["shop_migrator"]
    assert led["shop_migrator"]["inherit"] is False


def test_memberships_of_our_roles_stand_in_the_roles_themselves(rich: Program) -> None:
    """An update of a role takes away every membership that is not in its own list."""
    ours = {role.inputs["name"] for role in rich.of("Role")}
    granted = [one for one in rich.of("GrantRole") if one.inputs["role"] in ours]
    assert {(one.inputs["role"], one.inputs["grantRole"], one.inputs["withAdminOption"]) for one in granted} == {
        ("runlease_shop_broker", "shop_migrator", True),
        ("runlease_store_broker", "store_migrator", True),
    }


def test_members_are_added_without_admin(rich: Program) -> None:
    members = [one.inputs for one in rich.of("GrantRole") if "member" in one.name]
    assert {(one["role"], one["grantRole"]) for one in members} == {
        ("bi_tool", "shop_reader"),
        ("ana", "shop_reader"),
        ("ana", "shop_migrator"),
    }
    assert not [one for one in members if one.get("withAdminOption")]


def _key(resource: Registered) -> tuple[Any, ...]:
    inputs = resource.inputs
    where = inputs["database"], inputs.get("schema"), inputs["objectType"], tuple(sorted(inputs.get("objects", ())))
    return resource.kind, resource.provider.split("-")[-2], inputs["role"], inputs.get("owner"), *where


def test_no_two_grants_share_what_each_revokes_first(rich: Program) -> None:
    keys = [_key(one) for kind in ("Grant", "DefaultPrivileges") for one in rich.of(kind)]
    assert len(keys) > 50
    assert len(set(keys)) == len(keys)


def test_no_grant_on_named_objects_stands_beside_one_on_all(rich: Program) -> None:
    """A grant on all objects of a schema takes from a role what one on a few gave it, and the other way round."""
    scopes: dict[tuple[Any, ...], set[bool]] = {}
    for grant in rich.of("Grant"):
        key = _key(grant)[:-1]
        scopes.setdefault(key, set()).add(bool(grant.inputs.get("objects")))
    assert not [key for key, kinds in scopes.items() if len(kinds) > 1]


@pytest.mark.parametrize("key", ["shop", "store"])
def test_grants_of_one_database_wait_for_one_another(rich: Program, key: str) -> None:
    links = of_database(rich, key, *GRANTS)
    assert len(links) > 20
    position = {link.urn: sum(other.urn in rich.waits_for(link) for other in links) for link in links}
    assert sorted(position.values()) == list(range(len(links)))


def test_databases_do_not_wait_for_one_another(rich: Program) -> None:
    for link in of_database(rich, "store", *GRANTS):
        assert not [urn for urn in rich.waits_for(link) if "::shop-prod-shop-" in urn]


def test_logins_keep_connect_before_public_loses_it(rich: Program) -> None:
    revoked = rich.named("shop-prod-shop-public-database")
    waits = rich.waits_for(revoked)
    on_database = [one for one in of_database(rich, "shop", "Grant") if one.inputs["objectType"] == "database"]
    kept = [one.urn for one in on_database if one.inputs["privileges"] and one.inputs["database"] == "shop"]
    assert {rich.named(f"shop-prod-shop-connect-{role}").urn for role in ("shop_app", "shop_jobs")} <= set(kept)
    assert set(kept) <= waits


def test_public_gets_nothing(rich: Program) -> None:
    public = [one for kind in ("Grant", "DefaultPrivileges") for one in rich.of(kind) if one.inputs["role"] == "public"]
    assert public
    assert not [str(one) for one in public if one.inputs["privileges"]]


def test_every_other_grant_gives_something(rich: Program) -> None:
    given = [one for one in rich.of("Grant") if one.inputs["role"] != "public"]
    assert not [str(one) for one in given if not one.inputs["privileges"]]


def test_no_dangerous_privilege_and_no_grant_option_is_given(rich: Program) -> None:
    for kind in ("Grant", "DefaultPrivileges"):
        for one in rich.of(kind):
            assert not {"ALL", "TRIGGER", "REFERENCES", "TRUNCATE", "MAINTAIN"} & set(one.inputs["privileges"]), one
            assert not one.inputs.get("withGrantOption"), one


def test_only_the_broker_creates_in_the_database(rich: Program) -> None:
    creating = {
        one.inputs["role"] for one in rich.of("Grant") if {"CREATE", "TEMPORARY"} & set(one.inputs["privileges"])
    }
    assert creating == {"runlease_shop_broker", "runlease_store_broker"}


def revoked(program: Program, key: str) -> set[str]:
    links = of_database(program, key, "Grant", "DefaultPrivileges")
    return {one.name.removeprefix(f"shop-prod-{key}-") for one in links if one.inputs["role"] == "public"}


BROKERS_OWN = {"public-broker-schema", "public-broker-functions"}


def test_a_self_managed_server_loses_large_objects_and_closes_databases(rich: Program) -> None:
    assert revoked(rich, "shop") == BROKERS_OWN | {
        "public-database",
        "public-schema",
        "public-functions",
        "public-lo_creat",
        "public-lo_create",
        "public-lo_from_bytea",
        "public-close-postgres",
        "public-close-legacy",
    }
    assert rich.named("shop-prod-shop-public-close-legacy").inputs["database"] == "legacy"


def test_a_managed_server_is_asked_for_nothing_that_its_admin_cannot_do(rich: Program) -> None:
    assert revoked(rich, "store") == BROKERS_OWN | {"public-database", "public-schema", "public-functions"}
    assert roles(rich, "store")["runlease_store_broker"].get("roles", []) == []
    providers = [one for one in rich.resources.values() if one.type == "pulumi:providers:postgresql"]
    superuser = {one.name: str(one.inputs["superuser"]).lower() for one in providers}
    assert superuser == {
        "shop-admin": "true",
        "store-admin": "false",
        "shop-prod-shop-deployer": "false",
        "shop-prod-store-deployer": "false",
    }


def test_a_self_managed_broker_ends_sessions_of_others(rich: Program) -> None:
    assert roles(rich, "shop")["runlease_shop_broker"]["roles"] == ["pg_signal_backend"]


def test_public_that_is_kept_loses_nothing_of_a_users(with_: With) -> None:
    kept = with_(shop(public="keep"))
    assert revoked(kept, "shop") == BROKERS_OWN


def test_nobody_loses_connect_when_public_is_to_keep_it_again(with_: With) -> None:
    kept = with_(shop(public="keep"))
    connect = {one.name for one in kept.resources.values() if "-connect-" in one.name}
    assert connect == {"shop-prod-shop-connect-shop_app", "shop-prod-shop-connect-shop_jobs"}


def test_a_created_database_loses_public_without_being_told(rich: Program) -> None:
    assert "public-database" in revoked(rich, "store")


def test_a_created_database_is_the_admins_and_its_schemas_are_the_owners(rich: Program) -> None:
    assert rich.named("shop-prod-store-database").inputs["owner"] == "dba"
    assert rich.named("shop-prod-store-schema-app").inputs["owner"] == "store_owner"
    owner = rich.named("shop-prod-store-owner").inputs
    assert (owner["login"], owner["inherit"]) == (False, False)


def test_a_narrowed_seeder_holds_the_named_tables_alone(rich: Program) -> None:
    seeder = [one.inputs for kind in ("Grant", "DefaultPrivileges") for one in rich.of(kind)
              if one.inputs["role"] == "shop_seeder" and one.inputs["objectType"] == "table"]  # fmt: skip
    assert [(one["schema"], sorted(one["objects"])) for one in seeder] == [("app", ["items", "orders"])]


@pytest.mark.parametrize("key", ["shop", "store"])
def test_the_brokers_functions_are_made_after_every_role_that_they_hand_out(rich: Program, key: str) -> None:
    handed_out = {
        one.urn for one in of_database(rich, key, "Role") if "-role-" in one.name or one.name.endswith("-login")
    }
    functions = of_database(rich, key, "Function")
    assert len(functions) == 4
    for function in functions:
        assert handed_out <= rich.waits_for(function)
        assert function.inputs["securityDefiner"] is True
        assert function.inputs["strict"] is True
        assert {argument["type"] for argument in function.inputs.get("args", ())} <= {"text"}


def test_the_functions_are_closed_to_public_before_vault_may_call_them(rich: Program) -> None:
    closed = rich.named("shop-prod-shop-public-broker-functions")
    for tier in ("data", "migrator"):
        may = rich.named(f"shop-prod-shop-grant-vault-{tier}-functions")
        assert sorted(may.inputs["objects"]) == ["create_login", "drop_login", "reap", "renew_login"]
        assert closed.urn in rich.waits_for(may)
    assert {one.urn for one in of_database(rich, "shop", "Function")} <= rich.waits_for(closed)


def test_a_database_whose_leases_are_removed_keeps_what_revokes_the_live_ones(with_: With) -> None:
    def edit(settings: dict[str, Any]) -> None:
        settings["leases"] = {name: one for name, one in settings["leases"].items() if one["database"] == "store"}
        del settings["pipelines"]["shop-release"]

    logins = {name for name in roles(with_(edit), "shop") if "vault" in name}
    assert logins == {"runlease_shop_vault", "runlease_shop_vault_migrator"}
