"""Every Task as data: what it carries, who may see what, how its containers run."""

from __future__ import annotations

import re
import shutil
import subprocess
from typing import Any

import pytest
import yaml

from runlease.provision.tekton import TASKS, read_task
from tests.unit.task_documents import FRAGMENTS, folder, guard, spec, steps, text, volumes

PRIVATE = {"runlease-token", "runlease-state"}
HARDENED = {
    "runAsNonRoot": True,
    "runAsUser": 65532,
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}

pytestmark = pytest.mark.parametrize("task", TASKS)


def mounted(container: dict[str, Any]) -> set[str]:
    return {mount["name"] for mount in container.get("volumeMounts", [])}


def test_a_task_carries_everything_that_tasks_share(task: str) -> None:
    carried = set(re.findall(r"# embedded from fragments/(\w+)\.yaml by tekton/embed\.py\n", text(task)))
    assert carried == set(FRAGMENTS)


def test_every_script_is_one_of_the_files(task: str) -> None:
    for container in [guard(task), *steps(task)]:
        mark = container["script"].splitlines()[1]
        assert re.fullmatch(r"# embedded from (\S+) by tekton/embed\.py", mark), container["name"]


def test_no_script_holds_anything_that_tekton_substitutes(task: str) -> None:
    for container in [guard(task), *steps(task)]:
        assert not re.findall(r"\$\((?:params|workspaces|results|context|steps?|tasks|inputs)\b", container["script"])
    assert "$(" not in guard(task)["script"]


def test_a_step_script_is_posix_shell_that_shellcheck_finds_nothing_in(task: str) -> None:
    if shutil.which("shellcheck") is None:
        pytest.fail("tests/unit: no shellcheck on PATH. Fix: apt-get install shellcheck")
    for step in steps(task):
        command = ["shellcheck", "--shell=sh", "-"]
        checked = subprocess.run(command, input=step["script"], capture_output=True, text=True, check=False)
        assert (checked.returncode, checked.stdout) == (0, ""), step["name"]


def test_a_step_script_has_no_path_of_its_own(task: str) -> None:
    assert not [step["name"] for step in steps(task) if "/runlease" in step["script"]]


def test_only_the_guard_mounts_token_and_state(task: str) -> None:
    assert mounted(guard(task)) >= PRIVATE
    assert mounted(spec(task)["stepTemplate"]) == {"runlease-lease"}
    for step in steps(task):
        assert mounted(step) <= {"tmp"}


def test_the_token_is_short_and_for_vault_alone(task: str) -> None:
    assert volumes(task)["runlease-token"]["projected"]["sources"] == [
        {"serviceAccountToken": {"path": "token", "audience": "$(params.audience)", "expirationSeconds": 600}}
    ]


def test_credential_and_state_stay_in_memory(task: str) -> None:
    for name in ("runlease-lease", "runlease-state"):
        assert volumes(task)[name]["emptyDir"] == {"medium": "Memory", "sizeLimit": "1Mi"}


def test_the_guard_sees_tektons_cancel_annotation_and_the_run_where_it_looks(task: str) -> None:
    assert volumes(task)["runlease-pod"]["downwardAPI"]["items"] == [
        {"path": "cancel", "fieldRef": {"fieldPath": "metadata.annotations['tekton.dev/cancel']"}},
        {"path": "run", "fieldRef": {"fieldPath": "metadata.labels['tekton.dev/pipelineRun']"}},
    ]
    paths = {mount["name"]: mount["mountPath"] for mount in guard(task)["volumeMounts"]}
    assert paths == {name: f"/runlease/{name.removeprefix('runlease-')}" for name in paths}
    for path in ("config", "token/token", "lease", "state", "pod"):
        assert f'"/runlease/{path}' in guard(task)["script"]


def test_steps_and_guard_share_the_lease_at_one_path(task: str) -> None:
    (mount,) = spec(task)["stepTemplate"]["volumeMounts"]
    assert mount["mountPath"] == "/runlease/lease"
    assert all(step["args"][0] == mount["mountPath"] for step in steps(task))


def test_every_container_is_hardened(task: str) -> None:
    assert spec(task)["stepTemplate"]["securityContext"] == HARDENED
    assert guard(task)["securityContext"] == HARDENED
    assert not [step["name"] for step in steps(task) if "securityContext" in step]


def test_every_container_requests_what_it_needs(task: str) -> None:
    for container in (spec(task)["stepTemplate"], guard(task)):
        assert container["computeResources"]["requests"].keys() == {"cpu", "memory"}


def test_no_environment_holds_a_secret(task: str) -> None:
    assert guard(task)["env"] == [{"name": "RUNLEASE_LEASE", "value": "$(params.lease)"}]
    for container in [spec(task)["stepTemplate"], guard(task), *steps(task)]:
        assert "envFrom" not in container
        assert not [variable for variable in container.get("env", []) if "valueFrom" in variable]


def test_every_image_is_a_parameter_with_a_tag(task: str) -> None:
    defaults = {param["name"]: param.get("default") for param in spec(task)["params"]}
    for container in [guard(task), *steps(task)]:
        name = re.fullmatch(r"\$\(params\.([a-z-]+)\)", container["image"])
        assert name
        assert re.fullmatch(r"[a-z0-9./-]+:\d+\.\d+[a-z0-9.-]*", defaults[name[1]]), name[1]


def test_every_parameter_has_type_and_description_and_is_used(task: str) -> None:
    params = spec(task)["params"]
    assert not [param["name"] for param in params if not {"type", "description"} <= param.keys()]
    used = set(re.findall(r"\$\(params\.([a-z-]+)(?:\[\*\])?\)", text(task)))
    assert used == {param["name"] for param in params}


def test_only_the_lease_is_required(task: str) -> None:
    assert [param["name"] for param in spec(task)["params"] if "default" not in param] == ["lease"]


def test_a_workspace_is_only_read_or_may_be_left_out(task: str) -> None:
    spaces = spec(task).get("workspaces", [])
    assert not [space["name"] for space in spaces if not space.get("readOnly") and not space.get("optional")]


def test_the_lease_is_proven_first_and_given_back_last(task: str) -> None:
    names = [step["name"] for step in steps(task)]
    assert (names[0], names[-1]) == ("check", "release")
    # A step's own timeout kills it without a farewell and skips the release.
    assert not [step["name"] for step in steps(task) if "timeout" in step or "onError" in step]


def test_the_catalogue_finds_what_it_wants(task: str) -> None:
    metadata = read_task(task)["metadata"]
    wanted = {"pipelines.minVersion", "categories", "tags", "displayName", "platforms"}
    on_artifact_hub = {"category", "license", "provider", "links"}
    assert metadata["name"] == task
    assert metadata["labels"]["app.kubernetes.io/version"] == folder(task).name
    assert {f"tekton.dev/{key}" for key in wanted} <= metadata["annotations"].keys()
    assert {f"artifacthub.io/{key}" for key in on_artifact_hub} <= metadata["annotations"].keys()


def test_the_readme_names_every_parameter_result_and_workspace(task: str) -> None:
    readme = (folder(task) / "README.md").read_text()
    for kind in ("params", "results", "workspaces"):
        for item in spec(task).get(kind, []):
            assert f"| `{item['name']}` |" in readme


def test_a_task_has_a_sample_and_a_test_of_its_own(task: str) -> None:
    assert list((folder(task) / "samples").glob("*.yaml"))
    assert (folder(task) / "tests" / "run.yaml").exists()


def test_the_images_of_a_sample_have_a_digest(task: str) -> None:
    for path in (folder(task) / "samples").glob("*.yaml"):
        images = re.findall(r"value: (docker\.io/\S+)", path.read_text())
        assert not [image for image in images if not re.search(r":[^@/]+@sha256:[0-9a-f]{64}$", image)], path


def test_the_samples_name_only_what_the_task_has(task: str) -> None:
    known = {param["name"] for param in spec(task)["params"]}
    for path in sorted((folder(task) / "samples").glob("*.yaml")):
        for document in yaml.safe_load_all(path.read_text()):
            tasks = document["spec"].get("tasks", []) if document["kind"] == "Pipeline" else []
            for use in (one for one in tasks if one["taskRef"].get("name") == task):
                assert {param["name"] for param in use["params"]} <= known
                assert "retries" not in use
