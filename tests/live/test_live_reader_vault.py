"""What Vault has is what was declared, until somebody writes it otherwise: then that is the difference."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from runlease.access.diff import Change
from tests.live.live_reader import Reader, reader_of, reading_token
from tests.live.sites import Sites


@pytest.fixture
def vault_reader(sites: Sites, tmp_path: Path) -> Reader:
    """One site, for what no version of PostgreSQL changes."""
    return reader_of(sites.site(18, True), tmp_path)


@contextmanager
def rewritten(reader: Reader, path: str, **changed: Any) -> Iterator[tuple[Change, ...]]:
    """The difference while something in Vault is written otherwise."""
    path = path.replace("{installation}", reader.site.installation)
    was = reader.vault("GET", path)["data"]
    reader.vault("POST", path, {**was, **changed})
    try:
        yield reader.changes()
    finally:
        reader.vault("POST", path, was)
    assert list(map(str, reader.changes())) == []


def test_a_longer_lease_in_vault_is_the_difference(vault_reader: Reader) -> None:
    with rewritten(vault_reader, "/{installation}-db/roles/reader", max_ttl=3600) as changes:
        (change,) = changes
        assert str(change) == "~ leases reader (max_ttl: 10m → 1h)"


def test_a_lease_with_other_statements_in_vault_is_the_difference(vault_reader: Reader) -> None:
    statements = ['CREATE ROLE "{{name}}" LOGIN PASSWORD \'{{password}}\'; GRANT boss TO "{{name}}"']
    with rewritten(vault_reader, "/{installation}-db/roles/reader", creation_statements=statements) as changes:
        (change,) = changes
        assert change.after is not None
        assert change.after.role == "boss"


JWT_ROLE = "/auth/{installation}-jwt/role/{installation}.ci.run-reader"


def test_a_second_audience_is_the_difference(vault_reader: Reader) -> None:
    with rewritten(vault_reader, JWT_ROLE, bound_audiences=[vault_reader.site.audience, "everybody"]) as changes:
        (change,) = changes
        assert change.before is None
        assert change.after is not None
        assert (str(change.after.identity), change.after.identity.audience) == ("ci/run-reader", "everybody")


def test_another_audience_is_the_difference(vault_reader: Reader) -> None:
    with rewritten(vault_reader, JWT_ROLE, bound_audiences=["everybody"]) as changes:
        (change,) = changes
        assert str(change).startswith("~ bindings ci run-reader run reader reader (identity.audience: ")


UNCARRIED = "opens a lease, and no JWT role carries it: who does is not known"


def test_a_jwt_role_with_another_policy_is_the_difference(vault_reader: Reader) -> None:
    installation = vault_reader.site.installation
    with rewritten(vault_reader, JWT_ROLE, token_policies=[f"{installation}.migrator"]) as changes:
        assert [(change.section, str(change.before), str(change.after)) for change in changes] == [
            # No pipeline and task of the settings has this account and this lease.
            ("bindings", "None", "ci/run-reader may obtain migrator"),
            ("bindings", "ci/run-reader may obtain reader", "None"),
            ("unread", "None", f"Vault sys/policies/acl/{installation}.reader: {UNCARRIED}"),
        ]


def test_what_the_token_may_not_read_is_named_with_the_line_that_gives_it(vault_reader: Reader) -> None:
    reader = vault_reader
    policy = 'path "sys/mounts" { capabilities = ["read"] }\n'
    for _ in range(6):
        reader.environment["VAULT_TOKEN"] = reading_token(reader.site, policy)
        missing = [one.why.partition("Fix: ")[2] for one in reader.live().unread]
        if not any(missing):
            break
        policy += "\n".join(filter(None, missing)) + "\n"
    else:
        pytest.fail(policy)
    assert list(map(str, reader.changes())) == []
