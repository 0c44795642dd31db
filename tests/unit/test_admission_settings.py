"""Settings of admission: nobody and everybody are refused, and so is a Task that does not say what runs."""

from __future__ import annotations

from typing import Any

import pytest

from runlease.config import AdmissionSettings, ConfigError, load, load_section
from tests.unit.config_edits import Edit, at, messages, settings_with

WHERE = "access.cluster.admission"
DIGEST = "registry/tasks@sha256:" + 64 * "0"
COMMIT = 40 * "0"


def admission(**settings: Any) -> Edit:
    return at("cluster", "admission", is_={"deployers": {"users": ["pulumi"]}, **settings})


def task(**settings: Any) -> Edit:
    return admission(tasks={"flyway": settings})


def bundle(name: str) -> Edit:
    return task(resolver="bundles", params={"bundle": name, "name": "run", "kind": "task"})


def commit(revision: str) -> Edit:
    return task(resolver="git", params={"url": "https://git", "revision": revision, "pathInRepo": "t.yaml"})


def deployers(**settings: Any) -> Edit:
    return admission(deployers=settings)


def test_without_the_setting_there_is_no_policy() -> None:
    assert load(settings_with()).cluster.admission is None


def test_the_controller_is_where_tektons_release_puts_it() -> None:
    read = load(settings_with(admission())).cluster.admission
    assert read is not None
    assert read.controller == "system:serviceaccount:tekton-pipelines:tekton-pipelines-controller"
    assert read.resolvers == "system:serviceaccount:tekton-pipelines-resolvers:tekton-pipelines-resolvers"


@pytest.mark.parametrize(
    "edit",
    [
        deployers(users=["alice@example.com"], groups=["platform"]),
        deployers(groups=["system:masters"]),
        deployers(users=["system:serviceaccount:deploy:pulumi"], groups=["system:serviceaccounts:deploy"]),
        task(may_set=["directory"]),
        bundle(DIGEST),
        commit(COMMIT),
        task(resolver="cluster", params={"kind": "task", "name": "flyway", "namespace": "tasks"}),
    ],
)
def test_settings_that_say_who_and_what_are_read(edit: Edit) -> None:
    assert load(settings_with(edit)).cluster.admission is not None


MISTAKES: list[tuple[str, Edit, str, str]] = [
    ("no deployers", at("cluster", "admission", is_={}), f"{WHERE}.deployers: ", "is missing"),
    ("nobody", deployers(), f"{WHERE}.deployers: ", "nobody, so that the next up would be refused"),
    ("empty name", deployers(users=[""]), f"{WHERE}.deployers.users.0: ", "at least 1 character"),
    ("everybody", deployers(groups=["system:authenticated"]), f"{WHERE}.deployers: ", "everyone"),
    ("every account", deployers(groups=["system:serviceaccounts"]), f"{WHERE}.deployers: ", "everyone"),
    ("an account among the leased", deployers(users=["system:serviceaccount:ci:pulumi"]), f"{WHERE}.deployers: ",
     "beside the leased ones"),
    ("all accounts among the leased", deployers(groups=["system:serviceaccounts:ci"]), f"{WHERE}.deployers: ",
     "beside the leased ones"),
    ("Tekton among the leased", admission(controller="system:serviceaccount:ci:tekton"), f"{WHERE}.controller: ",
     "beside the leased ones"),
    ("resolvers among the leased", admission(resolvers="system:serviceaccount:ci:tekton"), f"{WHERE}.resolvers: ",
     "beside the leased ones"),
    ("unknown setting", admission(enforce=True), f"{WHERE}.enforce: ", "expected one of deployers, controller"),
    ("unknown setting of a Task", task(image="x"), f"{WHERE}.tasks.flyway.image: ",
     "expected one of resolver, params, may_set"),
    ("parameters without a resolver", task(params={"name": "x"}), f"{WHERE}.tasks.flyway: ", "does not say what runs"),
    ("unknown resolver", task(resolver="hub"), f"{WHERE}.tasks.flyway.resolver: ", "'bundles', 'cluster' or 'git'"),
    ("a bundle by its tag", bundle("registry/tasks:1.0"), f"{WHERE}.tasks.flyway: ", "with a digest"),
    ("a bundle by half a digest", bundle(DIGEST[:-1]), f"{WHERE}.tasks.flyway: ", "with a digest"),
    ("a branch", commit("main"), f"{WHERE}.tasks.flyway: ", "whole commit"),
    ("half a commit", commit(COMMIT[:7]), f"{WHERE}.tasks.flyway: ", "whole commit"),
    ("a cluster Task without a namespace", task(resolver="cluster", params={"kind": "task", "name": "flyway"}),
     f"{WHERE}.tasks.flyway: ", "name and namespace"),
    ("what a run fills in", bundle(f"$(params.registry)/{DIGEST}"), f"{WHERE}.tasks.flyway: ", "that a run fills in"),
    ("a parameter twice", task(may_set=["a", "a"]), f"{WHERE}.tasks.flyway.may_set: ", "named twice"),
    ("a Task that cannot be named", admission(tasks={"Fly Way": {}}), f"{WHERE}.tasks.Fly Way: ", "not a usable name"),
]  # fmt: skip


@pytest.mark.parametrize(("edit", "path", "says"), [mistake[1:] for mistake in MISTAKES], ids=[m[0] for m in MISTAKES])
def test_a_mistake_is_named(edit: Edit, path: str, says: str) -> None:
    (message,) = messages(edit)
    assert message.startswith(path)
    assert says in message
    assert "Fix: " in message


def test_existing_tasks_must_be_approved_by_name() -> None:
    (message,) = messages(admission(), at("tasks", is_="existing"))
    assert message.startswith(f"{WHERE}.tasks: no Task is approved")
    assert load(settings_with(task(), at("tasks", is_="existing"))).tasks == "existing"


def test_a_component_that_is_used_alone_checks_the_same() -> None:
    with pytest.raises(ConfigError, match="nobody"):
        load_section(AdmissionSettings, {"deployers": {}}, "admission")
