"""postgres-seed on real servers: rows by key, all or nothing, and what it says about bad files."""

from __future__ import annotations

import csv
import json
import random
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from lab.runner import Outcome
from tests.live.shop_runs import SHOP, Shop
from tests.live.task_runs import left_of

TABLES = """
SET ROLE {owner};
CREATE TABLE app.texts (id int PRIMARY KEY, label text, made int DEFAULT 7);
CREATE TYPE app.mood AS ENUM ('sad', 'ok');
CREATE TYPE app.pair AS (a int, b text);
CREATE DOMAIN app.posint AS int CHECK (VALUE > 0);
CREATE TABLE app.kinds (
  k text PRIMARY KEY, n numeric(10,2), f double precision, b boolean, t timestamptz, iv interval, j json, jb jsonb,
  x xml, by bytea, ar text[], ar2 int[], r int4range, ip inet, m app.mood, c app.pair, d app.posint, ch char(5),
  "Odd, ""name" text, gen text GENERATED ALWAYS AS (k || '!') STORED);
CREATE TABLE app.parted (id bigint GENERATED ALWAYS AS IDENTITY, p int UNIQUE, v text) PARTITION BY RANGE (p);
CREATE TABLE app.parted_low PARTITION OF app.parted FOR VALUES FROM (0) TO (10);
CREATE TABLE app.parted_high PARTITION OF app.parted FOR VALUES FROM (10) TO (20);
CREATE TABLE app.twofold (a text CONSTRAINT twofold_a UNIQUE, b text CONSTRAINT twofold_b UNIQUE, v int);
CREATE TABLE app.ordered (a int, b int, PRIMARY KEY (b, a));
CREATE TABLE app.keyless (a int);
CREATE TABLE app.lines (line text);
CREATE TABLE app.later (a int PRIMARY KEY, other int REFERENCES app.later DEFERRABLE INITIALLY DEFERRED);
CREATE TABLE app.secured (a int PRIMARY KEY);
ALTER TABLE app.secured ENABLE ROW LEVEL SECURITY;
"""
MADE = "texts, kinds, parted, twofold, ordered, keyless, lines, later, secured"


@pytest.fixture(params=[15, 18], ids=["pg15", "pg18"])
def shop(request: pytest.FixtureRequest, shops: Callable[[int], Shop]) -> Shop:
    return shops(request.param)


@pytest.fixture(scope="module")
def with_tables(shops: Callable[[int], Shop]) -> Iterator[Callable[[int], Shop]]:
    """The shop with tables of every kind, which go again."""
    made: dict[int, Shop] = {}

    def opened(major: int) -> Shop:
        if major not in made:
            made[major] = shops(major)
            with made[major].site.as_superuser() as session:
                session.execute(TABLES.format(owner=made[major].site.owner).encode())
        return made[major]

    yield opened
    for shop in made.values():
        with shop.site.as_superuser() as session:
            session.execute("SET search_path = app")
            session.execute(f"DROP TABLE {MADE}; DROP TYPE mood, pair; DROP DOMAIN posint".encode())


@pytest.fixture(params=[15, 18], ids=["pg15", "pg18"])
def tables(request: pytest.FixtureRequest, with_tables: Callable[[int], Shop]) -> Shop:
    return with_tables(request.param)


@pytest.fixture
def newest(with_tables: Callable[[int], Shop]) -> Shop:
    """For what is the script's own, and the same on each version."""
    return with_tables(18)


def files(folder: Path, texts: Mapping[str, str | bytes]) -> Path:
    for name, text in texts.items():
        (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    return folder


def seed(shop: Shop, folder: Path, *keys: str, **texts: str) -> Outcome:
    """Seed files given as `<name>__csv="…"`."""
    named = {name.replace("__", "."): text for name, text in texts.items()}
    return shop.run("postgres-seed", "seeder", files(folder, named), {"keys": keys})


def last_line(outcome: Outcome) -> str:
    return outcome.step("seed").output.strip().splitlines()[-1]


# --- what it does


def test_a_seed_brings_its_rows_and_a_second_run_changes_nothing(shop: Shop) -> None:
    first = shop.run("postgres-seed", "seeder", SHOP, {"directory": "seed"})
    assert first.succeeded, first.output
    assert first.results["changed"] == "7300"
    rows = json.loads(first.results["rows"])
    assert rows["app.product"] == {"inserted": 300, "updated": 0, "deleted": 0, "unchanged": 0}
    assert rows["app.orders"] == {"inserted": 3000, "updated": 0, "deleted": 0, "unchanged": 0}

    before = shop.site.rows("SELECT xmin::text, ctid::text, p::text FROM app.product p ORDER BY 2 LIMIT %s", 1000)
    second = shop.run("postgres-seed", "seeder", SHOP, {"directory": "seed"})
    assert second.results["changed"] == "0"
    assert "seed: nothing to change" in second.output
    after = shop.site.rows("SELECT xmin::text, ctid::text, p::text FROM app.product p ORDER BY 2 LIMIT %s", 1000)
    assert after == before
    assert left_of(second, shop.site) == []


def test_what_differs_is_updated_and_what_the_file_does_not_name_is_kept(tables: Shop, tmp_path: Path) -> None:
    seed(tables, tmp_path, texts__csv="id,label\n1,one\n2,two\n3,three\n")
    with tables.site.as_superuser() as session:
        session.execute("UPDATE app.texts SET made = 8; UPDATE app.texts SET label = 'changed' WHERE id = 2")
    outcome = seed(tables, tmp_path, texts__csv="label,id\none,1\ntwo,2\nthree,3\nfour,4\n")
    assert json.loads(outcome.results["rows"]) == {
        "app.texts": {"inserted": 1, "updated": 1, "deleted": 0, "unchanged": 2}
    }
    assert tables.site.rows("SELECT id, label, made FROM app.texts WHERE id < %s ORDER BY 1", 10) == [
        (1, "one", 8),
        (2, "two", 8),
        (3, "three", 8),
        (4, "four", 7),
    ]


def test_a_field_is_read_as_another_reader_of_csv_reads_it(tables: Shop, tmp_path: Path) -> None:
    numbers = random.Random(1)  # noqa: S311 - the same at every run
    alphabet = ['"', ",", "\n", "a", " ", "ü", "\\", "'", "{", "$", "%", ";", "\t", "€", ":x"]
    rows = [["".join(numbers.choices(alphabet, k=numbers.randint(1, 12)))] for _ in range(1000)]
    path = tmp_path / "texts.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n", quoting=csv.QUOTE_ALL)
        writer.writerows([["id", "label"], *([str(1000 + n), *row] for n, row in enumerate(rows))])
    # A line of \. alone inside a text is refused; the reader beside it has no such rule.
    path.write_text(path.read_text().replace("\n\\.\n", "\n\n"))
    outcome = tables.run("postgres-seed", "seeder", tmp_path)
    assert outcome.succeeded, outcome.output
    with path.open(newline="", encoding="utf-8") as file:
        expected = [(int(number), label) for number, label in list(csv.reader(file))[1:]]
    assert tables.site.rows("SELECT id, label FROM app.texts WHERE id >= %s ORDER BY 1", 1000) == expected


KINDS = [
    'k,n,f,b,t,iv,j,jb,x,by,ar,ar2,r,ip,m,c,d,ch,"Odd, ""name"',
    'a,1.005,NaN,t,2026-01-01 00:00+02,1 day 2:03,"{""a"":  [1]}","{""b"": null}",<a>1</a>,\\xdead,"{a,""b,c"",NULL}",'
    '"[0:1]={1,2}","[1,5)",10.0.0.1/8,ok,"(1,""x y"")",3,ab,odd',
    'b,,Infinity,f,infinity,,"""text""",,,,{},,empty,,,,,"",',
    '"c\nd",-0.01,1e-300,,,,null,"""s""",,,,,,,,,,,',
]


def test_every_type_comes_out_as_it_was_written(tables: Shop, tmp_path: Path) -> None:
    for changed in ("3", "0"):
        outcome = seed(tables, tmp_path, kinds__csv="\n".join(KINDS))
        assert (outcome.succeeded, outcome.results.get("changed")) == (True, changed), outcome.output
    shown = (
        "SELECT n::text, f::text, t = '2025-12-31 22:00Z', j::text, ar::text, ar2::text, c::text, ch = 'ab',"
        ' "Odd, ""name", gen FROM app.kinds WHERE k = %s'
    )
    assert tables.site.rows(shown, "a") == [
        ("1.01", "NaN", True, '{"a":  [1]}', '{a,"b,c",NULL}', "[0:1]={1,2}", '(1,"x y")', True, "odd", "a!")
    ]
    empty = "SELECT n IS NULL, ch = '', j::text, t::text, k FROM app.kinds WHERE k > %s ORDER BY k"
    assert tables.site.rows(empty, "a") == [
        (True, True, '"text"', "infinity", "b"),
        (False, None, "null", None, "c\nd"),
    ]


def test_keys_of_every_kind_are_found(tables: Shop, tmp_path: Path) -> None:
    texts = {
        "1_parted__csv": "p,v\n1,one\n11,eleven\n",
        "2_app__twofold__csv": "a,b,v\nx,y,1\n",
        "3_ordered__csv": "a,b\n1,2\n2,1\n",
        "4-later__csv": "a,other\n1,2\n2,\n",
    }
    first = seed(tables, tmp_path, "twofold_b", **texts)
    assert first.succeeded, first.output
    assert json.loads(first.results["rows"])["app.parted"]["inserted"] == 2
    assert seed(tables, tmp_path, "twofold_b", **texts).results["changed"] == "0"


def test_rows_of_a_file_stand_in_no_log_of_the_server(tables: Shop, tmp_path: Path) -> None:
    with tables.site.as_superuser() as session:
        session.execute(f"ALTER DATABASE {tables.site.dbname} SET log_statement = 'all'".encode())
    try:
        assert seed(tables, tmp_path, texts__csv="id,label\n77,only-in-the-file\n").succeeded
    finally:
        with tables.site.as_superuser() as session:
            session.execute(f"ALTER DATABASE {tables.site.dbname} RESET log_statement".encode())
    log = tables.site.postgres.log.read_text()
    assert "COPY  texts" in log or "COPY texts" in log
    assert "only-in-the-file" not in log


# --- what it refuses: nothing of the other files stays, and no login

GOOD = {"00_texts.csv": "id,label\n500,first\n"}

REFUSED: dict[str, tuple[dict[str, str | bytes], str, str]] = {
    "unknown column": (
        {"product.csv": "sku,nam\nA,b\n"},
        "product.csv: no such column",
        '(got "nam", expected some of',
    ),
    "missing column": ({"product.csv": "sku,name\nA,b\n"}, "product.csv: a column is missing", "expected also price"),
    "semicolons": ({"product.csv": "sku;name\nA;b\n"}, "product.csv: no such column", '(got "sku;name"'),
    "unknown table": ({"products.csv": "sku\nA\n"}, "products.csv: no table products", "(got no such name in {app}"),
    "no key": ({"keyless.csv": "a\n1\n"}, "keyless.csv: no key", "expected all those of a primary key"),
    "two keys": ({"twofold.csv": "a,b\n1,1\n"}, "twofold.csv: more than one key", "(got twofold_a, twofold_b"),
    "an empty file": ({"texts.csv": ""}, "texts.csv: no such column", '(got ""'),
    "a byte order mark": ({"texts.csv": "\ufeffid\n1\n"}, "texts.csv: a byte order mark", "Fix: save it as UTF-8"),
    "not UTF-8": ({"texts.csv": b"id,label\n1,\xfc\n"}, "texts.csv: not UTF-8", "in line 2"),
    "SQL not UTF-8": ({"x.sql": b"SELECT 1;\n-- \xfc\n"}, "x.sql: not UTF-8", "in line 2"),
    "a bad value": ({"texts.csv": "id\n1\nabc\n"}, "texts.csv: not seeded", 'COPY texts, line 3, column id: "abc"'),
    "a short line": ({"texts.csv": "id,label\n1\n"}, "texts.csv: not seeded", 'COPY texts, line 2: "1"'),
    "a key twice": ({"texts.csv": "id\n1\n2\n1\n"}, "texts.csv: rows 1, 3 have one key", "(got (1)"),
    "a null key": ({"twofold.csv": "a,v\nx,1\n,2\n"}, "twofold.csv: row 2 has no key", "expected a value of a"),
    "a hidden end": ({"texts.csv": "id\n1\n\\.\n2\n"}, "texts.csv: a line that hides what follows it", "in line 3"),
    "a constraint": ({"product.csv": "sku,name,price_cents\nA,b,-1\n"}, "product.csv: not seeded", "price_cents_check"),
    "a deferred constraint": ({"later.csv": "a,other\n8,9\n"}, "COMMIT: not seeded", "later_other_fkey"),
    "row security": ({"secured.csv": "a\n1\n"}, "secured.csv: not seeded", "row-level security"),
    "a rollback": ({"x.sql": "ROLLBACK;\n"}, "x.sql: it ends the transaction", "Fix: put right what it left"),
    "another transaction": ({"x.sql": "ROLLBACK; BEGIN;\n"}, "x.sql: it ends the transaction", "expected neither"),
    "a transaction left open": (
        {"x.sql": "BEGIN; INSERT INTO texts VALUES (501);\n", "y.sql": "SELECT 1/0;\n"},
        "y.sql: not seeded",
        "division by zero",
    ),
    "an error in SQL": ({"x.sql": "SELECT 1;\nSELEC 2;\n"}, "x.sql: not seeded", "psql:x.sql:2: ERROR"),
    "DDL": ({"x.sql": "CREATE TABLE app.mine ();\n"}, "x.sql: not seeded", "permission denied for schema app"),
    "SQL that eats what follows": (
        {"x.sql": "\\copy lines from pstdin with (format csv, delimiter E'\\x02', quote E'\\x01')\n"},
        "x.sql: it ended psql",
        "no \\prompt",
    ),
}
"""Name of the fault: the files, how the last line begins, and what is said above it or in it."""


@pytest.mark.parametrize("fault", REFUSED)
def test_a_bad_file_undoes_everything_in_one_clear_line(newest: Shop, tmp_path: Path, fault: str) -> None:
    texts, beginning, detail = REFUSED[fault]
    outcome = newest.run("postgres-seed", "seeder", files(tmp_path, {**GOOD, **texts}))
    assert not outcome.succeeded
    assert last_line(outcome).startswith(f"seed: {beginning}"), outcome.output
    assert "Fix: " in last_line(outcome)
    assert detail in outcome.output
    assert outcome.step("release").skipped
    assert outcome.results == {}
    assert newest.site.rows("SELECT id FROM app.texts WHERE id BETWEEN 500 AND %s", 501) == []
    assert left_of(outcome, newest.site) == []


@pytest.mark.parametrize(
    ("texts", "params", "line"),
    [
        ({"readme.md": "x"}, {}, "no *.csv and no *.sql in . (got none"),
        ({}, {"directory": "nowhere"}, "no directory nowhere in the workspace"),
        ({"texts.csv": "id\n1\n"}, {"keys": ["nosuch"]}, "no such unique index (got nosuch, expected names of some)"),
    ],
    ids=["no files", "no directory", "an unknown key"],
)
def test_a_wrong_parameter_is_named(
    newest: Shop, tmp_path: Path, texts: dict[str, str], params: dict[str, str | list[str]], line: str
) -> None:
    outcome = newest.run("postgres-seed", "seeder", files(tmp_path, texts), params)
    assert not outcome.succeeded
    assert last_line(outcome).startswith(f"seed: {line}"), outcome.output


def test_a_reader_seeds_nothing(newest: Shop, tmp_path: Path) -> None:
    outcome = newest.run("postgres-seed", "reader", files(tmp_path, {"texts.csv": "id\n600\n"}))
    assert not outcome.succeeded
    assert "permission denied for table texts" in outcome.output
    assert newest.site.rows("SELECT FROM app.texts WHERE id = %s", 600) == []
