"""Which Tasks a leased service account may run, and what a run may say to them. Pure."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from runlease.config import AdmissionSettings
from runlease.provision.admission.policies import ApprovedTask

_STEPS_OF_THE_GUARD = ("check", "release")
"""They prove what the TaskRun's success promises: the session's TLS and role, and the revocation."""


def approve(deployed: Mapping[str, Mapping[str, Any]], settings: AdmissionSettings) -> dict[str, ApprovedTask]:
    """The Tasks that stand in a namespace, as documents by name, and what the settings add to them or change."""
    ours = {name: ApprovedTask({"name": name}, may_set(task)) for name, task in deployed.items()}
    more = {
        name: ApprovedTask(
            {"resolver": task.resolver, **task.params} if task.resolver else {"name": name},
            task.may_set,
        )
        for name, task in settings.tasks.items()
    }
    return ours | more


def may_set(task: Mapping[str, Any]) -> tuple[str, ...]:
    """The parameters that reach the work's own steps alone: neither guard, volume or mount, nor `check` or `release`.

    Whoever sets one of the others runs an image of their own beside the token, or points the guard elsewhere.
    """
    spec = task["spec"]
    guarded = [
        spec.get("volumes"),
        spec.get("sidecars"),
        spec.get("stepTemplate"),
        *(step if step.get("name") in _STEPS_OF_THE_GUARD else step.get("volumeMounts") for step in spec["steps"]),
    ]
    text = "\n".join(_strings(guarded))
    return tuple(sorted(param["name"] for param in spec.get("params", ()) if not _reaches(param["name"], text)))


def _reaches(param: str, text: str) -> bool:
    """Whether Tekton puts the parameter there, in any spelling: `$(params.x)`, `$(params.x[*])`, `$(params['x'])`."""
    return re.search(rf"""\$\(params(?:\.|\[['"]){re.escape(param)}(?![\w-])""", text) is not None


def _strings(value: object) -> Iterator[str]:
    match value:
        case str():
            yield value
        case Mapping():
            yield from _strings([*value.keys(), *value.values()])
        case Iterable():
            for one in value:
                yield from _strings(one)
