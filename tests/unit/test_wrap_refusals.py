"""What is not wrapped, and what the refusal says: everything at once, each with path, got, expected and fix."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from runlease.tasks import Connection, WrapError, Wrapping, step_script, wrap
from runlease.tasks.rules import SHELL
from tests.unit.wrapped_tasks import TASK, WRAPPING, Document, edited

Edit = Callable[[Document], object]


def add(kind: str, **item: Any) -> Edit:
    return lambda spec: spec.setdefault(kind, []).append(item)


def step(place: int = 0, **more: Any) -> Edit:
    return lambda spec: spec["steps"][place].update(more)


def sidecar(**more: Any) -> Edit:
    return lambda spec: spec["sidecars"][0].update(more)


def template(**more: Any) -> Edit:
    return lambda spec: spec["stepTemplate"].update(more)


def mount(name: str, path: str) -> dict[str, Any]:
    return {"volumeMounts": [{"name": name, "mountPath": path}]}


TOKEN = {"projected": {"sources": [{"secret": {}}, {"serviceAccountToken": {"path": "token"}}]}}

CASES: list[tuple[Edit, str, str]] = [
    (step(timeout="5m"), "spec.steps[0].timeout", "5m"),
    (step(onError="continue"), "spec.steps[0].onError", "continue"),
    (step(onError="$(params.target)"), "spec.steps[0].onError", "$(params.target)"),
    (
        lambda spec: spec["steps"].append({"name": "clone", "ref": {"name": "git-clone"}}),
        "spec.steps[2].ref",
        "git-clone",
    ),
    (lambda spec: spec["steps"][1].pop("command"), "spec.steps[1]", "nothing"),
    (step(0, command=["sh"]), "spec.steps[0]", "command and script"),
    (step(script="#!win powershell\n"), "spec.steps[0].script", "#!win"),
    (step(script="echo $(params.target)"), "spec.steps[0].script", "$(params."),
    (step(script='echo $(params["a.b"])'), "spec.steps[0].script", "$(params["),
    (step(script="echo $(inputs.params.x)"), "spec.steps[0].script", "$(inputs.params."),
    (step(script="echo $(steps.say.results.x)"), "spec.steps[0].script", "$(steps.say.results"),
    (step(script="echo $(workspaces.source.claim)"), "spec.steps[0].script", "$(workspaces.source.claim)"),
    (step(env=[{"name": "PGPASSWORD", "value": "x"}]), "spec.steps[0].env[0]", "PGPASSWORD"),
    (step(env=[{"name": "OK"}, {"name": "PGSERVICEFILE"}]), "spec.steps[0].env[1]", "PGSERVICEFILE"),
    (step(env=[{"name": "RUNLEASE_LEASE"}]), "spec.steps[0].env[0]", "RUNLEASE_LEASE"),
    (step(env=[{"name": "dir", "value": "x"}]), "spec.steps[0].env[0]", "dir"),
    (template(env=[{"name": "PGHOST"}]), "spec.stepTemplate.env[0]", "PGHOST"),
    (template(command=["sh"]), "spec.stepTemplate.command", "command"),
    (step(securityContext={"runAsUser": 1000}), "spec.steps[0].securityContext.runAsUser", "1000"),
    (step(securityContext={"runAsUser": 0}), "spec.steps[0].securityContext.runAsUser", "0"),
    (template(securityContext={"runAsUser": 999}), "spec.stepTemplate.securityContext.runAsUser", "999"),
    (template(securityContext={"runAsNonRoot": False}), "spec.stepTemplate.securityContext.runAsNonRoot", "false"),
    (step(securityContext={"privileged": True}), "spec.steps[0].securityContext.privileged", "true"),
    (sidecar(securityContext={"privileged": True}), "spec.sidecars[0].securityContext.privileged", "true"),
    (add("volumes", name="token", **TOKEN), "spec.volumes[1].projected.sources[1]", "serviceAccountToken"),
    (add("volumes", name="node", hostPath={"path": "/var"}), "spec.volumes[1].hostPath", "hostPath"),
    (add("volumes", name="runlease-state", emptyDir={}), "spec.volumes[1].name", "runlease-state"),
    (add("params", name="lease"), "spec.params[1].name", "lease"),
    (add("params", name="psql-image"), "spec.params[1].name", "psql-image"),
    (add("workspaces", name="w", mountPath="/runlease/lease"), "spec.workspaces[1].mountPath", "/runlease/lease"),
    (
        step(workspaces=[{"name": "source", "mountPath": "/runlease"}]),
        "spec.steps[0].workspaces[0].mountPath",
        "/runlease",
    ),
    (step(**mount("runlease-token", "/x")), "spec.steps[0].volumeMounts[0].name", "runlease-token"),
    (sidecar(**mount("runlease-lease", "/x")), "spec.sidecars[0].volumeMounts[0].name", "runlease-lease"),
    (template(**mount("runlease-state", "/x")), "spec.stepTemplate.volumeMounts[0].name", "runlease-state"),
    (step(**mount("cache", "/runlease/lease/")), "spec.steps[0].volumeMounts[0].mountPath", "/runlease/lease/"),
    (step(**mount("cache", "//a/../runlease")), "spec.steps[0].volumeMounts[0].mountPath", "//a/../runlease"),
    (
        sidecar(**mount("cache", "/var/run/secrets/kubernetes.io/serviceaccount")),
        "spec.sidecars[0].volumeMounts[0].mountPath",
        "/var/run/secrets/kubernetes.io/serviceaccount",
    ),
    (step(**mount("$(params.target)", "/x")), "spec.steps[0].volumeMounts[0].name", "$(params.target)"),
    (step(**mount("cache", "$(params.target)")), "spec.steps[0].volumeMounts[0].mountPath", "$(params.target)"),
    *((step(name=name), "spec.steps[0].name", name) for name in ("check", "release", "failed", "handover")),
    (sidecar(name="guard"), "spec.sidecars[0].name", "guard"),
]


@pytest.mark.parametrize(("edit", "path", "got"), CASES, ids=[f"{path}={got}" for _, path, got in CASES])
def test_what_breaks_the_promise_is_refused(edit: Edit, path: str, got: str) -> None:
    with pytest.raises(WrapError) as refused:
        wrap(edited(edit), WRAPPING)
    (refusal,) = refused.value.refusals
    assert refusal.path == path
    assert got in refusal.got
    assert re.fullmatch(
        rf"Task flyway: {re.escape(path)}: .+ \(got .+, expected .+\)\. Fix: .+", refused.value.messages[0]
    )


@pytest.mark.parametrize(
    "edit",
    [
        step(onError="stopAndFail"),
        step(script="$(results.version.path) $(workspaces.source.path) $(context.taskRun.name) $(step.results.x.path)"),
        step(script='params() { :; }; echo "$(params x)"'),
        step(env=[{"name": "PGCONNECT_TIMEOUT"}, {"name": "PGROLL_SCHEMA"}, {"name": "DIR"}]),
        step(securityContext={"runAsUser": 65532, "runAsGroup": 5}),
        step(**mount("cache", "/runlease2")),
        template(env=None),
        lambda spec: spec.update(sidecars=None, volumes=None, params=None, stepTemplate=None),
    ],
)
def test_what_breaks_nothing_is_wrapped(edit: Edit) -> None:
    assert wrap(edited(edit), WRAPPING)


def test_everything_is_told_at_once() -> None:
    def edit(spec: Document) -> None:
        for change, _, _ in CASES[:3]:
            change(spec)
        add("params", name="audience")(spec)
        step(1, timeout="1m")(spec)

    with pytest.raises(WrapError) as refused:
        wrap(edited(edit), WRAPPING)
    assert {one.path for one in refused.value.refusals} == {
        "spec.params[1].name",
        "spec.steps[0].timeout",
        "spec.steps[0].onError",
        "spec.steps[1].timeout",
    }


def test_a_variable_that_holds_the_url_is_the_leases() -> None:
    task = edited(step(env=[{"name": "FLYWAY_URL", "value": "jdbc:postgresql://elsewhere/"}]))
    assert wrap(task, WRAPPING)
    with pytest.raises(WrapError, match="FLYWAY_URL"):
        wrap(task, Wrapping("shop-migrator", (Connection.parse("jdbc-url=FLYWAY_URL"),)))


def test_another_user_is_named_in_the_fix() -> None:
    with pytest.raises(WrapError, match="wrap with --run-as-user 1000"):
        wrap(edited(step(securityContext={"runAsUser": 1000})), WRAPPING)
    with pytest.raises(WrapError, match="no step runs as root"):
        wrap(edited(step(securityContext={"runAsUser": 0})), WRAPPING)


def test_a_wrapped_task_that_was_edited_is_looked_at_again() -> None:
    task = wrap(TASK, WRAPPING)
    task["spec"]["steps"][1]["timeout"] = "1m"
    with pytest.raises(WrapError, match=r"spec\.steps\[0\]\.timeout"):
        wrap(task, WRAPPING)


def test_every_variable_that_our_lines_set_is_no_name_for_a_steps_own() -> None:
    lines = [line for line in step_script("wrapped").splitlines() if not line.startswith(("    ", "#"))]
    text, assigned = re.sub(r"(?ms)^\w+\(\) [({].*?^[)}]$", "", "\n".join(lines)), r"(?:^|[\s;])([A-Za-z_]\w*)="
    names = {name for name in re.findall(assigned, text) if not name.startswith(("PG", "runlease_"))}
    assert names == SHELL


# --- not a Task at all


@pytest.mark.parametrize(
    ("document", "path", "got"),
    [
        ({}, "apiVersion", "nothing"),
        ({**TASK, "apiVersion": "tekton.dev/v1beta1"}, "apiVersion", "'tekton.dev/v1beta1'"),
        ({**TASK, "kind": "Pipeline"}, "kind", "'Pipeline'"),
        ({**TASK, "spec": None}, "spec", "NoneType"),
        ({**TASK, "spec": {}}, "spec.steps", "nothing"),
        ({**TASK, "spec": {"steps": []}}, "spec.steps", "list"),
        ({**TASK, "spec": {"steps": ["x"]}}, "spec.steps[0]", "str"),
        (edited(step(script=5)), "spec.steps[0].script", "int"),
        (edited(step(env={"A": "b"})), "spec.steps[0].env", "dict"),
        (edited(step(1, args=[1])), "spec.steps[1].args[0]", "int"),
        (edited(step(volumeMounts=[{"name": "x"}])), "spec.steps[0].volumeMounts[0].mountPath", "nothing"),
        (edited(add("params", description="no name")), "spec.params[1].name", "nothing"),
        (edited(step(securityContext="root")), "spec.steps[0].securityContext", "str"),
    ],
)
def test_what_is_no_task_is_refused(document: Document, path: str, got: str) -> None:
    with pytest.raises(WrapError) as refused:
        wrap(document, WRAPPING)
    assert (path, got) in {(one.path, one.got) for one in refused.value.refusals}
    assert all("Fix:" in message for message in refused.value.messages)
