"""The API server's audit log (JSON lines of audit.k8s.io/v1) → who made a pod and its TaskRun, and for which owner.

Only what Tekton's controller made is believed, and of it the owner references alone: the controller copies the labels
of a TaskRun to its pod, and whoever makes a TaskRun writes them.
"""

import json
import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from runlease.evidence.trace.model import Lease, Owner, Read
from runlease.evidence.trace.owners import owner_reference
from runlease.evidence.trace.postgres_formats import count_broken

CONTROLLER = "system:serviceaccount:tekton-pipelines:tekton-pipelines-controller"
"""Tekton's controller as the API server knows it, where Tekton is installed as it comes."""
_OWNERS = {"pods": "TaskRun", "taskruns": "PipelineRun"}
"""What is made, and the kind of its owner."""
_SEEN = re.compile(rb'"(?:pods|taskruns)"')
_CREATED = re.compile(rb'"code":\s*201\b')
"""A patch can create an object as well: only the answer says it."""


@dataclass(frozen=True, slots=True)
class Made:
    """An object that somebody made."""

    name: str
    maker: str
    owner: str | None
    """The name of its TaskRun or PipelineRun, empty where it has none; None where the log has no object."""
    owner_uid: str
    label: str
    """The run that a label of Tekton's names: only to say what was claimed."""
    level: str
    """Of the log's entry."""


class Creations:
    """Pods that took a lease, and TaskRuns of their namespaces: no more is kept."""

    def __init__(self, leases: Iterable[Lease] = (), controller: str = CONTROLLER) -> None:
        self._controller = controller
        taken = [lease for lease in leases if lease.pod_uid]
        self._uids = frozenset(lease.pod_uid for lease in taken)
        self._pods = frozenset((lease.namespace, lease.pod) for lease in taken)
        self._namespaces = frozenset(lease.namespace for lease in taken)
        self._by_uid: dict[str, Made] = {}
        self._by_name: dict[tuple[str, str, str], set[Made]] = {}
        """Those whose uid the log does not have, by kind, namespace and name."""
        self.known = False
        """Whether a log was read."""

    def read(self, lines: Iterable[bytes], read: Read) -> bool:
        """Take in the lines of one file; what cannot be read is counted. False for what is no audit log at all."""
        self.known = empty = known = True
        for line in lines:
            if empty:
                empty = known = False
            known = known or b'"audit.k8s.io/' in line
            if not _SEEN.search(line) or not _CREATED.search(line):
                continue
            try:
                self._take(json.loads(line[line.index(b"{") :]))
                read.records += 1
            except (ValueError, TypeError, AttributeError, KeyError):
                count_broken(line, read)
        return known

    def of(self, lease: Lease, told: Owner) -> Owner:
        """Whose pod took the lease. `told`: what Kubernetes says, which counts where this log says nothing."""
        if not self.known or not lease.pod_uid:
            return told
        if pod := self._by_uid.get(lease.pod_uid):
            return self._of_pod(pod, lease, told)
        named = self._by_name.get(("pods", lease.namespace, lease.pod), set())
        if foreign := [one for one in named if one.maker != self._controller]:
            return self._foreign(foreign[0], "a pod of this name")
        if not named:
            return _doubted(told, "the API server's audit log does not have the pod's creation")
        (one, *more) = named
        why = f"the API server's audit log does not have the pod's uid (level {one.level})"
        if more or not one.owner:
            return _doubted(told, f"Tekton's controller made a pod of this name; {why}")
        return _doubted(self._of_pod(one, lease, told), f"by the pod's name: {why}")

    def names(self) -> frozenset[str]:
        """What Tekton's controller made, and for what."""
        everything = [*self._by_uid.values(), *(one for named in self._by_name.values() for one in named)]
        made = [one for one in everything if one.maker == self._controller]
        return frozenset(name for one in made for name in (one.name, one.owner) if name)

    def _of_pod(self, pod: Made, lease: Lease, told: Owner) -> Owner:
        if pod.maker != self._controller:
            return self._foreign(pod, "the pod")
        if not pod.owner:
            return Owner(doubt="no TaskRun owns the pod")
        run, doubt = self._by_uid.get(pod.owner_uid), ""
        named = self._by_name.get(("taskruns", lease.namespace, pod.owner), set())
        if run is None and len(named) == 1:
            (run,) = named
            doubt = f"by the TaskRun's name: the API server's audit log does not have its uid (level {run.level})"
        if run is None or run.owner is None:
            without = Owner(pod.owner, doubt="the API server's audit log does not have its TaskRun as it was made")
            return told if told.task_run == pod.owner else without
        if run.owner and run.maker != self._controller:
            return replace(self._foreign(run, "its TaskRun"), task_run=pod.owner)
        return Owner(pod.owner, run.owner, doubt)

    def _foreign(self, one: Made, what: str) -> Owner:
        claimed = one.owner or one.label
        names = f"names {claimed} and " if claimed else ""
        return Owner(doubt=f"{what} {names}was made by {one.maker}, not by Tekton's controller", forged=bool(claimed))

    def _take(self, event: Mapping[str, Any]) -> None:
        at = event["objectRef"]
        kind, namespace = at["resource"], str(at.get("namespace", ""))
        if event["stage"] != "ResponseComplete" or kind not in _OWNERS or at.get("subresource"):
            return
        if event["responseStatus"].get("code") != 201 or namespace not in self._namespaces:
            return
        uid, one = _made(event, _OWNERS[kind])
        if kind == "pods" and uid not in self._uids and (namespace, one.name) not in self._pods:
            return
        if uid:
            self._by_uid[uid] = one
        else:
            self._by_name.setdefault((kind, namespace, one.name), set()).add(one)


def _made(event: Mapping[str, Any], owner_kind: str) -> tuple[str, Made]:
    """The object's uid, where the log has it, and what was made."""
    answered = event.get("responseObject") or {}
    made = answered or event.get("requestObject") or {}
    metadata = made.get("metadata") or {}
    labels = metadata.get("labels") or {}
    owner = (owner_reference(made, owner_kind) or {}) if metadata else None
    return str(metadata.get("uid", "")) if answered else "", Made(
        str(metadata.get("name") or event["objectRef"].get("name", "")),
        sys.intern(_maker(event)),
        None if owner is None else sys.intern(str(owner.get("name", ""))),
        str((owner or {}).get("uid", "")),
        sys.intern(str(labels.get("tekton.dev/taskRun") or labels.get("tekton.dev/pipelineRun") or "")),
        sys.intern(str(event.get("level", "unknown"))),
    )


def _maker(event: Mapping[str, Any]) -> str:
    """Who really asked: one who acts as somebody else is named with both."""
    user, other = str(event["user"]["username"]), event.get("impersonatedUser")
    return f"{user} as {other.get('username', '')}" if other else user


def _doubted(told: Owner, doubt: str) -> Owner:
    return replace(told, doubt="; ".join(filter(None, (told.doubt, doubt))))
