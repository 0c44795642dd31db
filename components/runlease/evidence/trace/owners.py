"""What `kubectl get pods,taskruns,pipelineruns -o json` says → whose pod it was, by owner references alone.

Labels are not read: whoever makes a run writes them.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from runlease.evidence.trace.model import Lease, Owner
from runlease.readers.error import ReadError


class Owners:
    """The objects of one or more clusters' answers."""

    def __init__(self, documents: Iterable[tuple[str, Any]] = ()) -> None:
        self._pods: dict[str, Mapping[str, Any]] = {}
        self._task_runs: dict[str, Mapping[str, Any]] = {}
        self._by_pod: dict[tuple[str, str], Mapping[str, Any]] = {}
        self._pipeline_runs: dict[str, Mapping[str, Any]] = {}
        self.known = False
        """Whether anything was given."""
        for where, document in documents:
            self.known = True
            for one in _items(where, document):
                self._take(one)

    def of(self, lease: Lease) -> Owner:
        """TaskRun and PipelineRun of the pod that took the lease."""
        if not self.known:
            return Owner(doubt="Kubernetes was not asked")
        pod = self._pods.get(lease.pod_uid)
        if pod is None:
            run = self._by_pod.get((lease.namespace, lease.pod))
            if run is None:
                return Owner(doubt="the pod is gone, and no TaskRun names it")
            return self._above(run, "the pod is gone; its TaskRun names it in its status")
        reference = owner_reference(pod, "TaskRun")
        if reference is None:
            return Owner(doubt="no TaskRun owns the pod")
        run = self._task_runs.get(str(reference.get("uid")))
        if run is None:
            return Owner(str(reference.get("name", "")), doubt="its TaskRun is gone")
        if lease.pod not in _pods_of(run):
            return Owner(_name(run), doubt="the pod names a TaskRun that does not name the pod")
        return self._above(run, "")

    def all_names(self) -> frozenset[str]:
        """Names of all TaskRuns and PipelineRuns that are known."""
        return frozenset(map(_name, [*self._task_runs.values(), *self._pipeline_runs.values()]))

    def _above(self, run: Mapping[str, Any], doubt: str) -> Owner:
        reference = owner_reference(run, "PipelineRun")
        if reference is None:
            return Owner(_name(run), doubt=doubt)
        above = self._pipeline_runs.get(str(reference.get("uid")))
        children = [one.get("name") for one in ((above or {}).get("status") or {}).get("childReferences") or ()]
        if children and _name(run) not in children:
            return Owner(_name(run), doubt="the TaskRun names a PipelineRun that does not name the TaskRun")
        return Owner(_name(run), str(reference.get("name", "")), doubt)

    def _take(self, one: Mapping[str, Any]) -> None:
        uid, kind = str((one.get("metadata") or {}).get("uid", "")), one.get("kind")
        if kind == "Pod":
            self._pods[uid] = one
        elif kind == "TaskRun":
            self._task_runs[uid] = one
            namespace = str(one["metadata"].get("namespace", ""))
            self._by_pod.update({(namespace, pod): one for pod in _pods_of(one)})
        elif kind == "PipelineRun":
            self._pipeline_runs[uid] = one


def _items(where: str, document: Any) -> list[Mapping[str, Any]]:
    found = document.get("items", [document]) if isinstance(document, dict) else None
    if not isinstance(found, list) or not all(isinstance(one, dict) and "kind" in one for one in found):
        raise ReadError(
            f"{where}: is no answer of Kubernetes (expected a List with items). "
            "Fix: kubectl get pods,taskruns,pipelineruns --all-namespaces -o json"
        )
    return found


def owner_reference(one: Mapping[str, Any], kind: str) -> Mapping[str, Any] | None:
    """The reference to the owner of that kind of Tekton's, or None where the object has none."""
    for reference in one["metadata"].get("ownerReferences") or ():
        tekton = str(reference.get("apiVersion", "")).startswith("tekton.dev/")
        if tekton and reference.get("kind") == kind and reference.get("controller"):
            return dict(reference)
    return None


def _pods_of(run: Mapping[str, Any]) -> list[str]:
    status = run.get("status") or {}
    tries = [status, *(status.get("retriesStatus") or ())]
    return [str(one["podName"]) for one in tries if one.get("podName")]


def _name(one: Mapping[str, Any]) -> str:
    return str(one["metadata"].get("name", ""))
