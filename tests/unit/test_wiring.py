"""What only planned and live access know: how it reads, and what it never prints."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from runlease.access import EVERY, Access, Account, Connection, PathRule, Permission, Policy, TaskText, Trust, Unread

PATH = PathRule("shop-prod-db/creds/shop-reader", ("read",))
NOUNS = [
    (Connection("shop-prod-db", "shop-data", "shop", "vault"), "shop-prod-db/shop-data"),
    (Policy("shop-prod.shop-reader", (PATH,)), "shop-prod.shop-reader"),
    (Trust("shop-prod-jwt", "shop-prod.ci.migrate"), "shop-prod-jwt/shop-prod.ci.migrate"),
    (Account("ci", "migrate"), "ci/migrate"),
    (Permission("jane", "ci", ("create",), ("pods", "pods/exec")), "jane may create pods, pods/exec in namespace ci"),
    (Permission("jane", EVERY, (EVERY,), (EVERY,)), "jane may * * in every namespace"),
    (TaskText("ci", "migrate"), "ci/migrate"),
    (Unread("urn:pulumi:x", "its type is not known"), "urn:pulumi:x: its type is not known"),
]


@pytest.mark.parametrize(("noun", "reads"), NOUNS)
def test_a_noun_reads_as_its_system_spells_it(noun: object, reads: str) -> None:
    assert str(noun) == reads


@pytest.mark.parametrize("noun", [noun for noun, _ in NOUNS])
def test_two_nouns_that_differ_in_their_source_alone_are_the_same(noun: Any) -> None:
    assert dataclasses.replace(noun, source="urn:pulumi:x") == noun
    assert hash(dataclasses.replace(noun, source="urn:pulumi:x")) == hash(noun)


def test_a_path_reads_with_what_may_be_done_there() -> None:
    assert str(PATH) == "read on shop-prod-db/creds/shop-reader"


def test_what_kubernetes_and_vault_do_by_default_is_what_silence_means() -> None:
    trust = Trust("jwt", "run")
    assert Account("ci", "migrate").automount
    assert not trust.no_default_policy
    assert (trust.expiration_leeway, trust.not_before_leeway, trust.clock_skew_leeway) == (0, 0, 0)


def test_the_texts_of_a_task_are_never_printed() -> None:
    task = TaskText("ci", "migrate", scripts=(("steps.a", "hunter2"),), values=(("params.x", "hunter2"),))
    for printed in (str(task), repr(task), repr(Access("shop-prod", tasks=(task,)))):
        assert "hunter2" not in printed


def test_declared_access_has_none_of_it() -> None:
    access = Access("shop-prod")
    assert not any(getattr(access, field.name) for field in dataclasses.fields(access) if field.name != "installation")
