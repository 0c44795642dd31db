"""A Task of anyone's and a lease → the Task with the guard round it. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from runlease.config.made import config_map_name
from runlease.tasks.catalogue import for_installation, step_script
from runlease.tasks.pieces import Document, Pieces, pieces
from runlease.tasks.refusal import WrapError
from runlease.tasks.rules import refusals
from runlease.tasks.shape import misshapen

FORMS: Mapping[str, str] = {"service": "", "variables": "", "libpq-url": "DATABASE_URL", "jdbc-url": "JDBC_URL"}
"""How a step can be told its connection; and for a URL the environment variable that it stands in by default."""
UID = 65532
"""Whom guard and steps run as, unless another is named: libpq reads a passfile of its own user alone."""

_MADE = "# Made by runlease wrap: "
_MARK = "# runlease wrap: the script of the step\n"
_TEKTONS_OWN = "#!/bin/sh\nset -e\n"
"""What Tekton puts before a script without `#!` (tektoncd/pipeline pkg/pod/script.go)."""


@dataclass(frozen=True)
class Connection:
    """One form in which a step is told its connection, never with the password: that is in the passfile."""

    form: str
    variable: str = ""

    @classmethod
    def parse(cls, text: str) -> "Connection":
        """Read `service`, `variables`, `libpq-url[=NAME]` or `jdbc-url[=NAME]`. Raises ValueError."""
        form, _, variable = text.partition("=")
        variable = variable or FORMS.get(form, "")
        if form not in FORMS or bool(variable) != bool(FORMS[form]) or not re.fullmatch(r"([A-Za-z_]\w*)?", variable):
            raise ValueError(
                f"no form of a connection (got {text!r}, expected one of {', '.join(FORMS)}; a URL may name its "
                "variable: jdbc-url=NAME). Fix: correct it"
            )
        return cls(form, variable)

    def __str__(self) -> str:
        return f"{self.form}={self.variable}" if self.variable else self.form


@dataclass(frozen=True)
class Wrapping:
    """How a Task is wrapped."""

    lease: str
    """Default of the parameter `lease`."""
    connections: tuple[Connection, ...] = (Connection("service"),)
    run_as_user: int | None = UID
    """One user for guard and steps; None leaves it to the platform, as OpenShift wants it."""
    images: Mapping[str, str] = field(default_factory=dict)
    """Defaults of the parameters `guard-image` and `psql-image`; the catalogue's otherwise."""
    installation: str | None = None
    """Whose ConfigMap and audience are the defaults of their parameters."""
    audience: str = ""
    """Audience of the run tokens. Default: `runlease/<installation>`."""
    token_expiry: int = 600
    """Life of the run tokens in seconds; Kubernetes issues none below 600."""


def wrap(document: Mapping[str, Any], wrapping: Wrapping) -> Document:
    """The Task with guard, volumes, parameters and the steps `check` and `release`; its own steps hold the lease.

    A wrapped Task is wrapped anew: what was put into it is taken out first. Raises WrapError with every reason why not.
    """
    where = _name(document)
    if wrong := list(misshapen(document)):
        raise WrapError(wrong, where)
    task = unwrapped(document)
    parts = pieces(wrapping.run_as_user, {"lease": wrapping.lease, **wrapping.images})
    variables = {connection.variable for connection in wrapping.connections if connection.variable}
    ours = {param["name"] for param in parts.params}
    if wrong := list(refusals(task["spec"], wrapping.run_as_user, ours, variables)):
        raise WrapError(wrong, where)
    wrapped = {**task, "spec": _wrapped(task["spec"], parts, wrapping)}
    if wrapping.installation is None:
        return wrapped
    audience = wrapping.audience or f"runlease/{wrapping.installation}"
    return for_installation(wrapped, config_map_name(wrapping.installation), audience, wrapping.token_expiry)


def unwrapped(document: Mapping[str, Any]) -> Document:
    """A wrapped Task without what `wrap` has put into it; another Task as it is."""
    spec = document["spec"]
    if not any(_is_wrapped(step) for step in spec["steps"]):
        return dict(document)
    ours = {param["name"] for param in pieces(None, {}).params}
    template = _without_mount(spec.get("stepTemplate") or {})
    kept = {
        "params": [param for param in spec.get("params") or [] if param["name"] not in ours],
        "volumes": [one for one in spec.get("volumes") or [] if not one["name"].startswith("runlease-")],
        "stepTemplate": template,
        "sidecars": [one for one in spec.get("sidecars") or [] if one.get("name") != "guard"],
        "steps": [_unwrapped_step(step) for step in spec["steps"] if step.get("name") not in ("check", "release")],
    }
    return {**document, "spec": {key: value for key, value in {**spec, **kept}.items() if value not in ([], {})}}


def _wrapped(spec: Mapping[str, Any], parts: Pieces, wrapping: Wrapping) -> Document:
    template = spec.get("stepTemplate") or {}
    # Read-only root is for our own steps: a tool may write where its image lets it.
    hardened = {key: value for key, value in parts.security.items() if key != "readOnlyRootFilesystem"}
    security = {**hardened, **(template.get("securityContext") or {})}
    mounts = [*(template.get("volumeMounts") or []), parts.mount]
    steps = [
        _wrapped_step(step, place, parts.mount["mountPath"], wrapping.connections)
        for place, step in enumerate(spec["steps"])
    ]
    return {
        **spec,
        "params": [*(spec.get("params") or []), *parts.params],
        "volumes": [*(spec.get("volumes") or []), *parts.volumes],
        "stepTemplate": {**template, "securityContext": security, "volumeMounts": mounts},
        "sidecars": [*(spec.get("sidecars") or []), parts.guard],
        "steps": [parts.check, *steps, parts.release],
    }


def _wrapped_step(step: Mapping[str, Any], place: int, shared: str, connections: tuple[Connection, ...]) -> Document:
    own = step.get("script") or ""
    if own and not own.lstrip().startswith("#!"):
        own = _TEKTONS_OWN + own
    rest = {key: value for key, value in step.items() if key not in ("command", "args", "script")}
    words = [*(step.get("command") or []), *(step.get("args") or [])]
    told = " ".join(map(str, dict.fromkeys(connections)))
    return {
        **rest,
        "args": [shared, step.get("name") or f"unnamed-{place}", told, *words],
        "script": step_script("wrapped") + (_MARK + own if own else ""),
    }


def _is_wrapped(step: Mapping[str, Any]) -> bool:
    return str(step.get("script") or "").partition("\n")[2].startswith(_MADE)


def _unwrapped_step(step: Mapping[str, Any]) -> Document:
    if not _is_wrapped(step):
        return dict(step)
    _, _, own = step["script"].partition(f"\n{_MARK}")
    rest = {key: value for key, value in step.items() if key not in ("args", "script")}
    words = step["args"][3:]
    if own:
        return {**rest, **({"args": words} if words else {}), "script": own}
    return {**rest, "command": words}


def _without_mount(template: Mapping[str, Any]) -> Document:
    if "volumeMounts" not in template:
        return dict(template)
    mounts = [one for one in template["volumeMounts"] or [] if not one["name"].startswith("runlease-")]
    rest = {key: value for key, value in template.items() if key != "volumeMounts"}
    return {**rest, "volumeMounts": mounts} if mounts else rest


def _name(document: Mapping[str, Any]) -> str:
    metadata = document.get("metadata")
    name = metadata.get("name") or metadata.get("generateName") if isinstance(metadata, Mapping) else None
    return f"Task {name}" if name else "Task"
