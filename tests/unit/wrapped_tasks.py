"""Tasks of a user's own, to be wrapped."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

from runlease.tasks import Connection, Wrapping, wrap

Document = dict[str, Any]
WRAPPING = Wrapping("shop-migrator")

TASK: Document = {
    "apiVersion": "tekton.dev/v1",
    "kind": "Task",
    "metadata": {"name": "flyway", "labels": {"team": "shop"}},
    "spec": {
        "description": "Migrates.",
        "params": [{"name": "target", "default": "latest"}],
        "results": [{"name": "version"}],
        "workspaces": [{"name": "source"}],
        "volumes": [{"name": "cache", "emptyDir": {}}],
        "stepTemplate": {"env": [{"name": "TARGET", "value": "$(params.target)"}]},
        "sidecars": [{"name": "proxy", "image": "proxy:1", "unknownField": {"kept": True}}],
        "steps": [
            {"name": "say", "image": "alpine:3", "script": "echo $(results.version.path)\n", "when": [{"cel": "true"}]},
            {
                "name": "migrate",
                "image": "flyway/flyway:11",
                "command": ["flyway"],
                "args": ["migrate", "$(params.target)"],
                "volumeMounts": [{"name": "cache", "mountPath": "/cache"}],
            },
        ],
    },
}


def edited(edit: Callable[[Document], object]) -> Document:
    """The Task after a change of its spec."""
    task = deepcopy(TASK)
    edit(task["spec"])
    return task


def wrapped(*connections: str, task: Document = TASK) -> Document:
    """The Task's spec after it was wrapped."""
    forms = tuple(map(Connection.parse, connections or ("service",)))
    return dict(wrap(task, Wrapping("shop-migrator", forms))["spec"])


def named(items: list[Document]) -> dict[str, Document]:
    """Things by name."""
    return {item["name"]: item for item in items}
