"""The Task postgres-migrate as data."""

from __future__ import annotations

import yaml

from tests.unit.task_documents import folder, spec, steps

TASK = "postgres-migrate"


def test_the_steps_prove_migrate_and_give_back_in_this_order() -> None:
    assert [step["name"] for step in steps(TASK)] == ["check", "migrate", "release"]


def test_no_result_can_hold_a_secret() -> None:
    assert [result["name"] for result in spec(TASK)["results"]] == ["applied", "pending"]


def test_the_sample_pipeline_uses_the_task_as_it_is() -> None:
    documents = [
        document
        for path in sorted((folder(TASK) / "samples").glob("*.yaml"))
        for document in yaml.safe_load_all(path.read_text())
    ]
    kinds = {document["kind"]: document for document in documents}
    assert set(kinds) == {"ConfigMap", "Pipeline", "PipelineRun"}
    assert {"tasks", "finally"} <= kinds["PipelineRun"]["spec"]["timeouts"].keys()
