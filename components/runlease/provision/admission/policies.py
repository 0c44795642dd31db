"""The five policies of `policy/`, filled in for one namespace. Pure.

A variable that has no expression there is filled in here, and so are names and namespaces:

    leased      service account → the lease that is bound to it
    audience    of the token that Vault takes
    controller  user name of Tekton's controller
    resolvers   user name of Tekton's resolvers
    approved    Task → how a run refers to it: its name, or a resolver and the resolver's parameters
    may_set     Task → parameters that a run may set
    own         parameter that says which installation it is → what it is here; a run may repeat it
    deployers   user names and groups that write what is listed in `written`
    written     namespace → resource → names

An expression that fails refuses (failurePolicy: Fail), so each first asks whether the object is any of its business.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

POLICIES = ("pods", "sessions", "tokens", "runs", "writers")
"""One file each, in `policy/`."""

LONGEST_EXPRESSION = 100_000
"""Characters of one CEL expression that kube-apiserver takes: about 2,400 service accounts in one namespace."""


class PolicyTooLongError(ValueError):
    """More is to be listed in one policy than Kubernetes takes."""


@dataclass(frozen=True)
class ApprovedTask:
    """A Task that leased service accounts may run."""

    reference: Mapping[str, str]
    """How a run refers to it: `name` in its own namespace, or `resolver` and the resolver's parameters."""
    may_set: tuple[str, ...]
    """Parameters that a run may set; others it may repeat at most, such as the lease of its account."""

    @property
    def namespaced_name(self) -> tuple[str | None, str] | None:
        """Where its object stands: namespace (None: the run's own) and name; nowhere for one from elsewhere."""
        match self.reference.get("resolver"):
            case None:
                return None, self.reference["name"]
            case "cluster":
                return self.reference["namespace"], self.reference["name"]
        return None


@dataclass(frozen=True)
class Protected:
    """What one namespace's policies know."""

    namespace: str
    leased: Mapping[str, str]
    audience: str
    approved: Mapping[str, ApprovedTask]
    config_map: str
    controller: str
    resolvers: str
    users: Sequence[str]
    groups: Sequence[str]


def policies(protected: Protected) -> dict[str, dict[str, Any]]:
    """The spec of each policy, by its name. Raises PolicyTooLongError when a list is too long."""
    written = _written(protected)
    values = {
        "leased": dict(protected.leased),
        "audience": protected.audience,
        "controller": protected.controller,
        "resolvers": protected.resolvers,
        "approved": {name: dict(task.reference) for name, task in protected.approved.items()},
        "may_set": {name: list(task.may_set) for name, task in protected.approved.items()},
        "own": {"installation-config": protected.config_map, "audience": protected.audience},
        "deployers": {"users": list(protected.users), "groups": list(protected.groups)},
        "written": written,
    }
    expressions = {name: _literal(name, value, protected.namespace) for name, value in values.items()}
    return {
        name: _filled_in(_spec(name), expressions, sorted(written) if name == "writers" else [protected.namespace])
        for name in POLICIES
    }


def _written(protected: Protected) -> dict[str, dict[str, list[str]]]:
    written = {
        protected.namespace: {
            "configmaps": [protected.config_map],
            "serviceaccounts": sorted(protected.leased),
        }
    }
    for task in protected.approved.values():
        if (place := task.namespaced_name) is not None:
            there = written.setdefault(place[0] or protected.namespace, {})
            there["tasks"] = sorted({*there.get("tasks", ()), place[1]})
    return written


def _literal(name: str, value: object, namespace: str) -> str:
    """JSON is CEL: strings with its escapes, lists and maps read the same in both."""
    literal = json.dumps(value, ensure_ascii=False)
    if len(literal) > LONGEST_EXPRESSION:
        raise PolicyTooLongError(
            f"namespace {namespace}: too much for one admission policy (got {len(literal)} characters of {name}, "
            f"expected at most {LONGEST_EXPRESSION}). Fix: give some of its pipelines another namespace"
        )
    return literal


def _filled_in(spec: Mapping[str, Any], expressions: Mapping[str, str], namespaces: Sequence[str]) -> dict[str, Any]:
    within = {"key": "kubernetes.io/metadata.name", "operator": "In", "values": list(namespaces)}
    return {
        **spec,
        "matchConstraints": {**spec["matchConstraints"], "namespaceSelector": {"matchExpressions": [within]}},
        "variables": [
            {"name": one["name"], "expression": one.get("expression") or expressions[one["name"]]}
            for one in spec.get("variables", ())
        ],
    }


@cache
def _spec(policy: str) -> dict[str, Any]:
    text = files(__package__).joinpath("policy", f"{policy}.yaml").read_text(encoding="utf-8")
    spec: dict[str, Any] = yaml.safe_load(text)["spec"]
    return spec
