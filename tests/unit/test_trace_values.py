"""Values of statements are hidden unless they are asked for, and secrets always."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runlease.evidence.trace.values import hidden, hidden_message, without_secrets


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("SELECT 1", "SELECT ?"),
        ("SELECT a1, b_2, $3 FROM t4", "SELECT a1, b_2, $3 FROM t4"),
        ("SELECT -1.5e-3, .5, 0xFF, 1_000", "SELECT -?, ?, ?, ?"),
        ("SELECT 'it''s', E'a\\'b', x'1f', U&'d', N'n'", "SELECT ?, ?, ?, U&?, ?"),
        ("SELECT 'a\\', b, 'c'", "SELECT ?, b, ?"),
        ("SELECT date'2026-01-01'", "SELECT date?"),
        ("SELECT $$a $1 'b$$, $x$ $$ $x$, $1", "SELECT ?, ?, $1"),
        ('SELECT "it\'s", "a""1"', 'SELECT "it\'s", "a""1"'),
        ("SELECT 1 -- 'x'\nFROM t /* 'secret' */ WHERE a = 'b", "SELECT ?  \nFROM t   WHERE a = ?"),
        ("UPDATE t SET a = 'x'::text, b = ARRAY[1,2]", "UPDATE t SET a = ?::text, b = ARRAY[?,?]"),
        ("SELECT $tag$ never ends", "SELECT ?"),
    ],
)
def test_literals_and_comments_are_hidden(statement: str, told: str) -> None:
    assert hidden(statement) == told


QUOTED = st.text(st.characters(codec="ascii", exclude_characters="\x00"), max_size=20)


@given(QUOTED, QUOTED)
def test_no_text_of_a_literal_is_left(first: str, second: str) -> None:
    literals = [f"'{one.replace(chr(39), chr(39) * 2)}'" for one in (first, second)]
    statement = f"SELECT {literals[0]}, b FROM t WHERE c = {literals[1]}"  # noqa: S608 - it is never run
    assert hidden(statement) == "SELECT ?, b FROM t WHERE c = ?"


@pytest.mark.parametrize(
    ("message", "told"),
    [
        ('relation "app.orders" does not exist', 'relation "app.orders" does not exist'),
        ('invalid input syntax for type integer: "4711x"', "invalid input syntax for type integer: ?"),
        (
            'duplicate key value violates unique constraint "a_pk"',
            'duplicate key value violates unique constraint "a_pk"',
        ),
        ('syntax error at or near "secret"', "syntax error at or near ?"),
        ("customer 4711 of 'Bob' is not there", "customer ? of ? is not there"),
    ],
)
def test_errors_name_objects_and_no_values(message: str, told: str) -> None:
    assert hidden_message(message) == told


def test_passwords_and_verifiers_are_never_shown() -> None:
    assert without_secrets("ALTER ROLE a PASSWORD 'x''y' VALID UNTIL 'z'") == "ALTER ROLE a PASSWORD ? VALID UNTIL 'z'"
    assert without_secrets("SELECT dblink('host=a password=b c')") == "SELECT dblink('host=a password=? c')"
    assert without_secrets("SELECT f('SCRAM-SHA-256$4096:a$b:c')") == "SELECT f('?')"
