"""Calls of the broker's four functions as Vault makes them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import psycopg
from psycopg.sql import SQL, Composed, Identifier, Literal

from tests.live.statements import outcome

LOGIN = "run_reader_0123456789abcdefghij"
VERIFIER = f"SCRAM-SHA-256$4096:{'s' * 22}==${'k' * 43}=:{'k' * 43}="
LONGEST = 600
"""max_ttl of every lease, in seconds; the broker adds a minute for clocks that differ."""
DONE = "00000"


def call(function: str, *arguments: str | None) -> Composed:
    return SQL("SELECT runlease.{}({})").format(Identifier(function), SQL(", ").join(map(Literal, arguments)))


def moment(seconds: int) -> str:
    """So many seconds from now, as Vault writes it."""
    return (datetime.now(UTC) + timedelta(seconds=seconds)).strftime("%Y-%m-%d %H:%M:%S+0000")


def make(session: psycopg.Connection, profile: str = "reader", login: str = LOGIN, seconds: int = 300) -> str:
    """How an honest call of create_login ends."""
    return outcome(session, call("create_login", login, VERIFIER, moment(seconds), profile))
