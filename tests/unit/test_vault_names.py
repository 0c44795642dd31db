"""Names, policies and addresses in Vault."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from runlease.access import Identity
from runlease.config import DatabaseSettings
from runlease.provision.vault.names import (
    USERNAME_TEMPLATE,
    connection_url,
    creds_path,
    database_mount,
    jwt_mount,
    jwt_role,
    policy,
    policy_name,
)

IDENTITY = Identity("ci", "shop-release-migrate", "https://oidc.internal", "runlease/shop-prod")
PATHS = re.compile(r'path "([^"]+)" \{\n  capabilities = \[([^\]]*)\]\n(.*?)\}(?=\npath|$)', re.DOTALL)


def database(**settings: Any) -> DatabaseSettings:
    return DatabaseSettings.model_validate(
        {
            "server": "self_managed",
            "host": "db.internal",
            "dbname": "shop",
            "ca": "ca.pem",
            "public": "revoke",
            "owner": "shop_owner",
            "schemas": ["app"],
            "profiles": {"reader": {}},
            **settings,
        }
    )


def test_every_name_begins_with_the_installation() -> None:
    names = [
        database_mount("shop-prod"),
        jwt_mount("shop-prod"),
        jwt_role("shop-prod", IDENTITY),
        policy_name("shop-prod", "shop-migrator"),
        creds_path("shop-prod", "shop-migrator"),
    ]
    assert names == [
        "shop-prod-db",
        "shop-prod-jwt",
        "shop-prod.ci.shop-release-migrate",
        "shop-prod.shop-migrator",
        "shop-prod-db/creds/shop-migrator",
    ]


def test_two_installations_whose_names_run_together_share_no_name() -> None:
    assert policy_name("shop", "prod-reader") != policy_name("shop-prod", "reader")
    first, second = Identity("prod-ci", "a", "i", "x"), Identity("ci", "a", "i", "x")
    assert jwt_role("shop", first) != jwt_role("shop-prod", second)
    assert jwt_role("shop", Identity("a-b", "c", "i", "x")) != jwt_role("shop", Identity("a", "b-c", "i", "x"))


def test_a_login_carries_its_lease_and_no_claim_of_its_token() -> None:
    assert USERNAME_TEMPLATE == '{{ printf "run_%s_%s" .RoleName (random 20 | lowercase) }}'
    assert "DisplayName" not in USERNAME_TEMPLATE


def test_a_policy_names_five_paths_and_nothing_else() -> None:
    assert [(path, does) for path, does, _ in PATHS.findall(policy("shop-prod", "shop-migrator"))] == [
        ("shop-prod-db/creds/shop-migrator", '"read"'),
        ("sys/leases/revoke", '"update"'),
        ("sys/leases/renew", '"update"'),
        ("auth/token/renew-self", '"update"'),
        ("auth/token/revoke-self", '"update"'),
    ]


def test_no_path_of_a_policy_holds_a_wildcard() -> None:
    assert not [path for path, _, _ in PATHS.findall(policy("shop-prod", "shop-migrator")) if set(path) & set("*+")]


@pytest.mark.parametrize("path", ["sys/leases/revoke", "sys/leases/renew"])
def test_only_leases_under_its_own_path_are_renewed_and_revoked(path: str) -> None:
    rules = {found: rule for found, _, rule in PATHS.findall(policy("shop-prod", "shop-migrator"))}
    assert '"lease_id" = ["shop-prod-db/creds/shop-migrator/*"]' in rules[path]
    assert "allowed_parameters" in rules[path]


def test_a_lease_whose_name_begins_anothers_does_not_reach_it() -> None:
    assert '"shop-prod-db/creds/shop*' not in policy("shop-prod", "shop")
    assert '"shop-prod-db/creds/shop/*"' in policy("shop-prod", "shop")


def test_a_revocation_is_synchronous_or_refused() -> None:
    rules = {found: rule for found, _, rule in PATHS.findall(policy("shop-prod", "shop-migrator"))}
    assert '"sync" = ["true"]' in rules["sys/leases/revoke"]


@pytest.mark.parametrize(
    ("said", "host", "query"),
    [
        ({}, "db.internal:5432", {"sslmode": ["verify-full"]}),
        ({"vault_host": "db.vault", "port": 6432}, "db.vault:6432", {"sslmode": ["verify-full"]}),
        ({"sslmode": "verify-pinned-ca"}, "db.internal:5432", {"sslmode": ["verify-ca"]}),
        ({"unsafe_sslmode": "require"}, "db.internal:5432", {"sslmode": ["require"]}),
        (
            {"vault_ca": "/etc/ca & keys/db?.pem"},
            "db.internal:5432",
            {"sslmode": ["verify-full"], "sslrootcert": ["/etc/ca & keys/db?.pem"]},
        ),
        (
            {"vault_ca": "/ca.pem&sslmode=disable"},
            "db.internal:5432",
            {"sslmode": ["verify-full"], "sslrootcert": ["/ca.pem&sslmode=disable"]},
        ),
    ],
)
def test_vault_dials_the_database_over_tls(said: dict[str, Any], host: str, query: dict[str, list[str]]) -> None:
    url = urlsplit(connection_url(database(**said)))
    assert (url.scheme, url.path, url.fragment) == ("postgresql", "/shop", "")
    assert url.netloc.split("@")[1] == host
    assert parse_qs(url.query) == query


def test_no_password_stands_in_the_address() -> None:
    assert "{{username}}:{{password}}@" in connection_url(database())
