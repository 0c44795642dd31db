"""Durations, and which lifetimes fit into one another."""

from __future__ import annotations

import dataclasses

import pytest

from runlease.access import Duration, LifetimeError, incoherent_lifetimes
from runlease.access.lifetimes import SYSTEM_MAXIMUM, TOKEN_EXPIRY, TOKEN_MARGIN, LeaseLifetime, RunLifetime

MINUTE = Duration(60)
LEASE = LeaseLifetime("access.leases.shop-migrator", Duration(900), Duration(1800), Duration(1800))
RUN = RunLifetime("access.pipelines.shop-release", Duration(1800), MINUTE, (("shop-migrator", Duration(1800)),))


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1s", 1),
        ("90s", 90),
        ("15m", 900),
        ("2h", 7_200),
        ("1d", 86_400),
        ("1h30m", 5_400),
        ("1d2h3m4s", 93_784),
        ("1d1s", 86_401),
        ("007m", 420),
        ("0h1s", 1),
        ("768h", 2_764_800),
    ],
)
def test_a_duration_is_read_in_every_unit_and_in_sums(text: str, seconds: int) -> None:
    assert Duration.parse(text) == Duration(seconds)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "0",
        "0s",
        "0h0m",
        "15",
        "-5m",
        "+5m",
        "5 m",
        " 5m",
        "5m ",
        "5m\n",
        "1.5h",
        "5M",
        "5min",
        "2w",
        "1y",
        "5ms",
        "30m1h",
        "5m5m",
        "m",
        "\uff11\uff15m",
        "\u0663m",
        "1e3s",
        "inf",
        "9" * 10 + "s",
        "9" * 5_000 + "s",
    ],
)
def test_what_is_no_duration_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(LifetimeError, match="expected a duration above zero such as 15m"):
        Duration.parse(text)


@pytest.mark.parametrize(
    ("seconds", "reads"),
    [(1, "1s"), (60, "1m"), (90, "1m30s"), (5_400, "1h30m"), (86_400, "1d"), (90_061, "1d1h1m1s"), (0, "0s")],
)
def test_a_duration_reads_in_its_largest_units(seconds: int, reads: str) -> None:
    assert str(Duration(seconds)) == reads


@pytest.mark.parametrize("seconds", [1, 59, 60, 61, 3_599, 3_661, 86_399, 93_784, 999_999_999])
def test_what_a_duration_reads_as_can_be_read_again(seconds: int) -> None:
    assert Duration.parse(str(Duration(seconds))) == Duration(seconds)


def test_durations_add_and_compare() -> None:
    assert MINUTE + Duration(30) == Duration(90) > MINUTE


def test_lifetimes_that_are_exactly_equal_fit() -> None:
    equal = LeaseLifetime("access.leases.x", Duration(1800), Duration(1800), Duration(1800))
    assert incoherent_lifetimes([equal], [RUN], TOKEN_EXPIRY) == []


def test_the_longest_lease_leaves_room_for_its_tokens_margin() -> None:
    longest = Duration(SYSTEM_MAXIMUM.seconds - TOKEN_MARGIN.seconds)
    fits = LeaseLifetime("access.leases.x", longest, longest, longest)
    over = dataclasses.replace(fits, max_ttl=longest + Duration(1), mount_maximum=SYSTEM_MAXIMUM)
    assert incoherent_lifetimes([fits]) == []
    (message,) = incoherent_lifetimes([over])
    assert all(part in message for part in (str(over.max_ttl), str(SYSTEM_MAXIMUM), str(TOKEN_MARGIN), "Fix: "))


@pytest.mark.parametrize(
    ("lease", "values", "fix"),
    [
        (dataclasses.replace(LEASE, ttl=Duration(1801)), ("ttl 30m1s", "max_ttl 30m"), "set max_ttl to 30m1s or more"),
        (
            dataclasses.replace(LEASE, mount_maximum=Duration(1799)),
            ("max_ttl 30m", "vault.max_lease_ttl 29m59s"),
            "raise vault.max_lease_ttl",
        ),
    ],
)
def test_a_lease_that_does_not_fit_is_named_with_both_values_and_a_fix(
    lease: LeaseLifetime, values: tuple[str, str], fix: str
) -> None:
    (message,) = incoherent_lifetimes([lease])
    assert message.startswith("access.leases.shop-migrator: ")
    assert all(value in message for value in values)
    assert fix in message.split("Fix: ")[1]


def test_a_task_that_may_outlive_its_lease_is_named() -> None:
    (message,) = incoherent_lifetimes([], [dataclasses.replace(RUN, timeout=Duration(1801))])
    assert message.startswith("access.pipelines.shop-release.timeout: ")
    assert "timeout 30m1s" in message
    assert "max_ttl 30m of shop-migrator" in message
    assert "leases.shop-migrator.max_ttl" in message.split("Fix: ")[1]


def test_a_finally_that_ends_before_the_leases_are_dead_is_named() -> None:
    (message,) = incoherent_lifetimes([], [dataclasses.replace(RUN, finally_timeout=Duration(59))])
    assert message.startswith("access.pipelines.shop-release.finally_timeout: ")
    assert "got 59s, expected at least 1m" in message
    assert "Fix: set it to 1m or more" in message


def test_a_token_shorter_than_kubernetes_issues_is_named() -> None:
    (message,) = incoherent_lifetimes([], token_expiry=Duration(599))
    assert "got 9m59s, expected at least 10m" in message
    assert "Fix: set it to 10m" in message


def test_a_pipeline_that_says_nothing_is_not_checked() -> None:
    assert incoherent_lifetimes([LEASE], [dataclasses.replace(RUN, timeout=None, finally_timeout=None)]) == []


def test_everything_that_does_not_fit_is_named_at_once() -> None:
    lease = dataclasses.replace(LEASE, ttl=Duration(3_000_000), max_ttl=Duration(2_900_000))
    run = RunLifetime("p", Duration(1801), Duration(1), (("a", Duration(1)), ("b", Duration(2)), ("c", Duration(1801))))
    assert len(incoherent_lifetimes([lease], [run], Duration(1))) == 3 + 3 + 1
