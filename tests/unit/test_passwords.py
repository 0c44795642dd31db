"""The verifier that PostgreSQL gets instead of a password."""

import re

from runlease.provision.broker import functions
from runlease.provision.postgres.passwords import scram_verifier


def test_the_verifier_is_postgresqls_own_form_and_hides_the_password() -> None:
    verifier = scram_verifier("a password")

    assert re.fullmatch(r"SCRAM-SHA-256\$4096:[A-Za-z0-9+/=]{24}\$[A-Za-z0-9+/=]{44}:[A-Za-z0-9+/=]{44}", verifier)
    assert "a password" not in verifier


def test_the_same_password_gives_the_same_verifier_and_another_one_another_salt() -> None:
    assert scram_verifier("one") == scram_verifier("one")
    assert scram_verifier("one").split("$")[1] != scram_verifier("two").split("$")[1]


def test_the_broker_would_take_such_a_verifier() -> None:
    create = next(one for one in functions((), "marker", "sweeper", ()) if one.name == "create_login")
    pattern = re.search(r"p_verifier !~ '(.*)'", create.body)

    assert pattern is not None
    assert re.fullmatch(pattern[1].strip("^$"), scram_verifier("x")) is not None
