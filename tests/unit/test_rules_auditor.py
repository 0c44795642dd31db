"""An auditor breaks no rule, and what only looks like one does: by shape, never by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date

import pytest

from runlease.access import (
    Access,
    Grant,
    ObjectKind,
    OnDatabase,
    OnNamed,
    OnSchema,
    PathRule,
    Policy,
    Privilege,
    ProfileName,
    Role,
    Server,
)
from runlease.access.profiles import grants_of
from runlease.access.rules import Bounds, findings
from runlease.provision.vault.names import auditing, policy
from runlease.readers.policies import read_policy
from tests.unit.own_access import LEASES, own_access

Edit = Callable[[Access], Access]
ROLE, LEASE, POLICY = "anybody", "any-lease", "any-policy"
FOUND = ("RL021", f"path auth/+/role/+ of policy {POLICY}")


def audited(
    server: Server = Server.SELF_MANAGED,
    *more: Grant,
    lease: str = LEASE,
    rules: tuple[PathRule, ...] = (),
) -> Access:
    """What the components make, and an auditor beside it, with names that nobody knows."""
    access = own_access()
    grants = grants_of(ProfileName.AUDITOR, role=ROLE, dbname="shop", owner="o", schemas=("app",), server=server)
    role = Role(ROLE, "shop", None, (*grants, *more), members=("shop_app",), admins=("runlease_shop_broker",))
    taken = replace(LEASES[0], name=LEASE, profile=None, role=ROLE, connection="shop-data")
    connections = tuple(
        replace(one, allowed_roles=(*one.allowed_roles, LEASE)) if one.name == "shop-data" else one
        for one in access.connections
    )
    text = f"{policy('shop-prod', lease)}\n{auditing('shop-prod', [LEASE])}"
    watching = [one for one in access.roles if one.name != "pg_read_all_settings"]
    settings = Role("pg_read_all_settings", "shop", None, (), members=("pg_monitor", ROLE))
    return replace(
        access,
        roles=(*watching, settings, role),
        leases=(*access.leases, taken),
        connections=connections,
        policies=(*access.policies, Policy(POLICY, (*read_policy(text), *rules))),
    )


def found(access: Access) -> set[tuple[str, str]]:
    return {(one.rule, one.where) for one in findings(access, Bounds(), (), date(2026, 7, 1))}


@pytest.mark.parametrize("server", Server)
def test_what_the_components_make_for_an_auditor_breaks_no_rule(server: Server) -> None:
    assert found(audited(server)) == set()


SELECTS = Grant((Privilege.SELECT,), OnNamed(ObjectKind.TABLE, "app", ("items",)), ROLE)
FILES = Grant((Privilege.EXECUTE,), OnNamed(ObjectKind.FUNCTION, "pg_catalog", ("pg_read_file",)), ROLE)
HANDS_ON = Grant((Privilege.CONNECT,), OnDatabase("shop"), ROLE, grantable=True)
ALIKE = {
    "the lease reads a table": audited(Server.SELF_MANAGED, SELECTS),
    "the lease reads files": audited(Server.SELF_MANAGED, FILES),
    "the lease sees a schema": audited(Server.SELF_MANAGED, Grant((Privilege.USAGE,), OnSchema("app"), ROLE)),
    "the lease hands on": audited(Server.SELF_MANAGED, HANDS_ON),
    "a lease of another role": audited(lease="shop-seeder"),
    "another lease beside": audited(rules=(PathRule("shop-prod-db/creds/shop-seeder", ("read",)),)),
}


@pytest.mark.parametrize("access", ALIKE.values(), ids=ALIKE)
def test_a_policy_that_is_an_auditors_and_takes_more_is_found(access: Access) -> None:
    assert FOUND in found(access)


@pytest.mark.parametrize(
    "rule",
    [
        PathRule("sys/policies/acl/+", ("read", "update")),
        PathRule("auth/+/role/+", ("read", "sudo")),
        PathRule("kv/config/+", ("read",)),
        PathRule("auth/+/role/+/secret-id", ("read",)),
        PathRule("shop-prod-db/+/+", ("read",)),
        PathRule("shop-prod-db/creds/+", ("read",)),
        PathRule("sys/policies/acl/*", ("read",)),
    ],
    ids=str,
)
def test_a_path_that_is_almost_an_auditors_is_found(rule: PathRule) -> None:
    assert ("RL021", f"path {rule.path} of policy {POLICY}") in found(audited(rules=(rule,)))


def test_an_auditor_that_holds_another_predefined_role_is_found() -> None:
    access = audited()
    reads = Role("pg_read_all_data", "shop", None, (), members=(ROLE,))
    assert ("RL006", f"member {ROLE} of role pg_read_all_data of shop") in found(
        replace(access, roles=(*access.roles, reads))
    )
