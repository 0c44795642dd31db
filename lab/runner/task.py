"""Parameters and variables: what a document says once everything is substituted, as Tekton does. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

Param = str | Sequence[str] | Mapping[str, str]
"""A parameter's value: string, array or object."""
Object = dict[str, Any]
"""A Kubernetes object, or a part of one, as JSON has it."""
_VARIABLE = re.compile(r"\$\((params|workspaces|results|context|steps|tasks)[.\[]([^()]*)\)")
_KINDS: dict[str, Any] = {"string": str, "array": (list, tuple), "object": Mapping}


class TaskError(Exception):
    """Tekton would not make a pod of this."""


def parameters(declared: Sequence[Mapping[str, Any]], given: Mapping[str, Param], where: str) -> dict[str, Param]:
    """Each declared parameter with its value or default. Raises TaskError for what is missing, extra or mistyped.

    Tekton ignores an extra one, which hides a typing error; here it is refused.
    """
    wrong = [f"{where}.params.{name}: not declared. Fix: take it out" for name in given if name not in _names(declared)]
    values: dict[str, Param] = {}
    for param in declared:
        name, kind = param["name"], _kind(param)
        value = given.get(name, param.get("default"))
        if value is None:
            wrong.append(f"{where}.params.{name}: missing (got nothing, expected a value). Fix: set it")
        elif not isinstance(value, _KINDS[kind]):
            wrong.append(f"{where}.params.{name}: another type (got {type(value).__name__}, expected {kind})")
        elif isinstance(value, Mapping):
            values[name] = {**(param.get("default") or {}), **value}
            lacking = sorted(set(param.get("properties", {})) - set(values[name]))
            wrong += [f"{where}.params.{name}.{key}: missing (got no such key). Fix: set it" for key in lacking]
        else:
            values[name] = value
    if wrong:
        raise TaskError("\n".join(wrong))
    return values


def variables(
    params: Mapping[str, Param], workspaces: Mapping[str, str], results: Sequence[str], context: Mapping[str, str]
) -> dict[str, Param]:
    """Every variable that a Task may use, by its name. `workspaces`: the path of each, empty when it is not bound."""
    found: dict[str, Param] = {}
    for name, value in params.items():
        spellings = (f"params.{name}", f'params["{name}"]', f"params['{name}']")
        found |= dict.fromkeys(spellings, value)
        if isinstance(value, Mapping):
            found |= {f"params.{name}.{key}": one for key, one in value.items()}
        elif not isinstance(value, str):
            found |= {f"params.{name}[{place}]": one for place, one in enumerate(value)}
    for name, path in workspaces.items():
        found[f"workspaces.{name}.path"] = path
        found[f"workspaces.{name}.bound"] = "true" if path else "false"
        found[f"workspaces.{name}.claim"] = name if path else ""
        found[f"workspaces.{name}.volume"] = f"ws-{name}" if path else ""
    found |= {f"results.{name}.path": f"/tekton/results/{name}" for name in results}
    return found | {f"context.{name}": value for name, value in context.items()}


def substituted(document: Any, known: Mapping[str, Param], where: str = "task") -> Any:
    """The same document with every variable filled in; an array is spread where it stands alone in a list.

    Raises TaskError for a variable of Tekton's that has no value.
    """
    if isinstance(document, str):
        return _text(document, known, where)
    if isinstance(document, Mapping):
        return {key: substituted(value, known, f"{where}.{key}") for key, value in document.items()}
    if isinstance(document, list):
        spread = (_spread(one, known, f"{where}[{place}]") for place, one in enumerate(document))
        return [value for values in spread for value in values]
    return document


def merged(template: Mapping[str, Any], step: Mapping[str, Any]) -> dict[str, Any]:
    """A step over its stepTemplate: what stands in both is joined, the step's own entries win."""
    joined = {**template, **step}
    for field, key in (("env", "name"), ("volumeMounts", "mountPath")):
        entries = {one[key]: one for source in (template, step) for one in source.get(field, [])}
        joined[field] = list(entries.values())
    for field in ("securityContext", "computeResources"):
        joined[field] = {**template.get(field, {}), **step.get(field, {})}
    return joined


def refuse_unknown(document: Mapping[str, Any], known: set[str], where: str) -> None:
    """Raise TaskError for a field that this runner does not know: nothing is left out in silence."""
    unknown = sorted(set(document) - known)
    if unknown:
        raise TaskError(
            f"{where}: fields that this runner does not know (got {', '.join(unknown)}, expected some of "
            f"{', '.join(sorted(known))}). Fix: teach it, or take them out"
        )


def _kind(param: Mapping[str, Any]) -> str:
    default = param.get("default")
    guessed = "array" if isinstance(default, list) else "object" if isinstance(default, dict) else "string"
    return str(param.get("type", "object" if "properties" in param else guessed))


def _names(declared: Sequence[Mapping[str, Any]]) -> set[str]:
    return {str(one["name"]) for one in declared}


def _spread(entry: Any, known: Mapping[str, Param], where: str) -> list[Any]:
    whole = _VARIABLE.fullmatch(entry) if isinstance(entry, str) else None
    if whole and whole[2].endswith("[*]"):
        value = _value(f"{whole[1]}.{whole[2][:-3]}", known, where)
        if isinstance(value, str | Mapping):
            raise TaskError(f"{where}: no array (got {entry}, expected an array parameter). Fix: take out [*]")
        return list(value)
    return [substituted(entry, known, where)]


def _text(text: str, known: Mapping[str, Param], where: str) -> str:
    def fill(found: re.Match[str]) -> str:
        value = _value(found[0][2:-1], known, where)
        if not isinstance(value, str):
            raise TaskError(f"{where}: an array or object in a text (got {found[0]}, expected a string)")
        return value

    return _VARIABLE.sub(fill, text)


def _value(name: str, known: Mapping[str, Param], where: str) -> Param:
    if name not in known:
        raise TaskError(f"{where}: unknown variable (got {name}, expected one that the Task declares). Fix: declare it")
    return known[name]
