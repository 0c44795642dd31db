"""What `runlease check` decides about a PostgreSQL server and its admin, from facts alone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from runlease.readiness.findings import Severity
from runlease.readiness.live import LiveDatabase, LiveRole
from tests.unit.findings import only
from tests.unit.postgres_facts import CLOUD, HEALTHY, MANAGED, OWNER, found, managed, with_role


def test_a_healthy_server_has_no_finding() -> None:
    assert found(HEALTHY) == []
    assert found(MANAGED, managed()) == []


@pytest.mark.parametrize(
    ("version", "severity"),
    [(140_020, Severity.ERROR), (150_017, Severity.WARNING), (160_013, Severity.WARNING), (190_000, Severity.WARNING)],
)
def test_a_version_that_is_old_unknown_or_has_holes_is_named(version: int, severity: Severity) -> None:
    finding = only(found(replace(HEALTHY, version=version)))
    assert finding.severity is severity
    assert f"{version // 10_000}.{version % 10_000}" in finding.problem


@pytest.mark.parametrize("version", [150_018, 160_014, 170_010, 180_004, 180_099])
def test_a_version_at_or_above_its_floor_is_fine(version: int) -> None:
    assert found(replace(HEALTHY, version=version)) == []


def test_a_standby_is_refused() -> None:
    assert "primary" in only(found(replace(HEALTHY, standby=True))).problem


def test_weak_passwords_and_missing_tls_on_the_server_are_named() -> None:
    assert only(found(replace(HEALTHY, password_encryption="md5"))).severity is Severity.NOTE
    assert only(found(replace(HEALTHY, tls=False))).severity is Severity.WARNING


# --- the admin


def test_self_managed_wants_a_superuser() -> None:
    finding = only(found(with_role(HEALTHY, LiveRole("postgres", can_login=True, create_role=True))))
    assert finding.where == "access.databases.shop.admin"
    assert finding.fix.startswith('ALTER ROLE "postgres" SUPERUSER;')


def test_a_superuser_on_a_managed_server_is_a_note() -> None:
    live = with_role(MANAGED, replace(CLOUD, superuser=True))
    assert only(found(live, managed())).severity is Severity.NOTE


def test_managed_wants_createrole() -> None:
    finding = only(found(with_role(MANAGED, replace(CLOUD, create_role=False)), managed()))
    assert finding.fix == 'ALTER ROLE "cloud" CREATEROLE;'


def test_managed_wants_createdb_only_while_the_database_is_to_be_made() -> None:
    empty = replace(MANAGED, databases={}, content=None, roles={"cloud": CLOUD})
    create = managed(create=["database", "owner", "schemas"])
    assert only(found(empty, create)).fix == 'ALTER ROLE "cloud" CREATEDB;'
    assert found(with_role(empty, replace(CLOUD, create_db=True)), create) == []


def test_from_16_on_managed_wants_admin_on_the_owner() -> None:
    live = with_role(MANAGED, replace(OWNER, admin_grants=False))
    finding = only(found(live, managed()))
    assert finding.severity is Severity.ERROR
    assert finding.fix == 'GRANT "shop_owner" TO "cloud" WITH ADMIN OPTION;'
    assert found(replace(live, version=150_018), managed()) == []


def test_managed_wants_to_own_the_database_or_to_inherit_from_its_owner() -> None:
    live = with_role(replace(MANAGED, databases={"shop": LiveDatabase("shop", "dba")}), LiveRole("dba"))
    assert only(found(live, managed())).fix == 'GRANT "dba" TO "cloud";'
    assert found(with_role(live, LiveRole("dba", admin_inherits=True)), managed()) == []


def test_a_superuser_s_database_is_given_away_and_its_owner_never_granted() -> None:
    live = replace(MANAGED, databases={"shop": LiveDatabase("shop", "postgres")})
    assert only(found(live, managed())).fix == 'ALTER DATABASE "shop" OWNER TO "cloud";'
