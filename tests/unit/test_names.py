"""What a name may look like, and that the limits follow from what is put together from it."""

from __future__ import annotations

import re
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from runlease.config import names
from runlease.config.names import DNS_LABEL, LEASE_BYTES, LONGEST_KEY, POSTGRES_BYTES
from runlease.provision.broker import LOGIN_PATTERN

KINDS: dict[str, Any] = {
    kind: TypeAdapter(getattr(names, kind))
    for kind in (
        "PostgresName", "RoleName", "SchemaName", "Host", "DatabaseKey", "VaultName", "LeaseName", "Label", "Audience",
        "TableName",
    )
}  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("PostgresName", "shop"),
        ("PostgresName", "_shop-2"),
        ("PostgresName", "uuid-ossp"),
        ("PostgresName", "a" * POSTGRES_BYTES),
        ("RoleName", "shop_owner"),
        ("RoleName", "public_api"),
        ("RoleName", "nonempty"),
        ("SchemaName", "public"),
        ("SchemaName", "runlease_app"),
        ("Host", "db.internal"),
        ("Host", "10.0.0.1"),
        ("Host", "localhost"),
        ("Host", "Shop-DB.eu-west-1.rds.amazonaws.com"),
        ("DatabaseKey", "shop_2"),
        ("VaultName", "shop-prod"),
        ("VaultName", "s"),
        ("LeaseName", "a" * LEASE_BYTES),
        ("Label", "ci"),
        ("Label", "1"),
        ("Label", "a" * DNS_LABEL),
        ("Audience", "runlease/shop-prod"),
        ("Audience", "https://vault.internal:8200"),
        ("TableName", "app.orders"),
        ("TableName", f"{'s' * 63}.{'t' * 63}"),
    ],
)
def test_a_usable_name_is_kept_as_it_is_written(kind: str, name: str) -> None:
    assert KINDS[kind].validate_python(name) == name


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("PostgresName", "2shop"),
        ("PostgresName", "-shop"),
        ("PostgresName", "a" * (POSTGRES_BYTES + 1)),
        ("RoleName", "public"),
        ("RoleName", "none"),
        ("RoleName", "pg_signal_backend"),
        ("SchemaName", "pg_catalog"),
        ("SchemaName", "pg_temp"),
        ("SchemaName", "information_schema"),
        ("SchemaName", "runlease"),
        ("Host", "db?sslmode=disable"),
        ("Host", "db/other"),
        ("Host", "db:5432"),
        ("Host", "user@db"),
        ("Host", "db,other"),
        ("Host", "/run/postgresql"),
        ("Host", "::1"),
        ("DatabaseKey", "shop-2"),
        ("DatabaseKey", "_shop"),
        ("VaultName", "shop-"),
        ("VaultName", "shop_prod"),
        ("VaultName", "shop.prod"),
        ("VaultName", "2shop"),
        ("LeaseName", "a" * (LEASE_BYTES + 1)),
        ("LeaseName", "shop/migrator"),
        ("Label", "ci_"),
        ("Label", "-ci"),
        ("Label", "ci*"),
        ("Audience", "*"),
        ("Audience", "/vault"),
        ("Audience", "vault internal"),
        ("TableName", "orders"),
        ("TableName", "a.b.c"),
        ("TableName", "App.orders"),
        ("TableName", f"app.{'t' * 64}"),
        ("TableName", f"{'s' * 64}.orders"),
    ],
)
def test_a_name_that_is_not_usable_is_refused_with_what_is_expected(kind: str, name: str) -> None:
    with pytest.raises(ValidationError, match=r"got .*expected .*Fix: "):
        KINDS[kind].validate_python(name)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "name", ["", "\n", "shop\n", "a b", "a\0b", 'a"b', "a'b", "a;b", "a$b", "a%b", "a{b}", "é", "🐘"]
)
def test_nothing_that_needs_quoting_is_usable_anywhere(kind: str, name: str) -> None:
    with pytest.raises(ValidationError):
        KINDS[kind].validate_python(name)


def test_the_longest_role_of_the_longest_key_is_not_cut() -> None:
    assert len(f"runlease_{'k' * LONGEST_KEY}_vault_migrator") == POSTGRES_BYTES


def test_the_login_of_the_longest_lease_is_not_cut_and_is_one_that_the_broker_accepts() -> None:
    login = f"run_{'l' * LEASE_BYTES}_{'x' * 20}"
    assert len(login) == POSTGRES_BYTES
    assert re.search(LOGIN_PATTERN, login)
