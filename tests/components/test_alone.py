"""A component that is used alone checks what `load` would have checked."""

from typing import Any

import pytest

from runlease.config import ConfigError, IdentitySettings, load_database, load_section

DATABASE: dict[str, Any] = {
    "server": "self_managed",
    "host": "db",
    "dbname": "shop",
    "ca": "ca.pem",
    "owner": "shop_owner",
    "public": "keep",
    "schemas": ["app"],
    "profiles": {"reader": {}},
}
IDENTITY = {
    "installation": "shop-prod",
    "namespace": "ci",
    "service_account": "shop-release-migrate",
    "issuer": "https://issuer",
    "audience": "runlease/shop-prod",
    "lease": "shop-migrator",
    "max_ttl": "30m",
}


def test_an_adopted_database_without_public_is_refused() -> None:
    settings = {key: value for key, value in DATABASE.items() if key != "public"}

    with pytest.raises(ConfigError, match=r"public: what PUBLIC keeps must be said"):
        load_database("shop", settings, {})


def test_a_lease_of_a_profile_that_is_not_offered_is_refused() -> None:
    lease = {"database": "shop", "profile": "migrator", "ttl": "5m", "max_ttl": "10m"}

    with pytest.raises(ConfigError, match="not offered by shop"):
        load_database("shop", DATABASE, {"shop-migrator": lease})


def test_a_good_database_is_read() -> None:
    lease = {"database": "shop", "profile": "reader", "ttl": "5m", "max_ttl": "10m"}

    settings, leases = load_database("shop", DATABASE, {"shop-reader": lease})

    assert settings.owner == "shop_owner"
    assert list(leases) == ["shop-reader"]


@pytest.mark.parametrize(
    ("field", "value"),
    [("namespace", "*"), ("service_account", "shop-*"), ("audience", "*"), ("audience", "https://issuer")],
)
def test_an_identity_with_a_wildcard_or_the_api_servers_audience_is_refused(field: str, value: str) -> None:
    with pytest.raises(ConfigError, match=r"(no wildcard|API server's own)"):
        load_section(IdentitySettings, {**IDENTITY, field: value}, "identity")


def test_a_good_identity_is_read() -> None:
    assert load_section(IdentitySettings, IDENTITY, "identity").max_ttl.seconds == 1800
