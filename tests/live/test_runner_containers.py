"""What a container of the runner sees and what it is given. No server is needed."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from lab.runner import TaskRun, node, workspaces
from tests.live.runner_tasks import Start, guarded, until
from tests.unit.runner_documents import Object, step, task

isolated = pytest.mark.skipif(bool(node.why_not_isolated()), reason=f"no containers here: {node.why_not_isolated()}")


def said(run: TaskRun, name: str = "one") -> str:
    return run.settle(20).step(name).output


def test_where_the_kernel_allows_it_containers_have_roots_of_their_own() -> None:
    allowed = ["unshare", "--mount", "--pid", "--fork", "--mount-proc", "true"]
    if os.geteuid() == 0 and subprocess.run(allowed, check=False, capture_output=True).returncode == 0:
        assert node.why_not_isolated() == ""


@isolated
def test_a_step_sees_its_own_mounts_and_no_other_container(start: Start) -> None:
    probe = """
      [ -e /secret ] && echo token
      for root in /proc/[0-9]*/root; do [ -e $root/secret ] && echo token of another; done
      [ "$(ls /proc | grep -c '^[0-9]')" -le 5 ] || echo processes of others
      for path in /home /root /var /work /srv; do [ -d $path ] && ls $path 2>/dev/null; done
      ls /tmp; id -u; touch /shared/mine"""
    assert said(start(guarded(step("one", f"#!/bin/sh\n{probe}")))) == "65532"


def test_the_token_is_on_no_disk_and_gone_with_the_pod(start: Start, tmp_path: Path) -> None:
    run = start(guarded(step("one", "sleep 0.5")))
    until(lambda: bool(run.pod.step_running))
    volume = run.volume("token")
    token = (volume / "token").read_text()
    assert token.count(".") == 2
    run.settle(20)
    run.remove()
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert files
    assert not [path for path in files if token in path.read_text(errors="replace")]
    assert not volume.exists()


@isolated
def test_a_memory_volume_is_shared_and_has_its_size(start: Start) -> None:
    fill = "head -c 3000000 /dev/zero >/shared/big 2>/dev/null || echo full"
    run = start(guarded(step("one", fill), step("two", "wc -c </shared/big")))
    assert said(run) == "full"
    assert int(said(run, "two")) <= 1024 * 1024


@isolated
def test_a_read_only_root_and_a_read_only_workspace_refuse_a_write(start: Start, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("text\n")
    script = (
        "#!/bin/sh\ncat file; for path in /x /usr/x /etc/x file; do (echo >$path) 2>/dev/null && echo $path; done; :"
    )
    document = task(
        step("one", script, workingDir="$(workspaces.w.path)", securityContext={"readOnlyRootFilesystem": True}),
        workspaces=[{"name": "w", "readOnly": True}],
    )
    assert said(start(document, workspaces={"w": tmp_path})) == "text"


def test_what_is_written_into_a_workspace_stays(start: Start, tmp_path: Path) -> None:
    document = task(step("one", "echo made >$(workspaces.w.path)/file"), workspaces=[{"name": "w"}])
    assert start(document, workspaces={"w": tmp_path}).settle(20).succeeded
    assert (tmp_path / "file").read_text() == "made\n"


def test_an_optional_workspace_may_be_missing(start: Start) -> None:
    document = task(
        step("one", "echo $(workspaces.w.bound):$(workspaces.w.path)"), workspaces=[{"name": "w", "optional": True}]
    )
    assert said(start(document)) == "false:"


def test_podtemplate_env_overrides_a_steps_and_not_a_sidecars(start: Start) -> None:
    document = guarded(
        step("one", "echo $A $B $PGSSLMODE; until [ -e /shared/env ]; do sleep 0.02; done; cat /shared/env"),
        script="#!/bin/sh\necho sidecar:$PGSSLMODE >/shared/draft; mv /shared/draft /shared/env; exec sleep 30",
    )
    named = {"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}
    weak = {"name": "PGSSLMODE", "value": "verify-full"}
    document["spec"]["stepTemplate"]["env"] = [named, {"name": "B", "value": "$(A)!"}, weak]
    run = start(document, name="named", environment={"PGSSLMODE": "disable"})
    assert said(run) == "named-pod named-pod! disable\nsidecar:"


def test_nothing_of_the_labs_own_environment_reaches_a_container(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPASSWORD", "of the lab")
    assert said(start(task(step("one", "echo [$PGPASSWORD]")))) == "[]"


def test_config_maps_labels_and_annotations_are_files(start: Start) -> None:
    fields = {"run": "metadata.labels['tekton.dev/pipelineRun']", "told": "metadata.annotations['example.com/told']"}
    items = [{"path": path, "fieldRef": {"fieldPath": field}} for path, field in fields.items()]
    volumes: list[Object] = [
        {"name": "map", "configMap": {"name": "map"}},
        {"name": "pod", "downwardAPI": {"items": items}},
    ]
    mounts = [{"name": "map", "mountPath": "/map"}, {"name": "pod", "mountPath": "/pod"}]
    script = "cat /map/key /pod/run; until [ -s /pod/told ]; do sleep 0.02; done; cat /pod/told"
    run = start(task(step("one", script, volumeMounts=mounts), volumes=volumes), pipeline_run="release-1")
    until(lambda: run.pod.step_running == "one")
    run.pod.annotate("example.com/told", "now")
    assert said(run) == "valuerelease-1now"


def test_results_are_read_and_one_of_4096_bytes_is_too_long(start: Start) -> None:
    write = "printf '[1]' >$(results.list.path); head -c {size} /dev/zero | tr '\\0' x >$(results.text.path)"
    results = [{"name": "list", "type": "array"}, {"name": "text"}]
    kept = start(task(step("one", write.format(size=3000)), results=results)).settle(20)
    assert kept.succeeded
    assert (kept.results["list"], len(kept.results["text"])) == ("[1]", 3000)
    refused = start(task(step("one", write.format(size=4096)), results=results)).settle(20)
    assert not refused.succeeded
    assert "above max allowed size 4096" in refused.step("one").output


def test_a_result_of_another_type_fails_the_run(start: Start) -> None:
    document = task(step("one", "printf x >$(results.list.path)"), results=[{"name": "list", "type": "array"}])
    outcome = start(document).settle(20)
    assert outcome.reason == "TaskRunValidationFailed"
    assert '"list": task result is expected to be "array" type' in outcome.message


def test_a_program_that_is_not_there_fails_its_step(start: Start) -> None:
    document = task({"name": "one", "image": "x", "command": ["no-such-program"]}, step("two"))
    outcome = start(document).settle(20)
    assert outcome.step("one").code == 1
    assert "no-such-program" in outcome.step("one").output
    assert outcome.step("two").skipped


def test_without_containers_the_same_task_runs_with_paths_of_this_machine(
    start: Start, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for module in (node, workspaces):
        monkeypatch.setattr(module, "why_not_isolated", lambda: "for a test")
    script = "echo $(params.x) >/shared/file; cat /shared/file; printf 1 >$(results.r.path)"
    failing, reading = step("two", "exit 3", onError="continue"), step("three", "cat $(steps.step-two.exitCode.path)")
    document = guarded(step("one", script), failing, reading, params=[{"name": "x"}], results=[{"name": "r"}])
    run = start(document, params={"x": "a"})
    outcome = run.settle(20)
    assert outcome.succeeded, outcome.output
    assert (said(run), said(run, "three"), outcome.results) == ("a", "3", {"r": "1"})
    assert outcome.sidecars == {"guard": "started\ntold"}


@isolated
def test_an_image_brings_programs(start: Start) -> None:
    run = start(task(step("one", "hello", image="greeter"), step("two", "command -v hello || echo none")))
    assert (said(run), said(run, "two")) == ("hello", "none")


def test_two_runs_at_once_do_not_meet(start: Start) -> None:
    runs = [start(guarded(step("one", f"echo {n} >/shared/n; sleep 0.4; cat /shared/n"))) for n in range(4)]
    assert [said(run) for run in runs] == ["0", "1", "2", "3"]
