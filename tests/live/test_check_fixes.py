"""`runlease check` names every seeded problem of a database, and its fix mends it."""

from __future__ import annotations

import pytest

from tests.live.checked_stack import Stack, managed


def test_an_owner_that_can_log_in_is_mended_by_its_fix(stack: Stack) -> None:
    stack.sql("ALTER ROLE {key}_owner LOGIN")
    assert "can log in" in stack.mends("databases.<key>.owner")["problem"]
    assert stack.code == 0


def test_an_owner_with_attributes_is_mended_by_its_fix(stack: Stack) -> None:
    stack.sql("ALTER ROLE {key}_owner SUPERUSER CREATEROLE REPLICATION BYPASSRLS")
    assert "SUPERUSER, CREATEROLE, REPLICATION, BYPASSRLS" in stack.mends("databases.<key>.owner")["problem"]


def test_a_schema_of_another_owner_is_mended_by_its_fix(stack: Stack) -> None:
    stack.sql("ALTER SCHEMA app OWNER TO postgres")
    stack.mends("databases.<key>.schemas")


def test_tables_of_another_owner_are_mended_by_their_fix(stack: Stack) -> None:
    stack.sql(
        'CREATE ROLE {key}_dev; CREATE TABLE app."Odd ""name" (id serial); CREATE VIEW app.v AS SELECT 1 AS one;'
        "ALTER VIEW app.v OWNER TO {key}_dev; CREATE SEQUENCE app.s; CREATE TABLE public.elsewhere ()"
    )
    found = stack.mends("databases.<key>.schemas", "warning")
    assert f'app.Odd "name of postgres, app.s of postgres, app.v of {stack.key}_dev)' in found["problem"]


def test_more_than_five_tables_of_another_owner_are_counted(stack: Stack) -> None:
    stack.sql("DO $$ BEGIN FOR n IN 1..8 LOOP EXECUTE format('CREATE TABLE app.t%s ()', n); END LOOP; END $$")
    (found,) = stack.at("databases.<key>.schemas", "warning")
    assert "and 3 more" in found["problem"]
    assert found["fix"].count("ALTER TABLE") == 5


def test_admin_that_is_missing_on_the_owner_is_mended_by_its_fix(stack: Stack) -> None:
    managed(stack)
    stack.sql("REVOKE {key}_owner FROM {key}_cloud; GRANT {key}_owner TO {key}_cloud")
    if stack.postgres.version.startswith("15."):
        assert stack.check() == []  # before 16 CREATEROLE is enough
        return
    stack.mends("databases.<key>.admin")


@pytest.mark.parametrize(
    ("seed", "problem"),
    [
        ("ALTER ROLE {key}_cloud NOCREATEROLE", "may make no roles"),
        ("ALTER DATABASE {key} OWNER TO postgres", "may not grant on the database"),
        ("CREATE ROLE {key}_dba; ALTER DATABASE {key} OWNER TO {key}_dba", "may not grant on the database"),
    ],
)
def test_a_managed_admin_without_its_rights_is_mended_by_its_fix(stack: Stack, seed: str, problem: str) -> None:
    managed(stack)
    stack.sql(seed)
    assert problem in stack.mends("databases.<key>.admin")["problem"]
    stack.sql("ALTER DATABASE {key} OWNER TO postgres")


def test_a_managed_admin_that_cannot_create_the_database_is_mended_by_its_fix(stack: Stack) -> None:
    managed(stack)
    stack.database |= {"dbname": f"{stack.key}_new", "create": ["database", "schemas"]}
    assert "may make no database" in stack.mends("databases.<key>.admin")["problem"]


def test_a_managed_admin_cannot_grant_on_a_superusers_tables(stack: Stack) -> None:
    managed(stack)
    stack.sql("CREATE TABLE app.t ()")
    assert "the admin cannot grant" in stack.mends("databases.<key>.schemas")["problem"]


def test_self_managed_without_a_superuser_is_mended_by_its_fix(stack: Stack) -> None:
    managed(stack)
    stack.database["server"] = "self_managed"
    stack.mends("databases.<key>.admin")
    stack.database["server"] = "managed"
    assert "although server says managed" in stack.at("databases.<key>.admin", "note")[0]["problem"]


def test_what_is_named_and_missing_is_mended_by_its_fix(stack: Stack) -> None:
    stack.database |= {
        "owner": f"{stack.key}_boss",
        "schemas": ["app", "audit"],
        "connect": [f"{stack.key}_app"],
        "profiles": {"reader": {"members": [f"{stack.key}_bi"]}},
    }
    stack.sql("DROP SCHEMA app CASCADE")
    stack.mends("databases.<key>.owner")
    assert [one["problem"] for one in stack.at("databases.<key>.schemas")] == [
        "no such schema (got app)",
        "no such schema (got audit)",
    ]
    stack.sql("CREATE SCHEMA app AUTHORIZATION {key}_boss")
    stack.mends("databases.<key>.schemas")
    stack.mends("databases.<key>.connect")
    stack.mends("databases.<key>.profiles.reader.members")
    assert stack.check() == []


def test_a_database_an_extension_and_tables_that_do_not_exist_are_named(stack: Stack) -> None:
    stack.database |= {
        "extensions": ["citext", "no_such"],
        "close": [f"{stack.key}_none"],
        "schemas": ["app"],
        "profiles": {"reader": {}, "seeder": {"tables": ["app.orders", "app.none"]}},
    }
    assert "got no_such" in stack.at("databases.<key>.extensions")[0]["problem"]
    assert len(stack.at("databases.<key>.close")) == 1
    assert "got app.none" in stack.at("databases.<key>.profiles.seeder.tables")[0]["problem"]
    stack.database["dbname"] = f"{stack.key}_gone"
    assert f"no such database (got {stack.key}_gone)" in stack.at("databases.<key>.dbname")[0]["problem"]


def test_what_exists_is_not_created_again(stack: Stack) -> None:
    stack.database["create"] = ["database", "owner", "schemas"]
    assert len(stack.at("databases.<key>.create")) == 3


def test_roles_and_a_schema_of_our_names_are_named(stack: Stack) -> None:
    stack.sql("CREATE ROLE {key}_reader; CREATE ROLE runlease_{key}_vault; CREATE SCHEMA runlease")
    assert f"{stack.key}_reader, runlease_{stack.key}_vault" in stack.at("databases.<key>")[0]["problem"]
    assert "got postgres as its owner" in stack.at("databases.<key>.dbname")[0]["problem"]
