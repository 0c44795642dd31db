"""postgres-verify on real servers: what differs is shown, what is asked for is done, and nothing passes by silence."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from lab.runner import Outcome
from tests.live.shop_runs import SHOP, Shop
from tests.live.task_runs import left_of

NO_SCHEMA = {"schema": ""}


@pytest.fixture(params=[15, 18], ids=["pg15", "pg18"])
def shop(request: pytest.FixtureRequest, shops: Callable[[int], Shop]) -> Shop:
    return shops(request.param)


def verify(
    shop: Shop, source: Path | None = None, params: Mapping[str, str] | None = None, lease: str = "verifier"
) -> Outcome:
    return shop.run("postgres-verify", lease, source, params)


def files(folder: Path, texts: Mapping[str, str]) -> Path:
    for name, text in texts.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    return folder


def said(outcome: Outcome) -> list[str]:
    return outcome.step("verify").output.strip().splitlines()


# --- the schema


def test_the_shop_is_as_committed(shop: Shop) -> None:
    outcome = verify(shop, SHOP, {"assertions": "assertions"})
    assert outcome.succeeded, outcome.output
    assert said(outcome) == ["verify: as expected"]
    assert outcome.results == {"differences": "0"}
    assert left_of(outcome, shop.site) == []


def test_what_differs_is_shown_and_the_task_run_fails_in_one_line(shop: Shop) -> None:
    with shop.site.as_superuser() as session:
        session.execute("ALTER TABLE app.orders ALTER status TYPE varchar(9); DROP INDEX app.orders_by_customer")
        outcome = verify(shop, SHOP)
        session.execute(
            "ALTER TABLE app.orders ALTER status TYPE text;"
            "CREATE INDEX orders_by_customer ON app.orders (customer_id, placed_at)"
        )
    assert not outcome.succeeded
    assert said(outcome)[0] == "schema.txt: expected (-) and found (+)"
    assert "- table app.orders column status text not null default 'open'::text" in said(outcome)
    assert "+ table app.orders column status character varying(9) not null" in "\n".join(said(outcome))
    assert "- table app.orders index orders_by_customer USING btree (customer_id, placed_at)" in said(outcome)
    differences = outcome.results["differences"]
    assert said(outcome)[-1].startswith(
        f"verify: not as expected (got {differences} difference(s) above, expected none). Fix: "
    )
    assert len(said(outcome)) == int(differences) + 2
    assert outcome.step("release").skipped
    assert left_of(outcome, shop.site) == []
    assert verify(shop, SHOP).succeeded


def test_order_blanks_and_comments_mean_nothing(shops: Callable[[int], Shop], tmp_path: Path) -> None:
    lines = reversed((SHOP / "schema.txt").read_text().splitlines())
    text = "# a comment\r\n\n" + "".join(f"  {line.replace(' ', '   ')}\t\r\n" for line in lines)
    assert verify(shops(18), files(tmp_path, {"schema.txt": text})).succeeded


def test_describe_writes_what_is_then_verified(shop: Shop, tmp_path: Path) -> None:
    described = shop.run("postgres-verify", "verifier", None, {"mode": "describe", "schema": "a/b.txt"}, tmp_path)
    assert described.succeeded, described.output
    assert (tmp_path / "a" / "b.txt").read_text() == (SHOP / "schema.txt").read_text()
    assert described.results == {}
    assert verify(shop, tmp_path, {"directory": "a", "schema": "b.txt"}).succeeded
    assert "\n".join(said(described)) == (SHOP / "schema.txt").read_text().strip()


# --- assertions


ASSERTIONS = {
    "SELECT relname FROM pg_class WHERE relname = 'country' AND relkind = 'r';": ["country"],
    "SELECT 1, 'b' UNION SELECT 2, 'c' ORDER BY 1": ["1|b", "2|c"],
    "SELECT ''": [""],
    "SELECT NULL": ["(null)"],
    "SELECT 'wrong'; SELECT 1 WHERE false;": ["wrong"],
}


def test_each_row_of_an_assertion_is_a_difference_and_is_shown(shop: Shop, tmp_path: Path) -> None:
    texts = {f"asked/{number}.sql": text for number, text in enumerate(ASSERTIONS)}
    outcome = verify(shop, files(tmp_path, texts), {**NO_SCHEMA, "assertions": "asked"})
    shown = [
        line
        for number, rows in enumerate(ASSERTIONS.values())
        for line in (f"asked/{number}.sql: expected no row and found", *rows)
    ]
    assert said(outcome)[:-1] == shown
    assert outcome.results == {"differences": "6"}


@pytest.mark.parametrize(
    ("text", "line", "above"),
    [
        ("-- nothing asked\n", "asked/x.sql: it asks nothing (got no query", ""),
        ("SELEC 1", "asked/x.sql: not asked", "syntax error"),
        ("SELECT * FROM app.customer", "asked/x.sql: not asked", "permission denied for table customer"),
        ("SELECT pg_sleep(30)", "asked/x.sql: not asked", "canceling statement due to statement timeout"),
        ("CREATE TABLE app.mine ()", "asked/x.sql: not asked", "read-only transaction"),
    ],
    ids=["no query", "an error", "no privilege", "a timeout", "a write"],
)
def test_an_assertion_that_cannot_be_asked_fails(
    shops: Callable[[int], Shop], tmp_path: Path, text: str, line: str, above: str
) -> None:
    params = {**NO_SCHEMA, "assertions": "asked", "statement-timeout": "300ms"}
    outcome = verify(shops(18), files(tmp_path, {"asked/x.sql": text}), params)
    assert not outcome.succeeded
    assert said(outcome)[-1].startswith(f"verify: {line}")
    assert above in outcome.output


def test_a_reader_is_asked_about_rows(shops: Callable[[int], Shop], tmp_path: Path) -> None:
    text = "SELECT code FROM app.country WHERE name = ''"
    params = {**NO_SCHEMA, "assertions": "asked"}
    assert verify(shops(18), files(tmp_path, {"asked/x.sql": text}), params, "reader").succeeded


# --- TAP

TAP = {
    "SELECT '1..2'; SELECT 'ok 1 - a'; SELECT 'not ok 2 - b # TODO later'": 0,
    "SELECT '1..0 # SKIP no time'": 0,
    "SELECT '1..2'; SELECT 'ok 1'; SELECT 'not ok 2 - b'; SELECT '# because'": 1,
    "SELECT '1..3'; SELECT 'ok 1'; SELECT 'ok 2'": 1,
    "SELECT 'ok 1'": 1,
    "SELECT '1..1'; SELECT 'ok 1'; SELECT 'Bail out!'": 1,
    "SELECT 1": 1,
}


def test_a_test_fails_by_its_word_and_by_its_plan(shops: Callable[[int], Shop], tmp_path: Path) -> None:
    texts = {f"tests/{number}.sql": text for number, text in enumerate(TAP)}
    outcome = verify(shops(18), files(tmp_path, texts), {**NO_SCHEMA, "tests": "tests"})
    failed = [line.split(":")[0] for line in said(outcome) if line.startswith("tests/")]
    assert failed == [f"tests/{number}.sql" for number, failures in enumerate(TAP.values()) if failures]
    assert "tests/2.sql: 1 tests failed" in said(outcome)
    assert "# because" in said(outcome)
    assert "tests/3.sql: not every test ran (got 2, expected as planned 3)" in said(outcome)
    assert outcome.results == {"differences": str(sum(TAP.values()))}


PGTAP = """SET search_path = app, tap;
BEGIN;
SELECT plan(2);
SELECT has_table('app', 'customer', 'customers are there');
SELECT has_index('app', 'orders', '{index}', 'orders are found by customer');
SELECT * FROM finish();
ROLLBACK;
"""


def test_pgtap_is_run_where_it_is_installed_and_temporary_tables_are_allowed(
    shops: Callable[[int], Shop], tmp_path: Path
) -> None:
    shop, params = shops(15), {**NO_SCHEMA, "tests": "tests"}
    source = files(tmp_path, {"tests/x.sql": PGTAP.format(index="orders_by_customer")})
    with shop.site.as_superuser() as session:
        session.execute("CREATE SCHEMA tap; CREATE EXTENSION pgtap SCHEMA tap; GRANT USAGE ON SCHEMA tap TO PUBLIC")
        refused = verify(shop, source, params)
        session.execute(f"GRANT TEMPORARY ON DATABASE {shop.site.dbname} TO {shop.site.key}_verifier".encode())
        passed = verify(shop, source, params)
        failed = verify(shop, files(tmp_path, {"tests/x.sql": PGTAP.format(index="nosuch")}), params)
        session.execute("DROP SCHEMA tap CASCADE")
        session.execute(f"REVOKE TEMPORARY ON DATABASE {shop.site.dbname} FROM {shop.site.key}_verifier".encode())
    assert "permission denied to create temporary tables" in refused.output
    assert said(refused)[-1].endswith("and TEMPORARY on the database")
    assert passed.succeeded, passed.output
    assert "not ok 2 - orders are found by customer" in said(failed)
    assert failed.results == {"differences": "1"}


# --- what is asked for is done, or it fails


@pytest.mark.parametrize(
    ("texts", "params", "line"),
    [
        ({"x": ""}, {}, "no schema.txt in . (got no such file, expected a description). Fix: "),
        ({"x": ""}, {"directory": "nowhere"}, "no directory nowhere in the workspace"),
        ({"x": ""}, {"mode": "guess"}, "unknown mode (got 'guess', expected verify or describe)"),
        ({"x": ""}, NO_SCHEMA, "nothing to verify (got no schema, assertions or tests"),
        ({"x": ""}, {**NO_SCHEMA, "assertions": "."}, "no *.sql in . (got none"),
        ({"x": ""}, {**NO_SCHEMA, "tests": "."}, "no *.sql in . (got none"),
        ({"schema.txt": "table app.x\n"}, {"assertions": "nowhere"}, "no *.sql in nowhere (got none"),
        (None, {}, "no workspace (got none, expected source with what is expected)"),
    ],
    ids=["no file", "no directory", "a mode", "nothing", "no assertions", "no tests", "one of two", "no workspace"],
)
def test_nothing_passes_by_silence(
    shops: Callable[[int], Shop], tmp_path: Path, texts: dict[str, str] | None, params: dict[str, str], line: str
) -> None:
    outcome = verify(shops(18), None if texts is None else files(tmp_path, texts), params)
    assert not outcome.succeeded
    assert said(outcome)[-1].startswith(f"verify: {line}"), outcome.output


def test_a_schema_that_the_lease_may_not_use_is_no_schema(shops: Callable[[int], Shop]) -> None:
    shop = shops(18)
    role = f"{shop.site.key}_verifier"
    with shop.site.as_superuser() as session:
        session.execute(f"REVOKE USAGE ON SCHEMA app FROM {role}".encode())
        outcome = verify(shop, SHOP)
        session.execute(f"GRANT USAGE ON SCHEMA app TO {role}".encode())
    assert said(outcome)[-1].startswith("verify: no schema (got none that the lease may use in its search_path")
