"""Tokens by TokenRequest, through kubectl, which knows every way to log in to a cluster."""

import json
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from runlease.access import Identity
from runlease.config.settings import ClusterSettings
from runlease.evidence.prove.tokens import Token
from runlease.evidence.prove.wallet import Wallet, wrong_audiences
from runlease.readers.api_server import in_one_line, kubectl
from runlease.readers.https import UnreachableError


class RefusedError(Exception):
    """The cluster makes no token: what it said."""


@dataclass(frozen=True)
class Cluster:
    """The cluster of the settings, asked as the person at the keyboard."""

    settings: ClusterSettings
    report: Callable[[str], None] = lambda _: None
    left: list[str] = field(default_factory=list)
    """Pods that could not be deleted, and why."""

    def mint(
        self, identities: Sequence[Identity], strangers: Sequence[tuple[str, str]], given: Sequence[Token] = ()
    ) -> Wallet:
        """Every token that a proof wants: each identity's, right and wrong in one thing, and the strangers'.

        A pod stands behind each account for as long as its tokens are made; it is never scheduled. The tokens live for
        10 minutes, the shortest that Kubernetes makes, and nowhere but in this process.
        """
        made: list[Token] = list(given)
        problems: dict[str, str] = {}
        audiences = dict.fromkeys(one.audience for one in identities)
        for identity in dict.fromkeys(identities):
            self.report(f"asking for tokens of {identity}")
            wanted = [(identity.audience, True), (identity.audience, False)]
            wanted += [(audience, True) for audience in wrong_audiences(identity, self.settings.api_audiences)]
            self._make(identity.namespace, identity.service_account, wanted, made, problems)
        for namespace, account in strangers:
            self._make(namespace, account, [(audience, True) for audience in audiences], made, problems)
        return Wallet(tuple(made), problems, tuple(self.left))

    def _make(
        self,
        namespace: str,
        account: str,
        wanted: Sequence[tuple[str, bool]],
        made: list[Token],
        problems: dict[str, str],
    ) -> None:
        try:
            with self._pod(namespace, account) as pod:
                for audience, bound in wanted:
                    made.append(self._token(namespace, account, audience, pod if bound else None))
        except RefusedError as refused:
            problems[f"system:serviceaccount:{namespace}:{account}"] = str(refused)

    def _token(self, namespace: str, account: str, audience: str, pod: str | None) -> Token:
        spec: dict[str, Any] = {"audiences": [audience], "expirationSeconds": 600}
        if pod is not None:
            spec["boundObjectRef"] = {"apiVersion": "v1", "kind": "Pod", "name": pod}
        asked = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token"
        answer = self._kubectl(["create", "--raw", path, "-f", "-"], asked, "create serviceaccounts/token")
        token = Token.read(str(json.loads(answer)["status"]["token"]))
        if token.issuer != self.settings.issuer:
            raise RefusedError(
                f"another cluster made it (got issuer {token.issuer}, expected {self.settings.issuer}). "
                "Fix: name its context in access.cluster.context, or export KUBECONFIG"
            )
        return token

    @contextmanager
    def _pod(self, namespace: str, account: str) -> Iterator[str]:
        """A pod of that account, held back by a scheduling gate that nobody lifts."""
        name = f"runlease-prove-{secrets.token_hex(4)}"
        pods = f"/api/v1/namespaces/{namespace}/pods"
        try:
            self._kubectl(["create", "--raw", pods, "-f", "-"], _pod(name, account), "create pods")
            yield name
        finally:
            self._delete(f"{pods}/{name}")

    def _delete(self, path: str) -> None:
        try:
            self._kubectl(["delete", "--raw", f"{path}?gracePeriodSeconds=0"], None, "delete pods")
        except RefusedError as refused:
            if "NotFound" not in str(refused):
                self.left.append(f"{path}: {refused}")

    def _kubectl(self, arguments: list[str], body: object, needs: str) -> str:
        try:
            done = kubectl(self.settings.context, arguments, body)
        except UnreachableError as failed:
            raise RefusedError(f"{failed.problem}. Fix: {failed.fix}") from None
        if done.returncode != 0:
            said = in_one_line(done.stderr)
            raise RefusedError(f"the cluster refuses (got {said}). Fix: let your user {needs} there, or use --token")
        return done.stdout


def _pod(name: str, account: str) -> dict[str, Any]:
    container = {
        "name": "never",
        "image": "runlease.invalid/never",
        "resources": {"requests": {"cpu": "1m", "memory": "1Mi"}, "limits": {"cpu": "1m", "memory": "4Mi"}},
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app.kubernetes.io/managed-by": "runlease"}},
        "spec": {
            "serviceAccountName": account,
            "automountServiceAccountToken": False,
            "restartPolicy": "Never",
            "schedulingGates": [{"name": "runlease.invalid/never"}],
            "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [container],
        },
    }
