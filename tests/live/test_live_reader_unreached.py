"""A server that cannot be asked: one message, with what was got and what mends it, and without a secret."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from lab.processes import free_port
from runlease.readers.error import ReadError
from tests.live.live_reader import Reader, reader_of
from tests.live.sites import Sites

Spoil = Callable[[Reader], None]


def _wrong_password(reader: Reader) -> None:
    reader.environment = dict.fromkeys(reader.environment, "wrong-secret")


def _wrong_token(reader: Reader) -> None:
    reader.environment["VAULT_TOKEN"] = "wrong-secret"


def _no_token(reader: Reader) -> None:
    del reader.environment["VAULT_TOKEN"]


def _nobody_there(reader: Reader) -> None:
    (key, database), *_ = reader.settings.databases.items()
    moved = database.model_copy(update={"port": free_port()})
    reader.settings = reader.settings.model_copy(update={"databases": {key: moved}})


def _no_vault(reader: Reader) -> None:
    vault = reader.settings.vault.model_copy(update={"address": f"https://localhost:{free_port()}"})
    reader.settings = reader.settings.model_copy(update={"vault": vault})


def _no_ca(reader: Reader) -> None:
    vault = reader.settings.vault.model_copy(update={"ca": "nowhere.pem"})
    reader.settings = reader.settings.model_copy(update={"vault": vault})


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (_wrong_password, r"admin: the admin's password is refused \(got .*\)\. Fix: export RUNLEASE_ADMIN_PASSWORD_"),
        (_wrong_token, r"VAULT_TOKEN: is refused.*\(got 403, expected .*\)\. Fix: log in again"),
        (_no_token, r"VAULT_TOKEN: is missing \(got nothing, expected .*\)\. Fix: log in"),
        (_nobody_there, r"host: nothing listens there \(got .*\)\. Fix: start the server"),
        (_no_ca, r"access\.vault\.ca: no such file \(got 'nowhere\.pem'.*\)\. Fix: put the certificate there"),
        (_no_vault, r"access\.vault\.address: nothing listens there \(got .*\)\. Fix: start the server"),
    ],
)
def test_a_server_that_cannot_be_asked_is_one_message(sites: Sites, tmp_path: Path, spoil: Spoil, said: str) -> None:
    reader = reader_of(sites.site(18, True), tmp_path)
    spoil(reader)
    with pytest.raises(ReadError) as wrong:
        reader.live()
    assert re.search(said, str(wrong.value))
    assert "wrong-secret" not in str(wrong.value)


def test_a_login_that_may_not_connect_is_told_the_grant(sites: Sites, tmp_path: Path) -> None:
    site = sites.site(18, False)
    with site.as_superuser() as session:
        session.execute("CREATE ROLE outsider LOGIN PASSWORD 'out'")
    try:
        reader = reader_of(site, tmp_path, admin="outsider")
        reader.environment[f"RUNLEASE_ADMIN_PASSWORD_{site.key.upper()}"] = "out"
        with pytest.raises(ReadError, match=f'Fix: GRANT CONNECT ON DATABASE "{site.dbname}" TO "outsider";'):
            reader.live()
    finally:
        with site.as_superuser() as session:
            session.execute("DROP ROLE outsider")
