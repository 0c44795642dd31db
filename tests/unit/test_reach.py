"""What an identity can reach, link by link."""

from __future__ import annotations

import dataclasses

import pytest

from runlease.access import Access, Binding, Duration, Grant, Identity, Lease, OnDatabase, Privilege, ProfileName, Role
from runlease.access import reach as reach_of

MIGRATE = Identity("ci", "shop-release-migrate", "https://oidc.internal", "runlease/shop-prod")
VERIFY = Identity("ci", "shop-release-verify", "https://oidc.internal", "runlease/shop-prod")
CONNECT = Grant((Privilege.CONNECT,), OnDatabase("shop"), "shop_migrator")
MIGRATOR = Role("shop_migrator", "shop", ProfileName.MIGRATOR, (CONNECT,), runs_as="shop_owner")
READER = Role("shop_reader", "shop", ProfileName.READER, (), members=("bi_tool",))


def lease(name: str, role: Role) -> Lease:
    return Lease(name, "shop", role.profile, role.name, Duration(60), Duration(60))


ACCESS = Access(
    "shop-prod",
    roles=(MIGRATOR, READER),
    leases=(lease("shop-migrator", MIGRATOR), lease("shop-reader", READER), lease("unused", READER)),
    bindings=(
        Binding(MIGRATE, "shop-reader", "shop-release", "migrate"),
        Binding(MIGRATE, "shop-migrator", "shop-release", "migrate"),
        Binding(VERIFY, "shop-reader", "shop-release", "verify"),
    ),
)


def test_every_chain_of_an_identity_is_found_in_the_order_of_declaration() -> None:
    assert [str(reached) for reached in reach_of(ACCESS, MIGRATE)] == [
        "ci/shop-release-migrate → shop-reader → shop_reader",
        "ci/shop-release-migrate → shop-migrator → shop_migrator → shop_owner",
    ]


def test_a_chain_ends_in_the_grants_of_its_role() -> None:
    assert reach_of(ACCESS, MIGRATE)[1].grants == (CONNECT,)


def test_an_identity_reaches_its_own_leases_only() -> None:
    assert [reached.lease.name for reached in reach_of(ACCESS, VERIFY)] == ["shop-reader"]


@pytest.mark.parametrize("link", ["namespace", "service_account", "issuer", "audience"])
def test_an_identity_that_differs_in_one_part_reaches_nothing(link: str) -> None:
    stranger = dataclasses.replace(MIGRATE, **{link: f"{getattr(MIGRATE, link)}x"})
    assert reach_of(ACCESS, stranger) == ()


def test_nothing_is_reached_where_nothing_is_declared() -> None:
    assert reach_of(Access("shop-prod"), MIGRATE) == ()


def test_a_chain_that_ends_in_something_unknown_is_none() -> None:
    assert reach_of(dataclasses.replace(ACCESS, leases=()), MIGRATE) == ()
    assert reach_of(dataclasses.replace(ACCESS, roles=()), MIGRATE) == ()


def test_roles_of_one_name_in_two_databases_are_two() -> None:
    elsewhere = dataclasses.replace(MIGRATOR, database="billing", runs_as="billing_owner")
    access = dataclasses.replace(ACCESS, roles=(*ACCESS.roles, elsewhere))
    assert reach_of(access, MIGRATE) == reach_of(ACCESS, MIGRATE)
