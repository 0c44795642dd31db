"""Every honest use of a namespace with leased accounts, which no policy may refuse."""

from __future__ import annotations

from lab.runner.run_spec import Sidecars
from runlease.tasks import TASKS
from tests.live.attempts import (
    CONFIG,
    CORE,
    DEBUGGER,
    FORGED,
    INLINE,
    MIGRATE,
    OTHER_VAULT,
    OWNER,
    PARAMS,
    PODS,
    REQUESTS,
    STEP,
    STEP_CONTAINER,
    TASK,
    TEKTON,
    beside_the_guard,
    changed,
    guard,
    large_pod,
    pod,
    resolved,
    run,
    session,
    through,
    token,
    written,
)
from tests.live.namespaces import (
    AUDIENCE,
    COLLECTOR,
    COMMIT,
    CONTROLLER,
    DEPLOYER,
    DEVELOPER,
    DIGEST,
    KUBELET,
    RESOLVERS,
    Attempt,
)

ACCEPTED = {
    f"Tekton makes a pod of {task}, {mode} sidecars": Attempt(
        CONTROLLER, "POST", PODS, pod("x-pod", task=task, sidecars=mode)
    )
    for task in TASKS
    for mode in Sidecars
} | {
    "Tekton makes a run's pod": Attempt(CONTROLLER, "POST", PODS, pod("release-1-migrate-pod")),
    "and the pod of a second try": Attempt(CONTROLLER, "POST", PODS, pod("release-1-migrate-pod-retry1")),
    "a proxy that a cluster gives to everybody": Attempt(
        CONTROLLER,
        "POST",
        PODS,
        pod("x-pod", containers=[STEP_CONTAINER, guard(env=[{"name": "HTTPS_PROXY", "value": "http://proxy"}])]),
    ),
    "a container that a cluster puts beside everybody": Attempt(
        CONTROLLER, "POST", PODS, pod("x-pod", containers=beside_the_guard())
    ),
    "a large pod": Attempt(CONTROLLER, "POST", PODS, large_pod("x-pod")),
    "a label on a large pod": Attempt(
        DEVELOPER, "PATCH", f"{PODS}/large-pod", {"metadata": {"labels": {"team": "shop"}}}
    ),
    "Tekton stops the guard": Attempt(
        CONTROLLER,
        "PATCH",
        f"{PODS}/busy-pod",
        {"spec": {"containers": [{"name": "sidecar-guard", "image": "nop"}]}},
        "strategic-merge-patch",
    ),
    "a label of one's own on a pod": Attempt(
        DEVELOPER, "PATCH", f"{PODS}/busy-pod", {"metadata": {"labels": {"team": "shop"}}}
    ),
    "a kubelet gets its pod's token": token(KUBELET, pod="busy-pod"),
    "a pod of another account": Attempt(DEVELOPER, "POST", PODS, pod("mine", "builder")),
    "a session in a pod that is not Tekton's": session("exec", pod="database"),
    "a debug container in another pod": Attempt(
        DEVELOPER, "PATCH", f"{PODS}/database/ephemeralcontainers", DEBUGGER, "strategic-merge-patch"
    ),
    "another account's token": token(DEVELOPER, "builder"),
    "a run of the Task": run(),
    "a run with what it may set": run(
        {"name": "command", "value": ["flyway", "migrate"]},
        {"name": "image", "value": "flyway"},
        {"name": "installation-config", "value": "runlease-admitted"},
        {"name": "audience", "value": AUDIENCE},
        timeout="10m",
        retries=1,
        computeResources={"limits": {"memory": "1Gi"}},
        stepSpecs=[{"name": "migrate", "computeResources": {"limits": {"memory": "1Gi"}}}],
        podTemplate={
            "nodeSelector": {"pool": "build"},
            "securityContext": {"fsGroup": 65532},
            "automountServiceAccountToken": False,
        },
        workspaces=[
            {"name": "source", "subPath": "db", "persistentVolumeClaim": {"claimName": "source"}},
            {"name": "more", "projected": {"sources": [{"configMap": {"name": "x"}}, {"secret": {"name": "x"}}]}},
        ],
    ),
    "a large run": run(
        {"name": "command", "value": [100 * "x"] * 1_000},
        workspaces=[{"name": f"w{number}", "emptyDir": {}} for number in range(60)],
        metadata={"labels": {f"l{number}": "x" for number in range(60)}},
    ),
    "a run without a kind": run(taskRef={"name": "postgres-migrate"}),
    "the other account with its lease": run(
        serviceAccountName="release-seed", params=[{"name": "lease", "value": "shop-seeder"}]
    ),
    "a Task that the settings approve": run(taskRef={"name": "flyway"}),
    "an approved bundle": run(params=PARAMS[:1], taskRef=through("bundles", kind="task", name="run", bundle=DIGEST)),
    "an approved commit": run(
        params=PARAMS[:1], taskRef=through("git", url="https://git", revision=COMMIT, pathInRepo="t.yaml")
    ),
    "a run of a PipelineRun": run(by=CONTROLLER, metadata={"labels": FORGED, "ownerReferences": [OWNER]}),
    "an inline Task of another account": run(serviceAccountName="builder", taskRef=None, taskSpec=INLINE),
    "an inline Task of the default account": run(serviceAccountName=None, taskRef=None, taskSpec=INLINE),
    "a run is cancelled": changed("busy", {"spec": {"status": "TaskRunCancelled"}}),
    "a run from before the policies is cancelled": changed("from-before", {"spec": {"status": "TaskRunCancelled"}}),
    "a run is annotated": changed("busy", {"metadata": {"annotations": {"chains.tekton.dev/signed": "true"}}}),
    "a run of another account is annotated": changed("forged", {"metadata": {"annotations": {"seen": "true"}}}),
    "Tekton writes the status": changed("busy", {"status": {"podName": "busy-pod"}}, CONTROLLER, "/status"),
    "a resolver answers": Attempt(RESOLVERS, "PATCH", f"{REQUESTS}/busy/status", resolved("b2s=")),
    "a PipelineRun": Attempt(
        DEVELOPER,
        "POST",
        f"{TEKTON}/pipelineruns",
        {
            "apiVersion": "tekton.dev/v1",
            "kind": "PipelineRun",
            "metadata": {"name": "release-2"},
            "spec": {
                "pipelineRef": {"name": "release"},
                "taskRunSpecs": [{"pipelineTaskName": "migrate", "serviceAccountName": "release-migrate"}],
            },
        },
    ),
    "the deployer changes the Task": written(MIGRATE, STEP, DEPLOYER),
    "the deployer changes the ConfigMap": written(CONFIG, OTHER_VAULT, DEPLOYER),
    "the deployer changes an account": written(
        f"{CORE}/serviceaccounts/release-migrate", {"secrets": [{"name": "pull"}]}, DEPLOYER
    ),
    "Kubernetes ends a deletion": written(MIGRATE, {"metadata": {"finalizers": ["example.org/held"]}}, COLLECTOR),
    "Tekton stores the Task in another version": written(MIGRATE, {}, CONTROLLER),
    "a Task of one's own": written(f"{TEKTON}/tasks", {**TASK, "metadata": {"name": "mine"}}, method="POST"),
    "a ConfigMap of a generated name": written(
        f"{CORE}/configmaps", {"metadata": {"generateName": "mine-"}}, method="POST"
    ),
    "a ConfigMap of one's own": written(f"{CORE}/configmaps", {"metadata": {"name": "mine"}}, method="POST"),
    "an account of one's own": written(f"{CORE}/serviceaccounts", {"metadata": {"name": "mine"}}, method="POST"),
}
