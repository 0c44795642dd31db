"""The Task postgres-migrate as data: what it carries, who may see what, how its containers run."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

TEKTON = Path(__file__).resolve().parents[2] / "tekton"
FOLDER = TEKTON / "task" / "postgres-migrate" / "0.1"
TASK = FOLDER / "postgres-migrate.yaml"
PRIVATE = {"runlease-token", "runlease-state"}
HARDENED = {
    "runAsNonRoot": True,
    "runAsUser": 65532,
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}


def spec() -> dict[str, Any]:
    return dict(yaml.safe_load(TASK.read_text())["spec"])


def steps() -> list[dict[str, Any]]:
    return list(spec()["steps"])


def guard() -> dict[str, Any]:
    (sidecar,) = spec()["sidecars"]
    return dict(sidecar)


def mounted(container: dict[str, Any]) -> set[str]:
    return {mount["name"] for mount in container.get("volumeMounts", [])}


def volumes() -> dict[str, Any]:
    return {volume["name"]: volume for volume in spec()["volumes"]}


def embed(*arguments: str, root: Path = TEKTON) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, root / "embed.py", *arguments], capture_output=True, text=True, check=False)


def test_the_scripts_are_those_of_the_files() -> None:
    checked = embed("--check")
    assert checked.returncode == 0, checked.stderr
    for container, source in [
        (guard(), TEKTON / "guard" / "guard.py"),
        *((step, FOLDER / "steps" / f"{step['name']}.sh") for step in steps()),
    ]:
        first, _, rest = container["script"].partition("\n")
        mark, _, rest = rest.partition("\n")
        assert f"{first}\n{rest}" == source.read_text(), source
        assert mark == f"# embedded from {source.relative_to(TEKTON)} by tekton/embed.py"


def test_an_edited_script_is_found_and_embed_writes_it(tmp_path: Path) -> None:
    root = tmp_path / "tekton"
    shutil.copytree(TEKTON, root)
    task = root / "task" / "postgres-migrate" / "0.1" / "postgres-migrate.yaml"
    source = root / "guard" / "guard.py"
    source.write_text(source.read_text() + "\n\n# the end\n")
    before = task.read_text()
    checked = embed("--check", root=root)
    assert (checked.returncode, task.read_text()) == (1, before)
    assert "Fix: python tekton/embed.py" in checked.stderr
    assert embed(root=root).returncode == 0
    assert embed("--check", root=root).returncode == 0
    assert "# the end" in task.read_text()
    source.write_text((TEKTON / "guard" / "guard.py").read_text())
    assert embed(root=root).returncode == 0
    assert task.read_text() == before


def test_no_script_holds_anything_that_tekton_substitutes() -> None:
    for container in [guard(), *steps()]:
        assert not re.findall(r"\$\((?:params|workspaces|results|context|steps?|tasks|inputs)\b", container["script"])
    assert "$(" not in guard()["script"]


@pytest.mark.parametrize("script", sorted((FOLDER / "steps").glob("*.sh")), ids=lambda path: path.name)
def test_a_step_script_is_posix_shell_without_a_path_of_its_own(script: Path) -> None:
    checked = subprocess.run(["sh", "-n", script], capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stderr) == (0, "")
    assert "/runlease" not in script.read_text()


def test_only_the_guard_mounts_token_and_state() -> None:
    assert mounted(guard()) >= PRIVATE
    assert mounted(spec()["stepTemplate"]) == {"runlease-lease"}
    for step in steps():
        assert mounted(step) == set()


def test_the_token_is_short_and_for_vault_alone() -> None:
    assert volumes()["runlease-token"]["projected"]["sources"] == [
        {"serviceAccountToken": {"path": "token", "audience": "$(params.audience)", "expirationSeconds": 600}}
    ]


def test_credential_and_state_stay_in_memory() -> None:
    for name in ("runlease-lease", "runlease-state"):
        assert volumes()[name]["emptyDir"] == {"medium": "Memory", "sizeLimit": "1Mi"}


def test_the_guard_sees_tektons_cancel_annotation_where_it_looks() -> None:
    assert volumes()["runlease-pod"]["downwardAPI"]["items"] == [
        {"path": "cancel", "fieldRef": {"fieldPath": "metadata.annotations['tekton.dev/cancel']"}}
    ]
    paths = {mount["name"]: mount["mountPath"] for mount in guard()["volumeMounts"]}
    assert paths == {name: f"/runlease/{name.removeprefix('runlease-')}" for name in paths}
    for path in ("config", "token/token", "lease", "state", "pod/cancel"):
        assert f'"/runlease/{path}")' in guard()["script"]


def test_steps_and_guard_share_the_lease_at_one_path() -> None:
    (mount,) = spec()["stepTemplate"]["volumeMounts"]
    assert mount["mountPath"] == "/runlease/lease"
    assert all(step["args"][0] == mount["mountPath"] for step in steps())


def test_every_container_is_hardened() -> None:
    assert spec()["stepTemplate"]["securityContext"] == HARDENED
    assert guard()["securityContext"] == HARDENED
    assert not [step["name"] for step in steps() if "securityContext" in step]


def test_no_environment_holds_a_secret() -> None:
    assert guard()["env"] == [{"name": "RUNLEASE_LEASE", "value": "$(params.lease)"}]
    for container in [spec()["stepTemplate"], *steps()]:
        assert not {"env", "envFrom"} & container.keys()
    assert "envFrom" not in guard()


def test_no_result_can_hold_a_secret() -> None:
    assert [result["name"] for result in spec()["results"]] == ["applied"]


def test_every_image_is_a_parameter_with_a_tag() -> None:
    defaults = {param["name"]: param.get("default") for param in spec()["params"]}
    for container in [guard(), *steps()]:
        name = re.fullmatch(r"\$\(params\.([a-z-]+)\)", container["image"])
        assert name
        assert re.fullmatch(r"[a-z0-9./-]+:\d+\.\d+[a-z0-9.-]*", defaults[name[1]]), name[1]


def test_every_parameter_is_used_and_only_the_lease_is_required() -> None:
    params = spec()["params"]
    assert [param["name"] for param in params if "default" not in param] == ["lease"]
    text = TASK.read_text()
    assert not [param["name"] for param in params if not re.search(rf"\$\(params\.{param['name']}(\[\*\])?\)", text)]
    assert set(re.findall(r"\$\(params\.([a-z-]+)", text)) == {param["name"] for param in params}


def test_the_steps_prove_migrate_and_give_back_in_this_order() -> None:
    assert [step["name"] for step in steps()] == ["check", "migrate", "release"]
    # A step's own timeout kills it without a farewell and skips the release.
    assert not [step["name"] for step in steps() if "timeout" in step or "onError" in step]


def test_the_catalogue_finds_what_it_wants() -> None:
    metadata = yaml.safe_load(TASK.read_text())["metadata"]
    wanted = {"pipelines.minVersion", "categories", "tags", "displayName", "platforms"}
    assert metadata["labels"]["app.kubernetes.io/version"] == FOLDER.name
    assert {f"tekton.dev/{key}" for key in wanted} <= metadata["annotations"].keys()


def test_the_readme_names_every_parameter_result_and_workspace() -> None:
    readme = (FOLDER / "README.md").read_text()
    for kind in ("params", "results", "workspaces"):
        for item in spec()[kind]:
            assert f"| `{item['name']}` |" in readme


def test_the_sample_pipeline_uses_the_task_as_it_is() -> None:
    documents = [
        document
        for path in sorted((FOLDER / "samples").glob("*.yaml"))
        for document in yaml.safe_load_all(path.read_text())
    ]
    kinds = {document["kind"]: document for document in documents}
    assert set(kinds) == {"ConfigMap", "Pipeline", "PipelineRun"}
    (task,) = [task for task in kinds["Pipeline"]["spec"]["tasks"] if task["taskRef"].get("name") == "postgres-migrate"]
    known = {param["name"] for param in spec()["params"]}
    assert {param["name"] for param in task["params"]} <= known
    assert {"tasks", "finally"} <= kinds["PipelineRun"]["spec"]["timeouts"].keys()
    assert "retries" not in task
