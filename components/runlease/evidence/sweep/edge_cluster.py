"""Whether a pod lives: the API server is asked for it by name, and its uid compared. No list is read."""

from dataclasses import dataclass, field

from runlease.readers.api_server import Ask, expect_cluster
from runlease.readers.https import UnreachableError

_OVER = ("Succeeded", "Failed")


@dataclass
class Pods:
    """The pods of one cluster, which must be the one that the settings trust."""

    ask: Ask
    issuer: str
    missing: list[str] = field(default_factory=list)
    """What could not be asked, with what would let it."""
    _is_it: bool | None = None
    _silent: set[str] = field(default_factory=set)
    _known: dict[tuple[str, str, str], bool | None] = field(default_factory=dict)

    def lives(self, namespace: str, pod: str, uid: str) -> bool | None:
        """Whether a pod of this uid is there and has not finished; None where nobody can say. Asked for once."""
        key = (namespace, pod, uid)
        if key not in self._known:
            self._known[key] = self._asked(*key)
        return self._known[key]

    def _asked(self, namespace: str, pod: str, uid: str) -> bool | None:
        if namespace in self._silent or not self._is_the_cluster():
            return None
        try:
            answer = self.ask(f"/api/v1/namespaces/{namespace}/pods/{pod}")
        except UnreachableError as failed:
            self._cannot(namespace, failed.problem, failed.fix)
            return None
        match answer.status:
            case 200:
                told = answer.body.get("metadata", {}).get("uid")
                return told == uid and answer.body.get("status", {}).get("phase") not in _OVER if told else None
            case 404 if answer.body.get("details", {}).get("kind") == "pods":
                return False
            case 403:
                role = f"kubectl create role runlease-sweep --verb=get --resource=pods -n {namespace}, and bind it"
                self._cannot(namespace, "pods may not be read (got 403)", role)
            case status:
                self._cannot(namespace, f"no usable answer (got {status})", "see the API server's log")
        return None

    def _cannot(self, namespace: str, problem: str, fix: str) -> None:
        self._silent.add(namespace)
        self.missing.append(f"Kubernetes namespace {namespace}: {problem}. Fix: {fix}")

    def _is_the_cluster(self) -> bool:
        if self._is_it is None:
            try:
                expect_cluster(self.ask, self.issuer)
                self._is_it = True
            except UnreachableError as failed:
                self._is_it = False
                self.missing.append(f"Kubernetes: {failed.problem}. Fix: {failed.fix}")
        return self._is_it
