"""Whatever stands in the settings, it is told in messages and never as a traceback."""

from __future__ import annotations

import random
from copy import deepcopy
from typing import Any

import pytest

from runlease.config import ConfigError, Settings, load
from tests.unit.config_edits import (
    PROD,
)

GARBAGE: list[Any] = [
    None, True, False, 0, -1, 5, 2**70, 1.5, float("nan"), float("inf"), "", "*", "x" * 300, "\0", "\ud800", "🐘", b"x",
    [], [[]], [None], ["app", 5], {}, {"a": {}}, {5: 5}, {None: None}, {"": ""}, {("a", "b"): 1}, object(), "15m",
]  # fmt: skip


def _mutated(value: Any, chance: random.Random) -> Any:
    """The same settings with one random place made into something else, renamed, removed or doubled."""
    if not isinstance(value, dict | list) or not value or chance.random() < 0.15:
        return chance.choice(GARBAGE)
    copy: Any = dict(value) if isinstance(value, dict) else dict(enumerate(value))
    key = chance.choice(list(copy))
    match chance.randrange(6):
        case 0:
            del copy[key]
        case 1:
            copy[chance.choice([5, None, "", "*", "a.b", "A", True, ("a",), "x" * 99])] = copy.pop(key)
        case 2:
            copy[f"{key}-2"] = copy[key]
        case _:
            copy[key] = _mutated(copy[key], chance)
    return copy if isinstance(value, dict) else list(copy.values())


@pytest.mark.parametrize("seed", range(20))
def test_garbage_gives_messages_and_never_a_traceback(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - a seed, no secret
    refused, unplaced = 0, list[str]()
    for _ in range(150):
        data: Any = deepcopy(PROD)
        for _ in range(chance.randint(1, 4)):
            data = _mutated(data, chance)
        try:
            assert isinstance(load(data), Settings)
        except ConfigError as error:
            refused += 1
            unplaced += [message for message in error.messages or [""] if not message.startswith("access")]
    assert not unplaced
    assert refused > 75
