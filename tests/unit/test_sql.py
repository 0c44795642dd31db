"""Quoting for SQL that is written before any connection exists."""

from __future__ import annotations

import re

import pytest
from psycopg import sql as driver

from runlease.access.sql import identifier, literal

HOSTILE = [
    "shop",
    "Shop Owner",
    'a"b',
    '";DROP ROLE postgres;--',
    "o'brien",
    "'; SELECT 1; --",
    "back\\slash",
    "\\'; SELECT 1; --",
    "$$",
    "line\nbreak",
    "🐘",
    "%s %I {name} {{name}}",
]


def unquoted(text: str) -> str:
    """What PostgreSQL reads back from a quoted literal (ddl-lexical: strings and E'' strings)."""
    found = re.fullmatch(r"( E)?'((?:[^'\\]|''|\\\\)*)'", text, re.DOTALL)
    assert found, f"no single literal: {text}"
    inside = found[2].replace("''", "'")
    assert ("\\" in inside) == bool(found[1])
    return inside.replace("\\\\", "\\")


@pytest.mark.parametrize("name", HOSTILE)
def test_an_identifier_stays_one_identifier(name: str) -> None:
    quoted = identifier(name)
    assert quoted[0] == quoted[-1] == '"'
    assert '"' not in quoted[1:-1].replace('""', "")
    assert quoted[1:-1].replace('""', '"') == name


@pytest.mark.parametrize("name", HOSTILE)
def test_an_identifier_is_quoted_as_the_driver_quotes_it(name: str) -> None:
    assert identifier(name) == driver.Identifier(name).as_string()


@pytest.mark.parametrize("text", ["", *HOSTILE])
def test_a_literal_stays_one_literal(text: str) -> None:
    assert unquoted(literal(text)) == text


@pytest.mark.parametrize("text", ["", *HOSTILE])
def test_a_literal_is_quoted_as_the_driver_quotes_it(text: str) -> None:
    assert literal(text) == driver.Literal(text).as_string()


@pytest.mark.parametrize("name", ["", "a\0b", "a" * 64, "é" * 32, "🐘" * 16])
def test_an_identifier_that_postgresql_would_cut_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"expected 1 to 63 bytes.*Fix:"):
        identifier(name)


@pytest.mark.parametrize("name", ["a", "a" * 63, "é" * 31 + "a", '"' * 63])
def test_63_bytes_are_counted_before_quoting(name: str) -> None:
    assert len(identifier(name).encode()) >= len(name.encode()) + 2


def test_a_zero_byte_in_a_literal_is_refused() -> None:
    with pytest.raises(ValueError, match=r"zero byte.*Fix:"):
        literal("a\0b")
