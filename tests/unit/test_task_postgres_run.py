"""The Task postgres-run as data."""

from __future__ import annotations

from tests.unit.task_documents import spec, steps

TASK = "postgres-run"


def test_the_steps_prove_run_and_give_back_in_this_order() -> None:
    assert [step["name"] for step in steps(TASK)] == ["check", "run", "release"]


def test_a_list_of_files_and_a_command_cannot_be_taken_for_one_another() -> None:
    (step,) = [step for step in steps(TASK) if step["name"] == "run"]
    assert step["args"][-3:] == ["$(params.files[*])", "--", "$(params.command[*])"]


def test_no_result_can_hold_a_secret() -> None:
    assert [result["name"] for result in spec(TASK)["results"]] == ["login"]
