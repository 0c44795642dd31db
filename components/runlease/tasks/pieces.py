"""What a wrapped Task carries, taken as data from a Task of the catalogue."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from runlease.tasks.catalogue import read_task

_SOURCE = "postgres-run"
_PARAMS = ("lease", "installation-config", "audience", "guard-image", "psql-image")

Document = dict[str, Any]


@dataclass(frozen=True)
class Pieces:
    """Guard, volumes, parameters, the first and the last step; and what the steps share."""

    params: tuple[Document, ...]
    volumes: tuple[Document, ...]
    guard: Document
    check: Document
    release: Document
    security: Document
    """How a container of ours runs."""
    mount: Document
    """The volume that guard and steps share."""


def pieces(run_as_user: int | None, defaults: Mapping[str, str]) -> Pieces:
    """Every piece, for containers of one user. `defaults`: of parameters, by name; empty keeps the catalogue's."""
    spec = read_task(_SOURCE)["spec"]
    template = spec["stepTemplate"]
    security = _as_user(template["securityContext"], run_as_user)
    (guard,) = spec["sidecars"]
    hardened = {"securityContext": security, "computeResources": template["computeResources"]}
    return Pieces(
        params=tuple(_with_default(one, defaults) for one in spec["params"] if one["name"] in _PARAMS),
        volumes=tuple(one for one in spec["volumes"] if one["name"].startswith("runlease-")),
        guard={**guard, "securityContext": _as_user(guard["securityContext"], run_as_user)},
        check={**spec["steps"][0], **hardened},
        release={**spec["steps"][-1], **hardened},
        security=security,
        mount=template["volumeMounts"][0],
    )


def _with_default(param: Document, defaults: Mapping[str, str]) -> Document:
    default = defaults.get(param["name"])
    return {**param, "default": default} if default else param


def _as_user(security: Mapping[str, Any], run_as_user: int | None) -> Document:
    rest = {key: value for key, value in security.items() if key != "runAsUser"}
    return rest if run_as_user is None else {**rest, "runAsUser": run_as_user}
