"""The description of a schema: what changes it, what does not, and that a verifier and every version say the same."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from lab.postgres import PostgresServer
from lab.stack import REPOSITORY
from tests.live.shop_runs import Shop

QUERY = REPOSITORY / "tekton" / "task" / "postgres-verify" / "0.1" / "steps" / "describe.sql"

BASE = """
CREATE TABLE item (id int PRIMARY KEY, label text NOT NULL DEFAULT 'x', price int CHECK (price > 0), other int);
CREATE INDEX item_label ON item (label);
CREATE VIEW cheap AS SELECT id, label FROM item WHERE price < 10;
CREATE FUNCTION twice(a int) RETURNS int LANGUAGE sql AS 'SELECT a * 2';
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER touch BEFORE UPDATE OF label ON item FOR EACH ROW EXECUTE FUNCTION touch();
CREATE TYPE mood AS ENUM ('sad', 'ok');
CREATE DOMAIN posint AS int CHECK (VALUE > 0);
CREATE SEQUENCE numbers;
CREATE TABLE parted (p int) PARTITION BY LIST (p);
CREATE TABLE parted_1 PARTITION OF parted FOR VALUES IN (1);
"""

TOUCH = "trigger touch BEFORE UPDATE OF label ON facts.item FOR EACH ROW EXECUTE FUNCTION facts.touch()"
TOUCH_IS = "function facts.touch() arguments () returns trigger language plpgsql volatile"
TWICE_IS = "function facts.twice(integer) arguments (a integer) returns integer language sql volatile"
NUMBERS = "sequence facts.numbers as bigint start 1 increment 1 minimum 1 maximum 9223372036854775807 cache 1"
ITEM_SEQUENCE = "sequence facts.item_id_seq as integer start 1 increment 1 minimum 1 maximum 2147483647 cache 1"

DIFFERENT: dict[str, tuple[str, ...]] = {
    "CREATE TABLE more ()": ("+ table facts.more",),
    "CREATE UNLOGGED TABLE more ()": ("+ table facts.more unlogged",),
    "ALTER TABLE item ADD more date": ("+ table facts.item column more date",),
    "ALTER TABLE item ALTER other TYPE bigint": (
        "- table facts.item column other integer",
        "+ table facts.item column other bigint",
    ),
    "ALTER TABLE item ALTER label DROP NOT NULL": (
        "- table facts.item column label text not null default 'x'::text",
        "+ table facts.item column label text default 'x'::text",
    ),
    "ALTER TABLE item ALTER label SET DEFAULT 'x  y'": (
        "- table facts.item column label text not null default 'x'::text",
        "+ table facts.item column label text not null default 'x \\x20y'::text",
    ),
    "ALTER TABLE item ALTER id ADD GENERATED ALWAYS AS IDENTITY": (
        "- table facts.item column id integer not null",
        "+ table facts.item column id integer not null generated always as identity",
        f"+ {ITEM_SEQUENCE} owned by facts.item.id",
    ),
    "ALTER TABLE item ADD g int GENERATED ALWAYS AS (price * 2) STORED": (
        "+ table facts.item column g integer generated always as (price * 2) stored",
    ),
    'ALTER TABLE item ADD c text COLLATE "C"': ('+ table facts.item column c text collate pg_catalog."C"',),
    "ALTER TABLE item ADD CHECK (other < 5) NOT VALID": (
        "+ table facts.item constraint item_other_check CHECK ((other < 5)) NOT VALID",
    ),
    "ALTER TABLE item ADD FOREIGN KEY (other) REFERENCES item ON DELETE CASCADE": (
        "+ table facts.item constraint item_other_fkey FOREIGN KEY (other) REFERENCES facts.item(id) ON DELETE CASCADE",
    ),
    "ALTER TABLE item DROP CONSTRAINT item_pkey; ALTER TABLE item ALTER id SET NOT NULL": (
        "- table facts.item constraint item_pkey PRIMARY KEY (id)",
    ),
    "DROP INDEX item_label": ("- table facts.item index item_label USING btree (label)",),
    "CREATE UNIQUE INDEX u ON item (lower(label) DESC) INCLUDE (id) WHERE id > 3": (
        "+ table facts.item index u unique USING btree (lower(label) DESC) INCLUDE (id) WHERE (id > 3)",
    ),
    "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'item_label'::regclass": (
        "- table facts.item index item_label USING btree (label)",
        "+ table facts.item index item_label USING btree (label) invalid",
    ),
    "CREATE OR REPLACE VIEW cheap AS SELECT id, label FROM item WHERE price < 11": (
        "- view facts.cheap as SELECT id, label FROM facts.item WHERE (price < 10)",
        "+ view facts.cheap as SELECT id, label FROM facts.item WHERE (price < 11)",
    ),
    "ALTER VIEW cheap SET (security_invoker = on)": ("+ view facts.cheap security_invoker true",),
    "CREATE OR REPLACE FUNCTION twice(a int) RETURNS int LANGUAGE sql AS 'SELECT a + a'": (
        f"- {TWICE_IS} body …",
        f"+ {TWICE_IS} body …",
    ),
    "ALTER FUNCTION touch() SECURITY DEFINER SET search_path = pg_catalog": (
        f"- {TOUCH_IS} body …",
        f"+ {TOUCH_IS} security definer set search_path=pg_catalog body …",
    ),
    "ALTER TABLE item DISABLE TRIGGER touch": (f"- table facts.item {TOUCH}", f"+ table facts.item {TOUCH} disabled"),
    "CREATE RULE no AS ON DELETE TO item DO INSTEAD NOTHING": (
        "+ table facts.item rule no CREATE RULE no AS ON DELETE TO facts.item DO INSTEAD NOTHING;",
    ),
    "ALTER TABLE item ENABLE ROW LEVEL SECURITY": ("+ table facts.item row security enabled",),
    "CREATE POLICY mine ON item AS RESTRICTIVE FOR UPDATE USING (id > 0) WITH CHECK (id > 1)": (
        "+ table facts.item policy mine restrictive for update to public using ((id > 0)) with check ((id > 1))",
    ),
    "ALTER TYPE mood ADD VALUE 'so' BEFORE 'ok'": (
        "- enum facts.mood 'sad', 'ok'",
        "+ enum facts.mood 'sad', 'so', 'ok'",
    ),
    "ALTER DOMAIN posint ADD CONSTRAINT small CHECK (VALUE < 9)": (
        "+ domain facts.posint constraint small CHECK ((VALUE < 9))",
    ),
    "ALTER SEQUENCE numbers CYCLE": (f"- {NUMBERS}", f"+ {NUMBERS} cycle"),
    "CREATE TRIGGER own AFTER INSERT ON parted_1 FOR EACH ROW EXECUTE FUNCTION touch()": (
        "+ table facts.parted_1 trigger own AFTER INSERT ON facts.parted_1 FOR EACH ROW EXECUTE FUNCTION facts.touch()",
    ),
}
"""A statement, and the facts that are there no more (-) or now (+). … is a hash."""

HASH = re.compile(r"\b[0-9a-f]{64}$")

SAME = [
    "COMMENT ON TABLE item IS 'says nothing about the schema'",
    "GRANT SELECT ON item TO PUBLIC",
    "ALTER TABLE item ALTER label SET STATISTICS 5, ALTER label SET STORAGE EXTERNAL",
    "ALTER TABLE item SET (fillfactor = 70)",
    "ALTER TABLE item DROP COLUMN other; ALTER TABLE item ADD COLUMN other int",
    "INSERT INTO item VALUES (1); ANALYZE item; REINDEX TABLE item; SELECT nextval('numbers')",
    "CREATE TABLE parted_2 PARTITION OF parted FOR VALUES IN (2)",
    "CREATE TABLE runlease_migration (file text PRIMARY KEY)",
    "CREATE SCHEMA IF NOT EXISTS another; CREATE TABLE another.more ()",
]
"""What is no part of a schema's meaning."""

RICH = """
CREATE VIEW v1 AS SELECT i.label, upper(i.label) AS u FROM item i WHERE EXISTS (SELECT FROM item WHERE id = i.other);
CREATE VIEW v2 WITH (security_barrier) AS SELECT label FROM item UNION ALL SELECT 'x' ORDER BY 1;
CREATE VIEW v3 AS WITH x AS (SELECT id, price FROM item) SELECT id, rank() OVER (PARTITION BY price ORDER BY id) FROM x;
CREATE VIEW v4 AS SELECT n FROM generate_series(1, 3) n;
CREATE VIEW v5 AS SELECT column1 FROM (VALUES (1), (2)) v;
CREATE VIEW v6 AS SELECT label FROM (SELECT label FROM item) p WHERE label LIKE 'A  %';
CREATE VIEW v7 AS SELECT a.id, b.label FROM item a JOIN item b ON a.id = b.other, LATERAL (SELECT a.price) c;
CREATE VIEW v8 AS SELECT price, count(*) FILTER (WHERE id > 3) FROM item GROUP BY price HAVING count(*) > 1;
CREATE VIEW v9 AS SELECT extract(year FROM now()) AS y, item FROM item;
CREATE TABLE "Odd name" ("select" int PRIMARY KEY, "a "" b" varchar(10)[] DEFAULT '{}', ts timestamp(3) DEFAULT now());
CREATE VIEW v10 AS SELECT "select", "a "" b"[1] FROM "Odd name";
CREATE MATERIALIZED VIEW m AS SELECT price, count(*) FROM item GROUP BY 1; CREATE UNIQUE INDEX ON m (price);
CREATE FUNCTION f(x item) RETURNS SETOF item BEGIN ATOMIC SELECT * FROM item WHERE id = (x).id; END;
CREATE AGGREGATE total (int) (sfunc = int4pl, stype = int, initcond = '0');
CREATE PROCEDURE p(INOUT a int) LANGUAGE plpgsql AS 'BEGIN END';
CREATE TYPE floats AS RANGE (subtype = float8);
CREATE TYPE pair AS (a int, b text COLLATE "C");
CREATE DOMAIN mail AS text NOT NULL DEFAULT 'x' CHECK (VALUE ~ '@');
ALTER TABLE "Odd name" ADD EXCLUDE USING gist (int4range("select", "select") WITH &&);
ALTER TABLE "Odd name" ADD CHECK ("a "" b"[1] IN ('a', 'b'));
CREATE CONSTRAINT TRIGGER late AFTER INSERT ON parted DEFERRABLE FOR EACH ROW EXECUTE FUNCTION touch();
"""


@pytest.fixture(params=[15, 18], ids=["pg15", "pg18"])
def shop(request: pytest.FixtureRequest, shops: Callable[[int], Shop]) -> Shop:
    return shops(request.param)


@contextmanager
def schema(shop: Shop) -> Iterator[Callable[[str], None]]:
    """The schema `facts` as BASE makes it, which a verifier may see; gives what runs statements in it."""
    with shop.site.as_superuser() as session:

        def run(statements: str) -> None:
            session.execute(statements.encode())

        run(f"CREATE SCHEMA facts; GRANT USAGE ON SCHEMA facts TO {shop.site.key}_verifier; SET search_path = facts")
        try:
            run(BASE)
            yield run
        finally:
            run("DROP SCHEMA facts CASCADE; DROP SCHEMA IF EXISTS another CASCADE")


def described(server: PostgresServer, dbname: str, user: str, password: str) -> list[str]:
    """What the query prints by hand."""
    environment = {**os.environ, "PGOPTIONS": "-c search_path=facts"}
    done = subprocess.run(
        ["psql", "-X", "-f", QUERY, server.conninfo(dbname, user, password)],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    return done.stdout.splitlines()


@pytest.fixture
def describe(shop: Shop) -> Iterator[Callable[[], list[str]]]:
    with shop.site.leased("verifier") as lease:
        yield lambda: described(shop.site.postgres, shop.site.dbname, lease.login, lease.password)


def test_each_change_of_meaning_changes_its_facts_alone(shop: Shop, describe: Callable[[], list[str]]) -> None:
    with schema(shop):
        before = describe()
    for statement, facts in DIFFERENT.items():
        with schema(shop) as run:
            run(statement)
            after = describe()
        gone, new = set(before) - set(after), set(after) - set(before)
        found = {f"- {line}" for line in gone} | {f"+ {line}" for line in new}
        assert {HASH.sub("…", line) for line in found} == set(facts), statement


def test_what_means_nothing_changes_no_fact(shop: Shop, describe: Callable[[], list[str]]) -> None:
    with schema(shop):
        before = describe()
    for statement in SAME:
        with schema(shop) as run:
            run(statement)
            assert describe() == before, statement


def test_a_verifier_sees_what_a_superuser_sees(shop: Shop, describe: Callable[[], list[str]]) -> None:
    server = shop.site.postgres
    with schema(shop) as run:
        run(RICH)
        assert describe() == described(server, shop.site.dbname, server.superuser, server.password)


def test_15_and_18_say_the_same_in_sorted_lines_of_one_fact(shops: Callable[[int], Shop]) -> None:
    said = []
    for major in (15, 18):
        shop = shops(major)
        server = shop.site.postgres
        with schema(shop) as run:
            run(RICH)
            said.append(described(server, shop.site.dbname, server.superuser, server.password))
    assert said[0] == said[1]
    assert said[0] == sorted(set(said[0]), key=str.encode)
    assert (
        "view facts.v6 as SELECT label FROM ( SELECT item.label FROM facts.item) p WHERE (label ~~ 'A \\x20%'::text)"
        in said[0]
    )
