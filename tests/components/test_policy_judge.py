"""What the policy pack finds in resources as a program registers them: one by one, and all together."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from runlease.access.rules import RULES, Finding
from runlease.policy.judge import ALONE, Judge
from runlease.policy.terms import read_terms
from runlease.provision.stack import deploy
from runlease.readers.properties import Resource
from tests.broken import break_every_rule
from tests.components.monitor import Program, run, secrets_of
from tests.components.test_read_back import resources

TODAY = date(2026, 7, 1)
IDS = [rule.id for rule in RULES]
SETTINGS: dict[str, Any] = {
    "installation": "shop",
    "vault": {"address": "https://vault.internal:8200", "ca": "ca.pem"},
    "cluster": {"issuer": "https://oidc.internal", "jwks": "static", "public_keys": ["issuer.pem"]},
    "databases": {
        "shop": {
            "server": "self_managed",
            "host": "db.internal",
            "dbname": "shop",
            "ca": "ca.pem",
            "create": ["database", "owner", "schemas"],
            "owner": "shop_owner",
            "schemas": ["app"],
            "profiles": {"migrator": {}, "reader": {}},
        }
    },
    "leases": {
        name: {"database": "shop", "profile": name, "ttl": "5m", "max_ttl": "10m"} for name in ("migrator", "reader")
    },
    "pipelines": {"release": {"namespace": "shop", "tasks": {"migrate": "migrator", "read": "reader"}}},
}
NOTHING = {"rule": "RL001", "where": "nothing", "reason": "a misspelling", "until": "2026-12-31"}
WILD = {"rule": "RL021", "where": "path beside/creds/* of policy wide", "reason": "goes away", "until": "2026-07-01"}


def judge(*accepted: dict[str, str], today: date = TODAY) -> Judge:
    return Judge(read_terms({**SETTINGS, "rules": {"accept": list(accepted)}}, None), today)


def _program(folder: Path, broken: bool) -> Program:
    def program() -> None:
        deploy(folder)
        if broken:
            break_every_rule()

    return run(program, {"runlease:access": json.dumps(SETTINGS)}, secrets_of(SETTINGS), preview=False)


@pytest.fixture(scope="module")
def broken(folder: Path) -> list[Resource]:
    return resources(_program(folder, broken=True))


@pytest.fixture(scope="module")
def ours(folder: Path) -> list[Resource]:
    return resources(_program(folder, broken=False))


def alone(judged: Judge, rule: str, shown: list[Resource]) -> list[Finding]:
    """What is found as each resource is registered, with its provider beside it."""
    by_urn = {one.urn: one for one in shown}
    return [found for one in shown for found in judged.alone(rule, one, by_urn.get(one.provider))]


@pytest.mark.parametrize("rule", IDS)
def test_a_stack_that_breaks_a_rule_has_a_finding(rule: str, broken: list[Resource]) -> None:
    found = judge(NOTHING).together(rule, broken)
    assert found
    assert {one.rule for one in found} == {rule}


def test_a_stack_of_the_components_has_none(ours: list[Resource]) -> None:
    judged = judge()
    assert [one for rule in sorted(ALONE) for one in alone(judged, rule, ours)] == []
    assert [one for rule in IDS for one in judged.together(rule, ours)] == []


@pytest.mark.parametrize("rule", sorted(ALONE))
def test_what_one_resource_breaks_is_found_in_it_alone(rule: str, broken: list[Resource]) -> None:
    found = alone(judge(), rule, broken)
    assert sorted(found, key=str) == judge().together(rule, broken)
    assert {one.source for one in found} <= {one.urn for one in broken}


def test_an_accepted_finding_does_not_count_until_its_day_is_over(broken: list[Resource]) -> None:
    assert judge(WILD).together("RL021", broken) == []
    assert alone(judge(WILD), "RL021", broken) == []
    (late,) = judge(WILD, today=date(2026, 7, 2)).together("RL021", broken)
    assert "accepted until 2026-07-01, which is over" in late.what


def test_at_the_end_a_resource_is_judged_by_the_inputs_that_it_was_registered_with(broken: list[Resource]) -> None:
    judged, outputs = judge(), [replace(one, inputs={}) for one in broken]
    assert judged.together("RL002", outputs) == []
    alone(judged, "RL021", broken)
    assert [one.source for one in judged.together("RL002", outputs)] == [_urn(broken, "everybody")]


def test_a_resource_that_was_not_registered_is_judged_by_what_is_shown(broken: list[Resource]) -> None:
    judged = judge()
    alone(judged, "RL021", [one for one in broken if one.name != "everybody"])
    assert [one.source for one in judged.together("RL002", broken)] == [_urn(broken, "everybody")]


def _urn(shown: list[Resource], name: str) -> str:
    (found,) = (one.urn for one in shown if one.name == name)
    return found
