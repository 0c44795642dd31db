"""A Task's document with everything substituted, as Tekton does before it makes a pod. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

Param = str | Sequence[str] | Mapping[str, str]
"""A parameter's value: string, array or object."""
_VARIABLE = re.compile(r"\$\((params|workspaces|results|context|steps|tasks)[.\[]([^()]*)\)")
_KINDS: dict[str, Any] = {"string": str, "array": (list, tuple), "object": Mapping}


class TaskError(Exception):
    """Tekton would not make a pod of this."""


def parameters(declared: Sequence[Mapping[str, Any]], given: Mapping[str, Param], where: str) -> dict[str, Param]:
    """Each declared parameter with its value or default. Raises TaskError for what is missing, extra or mistyped."""
    wrong = [f"{where}.params.{name}: not declared. Fix: take it out" for name in given if name not in _names(declared)]
    values: dict[str, Param] = {}
    for param in declared:
        name, kind = param["name"], param.get("type", "array" if isinstance(param.get("default"), list) else "string")
        value = given.get(name, param.get("default"))
        if value is None:
            wrong.append(f"{where}.params.{name}: missing (got nothing, expected a value). Fix: set it")
        elif not isinstance(value, _KINDS[kind]):
            wrong.append(f"{where}.params.{name}: another type (got {type(value).__name__}, expected {kind})")
        else:
            values[name] = value
    if wrong:
        raise TaskError("\n".join(wrong))
    return values


def variables(
    params: Mapping[str, Param], workspaces: Mapping[str, bool], results: Sequence[str], context: Mapping[str, str]
) -> dict[str, Param]:
    """Every variable that a Task may use, by its name. `workspaces`: whether each is bound."""
    found: dict[str, Param] = {}
    for name, value in params.items():
        spellings = (f"params.{name}", f'params["{name}"]', f"params['{name}']")
        found |= dict.fromkeys(spellings, value)
        if isinstance(value, Mapping):
            found |= {f"params.{name}.{key}": one for key, one in value.items()}
        elif not isinstance(value, str):
            found |= {f"params.{name}[{place}]": one for place, one in enumerate(value)}
    for name, bound in workspaces.items():
        found[f"workspaces.{name}.path"] = f"/workspace/{name}" if bound else ""
        found[f"workspaces.{name}.bound"] = "true" if bound else "false"
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
    """A step over its stepTemplate: lists by name or mount path are joined, the step's own entries win."""
    joined = {**template, **step}
    for field, key in (("env", "name"), ("volumeMounts", "mountPath")):
        entries = {one[key]: one for source in (template, step) for one in source.get(field, [])}
        joined[field] = list(entries.values())
    return joined


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
        name = found[0][2:-1]
        if name.startswith("steps."):
            return f"/tekton/{name.removesuffix('.exitCode.path')}/exitCode" if name.endswith(".path") else found[0]
        value = _value(name, known, where)
        if not isinstance(value, str):
            raise TaskError(f"{where}: an array or object in a text (got {found[0]}, expected a string)")
        return value

    return _VARIABLE.sub(fill, text)


def _value(name: str, known: Mapping[str, Param], where: str) -> Param:
    if name not in known:
        raise TaskError(f"{where}: unknown variable (got {name}, expected one that the Task declares). Fix: declare it")
    return known[name]
