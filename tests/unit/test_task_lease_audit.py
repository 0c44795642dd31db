"""The Task lease-audit as data."""

from __future__ import annotations

import yaml

from tests.unit.task_documents import folder, spec, steps

TASK = "lease-audit"


def test_the_steps_prove_audit_and_give_back_in_this_order() -> None:
    assert [step["name"] for step in steps(TASK)] == ["check", "audit", "release"]


def test_the_run_is_named_by_no_parameter_and_no_result() -> None:
    assert {param["name"] for param in spec(TASK)["params"]} & {"run", "pipelinerun"} == set()
    sample = yaml.safe_load((folder(TASK) / "samples" / "pipeline.yaml").read_text())
    assert "$(tasks." not in str(sample["spec"]["finally"])


def test_the_sample_gives_the_audit_its_time() -> None:
    run = yaml.safe_load((folder(TASK) / "samples" / "pipelinerun.yaml").read_text())
    assert run["spec"]["timeouts"].keys() == {"tasks", "finally"}


def test_no_result_can_hold_a_secret() -> None:
    assert [result["name"] for result in spec(TASK)["results"]] == ["left"]
