"""The Task postgres-verify as data, and the shop's description."""

from __future__ import annotations

from pathlib import Path

from tests.unit.task_documents import folder, spec, steps

TASK = "postgres-verify"
SHOP = Path(__file__).resolve().parents[2] / "examples" / "shop"


def query() -> str:
    return (folder(TASK) / "steps" / "describe.sql").read_text()


def test_the_steps_prove_verify_and_give_back_in_this_order() -> None:
    assert [step["name"] for step in steps(TASK)] == ["check", "verify", "release"]


def test_no_result_can_hold_a_secret() -> None:
    assert [result["name"] for result in spec(TASK)["results"]] == ["differences"]


def test_the_step_asks_what_is_asked_by_hand() -> None:
    (step,) = [step for step in steps(TASK) if step["name"] == "verify"]
    assert query().split("\n", 1)[1] in step["script"]


def test_the_description_is_read_in_a_transaction_that_can_change_nothing() -> None:
    assert "READ ONLY;" in query()
    assert "information_schema" not in query()


def test_only_the_output_is_written_and_nothing_is_needed_to_describe() -> None:
    spaces = {one["name"]: one for one in spec(TASK)["workspaces"]}
    assert {name for name, one in spaces.items() if not one.get("readOnly")} == {"output"}
    assert all(one["optional"] for one in spaces.values())


def test_the_shops_description_is_sorted_and_says_each_fact_once() -> None:
    lines = (SHOP / "schema.txt").read_text().splitlines()
    assert lines == sorted(set(lines), key=str.encode)
