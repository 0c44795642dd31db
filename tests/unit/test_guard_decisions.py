"""What the guard decides: to wait, renew, warn, end or give back; and what Vault and a token tell it."""

from __future__ import annotations

import re
from types import ModuleType
from typing import Any

import pytest

from tests.unit.guard_inputs import claims_of, jwt, lease

UNASKED = ""


def action(one: Any, now: float, asked_by: str = UNASKED) -> str:
    return str(one.next_action(asked_by, now)[0])


@pytest.mark.parametrize(("now", "wanted"), [(1000, "wait"), (1599, "wait"), (1600, "renew"), (1881, "renew")])
def test_a_lease_is_renewed_after_two_thirds(guard: ModuleType, now: float, wanted: str) -> None:
    assert action(lease(guard), now) == wanted


@pytest.mark.parametrize(
    ("changes", "now"),
    [
        ({}, 1882),
        ({"renewed": 2000}, 2764),
        ({"issued": 5000, "renewed": 5000}, 4999),
    ],
    ids=["98 percent of a ttl that was not renewed", "98 percent of max_ttl", "a clock of another start of the node"],
)
def test_a_lease_ends_shortly_before_vault_ends_it(guard: ModuleType, changes: dict[str, float], now: float) -> None:
    with pytest.raises(guard.GuardError, match="the work outlives it"):
        lease(guard, **changes).next_action(UNASKED, now)


@pytest.mark.parametrize(("now", "wanted"), [(2439, "wait"), (2440, "warn"), (2763, "warn")])
def test_a_lease_warns_at_80_percent_of_its_maximum(guard: ModuleType, now: float, wanted: str) -> None:
    assert action(lease(guard, renewed=1900), now) == wanted


def test_a_lease_that_reaches_its_maximum_is_not_renewed_again(guard: ModuleType) -> None:
    assert action(lease(guard, renewed=1890), 2500) == "warn"


@pytest.mark.parametrize("asked_by", ["release step", "stop signal"])
def test_a_wish_to_give_back_comes_before_everything(guard: ModuleType, asked_by: str) -> None:
    assert lease(guard).next_action(asked_by, 99999) == ("give back", asked_by)


def test_an_outlived_lease_says_what_to_do(guard: ModuleType) -> None:
    with pytest.raises(guard.GuardError) as caught:
        lease(guard).next_action(UNASKED, 3000)
    assert re.fullmatch(
        r"lease: the work outlives it \(got 2000 s, expected less than max_ttl 1800 s, and renewals\)\. Fix: raise .*",
        str(caught.value),
    )


@pytest.mark.parametrize(
    ("word", "free_for", "who"),
    [
        ("", 1.9, UNASKED),
        ("", 2.0, "line: hung up without a word"),
        ("migrate", 2.0, "line: hung up without a word"),
        ("handover", 59.9, UNASKED),
        ("handover", 60.0, "line: handed over, and no successor came"),
        ("failed", 0.0, "line: a step failed"),
    ],
)
def test_a_free_line_means_revoke_by_its_last_word(guard: ModuleType, word: str, free_for: float, who: str) -> None:
    one = lease(guard, word=word, free_since=1100.0)
    assert one.next_action(UNASKED, 1100 + free_for) == (("give back", who) if who else ("wait", ""))


@pytest.mark.parametrize("free_since", [0.0, -1.0], ids=["held", "not held yet"])
def test_a_line_that_is_not_free_asks_for_nothing_however_long(guard: ModuleType, free_since: float) -> None:
    one = lease(guard, word="check", free_since=free_since)
    assert action(one, 1599) == "wait"
    assert one._replace(word="failed").next_action(UNASKED, 1599) == ("give back", "line: a step failed")


def line(one: Any) -> tuple[str, float]:
    return one.word, one.free_since


def test_the_line_remembers_since_when_it_is_free(guard: ModuleType) -> None:
    one = lease(guard).heard(["check"], True, 1).heard(["handover"], True, 2).heard([], False, 3).heard([], False, 9)
    assert line(one) == ("handover", 3)


def test_a_line_that_no_step_has_held_is_not_free(guard: ModuleType) -> None:
    assert line(lease(guard).heard([], False, 1)) == ("", -1)


def test_a_successor_takes_the_handover_back(guard: ModuleType) -> None:
    handed_over = lease(guard, word="handover", free_since=3.0)
    assert line(handed_over.heard([], True, 4)) == ("", 0)
    assert line(handed_over.heard(["migrate"], True, 4)) == ("migrate", 0)


def test_a_failed_step_stays_failed_whatever_its_successor_says(guard: ModuleType) -> None:
    assert lease(guard, word="check", free_since=0.0).heard(["failed", "migrate"], True, 4).word == "failed"
    assert lease(guard, word="failed", free_since=3.0).heard(["handover"], True, 4).word == "failed"


# --- what it is told


@pytest.mark.parametrize(
    ("status", "body", "passing", "says"),
    [
        (503, b'{"errors":["Vault is sealed"]}', True, "503: Vault is sealed"),
        (403, b'{"errors":["permission denied"]}', False, "403: permission denied"),
        (400, b'{"errors":["failed to revoke entry: x"]}', True, "400: failed to revoke"),
        (429, b"{}", True, "429: no reason"),
        (200, b"<html>", False, "200: no JSON object"),
        (200, b"17", False, "200: no JSON object"),
        (307, b"<a href=x>", False, "redirects are not followed"),
        (307, b"{}", False, "307"),
        (502, b"<html>", True, "502: no JSON object"),
    ],
)
def test_an_answer_that_is_not_a_yes_says_why(
    guard: ModuleType, status: int, body: bytes, passing: bool, says: str
) -> None:
    with pytest.raises(guard.GuardError, match=re.escape(says)) as caught:
        guard.judge("some/path", status, body, "check it")
    assert caught.value.passing is passing
    assert str(caught.value).startswith("some/path: ")


def test_an_empty_yes_is_a_yes(guard: ModuleType) -> None:
    assert guard.judge("sys/leases/revoke", 204, b"", "") == {}


@pytest.mark.parametrize(
    "token",
    ["", "hi", "a.b.c", jwt({}), jwt({"kubernetes.io": 7}), jwt({"sub": "system:serviceaccount:a:b"})],
)
def test_what_is_no_pods_token_is_refused(guard: ModuleType, token: str) -> None:
    with pytest.raises(guard.GuardError, match="token: no pod's"):
        guard.identity(token)


def test_a_pods_token_says_whose_it_is(guard: ModuleType) -> None:
    assert guard.identity(jwt(claims_of("ci", "migrate", "p-1"))) == ["ci", "migrate", "p-1"]
