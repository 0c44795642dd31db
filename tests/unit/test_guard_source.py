"""What the guard's source may hold: it runs inside a Task, on any Python, and is to be read in one sitting."""

from __future__ import annotations

import ast
import sys

from tests.unit.guard_inputs import GUARD


def test_the_source_holds_nothing_that_tekton_substitutes() -> None:
    assert "$(" not in GUARD.read_text()


def test_the_source_imports_the_standard_library_alone() -> None:
    nodes = list(ast.walk(ast.parse(GUARD.read_text())))
    imported = {name.name for node in nodes if isinstance(node, ast.Import) for name in node.names}
    imported |= {str(node.module) for node in nodes if isinstance(node, ast.ImportFrom)}
    assert {name.split(".")[0] for name in imported} <= set(sys.stdlib_module_names)


def test_the_source_runs_on_python_3_9() -> None:
    ast.parse(GUARD.read_text(), feature_version=(3, 9))


def test_the_source_is_read_in_one_sitting() -> None:
    """Docstrings and blank lines are bounded on their own: taking them out would make no reader faster."""
    text = GUARD.read_text()
    told = {
        line
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)
    }
    code = [line for number, line in enumerate(text.splitlines(), 1) if line.strip() and number not in told]
    assert len(code) <= 280
    assert len(text.splitlines()) <= 350


def test_the_source_imports_nothing_for_its_types_alone() -> None:
    """`typing` costs 2 ms of every pod's start."""
    assert "typing" not in GUARD.read_text()
