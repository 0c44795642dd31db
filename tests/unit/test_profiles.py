"""The profiles table, and the grants that each profile makes."""

from __future__ import annotations

import pytest

from runlease.access import (
    PROFILES,
    Grant,
    OnAll,
    OnDatabase,
    OnFuture,
    OnNamed,
    OnSchema,
    Privilege,
    ProfileName,
    Server,
)
from runlease.access import grants_of as grants_of_profile

WRITES = {Privilege.INSERT, Privilege.UPDATE, Privilege.DELETE}
FORBIDDEN = {"TRIGGER", "REFERENCES", "TRUNCATE", "MAINTAIN", "ALL", "ALL PRIVILEGES", "CREATE", "TEMPORARY"}


def grants_of(profile: ProfileName, *tables: str, schemas: tuple[str, ...] = ("app", "audit")) -> tuple[Grant, ...]:
    return grants_of_profile(
        profile, role=f"shop_{profile}", dbname="shop", owner="shop_owner", schemas=schemas, tables=tables
    )


def on_objects(grants: tuple[Grant, ...]) -> list[Grant]:
    return [grant for grant in grants if isinstance(grant.target, OnAll | OnFuture | OnNamed)]


@pytest.mark.parametrize("profile", ProfileName)
def test_every_profile_name_is_in_the_table_and_says_what_it_does(profile: ProfileName) -> None:
    assert PROFILES[profile].says


@pytest.mark.parametrize("profile", ProfileName)
def test_no_profile_grants_a_dangerous_privilege(profile: ProfileName) -> None:
    granted = {str(privilege) for grant in grants_of(profile) for privilege in grant.privileges}
    assert granted
    assert not granted & FORBIDDEN


@pytest.mark.parametrize("profile", ProfileName)
def test_every_profile_connects_and_grants_to_its_own_role_only(profile: ProfileName) -> None:
    grants = grants_of(profile)
    assert grants[0] == Grant((Privilege.CONNECT,), OnDatabase("shop"), f"shop_{profile}")
    assert {grant.role for grant in grants} == {f"shop_{profile}"}


@pytest.mark.parametrize("profile", ProfileName)
def test_no_two_grants_of_a_profile_share_a_target(profile: ProfileName) -> None:
    targets = [grant.target for grant in grants_of(profile)]
    assert len(set(targets)) == len(targets)


def test_a_reader_reads_and_never_writes() -> None:
    grants = grants_of(ProfileName.READER)
    assert {privilege for grant in on_objects(grants) for privilege in grant.privileges} == {Privilege.SELECT}
    assert not WRITES & {privilege for grant in grants for privilege in grant.privileges}


def test_a_reader_sees_present_and_future_tables_of_each_schema() -> None:
    assert [str(grant) for grant in grants_of(ProfileName.READER)] == [
        "CONNECT ON DATABASE shop TO shop_reader",
        "USAGE ON SCHEMA app TO shop_reader",
        "SELECT ON ALL TABLES IN SCHEMA app TO shop_reader",
        "SELECT ON FUTURE TABLES OF shop_owner IN SCHEMA app TO shop_reader",
        "USAGE ON SCHEMA audit TO shop_reader",
        "SELECT ON ALL TABLES IN SCHEMA audit TO shop_reader",
        "SELECT ON FUTURE TABLES OF shop_owner IN SCHEMA audit TO shop_reader",
    ]


def test_a_seeder_writes_rows_and_uses_sequences() -> None:
    assert [str(grant) for grant in grants_of(ProfileName.SEEDER, schemas=("app",))] == [
        "CONNECT ON DATABASE shop TO shop_seeder",
        "USAGE ON SCHEMA app TO shop_seeder",
        "SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA app TO shop_seeder",
        "SELECT, INSERT, UPDATE, DELETE ON FUTURE TABLES OF shop_owner IN SCHEMA app TO shop_seeder",
        "USAGE ON ALL SEQUENCES IN SCHEMA app TO shop_seeder",
        "USAGE ON FUTURE SEQUENCES OF shop_owner IN SCHEMA app TO shop_seeder",
    ]


def test_a_narrowed_seeder_reaches_the_named_tables_only() -> None:
    tables = [
        str(grant.target)
        for grant in grants_of(ProfileName.SEEDER, "app.orders", "app.items")
        if set(grant.privileges) & (WRITES | {Privilege.SELECT})
    ]
    assert tables == ["TABLE app.orders, app.items"]


def test_a_table_is_granted_in_its_own_schema_even_when_one_name_begins_another() -> None:
    grants = grants_of(ProfileName.SEEDER, "app_old.orders", schemas=("app", "app_old"))
    named = [grant.target for grant in grants if isinstance(grant.target, OnNamed)]
    assert [(target.schema, target.names) for target in named] == [("app_old", ("orders",))]


@pytest.mark.parametrize("profile", [ProfileName.VERIFIER, ProfileName.MIGRATOR, ProfileName.SANDBOX])
def test_a_verifier_a_migrator_and_a_sandbox_hold_nothing_on_objects(profile: ProfileName) -> None:
    assert not on_objects(grants_of(profile))


def test_a_verifier_sees_the_schemas() -> None:
    seen = [grant.target for grant in grants_of(ProfileName.VERIFIER) if isinstance(grant.target, OnSchema)]
    assert seen == [OnSchema("app"), OnSchema("audit")]


@pytest.mark.parametrize("profile", [ProfileName.MIGRATOR, ProfileName.SANDBOX])
def test_a_migrator_and_a_sandbox_hold_connect_alone(profile: ProfileName) -> None:
    assert len(grants_of(profile)) == 1


def test_an_auditor_connects_and_reads_access_rules_where_a_superuser_can_let_it() -> None:
    assert [str(grant) for grant in grants_of(ProfileName.AUDITOR)] == [
        "CONNECT ON DATABASE shop TO shop_auditor",
        "EXECUTE ON FUNCTION pg_catalog.pg_hba_file_rules TO shop_auditor",
    ]
    rented = grants_of_profile(
        ProfileName.AUDITOR, role="a", dbname="shop", owner="o", schemas=("app",), server=Server.MANAGED
    )
    assert [str(grant) for grant in rented] == ["CONNECT ON DATABASE shop TO a"]


def test_only_the_auditor_holds_a_role_of_postgresqls_own() -> None:
    assert {name: profile.predefined for name, profile in PROFILES.items() if profile.predefined} == {
        ProfileName.AUDITOR: ("pg_read_all_settings",)
    }


def test_only_the_migrator_runs_as_the_owner() -> None:
    assert [name for name, profile in PROFILES.items() if profile.runs_as_owner] == [ProfileName.MIGRATOR]


def test_only_the_sandbox_has_a_schema_of_its_own() -> None:
    assert [name for name, profile in PROFILES.items() if profile.own_schema] == [ProfileName.SANDBOX]


def test_only_the_seeder_can_be_narrowed() -> None:
    assert [name for name, profile in PROFILES.items() if profile.may_name_tables] == [ProfileName.SEEDER]
