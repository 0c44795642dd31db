"""The guard for every test that asks for it."""

from __future__ import annotations

import importlib.util
from types import ModuleType

import pytest

from tests.unit.guard_inputs import GUARD


@pytest.fixture
def guard() -> ModuleType:
    """The guard, imported by its path because it is a script; anew for each test because it remembers secrets."""
    spec = importlib.util.spec_from_file_location("guard", GUARD)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
