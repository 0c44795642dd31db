"""Why a PostgreSQL server does not let us in, and where its password comes from."""

from __future__ import annotations

import pytest

from runlease.readers.session import in_plain_words, password_variable
from tests.unit.postgres_facts import managed


@pytest.mark.parametrize(
    ("said", "setting", "fix"),
    [
        ("SSL error: certificate verify failed", "ca", "put the CA that did at ca.pem"),
        ('server certificate for "a" does not match host name "b"', "host", "verify-pinned-ca"),
        ("server does not support SSL, but SSL was required", "host", "ssl = on"),
        ("fe_sendauth: no password supplied", "admin", "export RUNLEASE_ADMIN_PASSWORD_SHOP"),
        ('FATAL:  password authentication failed for user "cloud"', "admin", "that of cloud"),
        ('FATAL:  no pg_hba.conf entry for host "10.0.0.1"', "host", "hostssl all cloud"),
        ("User does not have CONNECT privilege.", "admin", 'GRANT CONNECT ON DATABASE "shop" TO "cloud";'),
        ('could not translate host name "db" to address', "host", "correct the name"),
        ("Connection refused", "host", "start the server"),
        ("connection timeout expired", "host", "open the way to db:5432"),
        ("something new", "host", "psql connects to db:5432 as cloud"),
    ],
)
def test_a_server_that_does_not_let_us_in_says_why(said: str, setting: str, fix: str) -> None:
    finding = in_plain_words("shop", managed(), said)
    assert finding.where == f"access.databases.shop.{setting}"
    assert said in finding.problem.replace("\n", " ") or " ".join(said.split()) in finding.problem
    assert fix in finding.fix


def test_the_password_comes_from_a_variable_of_its_own() -> None:
    assert password_variable("shop_eu") == "RUNLEASE_ADMIN_PASSWORD_SHOP_EU"
