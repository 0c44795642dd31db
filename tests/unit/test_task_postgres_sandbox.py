"""The Task postgres-sandbox as data."""

from __future__ import annotations

from tests.unit.task_documents import spec, steps

TASK = "postgres-sandbox"


def test_the_schema_is_there_before_the_test_and_gone_after_the_release() -> None:
    assert [step["name"] for step in steps(TASK)] == ["check", "prepare", "test", "release"]


def test_the_users_image_is_that_of_the_test_alone() -> None:
    assert [step["name"] for step in steps(TASK) if step["image"] == "$(params.image)"] == ["test"]


def test_no_result_can_hold_a_secret() -> None:
    assert [result["name"] for result in spec(TASK)["results"]] == ["schema"]
