from __future__ import annotations

import pytest

from lab import LabError
from lab.runner.container import expanded
from lab.runner.durations import seconds_of
from lab.runner.endings import Ending, Fate, consequence
from lab.runner.run_spec import Sidecars

CLASSIC, NATIVE = Sidecars.CLASSIC, Sidecars.NATIVE


@pytest.mark.parametrize(
    ("ending", "mode", "keep_pod", "retries", "fate", "again"),
    [
        (Ending.STEPS_SUCCEEDED, CLASSIC, False, 1, Fate.SWAPPED, False),
        (Ending.STEPS_SUCCEEDED, NATIVE, False, 1, Fate.LEFT, False),
        (Ending.STEPS_FAILED, CLASSIC, False, 0, Fate.SWAPPED, False),
        (Ending.STEPS_FAILED, CLASSIC, False, 1, Fate.LEFT, True),
        (Ending.STEPS_FAILED, NATIVE, False, 1, Fate.LEFT, True),
        (Ending.CANCELLED, CLASSIC, False, 1, Fate.DELETED, False),
        (Ending.CANCELLED, NATIVE, True, 1, Fate.ANNOTATED, False),
        (Ending.TIMED_OUT, CLASSIC, False, 0, Fate.DELETED, False),
        (Ending.TIMED_OUT, CLASSIC, True, 0, Fate.ANNOTATED, False),
        (Ending.DELETED, CLASSIC, True, 1, Fate.DELETED, False),
        (Ending.POD_DELETED_BY_FORCE, NATIVE, True, 0, Fate.FORCED, True),
    ],
)
def test_an_ending_does_what_was_measured(
    ending: Ending, mode: Sidecars, keep_pod: bool, retries: int, fate: Fate, again: bool
) -> None:
    found = consequence(ending, mode, keep_pod=keep_pod, retries_left=retries)
    assert (found.fate, found.again) == (fate, again)


def test_kubernetes_fills_in_the_containers_own_environment() -> None:
    assert expanded("$(A)-$(NONE)-$$(A)-$A", {"A": "a"}) == "a-$(NONE)-$(A)-$A"


@pytest.mark.parametrize(("text", "seconds"), [("1h30m", 5400), ("1.5s", 1.5), ("300ms", 0.3), ("0", 0)])
def test_a_duration_of_go_is_read(text: str, seconds: float) -> None:
    assert seconds_of(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "5", "5 m", "m5", "5d"])
def test_another_spelling_of_a_duration_is_refused(text: str) -> None:
    with pytest.raises(LabError, match="duration"):
        seconds_of(text)
