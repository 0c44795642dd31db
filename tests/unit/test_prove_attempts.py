"""What a proof tries is made of what is declared and of what is there, and nothing declared is left out."""

from __future__ import annotations

from dataclasses import replace

import pytest

from runlease.access import (
    Access,
    Database,
    Duration,
    Grant,
    Lease,
    ObjectKind,
    OnNamed,
    Privilege,
    ProfileName,
    Public,
    Role,
    Server,
    grants_of,
)
from runlease.evidence.prove.attempts import Attempt, Expected, How, Omitted
from runlease.evidence.prove.objects import MOST, object_attempts
from runlease.evidence.prove.server import clear_attempt, database_attempts, server_attempts
from runlease.evidence.prove.sight import Holder, Relation, Rest, Routine, SeenDatabase, SeenRole, Sight

OWNER = "shop_owner"
SIGHT = Sight(
    180000,
    tuple(SeenRole(oid, name) for oid, name in enumerate((OWNER, "shop_reader", "shop_migrator", "bi", "run_a_1"))),
    (SeenDatabase("closed"), SeenDatabase("postgres")),
    ("app", "public", 'we"ird'),
    (
        Relation(1, "app", "items", "r", "id"),
        Relation(2, "app", "items_id_seq", "S"),
        Relation(3, "app", "seen", "v", "id"),
        Relation(4, 'we"ird', "Ta\nble", "r", 'a"b'),
        Relation(5, "app", "empty", "r"),
    ),
    (Routine(6, "app", "hello()", public=True),),
)


def holder(
    profile: str = "reader",
    *,
    writes: bool = False,
    tables: tuple[str, ...] = (),
    public: Public = Public.REVOKE,
    server: Server = Server.SELF_MANAGED,
) -> Holder:
    name = ProfileName(profile)
    place = Database("shop", "shop", OWNER, ("app",), server, public)
    grants = grants_of(
        name, role=f"shop_{profile}", dbname="shop", owner=OWNER, schemas=("app",), tables=tables, server=server
    )
    role = Role(f"shop_{profile}", "shop", name, grants, runs_as=OWNER if profile == "migrator" else None)
    lease = Lease(profile, "shop", name, role.name, Duration(60), Duration(60))
    access = Access("prod", (place,), (role,), (lease,))
    return Holder(access, lease, place, role, "run_a_1", frozenset({"closed"}), writes)


def attempts(one: Holder, sight: Sight = SIGHT) -> dict[str, Attempt]:
    every = [*object_attempts(one, sight), *server_attempts(one, sight)]
    found = {attempt.what: attempt for attempt in every if isinstance(attempt, Attempt)}
    assert len(found) == sum(isinstance(attempt, Attempt) for attempt in every), "no two are called the same"
    return found


def omitted(one: Holder, sight: Sight = SIGHT) -> dict[str, str]:
    every = [*object_attempts(one, sight), *server_attempts(one, sight)]
    assert not any(found.gap for found in every if isinstance(found, Omitted))
    return {found.what: found.reason for found in every if isinstance(found, Omitted)}


def allowed(one: Holder) -> set[str]:
    return {what for what, attempt in attempts(one).items() if attempt.expected is Expected.ALLOWED}


EVERYBODY = {
    "CONNECT ON DATABASE shop",
    "the connection is encrypted",
    "the session is the login, and has become nobody",
    "the login has an end",
}


@pytest.mark.parametrize(
    ("profile", "declared"),
    [
        (
            "reader",
            {
                "USAGE ON SCHEMA app",
                "SELECT ON TABLE app.items",
                "SELECT ON TABLE app.seen",
                "SELECT ON TABLE app.empty",
                "SELECT ON FUTURE TABLES OF shop_owner IN SCHEMA app",
                "hold what shop_reader holds",
            },
        ),
        ("verifier", {"USAGE ON SCHEMA app"}),
        ("sandbox", set()),
        (
            "migrator",
            {"SET ROLE shop_owner", "SET ROLE shop_migrator", "hold what shop_migrator holds"}
            | {"CREATE ON SCHEMA app, as shop_owner"},
        ),
    ],
)
def test_a_profile_is_allowed_what_it_declares_and_nothing_else(profile: str, declared: set[str]) -> None:
    assert allowed(holder(profile)) == EVERYBODY | declared


def test_a_seeder_of_named_tables_is_refused_the_others() -> None:
    found = attempts(holder("seeder", tables=("app.items", "app.absent")))
    assert {found[f"{one} ON TABLE app.items"].expected for one in ("SELECT", "INSERT", "UPDATE", "DELETE")} == {
        Expected.ALLOWED
    }
    assert found["SELECT ON TABLE app.empty"].expected is Expected.REFUSED
    assert found["SELECT ON TABLE app.absent"].expected is Expected.ALLOWED, "declared, so its absence is broken"


def test_a_sandbox_may_use_its_own_schema_alone() -> None:
    sight = replace(SIGHT, schemas=("app", "run_a_1", "run_b_2"))
    found = {what for what, one in attempts(holder("sandbox"), sight).items() if one.expected is Expected.ALLOWED}
    assert found == EVERYBODY | {"USAGE ON SCHEMA run_a_1", "CREATE ON SCHEMA run_a_1"}


WRITES = (
    "INSERT ON TABLE app.items",
    "UPDATE ON TABLE app.items",
    "DELETE ON TABLE app.items",
    "USAGE ON SEQUENCE app.items_id_seq",
)


@pytest.mark.parametrize("profile", ["reader", "seeder"])
@pytest.mark.parametrize("what", WRITES)
def test_a_privilege_to_write_is_used_only_where_that_is_asked_for(profile: str, what: str) -> None:
    assert attempts(holder(profile))[what].how is How.ASKED
    assert attempts(holder(profile, writes=True))[what].how is How.TRIED


def test_without_writes_nothing_writes_but_what_must_be_refused() -> None:
    for profile in ("reader", "seeder", "migrator", "verifier", "sandbox"):
        for what, one in attempts(holder(profile)).items():
            text = one.statement.as_string()
            writes = text.startswith(("INSERT", "UPDATE", "DELETE", "TRUNCATE", "SELECT nextval", "CREATE", "ALTER"))
            assert not (writes and one.expected is Expected.ALLOWED), what
            assert not text.startswith(("INSERT", "UPDATE", "DELETE", "TRUNCATE", "DROP", "SELECT nextval")), what


def test_no_statement_touches_a_row_or_ends_something() -> None:
    for writes in (False, True):
        for what, one in attempts(holder("seeder", writes=writes)).items():
            text = one.statement.as_string().removeprefix("EXPLAIN ")
            if text.startswith(("UPDATE", "DELETE", "INSERT")):
                assert text.endswith("WHERE false"), what
            assert "DROP" not in text, what
            assert not text.startswith("TRUNCATE"), what
            assert "terminate" not in text, what


def test_names_are_quoted() -> None:
    found = attempts(holder(writes=True))
    select = found['SELECT ON TABLE we"ird.Ta\nble'].statement.as_string()
    assert select == 'SELECT  FROM "we""ird"."Ta\nble" LIMIT 0'
    update = found['UPDATE ON TABLE we"ird.Ta\nble'].statement.as_string()
    assert update == 'UPDATE "we""ird"."Ta\nble" SET "a""b" = DEFAULT WHERE false'


def test_every_other_role_is_tried_in_three_ways() -> None:
    found = attempts(holder())
    for role in (OWNER, "shop_migrator", "bi"):
        for what in (f"SET ROLE {role}", f"hold what {role} holds", f"GRANT {role}"):
            assert found[what].expected is Expected.REFUSED
    assert "SET ROLE run_a_1" not in found


def test_before_16_the_marker_and_the_group_may_be_become() -> None:
    roles = (*SIGHT.roles, SeenRole(9, "runlease_shop_login"))
    found = attempts(holder(), replace(SIGHT, version=150000, roles=roles))
    assert found["hold what runlease_shop_login holds"].expected is Expected.ALLOWED
    assert found["SET ROLE runlease_shop_login"].expected is Expected.ALLOWED
    found = attempts(holder(), replace(SIGHT, roles=roles))
    assert found["hold what runlease_shop_login holds"].expected is Expected.REFUSED
    assert found["SET ROLE shop_owner"].expected is Expected.REFUSED


def test_maintain_is_tried_where_the_server_knows_it() -> None:
    assert "MAINTAIN ON TABLE app.items" in attempts(holder())
    assert "MAINTAIN ON TABLE app.items" not in attempts(holder(), replace(SIGHT, version=160000))


def test_a_function_that_is_declared_is_allowed_and_no_other() -> None:
    one = holder()
    functions = OnNamed(ObjectKind.FUNCTION, "app", ("hello",))
    grants = (*one.role.grants, Grant((Privilege.EXECUTE,), functions, one.role.name))
    role = replace(one.role, grants=grants)
    other = Routine(9, "app", "hello2(text)")
    sight = replace(SIGHT, routines=(*SIGHT.routines, other))
    found = attempts(replace(one, role=role, access=replace(one.access, roles=(role,))), sight)
    assert found["EXECUTE ON FUNCTION app.hello()"].expected is Expected.ALLOWED
    assert found["EXECUTE ON FUNCTION app.hello2(text)"].expected is Expected.REFUSED


def test_foreign_servers_tablespaces_and_settings_are_refused() -> None:
    rest = (Rest("server", "away", "USAGE"), Rest("parameter", "work_mem", "ALTER SYSTEM"))
    found = attempts(holder(), replace(SIGHT, rest=rest))
    for what in ("USAGE ON SERVER away", "ALTER SYSTEM ON PARAMETER work_mem"):
        assert (found[what].expected, found[what].how) == (Expected.REFUSED, How.ASKED)
    text = found["USAGE ON SERVER away"].statement.as_string()
    assert text == "SELECT has_server_privilege('away', 'USAGE')"


def test_what_public_keeps_is_not_tried_and_says_why() -> None:
    found = omitted(holder(public=Public.KEEP))
    assert set(found) == {
        "USAGE ON SCHEMA public",
        "EXECUTE ON FUNCTION app.hello()",
        "CREATE TEMPORARY TABLE runlease_prove ()",
        "SELECT lo_create(0)",
        "SELECT lo_creat(-1)",
        "SELECT lo_from_bytea(0, '')",
    }
    assert all("access.databases.shop.public is keep" in reason for reason in found.values())
    assert omitted(holder()) == {}
    assert len(omitted(holder(server=Server.MANAGED))) == 3


def test_a_table_that_is_open_is_tried_however_many_there_are() -> None:
    crowd = tuple(Relation(100 + n, "app", f"t{n:04}", "r", "id") for n in range(MOST + 50))
    open_one = Relation(7, "app", "zz", "r", "id", frozenset({"DELETE"}))
    read_one = Relation(8, "app", "zy", "r", "id", frozenset({"SELECT"}))
    sight = replace(SIGHT, relations=(*crowd, open_one, read_one), routines=())
    found = attempts(holder(), sight)
    assert "DELETE ON TABLE app.zz" in found
    assert "SELECT ON TABLE app.zy" not in found
    reason = "51 of them; the catalogs say that nothing undeclared is open on any"
    assert omitted(holder(), sight) == {f"more than {MOST} relations of schema app": reason}


def test_other_databases_are_tried_where_they_are_declared_closed() -> None:
    found = dict(database_attempts(holder(), SIGHT))
    assert isinstance(found["closed"], Attempt)
    assert isinstance(found["postgres"], Omitted)
    assert "access.databases.shop.close" in found["postgres"].reason


HBA, SETTINGS = "EXECUTE ON FUNCTION pg_catalog.pg_hba_file_rules()", "hold what pg_read_all_settings holds"
WATCHED = replace(SIGHT, roles=(*SIGHT.roles, SeenRole(9, "pg_read_all_settings"), SeenRole(10, "pg_monitor")))


def test_an_auditor_reads_settings_and_access_rules_and_nobody_else_does() -> None:
    ours, others = attempts(holder("auditor"), WATCHED), attempts(holder("reader"), WATCHED)
    for what in (HBA, SETTINGS):
        assert (ours[what].expected, others[what].expected) == (Expected.ALLOWED, Expected.REFUSED)
    assert ours["SET ROLE pg_read_all_settings"].expected is Expected.REFUSED
    assert ours["hold what pg_monitor holds"].expected is Expected.REFUSED
    assert ours["SELECT ON TABLE app.items"].expected is Expected.REFUSED
    before = attempts(holder("auditor"), replace(WATCHED, version=150000))
    assert before["SET ROLE pg_read_all_settings"].expected is Expected.ALLOWED, "every membership does, up to 15"


def test_where_an_auditor_was_let_in_by_hand_is_not_tried() -> None:
    assert isinstance(dict(database_attempts(holder("auditor"), SIGHT))["closed"], Omitted)
    rented = holder("auditor", server=Server.MANAGED)
    assert SETTINGS in omitted(rented, WATCHED)
    assert attempts(rented, WATCHED)[HBA].expected is Expected.REFUSED


def test_a_providers_pg_hba_is_not_tried() -> None:
    assert isinstance(clear_attempt(holder()), Attempt)
    managed = clear_attempt(holder(server=Server.MANAGED))
    assert isinstance(managed, Omitted)
    assert "pg_hba.conf is the provider's" in managed.reason
