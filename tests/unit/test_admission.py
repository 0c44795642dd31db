"""What a run may set, and what the policies are filled in with."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from runlease.config import AdmissionSettings
from runlease.provision.admission.approval import approve, may_set
from runlease.provision.admission.policies import POLICIES, ApprovedTask, PolicyTooLongError, Protected, policies
from runlease.tasks import TASKS, read_task

SHARED = {"kind": "task", "name": "flyway", "namespace": "tasks"}
PROTECTED = Protected(
    namespace="ci",
    leased={"shop-release-migrate": "shop-migrator"},
    audience="runlease/shop",
    approved={"postgres-migrate": ApprovedTask({"name": "postgres-migrate"}, ("directory",))},
    config_map="runlease-shop",
    controller="tekton",
    resolvers="resolvers",
    users=["pulumi"],
    groups=[],
)


def task(params: list[str], **spec: Any) -> Mapping[str, Any]:
    return {"spec": {"params": [{"name": name} for name in params], "steps": [], **spec}}


def step(name: str, **fields: Any) -> Mapping[str, Any]:
    return {"steps": [{"name": name, **fields}]}


# --- what a run may set


@pytest.mark.parametrize("name", TASKS)
def test_a_run_sets_nothing_that_reaches_the_guard_or_its_proof(name: str) -> None:
    declared = {param["name"] for param in read_task(name)["spec"]["params"]}
    guarded = {"lease", "installation-config", "audience", "guard-image", "psql-image"}
    assert set(may_set(read_task(name))) == declared - guarded


def test_a_migration_may_choose_its_command_and_where_it_runs() -> None:
    assert may_set(read_task("postgres-migrate")) == ("command", "directory", "image", "mode")


@pytest.mark.parametrize(
    "spelled",
    ["$(params.x)", "a $(params.x) b", "$(params['x'])", '$(params["x"])', "$(params.x[*])", "$(params.x.key)"],
)
@pytest.mark.parametrize(
    "where",
    [
        lambda text: {"sidecars": [{"name": "guard", "image": text}]},
        lambda text: {"sidecars": [{"name": "guard", "env": [{"name": "A", "value": text}]}]},
        lambda text: {"volumes": [{"name": "v", "configMap": {"name": text}}]},
        lambda text: {"stepTemplate": {"env": [{"name": "A", "value": text}]}},
        lambda text: step("check", image=text),
        lambda text: step("release", args=[text]),
        lambda text: step("work", volumeMounts=[{"name": text}]),
    ],
)
def test_a_parameter_that_reaches_the_guard_is_not_a_runs_to_set(spelled: str, where: Any) -> None:
    assert may_set(task(["x", "y"], **where(spelled))) == ("y",)


def test_a_parameter_of_a_step_that_works_is_a_runs_to_set() -> None:
    assert may_set(task(["x"], **step("work", image="$(params.x)", args=["$(params.x)"]))) == ("x",)


def test_a_name_that_another_begins_with_is_another_name() -> None:
    assert may_set(task(["x", "x-y"], volumes=[{"name": "$(params.x-y)"}])) == ("x",)


def test_the_settings_add_tasks_and_change_what_a_run_may_set() -> None:
    settings = AdmissionSettings.model_validate(
        {
            "deployers": {"users": ["pulumi"]},
            "tasks": {
                "postgres-migrate": {"may_set": ["directory"]},
                "flyway": {"resolver": "cluster", "params": SHARED},
            },
        }
    )
    approved = approve({"postgres-migrate": read_task("postgres-migrate")}, settings)
    assert approved == {
        "postgres-migrate": ApprovedTask({"name": "postgres-migrate"}, ("directory",)),
        "flyway": ApprovedTask({"resolver": "cluster", **SHARED}, ()),
    }


# --- the policies


def expression(spec: Mapping[str, Any], variable: str) -> Any:
    (found,) = (one["expression"] for one in spec["variables"] if one["name"] == variable)
    return found


def namespaces(spec: Mapping[str, Any]) -> list[str]:
    (matching,) = spec["matchConstraints"]["namespaceSelector"]["matchExpressions"]
    assert (matching["key"], matching["operator"]) == ("kubernetes.io/metadata.name", "In")
    return list(matching["values"])


def test_every_policy_reaches_its_namespace_alone_and_fails_closed() -> None:
    made = policies(PROTECTED)
    assert tuple(made) == POLICIES
    for spec in made.values():
        assert namespaces(spec) == ["ci"]
        assert spec["failurePolicy"] == "Fail"
        assert all(one["expression"] for one in spec.get("variables", ()))
        assert all(one["reason"] == "Forbidden" for one in spec["validations"])


def test_a_message_says_what_is_wrong_and_what_mends_it() -> None:
    for spec in policies(PROTECTED).values():
        for validation in spec["validations"]:
            text = validation.get("message") or validation["messageExpression"]
            assert ": " in text
            assert "Fix: " in text


def test_accounts_deployers_and_tasks_are_filled_in() -> None:
    made = policies(PROTECTED)
    for policy in ("pods", "tokens", "runs"):
        assert json.loads(expression(made[policy], "leased")) == {"shop-release-migrate": "shop-migrator"}
    assert json.loads(expression(made["pods"], "audience")) == "runlease/shop"
    assert json.loads(expression(made["runs"], "may_set")) == {"postgres-migrate": ["directory"]}
    assert json.loads(expression(made["writers"], "deployers")) == {"users": ["pulumi"], "groups": []}
    assert json.loads(expression(made["writers"], "written")) == {
        "ci": {
            "configmaps": ["runlease-shop"],
            "serviceaccounts": ["shop-release-migrate"],
            "tasks": ["postgres-migrate"],
        }
    }


def test_a_shared_task_is_guarded_where_it_stands() -> None:
    shared = ApprovedTask({"resolver": "cluster", **SHARED}, ())
    writers = policies(replace(PROTECTED, approved={"flyway": shared}))["writers"]
    assert namespaces(writers) == ["ci", "tasks"]
    assert json.loads(expression(writers, "written"))["tasks"] == {"tasks": ["flyway"]}


def test_a_task_from_elsewhere_stands_nowhere_in_the_cluster() -> None:
    bundle = ApprovedTask({"resolver": "bundles", "bundle": "registry/tasks@sha256:0"}, ())
    writers = policies(replace(PROTECTED, approved={"flyway": bundle}))["writers"]
    assert "tasks" not in json.loads(expression(writers, "written"))["ci"]


def test_a_name_with_a_quote_stays_a_name() -> None:
    made = policies(replace(PROTECTED, users=['x"] || true || ["', "Zoë\\n"]))
    assert json.loads(expression(made["writers"], "deployers"))["users"] == ['x"] || true || ["', "Zoë\\n"]


def test_more_accounts_than_kubernetes_takes_are_refused_with_what_mends_it() -> None:
    leased = {f"pipeline-{number}-migrate": "shop-migrator" for number in range(2_500)}
    with pytest.raises(PolicyTooLongError, match=r"^namespace ci: .*expected at most 100000\)\. Fix: "):
        policies(replace(PROTECTED, leased=leased))
    assert policies(replace(PROTECTED, leased=dict(list(leased.items())[:2_000])))
