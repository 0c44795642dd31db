"""What several modules ask for: the guard, and logs to trace."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from tests.unit.guard_inputs import GUARD
from tests.unit.trace_logs import Logs


@pytest.fixture
def guard() -> ModuleType:
    """The guard, imported by its path because it is a script; anew for each test because it remembers secrets."""
    spec = importlib.util.spec_from_file_location("guard", GUARD)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def logs(tmp_path: Path) -> Iterator[Logs]:
    made = Logs(tmp_path)
    yield made
    made.close()
