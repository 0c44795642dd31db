"""How each noun reads: logs, reports and the README quote these spellings."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from runlease.access import (
    EVERY,
    PUBLIC,
    Access,
    Attribute,
    Binding,
    Database,
    Duration,
    Grant,
    Identity,
    Lease,
    ObjectKind,
    OnAll,
    OnDatabase,
    OnFuture,
    OnNamed,
    OnSchema,
    Privilege,
    ProfileName,
    Public,
    Role,
    Server,
    Target,
    every_privilege,
)

READ = Grant((Privilege.SELECT,), OnAll(ObjectKind.TABLE, "app"), "shop_reader")
ROLE = Role("shop_reader", "shop", ProfileName.READER, (READ,), members=("bi_tool",))
LEASE = Lease("shop-reader", "shop", ProfileName.READER, "shop_reader", Duration(900), Duration(1800))
IDENTITY = Identity("ci", "shop-release-migrate", "https://oidc.internal", "runlease/shop-prod")
BINDING = Binding(IDENTITY, "shop-reader", "shop-release", "migrate")
DATABASE = Database("shop", "shop_db", "shop_owner", ("app",), Server.SELF_MANAGED, Public.REVOKE)


@pytest.mark.parametrize(
    ("noun", "reads"),
    [
        (Privilege.SELECT, "SELECT"),
        (ObjectKind.SEQUENCE, "SEQUENCE"),
        (ProfileName.MIGRATOR, "migrator"),
        (Server.SELF_MANAGED, "self_managed"),
        (Public.REVOKE, "revoke"),
        (OnDatabase("shop"), "DATABASE shop"),
        (OnSchema("app"), "SCHEMA app"),
        (OnAll(ObjectKind.SEQUENCE, "app"), "ALL SEQUENCES IN SCHEMA app"),
        (OnNamed(ObjectKind.TABLE, "app", ("a", "b")), "TABLE app.a, app.b"),
        (OnFuture(ObjectKind.TABLE, "app", "shop_owner"), "FUTURE TABLES OF shop_owner IN SCHEMA app"),
        (READ, "SELECT ON ALL TABLES IN SCHEMA app TO shop_reader"),
        (
            Grant((Privilege.CONNECT, Privilege.TEMPORARY), OnDatabase("shop"), "bi"),
            "CONNECT, TEMPORARY ON DATABASE shop TO bi",
        ),
        (
            Grant((Privilege.TRUNCATE,), OnNamed(ObjectKind.TABLE, "app", ("a",)), PUBLIC, grantable=True),
            "TRUNCATE ON TABLE app.a TO PUBLIC WITH GRANT OPTION",
        ),
        (OnFuture(ObjectKind.TABLE, EVERY, "a"), "FUTURE TABLES OF a IN SCHEMA *"),
        (Attribute.BYPASSRLS, "BYPASSRLS"),
        (DATABASE, "shop: shop_db, owned by shop_owner"),
        (ROLE, "shop_reader"),
        (LEASE, "shop-reader: shop_reader for 15m, at most 30m"),
        (IDENTITY, "ci/shop-release-migrate"),
        (BINDING, "ci/shop-release-migrate may obtain shop-reader"),
    ],
)
def test_a_noun_reads_as_the_domain_spells_it(noun: object, reads: str) -> None:
    assert str(noun) == reads


def test_access_reads_as_the_report() -> None:
    access = Access("shop-prod", (DATABASE,), (ROLE,), (LEASE,), (BINDING,))
    assert str(access).splitlines() == [
        "installation shop-prod",
        "SELECT ON ALL TABLES IN SCHEMA app TO shop_reader",
        "bi_tool is a member of shop_reader",
        "shop-reader: shop_reader for 15m, at most 30m",
        "ci/shop-release-migrate may obtain shop-reader",
    ]


def test_an_identity_has_the_subject_that_kubernetes_signs() -> None:
    assert IDENTITY.subject == "system:serviceaccount:ci:shop-release-migrate"


def test_a_grant_on_no_object_cannot_be_made() -> None:
    with pytest.raises(ValueError, match=r"names no object.*Fix:"):
        OnNamed(ObjectKind.TABLE, "app", ())


@pytest.mark.parametrize("word", ["ALL", "ALL PRIVILEGES", "SET", "ALTER SYSTEM"])
def test_what_is_no_privilege_of_an_object_is_no_word_of_the_model(word: str) -> None:
    with pytest.raises(ValueError, match="is not a valid Privilege"):
        Privilege(word)


@pytest.mark.parametrize("noun", [OnDatabase("shop"), READ, ROLE, LEASE, IDENTITY, BINDING, DATABASE, Access("x")])
def test_a_noun_cannot_be_changed(noun: object) -> None:
    field = dataclasses.fields(noun)[0].name  # type: ignore[arg-type]  # every noun is a dataclass
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(noun, field, "other")


@pytest.mark.parametrize(
    ("target", "privileges"),
    [
        (OnDatabase("shop"), "CREATE, CONNECT, TEMPORARY"),
        (OnSchema("app"), "CREATE, USAGE"),
        (OnAll(ObjectKind.TABLE, "app"), "SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER"),
        (OnNamed(ObjectKind.SEQUENCE, "app", ("s",)), "SELECT, USAGE, UPDATE"),
        (OnFuture(ObjectKind.FUNCTION, "app", "shop_owner"), "EXECUTE"),
    ],
)
def test_all_is_what_every_version_of_postgresql_gives(target: Target, privileges: str) -> None:
    assert ", ".join(every_privilege(target)) == privileges


@pytest.mark.parametrize("noun", [READ, ROLE, LEASE, IDENTITY, BINDING, DATABASE])
def test_two_nouns_that_differ_in_their_source_alone_are_the_same(noun: Any) -> None:
    assert dataclasses.replace(noun, source="urn:pulumi:x") == noun
    assert hash(dataclasses.replace(noun, source="urn:pulumi:x")) == hash(noun)


def test_what_only_planned_and_live_access_know_is_not_in_the_report_of_declared_access() -> None:
    lease = dataclasses.replace(LEASE, mount="shop-prod-db", creation=("SELECT 1",), revocation=("SELECT 2",))
    assert str(lease) == str(LEASE)
    assert lease.creds_path == "shop-prod-db/creds/shop-reader"
