from __future__ import annotations

from typing import Any

import pytest

from lab.runner.task import Param, TaskError, parameters, substituted, variables

DECLARED: list[dict[str, Any]] = [
    {"name": "lease", "type": "string"},
    {"name": "command", "type": "array", "default": ["a", "b c"]},
    {"name": "where", "type": "object", "properties": {"host": {}, "port": {}}, "default": {"port": "1"}},
    {"name": "with.dot", "default": "dotted"},
]
GIVEN: dict[str, Param] = {"lease": "shop", "where": {"host": "h"}}
KNOWN = variables(parameters(DECLARED, GIVEN, "t"), {"source": "/workspace/source", "extra": ""}, ["applied"], {})


def test_defaults_fill_what_is_not_given_even_in_objects() -> None:
    assert parameters(DECLARED, GIVEN, "t") == {
        "lease": "shop",
        "command": ["a", "b c"],
        "where": {"host": "h", "port": "1"},
        "with.dot": "dotted",
    }


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"where": {"host": "h"}}, "t.params.lease: missing"),
        ({**GIVEN, "leese": "x"}, "t.params.leese: not declared"),
        ({**GIVEN, "lease": ["x"]}, r"t.params.lease: another type \(got list, expected string"),
        ({**GIVEN, "command": "x"}, r"t.params.command: another type \(got str, expected array"),
        ({"lease": "x", "where": {}}, "t.params.where.host: missing"),
    ],
)
def test_a_parameter_that_does_not_fit_is_refused(given: Any, said: str) -> None:
    with pytest.raises(TaskError, match=said):
        parameters(DECLARED, given, "t")


def test_all_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(TaskError) as refused:
        parameters(DECLARED, {"leese": "x", "command": "x"}, "t")
    assert len(str(refused.value).splitlines()) == 4


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("$(params.lease)", "shop"),
        ("$(params['lease']) and $(params[\"with.dot\"])", "shop and dotted"),
        ("$(params.where.host):$(params.where.port)", "h:1"),
        ("$(params.command[1])", "b c"),
        ("$(workspaces.source.path)/db $(workspaces.source.bound)", "/workspace/source/db true"),
        ("$(workspaces.extra.path)|$(workspaces.extra.bound)", "|false"),
        ("$(results.applied.path)", "/tekton/results/applied"),
        ("$(date) $$(params) $(HOME)", "$(date) $$(params) $(HOME)"),
    ],
)
def test_variables_stand_for_their_values(text: str, meant: str) -> None:
    assert substituted(text, KNOWN) == meant


def test_an_array_is_spread_where_it_stands_alone_in_a_list() -> None:
    assert substituted(["x", "$(params.command[*])", "y"], KNOWN) == ["x", "a", "b c", "y"]


def test_a_value_that_looks_like_a_variable_stays_as_it_is() -> None:
    known = variables({"a": "$(params.b)", "b": "no"}, {}, [], {})
    assert substituted("$(params.a)", known) == "$(params.b)"


@pytest.mark.parametrize("text", ["$(params.nobody)", "$(workspaces.none.path)", "$(params.command[7])"])
def test_an_unknown_variable_is_refused(text: str) -> None:
    with pytest.raises(TaskError, match="unknown variable"):
        substituted(text, KNOWN)


@pytest.mark.parametrize("text", ["x$(params.command[*])", "$(params.command)", "$(params.where)"])
def test_an_array_or_object_inside_a_text_is_refused(text: str) -> None:
    with pytest.raises(TaskError):
        substituted(text, KNOWN)
