"""Findings beside what a stack accepts: accepted is marked, expired counts, unused is said."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from datetime import date, timedelta

from runlease.access import Access, Duration, Unread
from runlease.access.rules import Acceptance, Bounds, Finding, Severity, findings
from tests.unit.own_access import own_access
from tests.unit.rule_cases_database import ADMIN, lease

TODAY = date(2026, 7, 1)
LONG = lease(max_ttl=Duration(7200))
"""Declared access with one lease that lives too long."""
ACCEPTED = Acceptance("RL012", "lease load", "the yearly archive", TODAY)


def found(access: Access, *acceptances: Acceptance, today: date = TODAY) -> tuple[Finding, ...]:
    return findings(access, Bounds(), acceptances, today)


def test_an_accepted_finding_is_listed_and_marked() -> None:
    (finding,) = found(LONG, ACCEPTED)
    assert finding.accepted == ACCEPTED
    assert str(finding) == (
        "RL012 high: lease load: lives too long (got max_ttl 2h, expected at most 1h) "
        "(accepted until 2026-07-01: the yearly archive)"
    )


def test_a_finding_counts_without_an_acceptance() -> None:
    (finding,) = found(LONG)
    assert finding.accepted is None


def test_an_acceptance_holds_on_its_last_day_and_not_on_the_next() -> None:
    (finding,) = found(LONG, ACCEPTED, today=TODAY + timedelta(days=1))
    assert finding.accepted is None
    assert finding.what.endswith("; it was accepted until 2026-07-01, which is over")


def test_the_later_of_two_acceptances_holds() -> None:
    later = replace(ACCEPTED, until=TODAY + timedelta(days=9))
    for order in ((ACCEPTED, later), (later, ACCEPTED)):
        (finding,) = found(LONG, *order, today=TODAY + timedelta(days=9))
        assert finding.accepted == later


def test_an_acceptance_is_for_one_rule_at_one_place() -> None:
    for other in (replace(ACCEPTED, rule="RL013"), replace(ACCEPTED, where="lease loa"), replace(ACCEPTED, where="*")):
        (finding,) = found(LONG, other)
        assert finding.accepted is None


def test_an_acceptance_that_matches_nothing_is_said() -> None:
    unused = replace(ACCEPTED, where="lease gone")
    (finding,) = found(own_access(), unused)
    assert (finding.rule, finding.severity, finding.accepted) == ("RL038", Severity.LOW, None)
    assert finding.where == "acceptance of RL012 for lease gone"
    assert "the yearly archive" in finding.what


def test_an_expired_acceptance_that_matches_is_not_unused() -> None:
    access = replace(own_access(), leases=(*own_access().leases, replace(LONG.leases[0], role="shop_reader")))
    assert [one.rule for one in found(access, ACCEPTED, today=date(2027, 1, 1))] == ["RL012"]


def test_declared_access_knows_too_little_to_call_an_acceptance_unused() -> None:
    elsewhere = Acceptance("RL001", "SUPERUSER of role admin of shop", "initdb made it", TODAY)
    assert found(lease(), elsewhere) == ()
    (finding,) = found(Access("x", unread=(Unread("urn", "unknown"),)), replace(ACCEPTED, rule="RL037", where="urn"))
    assert finding.accepted is not None


def test_the_worst_come_first() -> None:
    access = replace(LONG, roles=(*LONG.roles, ADMIN), unread=(Unread("b", ""), Unread("a", "")))
    assert [(str(one.severity), one.where) for one in found(access)] == [
        ("critical", "SUPERUSER of role admin of shop"),
        ("high", "lease load"),
        ("medium", "a"),
        ("medium", "b"),
    ]


def test_findings_do_not_hang_on_the_order_of_an_access() -> None:
    access = replace(LONG, roles=(*LONG.roles, ADMIN), unread=(Unread("b", ""), Unread("a", "")))
    turned = replace(access, roles=access.roles[::-1], unread=access.unread[::-1])
    assert found(access) == found(turned)


def test_rules_need_nothing_but_the_standard_library() -> None:
    program = (
        "import sys, runlease.access.rules; "
        "print([n for n in sys.modules if n.split('.')[0] in ('pulumi', 'pydantic', 'yaml', 'psycopg')])"
    )
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert loaded.stdout.strip() == "[]"
