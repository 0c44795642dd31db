"""Settings that are right: what they become, and what holds when nothing is said."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from runlease.access import PROFILES, Duration, Identity, ProfileName, Public, Server, reach
from runlease.config import Settings, SslMode, identity_of, load, role_name, to_access

PROD: dict[str, Any] = {
    "installation": "shop-prod",
    "vault": {"address": "https://vault.internal:8200"},
    "cluster": {"issuer": "https://oidc.internal"},
    "databases": {
        "shop": {
            "server": "self_managed",
            "host": "db.internal",
            "dbname": "shop",
            "ca": "ca.pem",
            "public": "revoke",
            "owner": "shop_owner",
            "schemas": ["app"],
            "profiles": {
                "reader": {"members": ["bi_tool"]},
                "seeder": {"tables": ["app.orders"]},
                "migrator": {},
                "verifier": {},
                "sandbox": {},
            },
        }
    },
    "leases": {
        "shop-migrator": {"database": "shop", "profile": "migrator", "ttl": "15m", "max_ttl": "30m"},
        "shop-reader": {"database": "shop", "profile": "reader", "ttl": "5m", "max_ttl": "1h30m"},
    },
    "pipelines": {
        "shop-release": {"namespace": "ci", "tasks": {"migrate": "shop-migrator", "check": "shop-reader"}},
    },
}


def loaded(**sections: Any) -> Settings:
    return load({**deepcopy(PROD), **sections})


def database(**settings: Any) -> dict[str, Any]:
    return {"shop": {**PROD["databases"]["shop"], **settings}}


def test_defaults_are_the_secure_ones() -> None:
    settings = loaded()
    shop = settings.databases["shop"]
    assert shop.libpq_sslmode == "verify-full"
    assert shop.admin == "postgres"
    assert shop.create == ()
    assert shop.adopted
    assert shop.profiles[ProfileName.SANDBOX].connections == 4
    assert settings.cluster.token_expiry == Duration(600)
    assert settings.tasks == "create"


def test_the_audience_is_private_to_the_installation() -> None:
    assert loaded().audience == "runlease/shop-prod"


def test_an_audience_of_ones_own_is_kept() -> None:
    assert loaded(cluster={**PROD["cluster"], "audience": "vault.internal"}).audience == "vault.internal"


def test_the_mounts_maximum_is_the_longest_lease_unless_said() -> None:
    assert loaded().mount_maximum == Duration.parse("1h30m")
    assert loaded(vault={**PROD["vault"], "max_lease_ttl": "4h"}).mount_maximum == Duration.parse("4h")


@pytest.mark.parametrize(
    ("said", "libpq"),
    [
        ({}, "verify-full"),
        ({"sslmode": "verify-full"}, "verify-full"),
        ({"sslmode": "verify-pinned-ca"}, "verify-ca"),
        ({"unsafe_sslmode": "require"}, "require"),
        ({"sslmode": "verify-pinned-ca", "unsafe_sslmode": "require"}, "require"),
    ],
)
def test_a_weaker_check_of_the_certificate_is_only_had_by_its_own_name(said: dict[str, str], libpq: str) -> None:
    assert loaded(databases=database(**said)).databases["shop"].libpq_sslmode == libpq


def test_no_sslmode_by_its_libpq_name_is_weaker_than_verify_full() -> None:
    assert {str(mode) for mode in SslMode} == {"verify-full", "verify-pinned-ca"}


@pytest.mark.parametrize("jwks", ["discovery", "https://oidc.internal/keys"])
def test_keys_are_found_by_discovery_or_at_a_url(jwks: str) -> None:
    assert loaded(cluster={**PROD["cluster"], "jwks": jwks}).cluster.jwks == jwks


def test_keys_can_be_static() -> None:
    cluster = {**PROD["cluster"], "jwks": "static", "public_keys": ["issuer.pem"]}
    assert loaded(cluster=cluster).cluster.public_keys == ("issuer.pem",)


@pytest.mark.parametrize("public", ["keep", "revoke"])
def test_an_adopted_database_keeps_or_loses_what_public_has(public: str) -> None:
    assert to_access(loaded(databases=database(public=public))).databases[0].public is Public(public)


def test_a_created_database_is_revoked_without_being_told() -> None:
    shop = database(create=["database", "owner", "schemas"])
    del shop["shop"]["public"]
    assert to_access(loaded(databases=shop)).databases[0].public is Public.REVOKE


def test_settings_become_access() -> None:
    access = to_access(loaded())
    assert access.installation == "shop-prod"
    assert [str(database) for database in access.databases] == ["shop: shop, owned by shop_owner"]
    assert access.databases[0].server is Server.SELF_MANAGED
    offered = [one for one in PROFILES if one not in ("sweeper", "auditor")]
    assert [role.name for role in access.roles] == [role_name("shop", one) for one in offered]
    assert [role.runs_as for role in access.roles] == [None, None, "shop_owner", None, None]
    assert access.roles[0].members == ("bi_tool",)
    assert [str(lease) for lease in access.leases] == [
        "shop-migrator: shop_migrator for 15m, at most 30m",
        "shop-reader: shop_reader for 5m, at most 1h30m",
    ]
    assert [str(binding) for binding in access.bindings] == [
        "ci/shop-release-migrate may obtain shop-migrator",
        "ci/shop-release-check may obtain shop-reader",
    ]


def test_named_tables_are_all_that_a_seeder_gets() -> None:
    seeder = to_access(loaded()).roles[1]
    assert "SELECT, INSERT, UPDATE, DELETE ON TABLE app.orders TO shop_seeder" in map(str, seeder.grants)
    assert not any("TABLES" in str(grant) for grant in seeder.grants)


def test_each_task_is_an_identity_of_its_own() -> None:
    settings = loaded()
    migrate = identity_of(settings, "shop-release", "migrate")
    assert migrate == Identity("ci", "shop-release-migrate", "https://oidc.internal", "runlease/shop-prod")
    assert [reached.role.name for reached in reach(to_access(settings), migrate)] == ["shop_migrator"]


def test_settings_without_databases_leases_and_pipelines_give_nobody_anything() -> None:
    access = to_access(load({name: PROD[name] for name in ("installation", "vault", "cluster")}))
    assert (access.databases, access.roles, access.leases, access.bindings) == ((), (), (), ())


def test_one_task_name_in_two_pipelines_and_one_account_in_two_namespaces_are_fine() -> None:
    tasks = {"migrate": "shop-migrator"}
    pipelines = {
        "a": {"namespace": "ci", "tasks": {"b-c": "shop-migrator"}},
        "a-b": {"namespace": "other", "tasks": {"c": "shop-migrator"}},
        "shop": {"namespace": "ci", "tasks": tasks},
        "store": {"namespace": "ci", "tasks": tasks},
    }
    accounts = [str(binding.identity) for binding in to_access(loaded(pipelines=pipelines)).bindings]
    assert accounts == ["ci/a-b-c", "other/a-b-c", "ci/shop-migrate", "ci/store-migrate"]


def test_two_databases_of_one_server_share_nothing() -> None:
    store = database(dbname="store", owner="store_owner")["shop"]
    names = [role.name for role in to_access(loaded(databases={**database(), "store": store})).roles]
    assert len(set(names)) == len(names) == 10


def test_reading_does_not_change_what_was_given() -> None:
    given = deepcopy(PROD)
    load(given)
    assert given == PROD


def test_settings_that_were_written_out_are_read_again() -> None:
    settings = loaded()
    assert load(settings.model_dump(mode="json", exclude_none=True)) == settings


def test_every_noun_says_which_setting_makes_it() -> None:
    access = to_access(loaded())
    nouns: list[Any] = [*access.databases, *access.roles, *access.leases, *access.bindings]
    nouns += [grant for role in access.roles for grant in role.grants] + [b.identity for b in access.bindings]
    sources = {noun.source for noun in nouns}
    assert {"access.databases.shop", "access.databases.shop.profiles.reader"} <= sources
    assert {"access.leases.shop-migrator", "access.pipelines.shop-release.tasks.migrate"} <= sources
    assert "" not in sources
