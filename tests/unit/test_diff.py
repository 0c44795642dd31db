"""The difference of two Access values says all of it: applied to the first it gives the second."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given

from runlease.access import Access, Account, Duration, Lease, TaskText
from runlease.access.diff import Change, apply, diff, ordered
from tests.unit.accesses import accesses

LEASE = Lease("shop-reader", "shop", None, "shop_reader", Duration(300), Duration(600))


@given(accesses(), accesses())
def test_the_difference_applied_to_the_first_gives_the_second(before: Access, after: Access) -> None:
    assert apply(before, diff(before, after)) == ordered(after)


@given(accesses())
def test_nothing_differs_from_itself(access: Access) -> None:
    assert diff(access, access) == ()


@given(accesses())
def test_order_is_no_difference(access: Access) -> None:
    turned = dataclasses.replace(access, roles=access.roles[::-1], bindings=access.bindings[::-1])
    assert diff(access, turned) == ()


def test_a_noun_that_changes_is_one_change_that_names_its_fields() -> None:
    longer = dataclasses.replace(LEASE, max_ttl=Duration(1200))
    (change,) = diff(Access("x", leases=(LEASE,)), Access("x", leases=(longer,)))
    assert str(change) == "~ leases shop-reader (max_ttl: 10m → 20m)"


def test_what_makes_a_noun_is_no_difference() -> None:
    moved = dataclasses.replace(LEASE, source="urn:elsewhere")
    assert diff(Access("x", leases=(LEASE,)), Access("x", leases=(moved,))) == ()


def test_nouns_of_one_name_are_told_apart() -> None:
    twice = (Account("ci", "a", True), Account("ci", "a", False))
    changes = diff(Access("x"), Access("x", accounts=twice))
    assert {change.after for change in changes} == set(twice)


def test_a_text_that_could_hold_a_secret_is_never_in_a_change() -> None:
    old, new = (TaskText("ci", "t", scripts=(("steps.a", text),)) for text in ("echo hunter1", "echo hunter2"))
    (change,) = diff(Access("x", tasks=(old,)), Access("x", tasks=(new,)))
    assert "hunter" not in str(change)
    assert "scripts" in str(change)


def test_a_change_of_another_access_is_refused() -> None:
    with pytest.raises(ValueError, match="make the difference again"):
        apply(Access("x"), [Change("leases", LEASE, None)])
