"""What a stack says about how the policy pack judges it."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from runlease.access import Duration
from runlease.access.rules import Acceptance, Bounds, Severity
from runlease.config import ConfigError
from runlease.policy.terms import read_terms
from tests.unit.config_edits import at, settings_with

ACCEPTED = {"rule": "RL012", "where": "lease archive", "reason": "the archive", "until": "2026-12-31"}
RULES: dict[str, Any] = {"longest_lease": "2h", "accept": [ACCEPTED]}
ACCEPTANCE = Acceptance("RL012", "lease archive", "the archive", date(2026, 12, 31))


def levels(policy: object) -> list[str]:
    enforcement = read_terms(None, policy).enforcement
    return [enforcement.of(severity) for severity in (Severity.CRITICAL, Severity.HIGH, Severity.MEDIUM, Severity.LOW)]


def test_critical_and_high_are_mandatory_unless_the_stack_says_otherwise() -> None:
    assert levels(None) == ["mandatory", "mandatory", "advisory", "advisory"]
    said = {"enforcement": {"high": "advisory", "medium": "mandatory", "low": "disabled"}}
    assert levels(said) == ["mandatory", "advisory", "mandatory", "disabled"]


def test_bounds_and_acceptances_are_those_of_the_settings() -> None:
    terms = read_terms(settings_with(at("rules", is_=RULES)), None)
    assert terms.bounds == Bounds(Duration(7200), api_audiences=("https://oidc.internal",))
    assert terms.acceptances == (ACCEPTANCE,)


def test_a_stack_without_settings_says_them_beside_the_enforcement() -> None:
    terms = read_terms(None, {"rules": RULES})
    assert (terms.bounds, terms.acceptances) == (Bounds(Duration(7200)), (ACCEPTANCE,))
    assert (read_terms(None, None).bounds, read_terms(None, None).acceptances) == (Bounds(), ())


def test_rules_are_said_in_one_place() -> None:
    with pytest.raises(ConfigError, match=r"policy\.rules: stands beside runlease:access.*Fix: move it"):
        read_terms(settings_with(), {"rules": RULES})


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        ({"enforcement": {"high": "maybe"}}, r"policy\.enforcement\.high: .*'mandatory', 'advisory' or 'disabled'"),
        ({"enforcement": {"highest": "advisory"}}, r"policy\.enforcement\.highest: unknown setting .*critical, high"),
        ({"enforced": {}}, r"policy\.enforced: unknown setting \(expected one of enforcement, rules\)"),
        ([], r"policy: not a mapping"),
    ],
)
def test_a_wrong_policy_is_refused(policy: object, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read_terms(None, policy)
