from __future__ import annotations

import base64
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lab.runner.pod_manifest import make_pod
from lab.runner.run_spec import Sidecars
from lab.runner.task import TaskError
from tests.unit.runner_documents import SOURCE, Object, run, step, task

GUARD = {"name": "guard", "image": "python", "command": ["guard"], "env": [{"name": "OWN", "value": "guard"}]}


def container(pod: Object, name: str) -> Object:
    every = [*pod["spec"]["initContainers"], *pod["spec"]["containers"]]
    return next(one for one in every if one["name"] == name)


def mounts(pod: Object, name: str) -> dict[str, bool]:
    return {one["mountPath"]: one.get("readOnly", False) for one in container(pod, name)["volumeMounts"]}


def environment(pod: Object, name: str) -> list[tuple[str, str]]:
    return [(one["name"], one["value"]) for one in container(pod, name)["env"]]


def test_a_step_waits_for_the_one_before_it() -> None:
    pod = make_pod(run(task(step("one"), step("two"), results=[{"name": "a"}, {"name": "b"}])))
    first, second = container(pod, "step-one"), container(pod, "step-two")
    assert first["command"] == second["command"] == ["/tekton/bin/entrypoint"]
    assert first["args"][:2] == ["-wait_file", "/tekton/downward/ready"]
    assert second["args"][:2] == ["-wait_file", "/tekton/run/0/out"]
    assert second["args"][-5:] == ["-results", "a,b", "-entrypoint", "/tekton/scripts/script-1", "--"]


def test_a_step_writes_its_own_run_directory_alone() -> None:
    pod = make_pod(run(task(step("one"), step("two"))))
    assert {path: mounts(pod, "step-two")[path] for path in ("/tekton/run/0", "/tekton/run/1")} == {
        "/tekton/run/0": True,
        "/tekton/run/1": False,
    }


def test_podtemplate_env_comes_last_for_steps_and_does_not_reach_sidecars() -> None:
    document = task(
        step("one", env=[{"name": "B", "value": "step"}]),
        stepTemplate={"env": [{"name": "A", "value": "template"}, {"name": "B", "value": "template"}]},
        sidecars=[GUARD],
    )
    pod = make_pod(run(document, environment={"B": "forced", "OWN": "forced"}))
    assert environment(pod, "step-one") == [("A", "template"), ("B", "step"), ("B", "forced"), ("OWN", "forced")]
    assert environment(pod, "sidecar-guard") == [("OWN", "guard")]


def test_the_steptemplate_does_not_reach_sidecars() -> None:
    document = task(stepTemplate={"securityContext": {"runAsUser": 1}}, sidecars=[GUARD])
    pod = make_pod(run(document))
    assert container(pod, "step-one")["securityContext"] == {"runAsUser": 1}
    assert "securityContext" not in container(pod, "sidecar-guard")


def test_a_steps_own_security_context_is_laid_over_the_templates() -> None:
    template = {"securityContext": {"runAsUser": 1, "readOnlyRootFilesystem": True}}
    document = task(step("one", securityContext={"runAsUser": 2}), stepTemplate=template)
    assert container(make_pod(run(document)), "step-one")["securityContext"] == {
        "runAsUser": 2,
        "readOnlyRootFilesystem": True,
    }


def test_variables_are_filled_in_where_tekton_does() -> None:
    document = task(
        step("$(params.x)", "echo $(params.x)", image="image:$(params.x)", workingDir="/$(params.x)"),
        description="a text about $(params.y)",
        params=[{"name": "x", "default": "v"}],
        volumes=[
            {"name": "c", "configMap": {"name": "map-$(params.x)"}},
            {
                "name": "t",
                "projected": {"sources": [{"serviceAccountToken": {"path": "t", "audience": "$(params.x)"}}]},
            },
        ],
    )
    pod = make_pod(run(document))
    made = container(pod, "step-$(params.x)")
    assert (made["image"], made["workingDir"]) == ("image:v", "/v")
    volumes = {one["name"]: one for one in pod["spec"]["volumes"]}
    assert volumes["c"]["configMap"]["name"] == "map-v"
    assert volumes["t"]["projected"]["sources"][0]["serviceAccountToken"]["audience"] == "v"
    assert base64.b64encode(b"#!/bin/sh\nset -e\necho v").decode() in container(pod, "place-scripts")["args"][1]


def test_a_script_with_a_first_line_of_its_own_keeps_it() -> None:
    pod = make_pod(run(task(step("one", "#!/usr/bin/env python3\n1"))))
    assert base64.b64encode(b"#!/usr/bin/env python3\n1").decode() in container(pod, "place-scripts")["args"][1]


@pytest.mark.parametrize("mode", Sidecars)
def test_sidecars_stand_where_the_mode_puts_them(mode: Sidecars) -> None:
    pod = make_pod(run(task(sidecars=[GUARD]), sidecars=mode))
    before = {one["name"]: one.get("restartPolicy") for one in pod["spec"]["initContainers"]}
    beside = [one["name"] for one in pod["spec"]["containers"]]
    assert before.get("sidecar-guard") == ("Always" if mode is Sidecars.NATIVE else None)
    assert ("sidecar-guard" in beside) is (mode is Sidecars.CLASSIC)
    assert pod["metadata"]["annotations"] == {}


def test_steps_need_not_wait_where_there_are_no_sidecars() -> None:
    assert make_pod(run(task()))["metadata"]["annotations"] == {"tekton.dev/ready": "READY"}


def test_a_retry_has_a_pod_of_another_name() -> None:
    document = task(step("one", "$(context.task.retry-count) $(context.taskRun.name)"))
    first, second = make_pod(run(document)), make_pod(run(document), retry=1)
    assert (first["metadata"]["name"], second["metadata"]["name"]) == ("r-pod", "r-pod-retry1")
    assert base64.b64encode(b"#!/bin/sh\nset -e\n1 r").decode() in container(second, "place-scripts")["args"][1]


def test_the_labels_say_which_run_it_is() -> None:
    labels = make_pod(run(task(), pipeline_run="release-1"))["metadata"]["labels"]
    assert labels["tekton.dev/pipelineRun"] == "release-1"
    assert (labels["tekton.dev/taskRun"], labels["tekton.dev/taskRunUID"]) == ("r", "u-1")
    assert "tekton.dev/pipelineRun" not in make_pod(run(task()))["metadata"]["labels"]


@pytest.mark.parametrize(("read_only", "path"), [(True, None), (False, "/elsewhere")])
def test_a_workspace_is_mounted_where_it_is_declared(read_only: bool, path: str | None) -> None:
    declared: Object = {"name": "source", "readOnly": read_only, **({"mountPath": path} if path else {})}
    document = task(step("one", "cd $(workspaces.source.path)"), workspaces=[declared], sidecars=[GUARD])
    pod = make_pod(run(document, workspaces=SOURCE))
    for name in ("step-one", "sidecar-guard"):
        assert mounts(pod, name)[path or "/workspace/source"] is read_only


@pytest.mark.parametrize(
    ("declared", "bound", "said"),
    [
        ([{"name": "source"}], {}, r"missing \['source'\]"),
        ([], SOURCE, r"not declared \['source'\]"),
    ],
)
def test_workspaces_that_do_not_fit_are_refused(declared: Any, bound: dict[str, Path], said: str) -> None:
    with pytest.raises(TaskError, match=said):
        make_pod(run(task(workspaces=declared), workspaces=bound))


@pytest.mark.parametrize(
    ("document", "said"),
    [
        (task(step("one", ref={"name": "x"})), "step one: fields .*ref"),
        (task(step("one", when=[])), "step one: fields .*when"),
        (task(sidecars=[{**GUARD, "readinessProbe": {}}]), "sidecar guard: fields .*readinessProbe"),
        (task(steps=[]), "no steps"),
        (task({"name": "one", "image": "x"}), "neither script nor command"),
        (task(volumes=[{"name": "v", "emptyDir": {}}, {"name": "v", "emptyDir": {}}]), "two of one name"),
        (task(step("one", "$(params.x)")), "unknown variable"),
    ],
)
def test_what_the_runner_or_tekton_does_not_take_is_refused(document: Object, said: str) -> None:
    with pytest.raises(TaskError, match=said):
        make_pod(run(document))


def test_the_deadline_is_half_as_long_again_as_the_timeout() -> None:
    assert make_pod(run(task(), timeout=3600))["spec"]["activeDeadlineSeconds"] == 5400


def test_a_long_name_still_makes_a_pod() -> None:
    made = {make_pod(replace(run(task()), name="n" * 63), retry)["metadata"]["name"] for retry in (0, 1)}
    assert {len(name) for name in made} == {63}
    assert len(made) == 2
