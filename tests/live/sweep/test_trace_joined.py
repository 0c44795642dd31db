"""Pods that are gone, traced to their runs by the API server's real audit log; and a login that a sweep dropped."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab.https import HttpsClient
from lab.kubernetes import TASK_CRD, Kubernetes
from lab.openbao import OpenBao
from lab.postgres import PostgresServer
from runlease.cli import main
from runlease.evidence.trace.creations import CONTROLLER, Creations
from runlease.evidence.trace.model import Lease, Owner, Read
from tests.live.deployment import NAMESPACE
from tests.live.statements import outcome, worded
from tests.live.sweeps import SweptSite

_, _, TEKTON, ACCOUNT = CONTROLLER.split(":")
RUN, RELEASE = "joined-release-1-read", "joined-release-1"
LESS = {"Metadata": "audited-by-name", "Request": "audited-by-request"}
"""Namespaces in which the lab's audit policy logs less."""
Object = dict[str, Any]
ROLE = {
    "apiVersion": "rbac.authorization.k8s.io/v1",
    "kind": "ClusterRole",
    "metadata": {"name": "makes-pods-and-runs"},
    "rules": [{"apiGroups": ["", "tekton.dev"], "resources": ["pods", "taskruns"], "verbs": ["create"]}],
}


@dataclass(frozen=True)
class Joined:
    """A site whose leases pods took that are gone."""

    swept: SweptSite
    pods: dict[str, str]
    """The login that each pod took."""
    orphan: str
    sweeper: str

    def ask(self, capsys: pytest.CaptureFixture[str], *question: str) -> list[Object]:
        """What trace says, from the logs of the session's servers."""
        site, api = self.swept.site, self.swept.kubernetes.audit_log()
        logs = ["--postgres-log", site.postgres.log, "--audit-log", site.openbao.audit_log, "--api-audit-log", api]
        assert main(["trace", *map(str, logs), *question, "--format", "json"]) in (0, 3)
        return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


@pytest.fixture(scope="module")
def cluster(kubernetes: Kubernetes) -> Kubernetes:
    """The lab's API server with Tekton's TaskRuns, its controller, and somebody who may make the same things."""
    if kubernetes.get("apiextensions.k8s.io/v1", "CustomResourceDefinition", "taskruns.tekton.dev") is None:
        # As that of Tasks, which only stores them.
        kubernetes.apply(yaml.safe_load(TASK_CRD.read_text().replace("Task", "TaskRun").replace("task", "taskrun")))
    kubernetes.wait_until_served("tekton.dev/v1", "TaskRun")
    kubernetes.apply(ROLE)
    for namespace, account in ((TEKTON, ACCOUNT), ("people", "mallory")):
        kubernetes.create_service_account(namespace, account)
        kubernetes.apply(_bound(namespace, account))
    return kubernetes


@pytest.fixture(scope="module")
def joined(postgres18: PostgresServer, openbao: OpenBao, cluster: Kubernetes, lab_folder: Path) -> Joined:
    swept = SweptSite.made("joined", postgres18, openbao, cluster, lab_folder)
    tekton, mallory = cluster.as_account(TEKTON, ACCOUNT), cluster.as_account("people", "mallory")
    uid = _make(tekton, _task_run(RUN))
    alone = _make(mallory, _task_run("joined-by-hand"))
    forged = _pod("joined-forged-pod", RUN, uid)
    forged["metadata"]["labels"] = {"tekton.dev/taskRun": RUN, "tekton.dev/pipelineRun": RELEASE}
    made = [(tekton, _pod(f"{RUN}-pod", RUN, uid)), (mallory, forged)]
    made += [(tekton, _pod("joined-by-hand-pod", "joined-by-hand", alone))]
    pods = {pod["metadata"]["name"]: _leased(swept, by, pod) for by, pod in made}
    for name in (RUN, "joined-by-hand"):
        cluster.delete("tekton.dev/v1", "TaskRun", name, NAMESPACE)
    return Joined(swept, pods, *_orphaned(swept))


def _bound(namespace: str, account: str) -> Object:
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": f"makes-pods-and-runs-{account}"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "makes-pods-and-runs"},
        "subjects": [{"kind": "ServiceAccount", "namespace": namespace, "name": account}],
    }


def _by(kind: str, name: str, uid: str) -> list[Object]:
    return [{"apiVersion": "tekton.dev/v1", "kind": kind, "name": name, "uid": uid, "controller": True}]


def _task_run(name: str, namespace: str = NAMESPACE) -> Object:
    metadata = {"name": name, "namespace": namespace, "ownerReferences": _by("PipelineRun", RELEASE, "a-uid")}
    spec = {"serviceAccountName": "run-reader", "taskRef": {"name": "postgres-run"}}
    return {"apiVersion": "tekton.dev/v1", "kind": "TaskRun", "metadata": metadata, "spec": spec}


def _pod(name: str, run: str, uid: str, namespace: str = NAMESPACE) -> Object:
    metadata = {"name": name, "namespace": namespace, "ownerReferences": _by("TaskRun", run, uid)}
    containers = [{"name": "none", "image": "none"}]
    spec = {"serviceAccountName": "run-reader", "automountServiceAccountToken": False, "containers": containers}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def _make(by: HttpsClient, made: Object) -> str:
    """Its uid."""
    namespace, kind = made["metadata"]["namespace"], made["kind"]
    root = "/api/v1" if kind == "Pod" else "/apis/tekton.dev/v1"
    return str(by.request("POST", f"{root}/namespaces/{namespace}/{kind.lower()}s", made)["metadata"]["uid"])


def _leased(swept: SweptSite, by: HttpsClient, pod: Object) -> str:
    """The login that the pod took and used, before it was deleted."""
    site, kubernetes, name = swept.site, swept.kubernetes, pod["metadata"]["name"]
    kubernetes.create_service_account(NAMESPACE, "run-reader")
    _make(by, pod)
    token = kubernetes.token(NAMESPACE, "run-reader", site.audience, name)
    lease = site.take("reader", site.log_in("reader", token))
    with site.connect(lease) as session:
        outcome(session, "SELECT 1/0")  # an error is logged with its statement
    site.revoke(lease)
    kubernetes.remove_pod(NAMESPACE, name)
    return lease.login


def _orphaned(swept: SweptSite) -> tuple[str, str]:
    """A login whose lease an administrator ended by force while its drop failed, and the sweeper that dropped it."""
    site, lease = swept.site, swept.site.take("reader")
    with site.connect(lease) as session, site.as_superuser() as superuser:
        outcome(session, "SELECT 2/0")
        on = "EXECUTE ON FUNCTION runlease.drop_login(text)"
        superuser.execute(worded(f"REVOKE {on} FROM {{vault}}", vault=site.own("vault")))
        site.openbao.request("PUT", f"/sys/leases/revoke-force/{lease.id}", {}, site.openbao.root_token)
        superuser.execute(worded(f"GRANT {on} TO {{vault}}", vault=site.own("vault")))
    assert swept.exists(lease.login)
    assert ("login without a lease", lease.login, "dropped") in swept.told(apply=True)
    return lease.login, site.ledger(lease.login)[-1]["caller"]


def test_a_run_whose_pods_are_gone_is_found_by_who_made_them(
    joined: Joined, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = joined.ask(capsys, "--run", RELEASE)
    assert lines[0]["partial"] == []
    (lease,) = [one for one in lines if one["is"] == "lease"]
    assert (lease["pod"], lease["task_run"], lease["pipeline_run"], lease["doubt"]) == (f"{RUN}-pod", RUN, RELEASE, "")
    assert {one["login"] for one in lines if one["is"] == "event"} == {joined.pods[f"{RUN}-pod"]}
    assert "SELECT ?/?" in [one["statement"] for one in lines if one["is"] == "event"]


@pytest.mark.parametrize(
    ("pod", "run", "doubt"),
    [
        ("joined-forged-pod", "", f"the pod names {RUN} and was made by system:serviceaccount:people:mallory"),
        (
            "joined-by-hand-pod",
            "joined-by-hand",
            f"its TaskRun names {RELEASE} and was made by system:serviceaccount:people:mallory",
        ),
    ],
)
def test_what_somebody_else_made_is_of_no_run_whatever_it_names(
    joined: Joined, pod: str, run: str, doubt: str, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = joined.ask(capsys, "--run", pod)
    assert lines[0]["partial"] == []
    (lease,) = [one for one in lines if one["is"] == "lease"]
    assert (lease["login"], lease["task_run"], lease["pipeline_run"]) == (joined.pods[pod], run, "")
    assert lease["doubt"] == f"{doubt}, not by Tekton's controller"
    assert ("forged owner", joined.pods[pod]) in [
        (one["kind"], one["login"]) for one in lines if one["is"] == "finding"
    ]


@pytest.mark.parametrize(("level", "run"), [("Metadata", ""), ("Request", "less-read")])
def test_where_the_log_has_less_the_answer_says_so(cluster: Kubernetes, level: str, run: str) -> None:
    tekton, namespace = cluster.as_account(TEKTON, ACCOUNT), LESS[level]
    cluster.create_service_account(namespace, "run-reader")
    above = _make(tekton, _task_run("less-read", namespace))
    uid = _make(tekton, _pod("less-read-pod", "less-read", above, namespace))
    lease = Lease("run_x", "x", "x", namespace, "run-reader", "less-read-pod", uid, None, "")  # type: ignore[arg-type]  # not asked for
    creations = Creations([lease])
    with cluster.audit_log().open("rb") as lines:
        assert creations.read(lines, Read("", ""))
    owner = creations.of(lease, Owner())
    assert (owner.task_run, owner.pipeline_run) == (run, RELEASE if run else "")
    assert f"the API server's audit log does not have the pod's uid (level {level})" in owner.doubt


def test_a_login_that_a_sweep_dropped_has_its_whole_life_and_is_explained(
    joined: Joined, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = joined.ask(capsys, "--run", f"{joined.swept.site.installation}-reader")
    assert lines[0]["partial"] == []
    (lease,) = [one for one in lines if one["is"] == "lease" and one["login"] == joined.orphan]
    assert lease["outcome"] == "dropped"
    assert lease["asked_for_revocation"] is None
    assert lease["made"] < lease["dropped"]
    found = [(one["kind"], one["login"]) for one in joined.ask(capsys, "--unattributed") if one["is"] == "finding"]
    assert [kind for kind, login in found if login in (joined.orphan, joined.sweeper)] == []
    assert joined.sweeper.startswith("run_sweeper_")
