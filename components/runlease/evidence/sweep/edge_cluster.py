"""Whether a pod lives: the API server is asked for it by name, and its uid compared. No list is read."""

import json
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from runlease.readers.https import Answer, UnreachableError, send

VAULT_TOKEN, CLUSTER_TOKEN, CLUSTER_CA = "vault-token", "cluster-token", "cluster-ca.crt"
"""Files of an identity's folder: the token for Vault, the token for the API server, and the API server's CA."""

_OVER = ("Succeeded", "Failed")

Ask = Callable[[str], Answer]
"""One GET on the API server. Raises UnreachableError."""


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
        """Another cluster has none of these pods, which would read as if all were gone."""
        if self._is_it is None:
            try:
                answer = self.ask("/.well-known/openid-configuration")
                issuer = answer.body.get("issuer", f"HTTP status {answer.status}")
                problem = f"another cluster, or it does not say its issuer (got {issuer}, expected {self.issuer})"
                fix = "choose the context of access.cluster.issuer, or let this identity read its discovery document"
            except UnreachableError as failed:
                issuer, problem, fix = "", failed.problem, failed.fix
            self._is_it = issuer == self.issuer
            if not self._is_it:
                self.missing.append(f"Kubernetes: {problem}. Fix: {fix}")
        return self._is_it


def in_cluster(identity: Path, environment: Mapping[str, str]) -> Ask:
    """As a pod, with the token and CA in its identity's folder."""
    host, port = environment.get("KUBERNETES_SERVICE_HOST", ""), environment.get("KUBERNETES_SERVICE_PORT", "443")
    address = f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"

    def ask(path: str) -> Answer:
        if not host:
            raise UnreachableError("this is no pod (got no KUBERNETES_SERVICE_HOST)", "leave --identity out")
        token = (identity / CLUSTER_TOKEN).read_text(encoding="utf-8").strip()
        return send("GET", f"{address}{path}", identity / CLUSTER_CA, {"Authorization": f"Bearer {token}"})

    return ask


def by_kubectl(context: str | None, environment: Mapping[str, str]) -> Ask:
    """As the person at the keyboard: kubectl knows every way to log in."""
    command = ["kubectl", *(["--context", context] if context else []), "--request-timeout=10s", "get", "--raw"]

    def ask(path: str) -> Answer:
        try:
            done = subprocess.run(
                [*command, path], capture_output=True, text=True, check=False, timeout=30, env=dict(environment)
            )
        except (OSError, subprocess.TimeoutExpired) as failed:
            raise UnreachableError(f"kubectl cannot be asked (got {failed})", "install it, or set KUBECONFIG") from None
        if done.returncode == 0:
            return Answer(200, json.loads(done.stdout))
        if "(NotFound): pods " in done.stderr:
            return Answer(404, {"details": {"kind": "pods"}})
        if "(Forbidden)" in done.stderr:
            return Answer(403, {})
        raise UnreachableError(f"kubectl has no answer (got {' '.join(done.stderr.split())[:300]})", "try it by hand")

    return ask
