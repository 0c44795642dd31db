"""What the guard decides: to wait, renew, warn, end or give back, from the clock and from the line."""

from __future__ import annotations

import re
from types import ModuleType
from typing import Any

import pytest

from tests.unit.guard_inputs import lease

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
