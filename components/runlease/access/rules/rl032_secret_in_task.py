"""RL032: no secret in a Task."""

from collections.abc import Iterator

from runlease.access.model import Access
from runlease.access.rules.rule import Bounds, Breach, Rule, Severity
from runlease.access.rules.secrets import holds_secret, holds_value, names_secret
from runlease.access.wiring import TaskText


def _check(access: Access, _bounds: Bounds) -> Iterator[Breach]:
    for task in access.tasks:
        for place, what in _places(task):
            yield Breach(f"{place} of Task {task}", what, task.source)


def _places(task: TaskText) -> Iterator[tuple[str, str]]:
    for place, secret in task.secrets:
        yield place, f"is filled from the Secret {secret} (expected a lease)"
    for place, text in task.values:
        if holds_secret(text) or (names_secret(place) and holds_value(text)):
            yield place, "holds what looks like a secret (expected none; its text is not shown)"
    for place, text in task.scripts:
        if holds_secret(text):
            yield f"{place}.script", "holds what looks like a secret (expected none; its text is not shown)"


RULE = Rule(
    id="RL032",
    severity=Severity.HIGH,
    sentence="No Task holds a secret in its environment, parameters or scripts.",
    why=(
        "A Task is read by everybody who may read the namespace, and stays in the TaskRun's status. An environment is "
        "seen by every process of the container and by whoever may exec; a Secret in it is one that every run shares."
    ),
    fix="Take a lease: the guard writes a password for this run alone into a memory volume.",
    language="yaml",
    before="env: [{name: PGPASSWORD, valueFrom: {secretKeyRef: {name: shop, key: password}}}]",
    after="env: [{name: PGSERVICE, value: runlease}]",
    check=_check,
)
