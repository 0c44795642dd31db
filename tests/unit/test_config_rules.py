"""`access.rules` of a stack file: bounds and acceptances, and every way to write them wrong."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from runlease.access import Duration
from runlease.access.rules import Acceptance, Bounds
from runlease.config import load, to_acceptances, to_access, to_bounds
from tests.unit.config_edits import PROD, Edit, at, messages, settings_with

ACCEPT = {"rule": "RL012", "where": "lease shop-migrator", "reason": "the archive", "until": date(2026, 12, 31)}


def accepting(**edits: Any) -> Edit:
    return at("rules", is_={"accept": [{**ACCEPT, **edits}]})


def test_without_settings_the_defaults_hold_and_nothing_is_accepted() -> None:
    settings = load(PROD)
    assert to_bounds(settings) == Bounds(api_audiences=("https://oidc.internal",))
    assert to_acceptances(settings) == ()


def test_a_stack_says_its_bounds() -> None:
    rules = {"longest_lease": "45m", "controllers": ["system:serviceaccount:ci:runner"]}
    cluster = {**PROD["cluster"], "api_audiences": ["https://api"]}
    settings = load(settings_with(at("rules", is_=rules), at("cluster", is_=cluster)))
    audiences = ("https://oidc.internal", "https://api")
    assert to_bounds(settings) == Bounds(Duration(2700), ("system:serviceaccount:ci:runner",), audiences)


def test_nobody_but_runlease_may_make_pods_where_no_controller_is_named() -> None:
    assert to_bounds(load(settings_with(at("rules", is_={"controllers": []})))).controllers == ()


@pytest.mark.parametrize("until", [date(2026, 12, 31), "2026-12-31", "2026-12-31 00:00:00 +0000 UTC"])
def test_a_day_is_read_as_yaml_and_as_pulumi_hand_it_on(until: object) -> None:
    """Pulumi turns a date without quotes into the last of these, and writes it back into the stack file."""
    settings = load(settings_with(accepting(until=until)))
    assert to_acceptances(settings) == (Acceptance("RL012", "lease shop-migrator", "the archive", date(2026, 12, 31)),)


def test_rules_do_not_change_what_is_declared() -> None:
    assert to_access(load(settings_with(accepting()))) == to_access(load(PROD))


def test_settings_with_rules_that_were_written_out_are_read_again() -> None:
    settings = load(settings_with(accepting()))
    assert load(settings.model_dump(mode="json", exclude_none=True)) == settings


@pytest.mark.parametrize(
    ("edit", "where", "says"),
    [
        (accepting(rule="RL999"), "rules.accept.0.rule", "not a rule (got 'RL999'"),
        (accepting(rule="*"), "rules.accept.0.rule", "not a rule"),
        (accepting(where=" "), "rules.accept.0.where", "says nothing"),
        (accepting(reason=""), "rules.accept.0.reason", "says nothing"),
        (accepting(until="never"), "rules.accept.0.until", "not a day (got 'never'"),
        (accepting(until="2026-02-30"), "rules.accept.0.until", "not a day"),
        (accepting(until=20261231), "rules.accept.0.until", "not a day"),
        (accepting(until=None), "rules.accept.0.until", "not a day"),
        (accepting(severity="low"), "rules.accept.0.severity", "expected one of rule, where, reason, until"),
        (at("rules", is_={"accept": [{"rule": "RL012"}]}), "rules.accept.0.until", "is missing"),
        (at("rules", is_={"accept": [ACCEPT, ACCEPT]}), "rules", "names a finding twice (got RL012 for lease shop-"),
        (at("rules", is_={"longest_lease": "long"}), "rules.longest_lease", "not a duration"),
        (at("rules", is_={"longest_lease": 0}), "rules.longest_lease", "not a duration"),
        (at("rules", is_={"controllers": ["*"]}), "rules.controllers.0", "not one subject"),
        (at("rules", is_={"controllers": [""]}), "rules.controllers.0", "not one subject"),
        (at("rules", is_={"controllers": ["a", "a"]}), "rules.controllers", "named twice"),
        (at("rules", is_={"acept": []}), "rules.acept", "expected one of longest_lease, controllers, accept"),
        (at("rules", is_=[]), "rules", "not a mapping"),
    ],
)
def test_a_wrong_setting_is_refused_with_its_path(edit: Edit, where: str, says: str) -> None:
    (message,) = [one for one in messages(edit) if one.startswith(f"access.{where}: ")]
    assert says in message
    assert "Fix: " in message


def test_all_wrong_settings_are_told_at_once() -> None:
    wrong = {"longest_lease": "long", "accept": [{**ACCEPT, "rule": "RL0", "until": "never"}]}
    told = messages(at("rules", is_=wrong), at("leases", "shop-reader", "ttl", is_="short"))
    assert len(told) == 4
