"""What resources say of Kubernetes: RBAC, accounts, and Tasks."""

from __future__ import annotations

from typing import Any

from runlease.access import (
    Account,
    Permission,
)
from tests.unit.resources import access_of, only_unread, resource


def binding(kind: str, name: str, namespace: str | None = "ci", binds: str = "RoleBinding") -> Any:
    return resource(
        binds,
        "binding",
        metadata={"name": "b", "namespace": namespace},
        roleRef={"kind": kind, "name": name},
        subjects=[{"kind": "ServiceAccount", "name": "bot"}, {"kind": "Group", "name": "devs"}],
    )


def test_rbac_is_read_rule_by_rule_and_subject_by_subject() -> None:
    rules = [{"verbs": ["create"], "resources": ["pods"]}, {"verbs": ["get"], "nonResourceURLs": ["/healthz"]}]
    role = resource("RbacRole", metadata={"name": "r", "namespace": "ci"}, rules=rules)
    assert access_of(role, binding("Role", "r")).permissions == (
        Permission("devs", "ci", ("create",), ("pods",)),
        Permission("system:serviceaccount:ci:bot", "ci", ("create",), ("pods",)),
    )


def test_a_role_that_every_cluster_has_is_known_and_another_is_said() -> None:
    found = access_of(binding("ClusterRole", "cluster-admin", None, "ClusterRoleBinding")).permissions
    assert {(one.namespace, one.verbs, one.resources) for one in found} == {("*", ("*",), ("*",))}
    assert "whose rules are not read" in only_unread(binding("ClusterRole", "theirs"))


def test_an_account_automounts_unless_it_says_no() -> None:
    access = access_of(
        resource("ServiceAccount", "a", metadata={"name": "a", "namespace": "ci"}),
        resource("ServiceAccount", "b", metadata={"name": "b"}, automountServiceAccountToken=False),
    )
    assert access.accounts == (Account("ci", "a", True), Account("default", "b", False))


def test_a_task_has_the_texts_that_a_secret_could_stand_in() -> None:
    spec = {
        "params": [{"name": "image", "default": "a:1"}, {"name": "list", "default": ["x", "y"]}],
        "stepTemplate": {"env": [{"name": "LEVEL", "value": "debug"}]},
        "steps": [
            {
                "name": "go",
                "image": "$(params.image)",
                "script": "echo",
                "args": ["-v", "all"],
                "env": [
                    {"name": "PGPASSWORD", "valueFrom": {"secretKeyRef": {"name": "shop", "key": "p"}}},
                    {"name": "TOKEN", "value": "[secret]"},
                ],
                "envFrom": [{"secretRef": {"name": "more"}}],
            }
        ],
        "sidecars": [{"name": "guard", "image": "guard:1"}],
        "volumes": [{"name": "v", "secret": {"secretName": "files"}}],
    }
    (task,) = access_of(resource("Task", metadata={"name": "t", "namespace": "ci"}, spec=spec)).tasks
    assert task.images == (("steps.go", "$(params.image)"), ("sidecars.guard", "guard:1"))
    assert task.scripts == (("steps.go", "echo"),)
    assert dict(task.values) == {
        "params.image": "a:1",
        "params.list": "x y",
        "stepTemplate.env.LEVEL": "debug",
        "steps.go.args": "-v all",
    }
    assert dict(task.secrets) == {
        "volumes.v": "files",
        "steps.go.env.PGPASSWORD": "shop",
        "steps.go.env.TOKEN": "[secret]",
        "steps.go.envFrom": "more",
    }
