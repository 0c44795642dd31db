"""How what is tried against the admission policies is put: pods, sessions, tokens, runs and writes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lab.runner.pod_manifest import make_pod
from lab.runner.run_spec import RunSpec, Sidecars
from runlease.config.made import config_map_name
from runlease.tasks import for_installation, read_task
from tests.live.namespaces import AUDIENCE, DEVELOPER, INSTALLATION, Attempt, Object

CORE, TEKTON = "/api/v1/namespaces/{ns}", "/apis/tekton.dev/v1/namespaces/{ns}"
PODS, TASK_RUNS = f"{CORE}/pods", f"{TEKTON}/taskruns"
REQUESTS = "/apis/resolution.tekton.dev/v1beta1/namespaces/{ns}/resolutionrequests"

# --- pods

SCRIPTS: Object = {"name": "tekton-internal-scripts", "mountPath": "/tekton/scripts"}
READ_SCRIPTS: Object = {**SCRIPTS, "readOnly": True}
MOUNT: Object = {"name": "runlease-token", "mountPath": "/runlease/token"}
STATE: Object = {"name": "runlease-state", "mountPath": "/runlease/state"}
TOKEN: Object = {
    "name": "runlease-token",
    "projected": {"sources": [{"serviceAccountToken": {"path": "token", "audience": AUDIENCE}}]},
}
STEP_CONTAINER: Object = {"name": "step-migrate", "image": "psql", "volumeMounts": [READ_SCRIPTS]}


def pod(
    name: str,
    account: str = "release-migrate",
    task: str = "postgres-migrate",
    sidecars: Sidecars = Sidecars.CLASSIC,
    **spec: Any,
) -> Object:
    """The pod that Tekton makes of a Task, and what `spec` says otherwise."""
    document = for_installation(read_task(task), config_map_name(INSTALLATION), AUDIENCE, 600)
    params = {one["name"]: "x" for one in document["spec"]["params"] if "default" not in one}
    workspaces = {one["name"]: Path("/") for one in document["spec"].get("workspaces", ())}
    made = make_pod(RunSpec(document, "x", "any", account, params, workspaces, sidecars=sidecars))
    return {
        "metadata": {"name": name, "labels": {**made["metadata"]["labels"], "tekton.dev/pipelineRun": "release-1"}},
        "spec": {**made["spec"], **spec},
    }


def guard(**fields: Any) -> Object:
    """The guard's container, as Tekton makes it of the Task's sidecar."""
    (made,) = (one for one in pod("x-pod")["spec"]["containers"] if one["name"] == "sidecar-guard")
    return {**made, **fields}


def beside_the_guard(*mounts: Object) -> list[Object]:
    """Containers of a pod into which something was injected, with these volumes."""
    return [STEP_CONTAINER, guard(), {"name": "agent", "image": "agent", "volumeMounts": list(mounts)}]


def large_pod(name: str) -> Object:
    """As many containers, volumes and mounts as a cluster's own injections might add up to."""
    volumes = [{"name": f"v{number}", "emptyDir": {}} for number in range(60)]
    mounts = [{"name": one["name"], "mountPath": f"/{one['name']}"} for one in volumes]
    env = [{"name": f"V{number}", "value": 200 * "x"} for number in range(60)]
    made = pod(name)
    made["spec"]["volumes"] += volumes
    made["spec"]["containers"] += [
        {"name": f"c{number}", "image": "image", "env": env, "volumeMounts": mounts} for number in range(30)
    ]
    return made


def of_a_job(account: str) -> Object:
    made = pod("nightly-1", account)
    made["spec"]["serviceAccount"] = made["spec"].pop("serviceAccountName")  # the field's old name
    return made


DEBUGGER: Object = {
    "spec": {"ephemeralContainers": [{"name": "debug", "image": "image", "volumeMounts": [MOUNT]}]},
}


def session(kind: str, method: str = "POST", pod: str = "busy-pod") -> Attempt:
    query = {"exec": "?container=sidecar-guard&command=sh", "attach": "?container=sidecar-guard"}.get(kind, "")
    return Attempt(DEVELOPER, method, f"{PODS}/{pod}/{kind}{query}")


def token(by: str, account: str = "release-migrate", pod: str | None = None) -> Attempt:
    spec: Object = {"audiences": [AUDIENCE], "expirationSeconds": 600}
    if pod:
        spec["boundObjectRef"] = {"apiVersion": "v1", "kind": "Pod", "name": pod}
    asked = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
    return Attempt(by, "POST", f"{CORE}/serviceaccounts/{account}/token", asked)


# --- runs

PARAMS: list[Object] = [{"name": "lease", "value": "shop-migrator"}, {"name": "directory", "value": "db"}]
FORGED: Object = {"tekton.dev/pipelineRun": "release-1", "tekton.dev/pipelineRunUID": "u-1"}
OWNER: Object = {
    "apiVersion": "tekton.dev/v1",
    "kind": "PipelineRun",
    "name": "release-1",
    "uid": "u-1",
    "controller": True,
}


def run(*params: Object, by: str = DEVELOPER, metadata: Object | None = None, **spec: Any) -> Attempt:
    """A TaskRun of postgres-migrate; what is None in `spec` is left out."""
    every = {
        "serviceAccountName": "release-migrate",
        "taskRef": {"name": "postgres-migrate", "kind": "Task"},
        "params": [*PARAMS, *params],
        **spec,
    }
    body = {
        "apiVersion": "tekton.dev/v1",
        "kind": "TaskRun",
        "metadata": {"name": "x", **(metadata or {})},
        "spec": {name: value for name, value in every.items() if value is not None},
    }
    return Attempt(by, "POST", TASK_RUNS, body)


def changed(name: str, body: Object, by: str = DEVELOPER, of: str = "") -> Attempt:
    return Attempt(by, "PATCH", f"{TASK_RUNS}/{name}{of}", body)


def through(resolver: str, **params: str) -> Object:
    return {"resolver": resolver, "params": [{"name": name, "value": value} for name, value in params.items()]}


def resolved(data: str) -> Object:
    """What a resolver writes."""
    return {"status": {"data": data, "source": {}, "refSource": {}}}


INLINE: Object = {"steps": [{"name": "own", "image": "evil", "script": "cat /var/run/secrets/token"}]}
# --- writers


def written(path: str, body: Object, by: str = DEVELOPER, method: str = "PATCH") -> Attempt:
    return Attempt(by, method, path, body)


STEP: Object = {"spec": {"sidecars": [{"name": "guard", "image": "evil", "script": "true"}]}}
OTHER_VAULT: Object = {"data": {"vault.json": '{"address": "https://evil"}'}}
TASK: Object = {"apiVersion": "tekton.dev/v1", "kind": "Task", "metadata": {"name": "flyway"}, "spec": INLINE}
MIGRATE, CONFIG = f"{TEKTON}/tasks/postgres-migrate", f"{CORE}/configmaps/runlease-admitted"
