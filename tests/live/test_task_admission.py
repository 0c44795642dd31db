"""The real API server takes the Tasks: by Tekton's own schemas, and their pods at Pod Security's level *restricted*."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab.https import HttpsClient, RefusedError
from lab.kubernetes import TASK_CRD, Kubernetes, client
from lab.runner.pod_manifest import make_pod
from lab.runner.run_spec import RunSpec, Sidecars
from lab.stack import REPOSITORY
from lab.tekton_crds import FOLDER, find_crds, install_crds
from runlease.tasks.catalogue import TASKS, read_task

Object = dict[str, Any]
PLURALS = {"Task": "tasks", "TaskRun": "taskruns", "Pipeline": "pipelines", "PipelineRun": "pipelineruns"}
NAMESPACE = "restricted"
DOCUMENTS = [
    pytest.param(document, id=f"{path.relative_to(REPOSITORY / 'tekton' / 'task')}:{document['kind']}")
    for path in sorted((REPOSITORY / "tekton" / "task").rglob("*.yaml"))
    for document in yaml.safe_load_all(path.read_text())
    if document and document.get("apiVersion") == "tekton.dev/v1"
]


@dataclass(frozen=True)
class Server:
    """The API server, asked what it would say to an object; it stores nothing."""

    client: HttpsClient

    def try_to_create(self, root: str, document: Object) -> None:
        """Raises RefusedError with its reason. A field that a schema does not know is a reason."""
        metadata = {**document["metadata"], "namespace": NAMESPACE}
        query = "dryRun=All&fieldValidation=Strict"
        self.client.request("POST", f"{root}?{query}", {**document, "metadata": metadata})

    def try_tekton(self, document: Object) -> None:
        """The same for one of Tekton's kinds."""
        self.try_to_create(f"/apis/tekton.dev/v1/namespaces/{NAMESPACE}/{PLURALS[document['kind']]}", document)

    def try_pod(self, document: Object) -> None:
        """The same for a pod."""
        self.try_to_create(f"/api/v1/namespaces/{NAMESPACE}/pods", document)


@pytest.fixture(scope="module")
def server(kubernetes: Kubernetes) -> Server:
    kubernetes.create_service_account(NAMESPACE, "run")
    labels = {f"pod-security.kubernetes.io/{name}": NAMESPACE for name in ("enforce", "warn")}
    kubernetes.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": labels}})
    return Server(client(kubernetes.kubeconfig))


@pytest.fixture(scope="module")
def tekton(server: Server, kubernetes: Kubernetes) -> Iterator[Server]:
    """The same with Tekton's own schemas in the place of the lab's, which only stores Tasks."""
    folder = find_crds()
    if folder is None:
        pytest.skip(f"no definitions of Tekton's resources at hand: export {FOLDER}=<folder> with <kind>.yaml of each")
    install_crds(kubernetes, folder, [kind.lower() for kind in PLURALS])
    yield server
    kubernetes.apply(yaml.safe_load(TASK_CRD.read_text()))


# --- Tekton's schemas


@pytest.mark.parametrize("document", DOCUMENTS)
def test_tekton_s_schemas_take_every_document_of_the_catalogue(document: Object, tekton: Server) -> None:
    tekton.try_tekton(document)


@pytest.mark.parametrize("broken", ["stepz", "steps"])
def test_they_refuse_one_that_is_misspelled(broken: str, tekton: Server) -> None:
    document = deepcopy(dict(read_task("postgres-migrate")))
    document["spec"][broken] = [{"nam": "check"}]
    with pytest.raises(RefusedError, match="unknown field"):
        tekton.try_tekton(document)


# --- Pod Security


def pod_of(task: str, mode: Sidecars, change: Callable[[Object], object] = lambda spec: None) -> Object:
    """The pod that Tekton makes, `set-security-context` on; `change` is made in the Task's spec."""
    document = deepcopy(dict(read_task(task)))
    change(document["spec"])
    wanted = [one for one in document["spec"].get("params", []) if "default" not in one]
    spaces = [one["name"] for one in document["spec"].get("workspaces", [])]
    return make_pod(
        RunSpec(
            task=document,
            name="run",
            namespace=NAMESPACE,
            service_account="run",
            params={one["name"]: ["x"] if one.get("type") == "array" else "x" for one in wanted},
            workspaces=dict.fromkeys(spaces, Path("/none")),
            sidecars=mode,
            uid="u-1",
        )
    )


@pytest.mark.parametrize("mode", Sidecars)
@pytest.mark.parametrize("task", TASKS)
def test_the_pod_of_a_task_is_admitted_where_the_level_is_restricted(task: str, mode: Sidecars, server: Server) -> None:
    server.try_pod(pod_of(task, mode))


def of_steps(name: str, value: Any) -> Callable[[Object], object]:
    return lambda spec: spec["stepTemplate"]["securityContext"].update({name: value})


def of_guard(name: str, value: Any) -> Callable[[Object], object]:
    return lambda spec: spec["sidecars"][0]["securityContext"].update({name: value})


BREAKS = {
    "runAsNonRoot": False,
    "runAsUser": 0,
    "allowPrivilegeEscalation": True,
    "privileged": True,
    "capabilities": {"add": ["NET_ADMIN"], "drop": ["ALL"]},
    "seccompProfile": {"type": "Unconfined"},
}


@pytest.mark.parametrize("mode", Sidecars)
@pytest.mark.parametrize("where", [of_steps, of_guard], ids=["steps", "guard"])
@pytest.mark.parametrize("name", BREAKS)
def test_one_wrong_field_is_refused(
    name: str, where: Callable[[str, Any], Callable[[Object], object]], mode: Sidecars, server: Server
) -> None:
    with pytest.raises(RefusedError, match=r"violates PodSecurity|runAsNonRoot|allowPrivilegeEscalation"):
        server.try_pod(pod_of("postgres-migrate", mode, where(name, BREAKS[name])))


def test_a_volume_of_the_node_is_refused(server: Server) -> None:
    def change(spec: Object) -> None:
        spec["volumes"].append({"name": "node", "hostPath": {"path": "/"}})

    with pytest.raises(RefusedError, match=r"violates PodSecurity.*hostPath"):
        server.try_pod(pod_of("postgres-migrate", Sidecars.CLASSIC, change))
