"""The policies of the pack, called directly with what pulumi-policy hands them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

import pytest
from pulumi_policy import (
    EnforcementLevel,
    PolicyCustomTimeouts,
    PolicyProviderResource,
    PolicyResource,
    PolicyResourceOptions,
    ResourceValidationArgs,
    ResourceValidationPolicy,
    StackValidationArgs,
    StackValidationPolicy,
)
from pulumi_policy.proxy import UNKNOWN_BOOLEAN_VALUE, unknown_checking_proxy

from runlease.access.rules import RULES, Severity
from runlease.policy.judge import ALONE, Judge
from runlease.policy.pack import policies
from runlease.policy.terms import read_terms

OPTIONS = PolicyResourceOptions(False, [], None, [], PolicyCustomTimeouts(0, 0, 0), [])
Reported = list[tuple[str, str | None]]


def pack(policy: object = None) -> dict[str, Any]:
    return {one.name: one for one in policies(Judge(read_terms(None, policy), date(2026, 7, 1)))}


def shown(type_: str, name: str, props: Mapping[str, Any]) -> dict[str, Any]:
    package = type_.partition(":")[0]
    provider = PolicyProviderResource(
        f"pulumi:providers:{package}",
        {"host": "db.internal", "database": "shop"},
        _urn(f"pulumi:providers:{package}", "beside"),
        "beside",
    )
    return {
        "resource_type": type_,
        "props": unknown_checking_proxy(dict(props)),
        "urn": _urn(type_, name),
        "name": name,
        "opts": OPTIONS,
        "provider": provider,
    }


def _urn(type_: str, name: str) -> str:
    return f"urn:pulumi:test::shop::{type_}::{name}"


def of_resource(policy: Any, **resource: Any) -> Reported:
    reported: Reported = []
    policy.validate(ResourceValidationArgs(**resource), lambda message, urn=None: reported.append((message, urn)))
    return reported


def of_stack(policy: Any, *resources: dict[str, Any]) -> Reported:
    reported: Reported = []
    every = [PolicyResource(**one, parent=None, dependencies=[], property_dependencies={}) for one in resources]
    policy.validate(StackValidationArgs(every), lambda message, urn=None: reported.append((message, urn)))
    return reported


POLICY = "vault:index/policy:Policy"
GRANT = "postgresql:index/grant:Grant"
WIDE = shown(POLICY, "wide", {"name": "wide", "policy": 'path "secret/*" { capabilities = ["read"] }'})
NARROW = shown(POLICY, "narrow", {"name": "narrow", "policy": 'path "shop-db/creds/a" { capabilities = ["read"] }'})
USAGE = {"database": "shop", "objectType": "schema", "schema": "app", "privileges": ["USAGE"]}
EVERYBODY = shown(GRANT, "everybody", {**USAGE, "role": "public"})


def test_every_rule_is_a_policy_of_its_name_and_kind() -> None:
    made = pack()
    assert list(made) == [rule.id for rule in RULES]
    for rule in RULES:
        policy = made[rule.id]
        assert isinstance(policy, ResourceValidationPolicy if rule.id in ALONE else StackValidationPolicy)
        said = (policy.description, policy.remediation_steps, policy.severity.value)
        assert said == (rule.sentence, rule.fix, str(rule.severity))


@pytest.mark.parametrize(
    ("policy", "levels"),
    [
        (None, ("mandatory", "mandatory", "advisory", "advisory")),
        ({"enforcement": {"high": "advisory", "low": "disabled"}}, ("mandatory", "advisory", "advisory", "disabled")),
    ],
)
def test_the_level_of_a_policy_is_that_of_its_severity(policy: object, levels: tuple[str, ...]) -> None:
    by_severity = dict(
        zip(
            (Severity.CRITICAL, Severity.HIGH, Severity.MEDIUM, Severity.LOW),
            map(EnforcementLevel, levels),
            strict=True,
        )
    )
    made = pack(policy)
    assert {rule.id: made[rule.id].enforcement_level for rule in RULES} == {
        rule.id: by_severity[rule.severity] for rule in RULES
    }


def test_a_resource_that_breaks_a_rule_is_reported_with_rule_place_and_fix() -> None:
    ((message, _),) = of_resource(pack()["RL021"], **WIDE)
    assert message.startswith("RL021 high: path secret/* of policy wide: opens more than it names")
    assert message.endswith("Fix: Write each path out.")


def test_a_resource_that_keeps_the_rule_is_not_reported() -> None:
    assert of_resource(pack()["RL021"], **NARROW) == []
    assert of_stack(pack()["RL002"], WIDE, shown(GRANT, "reader", {**USAGE, "role": "reader"})) == []


def test_what_only_the_stack_shows_is_reported_at_its_resource() -> None:
    ((message, urn),) = of_stack(pack()["RL002"], WIDE, EVERYBODY)
    assert message.startswith("RL002 high: grant USAGE ON SCHEMA app TO PUBLIC of shop")
    assert urn == EVERYBODY["urn"]


@pytest.mark.parametrize("property_", ["privileges", "withGrantOption"])
def test_a_value_that_is_not_known_yet_is_said_and_stops_nothing(property_: str) -> None:
    made, later = pack(), shown(GRANT, "later", {**USAGE, "role": "public", property_: UNKNOWN_BOOLEAN_VALUE})
    assert of_stack(made["RL002"], later) == []
    ((message, urn),) = of_stack(made["RL037"], later)
    assert f"was not read: {property_} is not known before up" in message
    assert urn == later["urn"]


def test_a_list_with_a_value_that_is_not_known_yet_is_not_read_either() -> None:
    later = shown(GRANT, "later", {**USAGE, "role": "public", "privileges": [UNKNOWN_BOOLEAN_VALUE]})
    ((message, _),) = of_stack(pack()["RL037"], later)
    assert "privileges.0 is not known before up" in message
