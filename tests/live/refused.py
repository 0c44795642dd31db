"""Every way round the guard that is known, by the policy that must refuse it."""

from __future__ import annotations

from typing import Any

from tests.live.attempts import (
    CONFIG,
    CORE,
    DEBUGGER,
    FORGED,
    INLINE,
    MIGRATE,
    MOUNT,
    OTHER_VAULT,
    OWNER,
    PODS,
    REQUESTS,
    SCRIPTS,
    STATE,
    STEP,
    STEP_CONTAINER,
    TASK,
    TEKTON,
    TOKEN,
    beside_the_guard,
    changed,
    guard,
    of_a_job,
    pod,
    resolved,
    run,
    session,
    through,
    token,
    written,
)
from tests.live.namespaces import CONTROLLER, DEPLOYER, DEVELOPER, DIGEST, JOBS, KUBELET, Attempt


def made_by_tekton(**spec: Any) -> Attempt:
    """A pod as it arrives when something on the way has changed it."""
    return Attempt(CONTROLLER, "POST", PODS, pod("x-pod", **spec))


PODS_REFUSED = {
    "a pod of one's own": Attempt(DEVELOPER, "POST", PODS, pod("mine-pod")),
    "a pod of a job": Attempt(JOBS, "POST", PODS, of_a_job("release-migrate")),
    "a pod whose name a session could be opened by": Attempt(CONTROLLER, "POST", PODS, pod("mine")),
    "a container beside the guard with the token": made_by_tekton(containers=beside_the_guard(MOUNT)),
    "a container beside the guard with its state": made_by_tekton(containers=beside_the_guard(STATE)),
    "a container that writes the guard's script": made_by_tekton(containers=beside_the_guard(SCRIPTS)),
    "a token of one's own making": made_by_tekton(
        volumes=[*pod("x-pod")["spec"]["volumes"], {**TOKEN, "name": "mine"}],
        containers=beside_the_guard({**MOUNT, "name": "mine"}),
    ),
    "a step with the token": made_by_tekton(containers=[{**STEP_CONTAINER, "volumeMounts": [MOUNT]}, guard()]),
    "an init container with the token": made_by_tekton(
        initContainers=[{"name": "inject", "image": "image", "volumeMounts": [MOUNT]}]
    ),
    "a variable for the guard": made_by_tekton(
        containers=[STEP_CONTAINER, guard(env=[{"name": "PYTHONPATH", "value": "/injected"}])]
    ),
    "variables for the guard": made_by_tekton(
        containers=[STEP_CONTAINER, guard(envFrom=[{"configMapRef": {"name": "mine"}}])]
    ),
    "a volume for the guard": made_by_tekton(
        volumes=[{"name": "injected", "emptyDir": {}}],
        initContainers=[],
        containers=[
            {"name": "step-migrate", "image": "psql"},
            guard(volumeMounts=[{"name": "injected", "mountPath": "/usr/lib/python3"}]),
        ],
    ),
    "a volume for the guard that is called like a workspace": made_by_tekton(
        volumes=[{"name": "ws-injected", "emptyDir": {}}],
        initContainers=[],
        containers=[
            {"name": "step-migrate", "image": "psql"},
            guard(volumeMounts=[{"name": "ws-injected", "mountPath": "/usr/lib/python3"}]),
        ],
    ),
    "a hook for the guard": made_by_tekton(
        containers=[STEP_CONTAINER, guard(lifecycle={"postStart": {"exec": {"command": ["sh"]}}})]
    ),
    "processes that are shared with the guard": made_by_tekton(shareProcessNamespace=True),
    "processes that the node sees": made_by_tekton(hostPID=True),
    "a debug container": Attempt(
        DEVELOPER, "PATCH", f"{PODS}/busy-pod/ephemeralcontainers", DEBUGGER, "strategic-merge-patch"
    ),
    "another image for the guard": Attempt(
        DEVELOPER,
        "PATCH",
        f"{PODS}/busy-pod",
        {"spec": {"containers": [{"name": "sidecar-guard", "image": "evil"}]}},
        "strategic-merge-patch",
    ),
    "another run on the pod's label": Attempt(
        DEVELOPER, "PATCH", f"{PODS}/busy-pod", {"metadata": {"labels": {"tekton.dev/pipelineRun": "other"}}}
    ),
    "no run on the pod's label": Attempt(
        DEVELOPER, "PATCH", f"{PODS}/busy-pod", {"metadata": {"labels": {"tekton.dev/pipelineRun": None}}}
    ),
}
SESSIONS_REFUSED = {
    "exec": session("exec"),
    "exec by websocket": session("exec", "GET"),
    "attach": session("attach"),
    "port-forward": session("portforward"),
    "proxy": session("proxy", "GET"),
}
TOKENS_REFUSED = {
    "a token": token(DEVELOPER),
    "a token bound to a pod": token(DEVELOPER, pod="busy-pod"),
    "a token for the deployer": token(DEPLOYER, pod="busy-pod"),
    "a kubelet's token without a pod": token(KUBELET),
}

OLD = run(taskRef={"name": "mine"})
RUNS_REFUSED = {
    "an inline Task": run(taskRef=None, taskSpec=INLINE, params=None),
    "an inline Task beside an approved one": run(taskSpec=INLINE),
    "a Task of one's own": run(taskRef={"name": "mine"}),
    "no Task": run(taskRef=None),
    "a Task of another kind": run(taskRef={"name": "postgres-migrate", "kind": "ClusterTask"}),
    "in an older version": Attempt(
        OLD.by,
        OLD.method,
        OLD.path.replace("/v1/", "/v1beta1/"),
        {**(OLD.body or {}), "apiVersion": "tekton.dev/v1beta1"},
    ),
    "a resolver that is not approved": run(taskRef=through("http", url="https://evil")),
    "an approved name by a resolver": run(
        taskRef={"name": "postgres-migrate", **through("hub", name="postgres-migrate")}
    ),
    "a bundle by its tag": run(taskRef=through("bundles", bundle=DIGEST.split("@")[0], name="run", kind="task")),
    "another bundle": run(taskRef=through("bundles", bundle=DIGEST.replace("a", "c"), name="run", kind="task")),
    "a bundle with one more parameter": run(
        taskRef=through("bundles", bundle=DIGEST, name="run", kind="task", secret="x")
    ),
    "a bundle with a parameter less": run(taskRef=through("bundles", bundle=DIGEST, name="run")),
    "a branch": run(taskRef=through("git", url="https://git", revision="main", pathInRepo="t.yaml")),
    "the guard's image": run({"name": "guard-image", "value": "evil"}),
    "the image of check and release": run({"name": "psql-image", "value": "evil"}),
    "another ConfigMap": run({"name": "installation-config", "value": "mine"}),
    "another audience": run({"name": "audience", "value": "other"}),
    "a parameter that the Task does not have": run({"name": "unheard-of", "value": "x"}),
    "a parameter that is named twice": run({"name": "lease", "value": "shop-seeder"}),
    "another account's lease": run(params=[{"name": "lease", "value": "shop-seeder"}]),
    "a list of leases": run(params=[{"name": "lease", "value": ["shop-migrator"]}]),
    "a parameter that was not approved for a Task": run({"name": "image", "value": "x"}, taskRef={"name": "flyway"}),
    "a breakpoint": run(debug={"breakpoints": {"onFailure": "enabled"}}),
    "less memory for the guard": run(sidecarSpecs=[{"name": "guard", "computeResources": {"limits": {"memory": "1"}}}]),
    "another controller": run(managedBy="evil.example/controller"),
    "a token as workspace": run(workspaces=[{"name": "source", "projected": TOKEN["projected"]}]),
    "a driver as workspace": run(workspaces=[{"name": "source", "csi": {"driver": "secrets-store.csi.k8s.io"}}]),
    "a forged PipelineRun": run(metadata={"labels": FORGED}),
    "a forged PipelineRun with an owner": run(metadata={"labels": FORGED, "ownerReferences": [OWNER]}),
    "a forged task of a pipeline": run(metadata={"labels": {"tekton.dev/pipelineTask": "migrate"}}),
    "a PipelineRun that writes another's name": run(
        by=CONTROLLER, metadata={"labels": {**FORGED, "tekton.dev/pipelineRun": "other"}, "ownerReferences": [OWNER]}
    ),
    "a PipelineRun that writes another's uid": run(
        by=CONTROLLER, metadata={"labels": {**FORGED, "tekton.dev/pipelineRunUID": "u-2"}, "ownerReferences": [OWNER]}
    ),
    "a PipelineRun with a Task of one's own": run(
        by=CONTROLLER, metadata={"labels": FORGED, "ownerReferences": [OWNER]}, taskRef={"name": "mine"}
    ),
    "a PipelineRun with an inline Task": run(
        by=CONTROLLER, metadata={"labels": FORGED, "ownerReferences": [OWNER]}, taskRef=None, taskSpec=INLINE
    ),
    "a leased account put on another run": changed("harmless", {"spec": {"serviceAccountName": "release-migrate"}}),
    "a leased account put on a forged run": changed(
        "forged", {"spec": {"serviceAccountName": "release-migrate", "taskRef": {"name": "postgres-migrate"}}}
    ),
    "another Task for a run": changed("busy", {"spec": {"taskRef": {"name": "mine"}}}),
    "another Task for a run from before the policies": changed("from-before", {"spec": {"taskRef": {"name": "mine"}}}),
    "another run on a label": changed("busy", {"metadata": {"labels": {"tekton.dev/pipelineRun": "other"}}}),
    "no run on a label": changed("busy", {"metadata": {"labels": {"tekton.dev/pipelineRunUID": None}}}),
    "another Task in the status": changed("busy", {"status": {"podName": "", "taskSpec": INLINE}}, of="/status"),
    "what a reference resolves to": Attempt(
        DEVELOPER,
        "POST",
        REQUESTS,
        {
            "apiVersion": "resolution.tekton.dev/v1beta1",
            "kind": "ResolutionRequest",
            "metadata": {"name": "x"},
            "spec": {"params": []},
        },
    ),
    "what a reference has resolved to": Attempt(DEVELOPER, "PATCH", f"{REQUESTS}/busy/status", resolved("ZXZpbA==")),
} | {
    f"podTemplate.{name}": run(podTemplate={name: value})
    for name, value in {
        "env": [{"name": "PGSSLMODE", "value": "disable"}],
        "hostAliases": [{"ip": "10.0.0.1", "hostnames": ["vault"]}],
        "hostNetwork": True,
        "hostUsers": True,
        "dnsPolicy": "None",
        "dnsConfig": {"nameservers": ["10.0.0.1"]},
        "volumes": [TOKEN],
        "runtimeClassName": "none",
        "schedulerName": "mine",
        "automountServiceAccountToken": True,
    }.items()
}

WRITERS_REFUSED = {
    "another guard in the Task": written(MIGRATE, STEP),
    "a label that Tekton copies from the Task": written(
        MIGRATE, {"metadata": {"labels": {"tekton.dev/pipelineRun": "x"}}}
    ),
    "an annotation that Tekton copies from the Task": written(MIGRATE, {"metadata": {"annotations": {"inject": "x"}}}),
    "a Task of an approved name": written(f"{TEKTON}/tasks", TASK, method="POST"),
    "a shared Task of an approved name": written(
        f"{TEKTON.replace('{ns}', '{ns}-tasks')}/tasks",
        {**TASK, "metadata": {"name": "shared"}},
        method="POST",
    ),
    "another Vault": written(CONFIG, OTHER_VAULT),
    "a secret for the account's runs": written(
        f"{CORE}/serviceaccounts/release-migrate", {"secrets": [{"name": "mine"}]}
    ),
    "the Task by Tekton's controller": written(MIGRATE, STEP, CONTROLLER),
}

REFUSED: dict[str, dict[str, Attempt]] = {
    "pods": PODS_REFUSED,
    "sessions": SESSIONS_REFUSED,
    "tokens": TOKENS_REFUSED,
    "runs": RUNS_REFUSED,
    "writers": WRITERS_REFUSED,
}
