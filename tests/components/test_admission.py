"""Admission as resources: none unless it is asked for, and then before everything that it guards."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from runlease.tasks import TASKS
from tests.components.monitor import Program, Registered

With = Callable[[Callable[[dict[str, Any]], object]], Program]
POLICIES = {"pods", "sessions", "tokens", "runs", "writers"}


def _admission(settings: dict[str, Any]) -> None:
    settings["cluster"]["admission"] = {"deployers": {"users": ["pulumi"], "groups": ["platform"]}}


def _existing(settings: dict[str, Any]) -> None:
    _admission(settings)
    settings["tasks"] = "existing"
    settings["cluster"]["admission"]["tasks"] = {"flyway": {"may_set": ["directory"]}}


@pytest.fixture(scope="module")
def admitted(folder: object, with_: With) -> Program:
    return with_(_admission)


def _filled_in(program: Program, name: str, variable: str) -> Any:
    (policy,) = (one for one in program.of("ValidatingAdmissionPolicy") if _name(one) == name)
    variables = policy.inputs["spec"]["variables"]
    return json.loads(next(one["expression"] for one in variables if one["name"] == variable))


def _name(resource: Registered) -> str:
    return str(resource.inputs["metadata"]["name"])


def test_nothing_is_made_unless_it_is_asked_for(rich: Program) -> None:
    kinds = {one.kind for one in rich.resources.values()}
    assert not kinds & {"LeaseAdmission", "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"}


def test_each_namespace_has_five_policies_that_deny(admitted: Program) -> None:
    named = {f"runlease.shop-prod.{namespace}.{policy}" for namespace in ("ci", "store-ci") for policy in POLICIES}
    assert {_name(one) for one in admitted.of("ValidatingAdmissionPolicy")} == named
    bindings = admitted.of("ValidatingAdmissionPolicyBinding")
    assert {_name(one) for one in bindings} == named
    for binding in bindings:
        assert binding.inputs["spec"] == {"policyName": _name(binding), "validationActions": ["Deny"]}
        assert binding.provider == "cluster"


def test_policies_are_of_the_api_and_not_of_a_namespace(admitted: Program) -> None:
    for one in admitted.of("ValidatingAdmissionPolicy"):
        assert one.type == "kubernetes:admissionregistration.k8s.io/v1:ValidatingAdmissionPolicy"
        assert "namespace" not in one.inputs["metadata"]


def test_a_namespace_guards_its_own_accounts_alone(admitted: Program) -> None:
    assert _filled_in(admitted, "runlease.shop-prod.ci.tokens", "leased") == {
        "shop-release-migrate": "shop-migrator",
        "shop-release-seed": "shop-seeder",
        "shop-release-verify": "shop-verifier",
    }
    assert set(_filled_in(admitted, "runlease.shop-prod.store-ci.tokens", "leased")) == {
        "store-release-migrate",
        "store-release-check",
    }


def test_what_is_deployed_is_what_is_approved_and_guarded(admitted: Program) -> None:
    tasks = {one.inputs["metadata"]["name"] for one in admitted.of("Task")}
    assert set(_filled_in(admitted, "runlease.shop-prod.ci.runs", "approved")) == tasks == set(TASKS)
    written = _filled_in(admitted, "runlease.shop-prod.ci.writers", "written")["ci"]
    assert set(written["tasks"]) == tasks
    (config,) = (one for one in admitted.of("ConfigMap") if one.inputs["metadata"]["namespace"] == "ci")
    assert written["configmaps"] == [_name(config)]
    assert _filled_in(admitted, "runlease.shop-prod.ci.pods", "audience") == "runlease/shop-prod"


def test_existing_tasks_are_approved_by_the_settings_alone(with_: With) -> None:
    program = with_(_existing)
    assert _filled_in(program, "runlease.shop-prod.ci.runs", "approved") == {"flyway": {"name": "flyway"}}
    assert _filled_in(program, "runlease.shop-prod.ci.runs", "may_set") == {"flyway": ["directory"]}


def test_policies_come_before_what_they_guard_and_go_after_it(admitted: Program) -> None:
    for namespace in ("ci", "store-ci"):
        policies = {
            one.urn
            for kind in ("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding")
            for one in admitted.of(kind)
            if f".{namespace}." in _name(one)
        }
        guarded = [
            one
            for kind in ("ServiceAccount", "Task", "ConfigMap")
            for one in admitted.of(kind)
            if one.inputs["metadata"]["namespace"] == namespace
        ]
        roles = [one for one in admitted.of("AuthBackendRole") if f":{namespace}:" in one.inputs["boundSubject"]]
        assert len(guarded) >= 4
        assert len(roles) >= 2
        for one in (*guarded, *roles):
            assert policies <= admitted.waits_for(one), one


def test_admission_changes_nothing_else(rich: Program, admitted: Program) -> None:
    assert set(rich.resources) < set(admitted.resources)
    added = {admitted.resources[urn].kind for urn in set(admitted.resources) - set(rich.resources)}
    assert added == {"LeaseAdmission", "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"}
