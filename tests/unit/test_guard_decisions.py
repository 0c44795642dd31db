"""What the guard decides: to wait, renew, warn, fail or give back, from the clock and from the line."""

from __future__ import annotations

import re
from types import ModuleType

import pytest

from tests.unit.guard_inputs import lease


@pytest.mark.parametrize(
    ("now", "action"),
    [
        (1000, "wait"),
        (1599, "wait"),
        (1600, "renew"),
        (1899, "renew"),
        (1900, "fail"),
    ],
)
def test_a_lease_is_renewed_after_two_thirds_and_fails_at_its_end(guard: ModuleType, now: float, action: str) -> None:
    assert lease(guard).next_action("", now)[0] == action


@pytest.mark.parametrize(("now", "action"), [(2439, "wait"), (2440, "warn"), (2763, "warn"), (2764, "fail")])
def test_a_lease_warns_at_80_percent_and_ends_before_vaults_maximum(guard: ModuleType, now: float, action: str) -> None:
    assert lease(guard, expires=2800, renew_at=2200).next_action("", now)[0] == action


def test_a_lease_that_reaches_its_maximum_is_not_renewed_again(guard: ModuleType) -> None:
    assert lease(guard, expires=2800, renew_at=2000).next_action("", 2300) == ("wait", "")


def test_the_warning_is_said_once(guard: ModuleType) -> None:
    assert lease(guard, expires=2800, renew_at=2200, warned=True).next_action("", 2500)[0] == "wait"


def test_a_wish_to_give_back_comes_before_everything(guard: ModuleType) -> None:
    assert lease(guard).next_action("release step", 99999) == ("give back", "release step")


def test_an_outlived_lease_says_what_to_do(guard: ModuleType) -> None:
    reason = lease(guard).next_action("", 3000)[1]
    assert reason.startswith("lease shop-migrator: ")
    assert re.search(r"\(got 2000 s, expected less than max_ttl 1800 s.*\)\. Fix: raise max_ttl", reason)


@pytest.mark.parametrize(
    ("stopped", "release", "cancel", "who"),
    [
        (True, True, True, "stop signal"),
        (False, True, True, "release step"),
        (False, False, True, "cancel annotation"),
        (False, False, False, ""),
    ],
)
def test_who_asks_is_named(guard: ModuleType, stopped: bool, release: bool, cancel: bool, who: str) -> None:
    assert guard.Line().who_asks(stopped, release, cancel, 1000) == who


@pytest.mark.parametrize(
    ("word", "free_for", "who"),
    [
        ("", 1.9, ""),
        ("", 2.0, "line: hung up without a word"),
        ("migrate", 2.0, "line: hung up without a word"),
        ("handover", 59.9, ""),
        ("handover", 60.0, "line: handed over, and no successor came"),
        ("failed", 0.0, "line: a step failed"),
    ],
)
def test_a_free_line_means_revoke_by_its_last_word(guard: ModuleType, word: str, free_for: float, who: str) -> None:
    assert guard.Line(word, 1000.0).who_asks(False, False, False, 1000 + free_for) == who


def test_a_held_line_asks_for_nothing_however_long(guard: ModuleType) -> None:
    assert guard.Line("check", None).who_asks(False, False, False, 10**9) == ""
    assert guard.Line("failed", None).who_asks(False, False, False, 10**9) == "line: a step failed"


def test_the_line_remembers_since_when_it_is_free(guard: ModuleType) -> None:
    line = guard.Line().after(True, ["check"], 1).after(True, ["handover"], 2).after(False, [], 3).after(False, [], 9)
    assert line == guard.Line("handover", 3)


def test_a_successor_takes_the_handover_back(guard: ModuleType) -> None:
    assert guard.Line("handover", 3.0).after(True, [], 4) == guard.Line("", None)
    assert guard.Line("handover", None).after(True, ["migrate"], 4) == guard.Line("migrate", None)


def test_a_failed_step_stays_failed_whatever_its_successor_says(guard: ModuleType) -> None:
    assert guard.Line("check", None).after(True, ["failed", "migrate"], 4).word == "failed"
    assert guard.Line("failed", 3.0).after(True, ["handover"], 4).word == "failed"
