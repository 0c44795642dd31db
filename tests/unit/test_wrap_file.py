"""`runlease wrap`: files in, files out, and what it says when it refuses."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
import yaml

from runlease.cli import main
from runlease.tasks import WrapError, Wrapping, wrap, wrap_file
from tests.unit.wrapped_tasks import TASK, WRAPPING, edited

TASK_YAML = yaml.safe_dump(TASK, sort_keys=False)
OTHERS = """\
---
apiVersion: v1
kind: ConfigMap
metadata: {name: kept}
data: {time: 10:30, day: 2024-01-31, octal: 0644, word: "yes", number: '012', empty: ''}
---
"""


def run(tmp_path: Path, text: str, *arguments: str) -> int:
    path = tmp_path / "task.yaml"
    path.write_text(text)
    return main(["wrap", str(path), "--lease", "shop-migrator", *arguments])


def test_a_task_is_wrapped_and_written_as_yaml(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path, TASK_YAML) == 0
    told = capsys.readouterr()
    assert (yaml.safe_load(told.out), told.err) == (wrap(TASK, WRAPPING), "")


def test_scripts_stay_readable() -> None:
    text = wrap_file(TASK_YAML, "task.yaml", WRAPPING)
    assert text.count("script: |\n") == 5
    assert "&id" not in text
    assert "      trap say_farewell EXIT\n" in text


def test_standard_input_is_read_and_a_file_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(TASK_YAML))
    out = tmp_path / "out.yaml"
    assert main(["wrap", "-", "--lease", "shop-migrator", "-o", str(out)]) == 0
    assert yaml.safe_load(out.read_text()) == wrap(TASK, WRAPPING)


def test_the_file_can_be_wrapped_in_place_again_and_again(tmp_path: Path) -> None:
    path = tmp_path / "task.yaml"
    for _ in range(3):
        if not path.exists():
            path.write_text(TASK_YAML)
        assert main(["wrap", str(path), "--lease", "shop-migrator", "-o", str(path)]) == 0
        assert yaml.safe_load(path.read_text()) == wrap(TASK, WRAPPING)


def test_every_option_reaches_the_task(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--installation", "shop-prod", "--connection", "jdbc-url=FLYWAY_URL", "--connection", "service"]
    options += ["--run-as-user", "1000", "--guard-image", "g@sha256:1", "--psql-image", "p@sha256:2"]
    assert run(tmp_path, TASK_YAML, *options) == 0
    spec = yaml.safe_load(capsys.readouterr().out)["spec"]
    assert {one["name"]: one.get("default") for one in spec["params"]} == {
        "target": "latest",
        "lease": "shop-migrator",
        "installation-config": "runlease-shop-prod",
        "audience": "runlease/shop-prod",
        "guard-image": "g@sha256:1",
        "psql-image": "p@sha256:2",
    }
    assert spec["stepTemplate"]["securityContext"]["runAsUser"] == 1000
    assert spec["steps"][1]["args"][2] == "jdbc-url=FLYWAY_URL service"


def test_other_documents_stay_as_kubernetes_reads_them() -> None:
    text = wrap_file(OTHERS + TASK_YAML, "task.yaml", WRAPPING)
    config, task = yaml.safe_load_all(text)
    assert config["data"] == {
        "time": "10:30",
        "day": "2024-01-31",
        "octal": 420,
        "word": "yes",
        "number": "012",
        "empty": "",
    }
    assert task == wrap(TASK, WRAPPING)


def test_reasons_of_every_document_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = edited(lambda spec: spec["steps"][0].update(timeout="1m")), edited(lambda spec: spec.pop("steps"))
    second["metadata"] = {"name": "other"}
    run_: dict[str, Any] = {
        "apiVersion": "tekton.dev/v1",
        "kind": "PipelineRun",
        "metadata": {"name": "release"},
        "spec": {
            "taskRunTemplate": {"podTemplate": {"env": [{"name": "PGPASSWORD", "value": "x"}]}},
            "taskRunSpecs": [{"podTemplate": {"automountServiceAccountToken": True}}],
        },
    }
    assert run(tmp_path, yaml.safe_dump_all([first, second, run_])) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert [line.split(": ")[:2] for line in told.err.splitlines()] == [
        ["Task flyway", "spec.steps[0].timeout"],
        ["Task other", "spec.steps"],
        ["PipelineRun release", "spec.taskRunTemplate.podTemplate.env[0]"],
        ["PipelineRun release", "spec.taskRunSpecs[0].podTemplate.automountServiceAccountToken"],
    ]


def test_what_is_left_open_is_said_and_does_not_refuse(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    inner = {"taskSpec": {"steps": [{"image": "x"}]}}
    pipeline = {
        "apiVersion": "tekton.dev/v1",
        "kind": "Pipeline",
        "metadata": {"name": "release"},
        "spec": {"tasks": [{"name": "a", "taskRef": {"name": "flyway"}}, {"name": "b", **inner}], "finally": [inner]},
    }
    task = edited(lambda spec: spec["steps"][0].update(image="registry.internal:5000/flyway"))
    assert run(tmp_path, yaml.safe_dump_all([task, pipeline])) == 0
    told = capsys.readouterr()
    assert [line.split(": ")[1:3] for line in told.err.splitlines()] == [
        ["Task flyway", "spec.steps[0].image"],
        ["Pipeline release", "spec.finally[0].taskSpec"],
        ["Pipeline release", "spec.tasks[1].taskSpec"],
    ]
    assert told.out
    assert run(tmp_path, yaml.safe_dump(TASK)) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    "template",
    [
        {"env": [{"name": "PGSSLMODE", "value": "disable"}]},
        {"volumes": [{"name": "runlease-lease", "emptyDir": {}}]},
        {"volumes": [{"name": "node", "hostPath": {"path": "/"}}]},
        {"automountServiceAccountToken": True},
    ],
)
def test_a_task_run_that_would_break_the_promise_is_refused(template: dict[str, Any]) -> None:
    run_ = {"kind": "TaskRun", "metadata": {"name": "now"}, "spec": {"podTemplate": template}}
    with pytest.raises(WrapError, match=r"TaskRun now: spec\.podTemplate"):
        wrap_file(yaml.safe_dump_all([TASK, run_]), "task.yaml", WRAPPING)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no Task in it"),
        ("kind: ConfigMap", "no Task in it"),
        ("- 1", "not an object"),
        ("a: [1", "not YAML"),
        ("a: 1\na: 2", "key twice: a"),
        ("kind: Task\napiVersion: tekton.dev/v1beta1", "not a Task of tekton.dev/v1"),
        ("kind: PipelineRun\nspec: [1]", "no Task in it"),
    ],
)
def test_what_is_no_file_of_tasks_is_refused(
    tmp_path: Path, text: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tmp_path, text) == 2
    told = capsys.readouterr()
    assert said in told.err
    assert told.out == ""
    assert all("Fix: " in line for line in told.err.splitlines())


def test_a_file_that_is_not_there_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["wrap", "/no/such/task.yaml", "--lease", "shop-migrator"]) == 2
    assert "/no/such/task.yaml: cannot be read" in capsys.readouterr().err


def test_nothing_is_written_when_the_task_is_refused(tmp_path: Path) -> None:
    out = tmp_path / "out.yaml"
    assert run(tmp_path, "kind: ConfigMap", "-o", str(out)) == 2
    assert not out.exists()


@pytest.mark.parametrize(
    "options",
    [
        ["--lease", "Shop Migrator"],
        ["--installation", "*"],
        ["--connection", "url"],
        ["--run-as-user", "0"],
        ["--run-as-user", "root"],
    ],
)
def test_a_wrong_option_is_refused(tmp_path: Path, options: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        run(tmp_path, TASK_YAML, *options)
    assert ended.value.code == 2
    assert "got" in capsys.readouterr().err


def test_the_user_may_be_left_to_the_platform(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path, TASK_YAML, "--run-as-user", "platform") == 0
    assert yaml.safe_load(capsys.readouterr().out) == wrap(TASK, Wrapping("shop-migrator", run_as_user=None))
