"""Who signs the tokens that a pod carries: a cluster's API server, or a small issuer where there is no cluster."""

from __future__ import annotations

import base64
import hashlib
import time
import uuid
from dataclasses import dataclass, field
from typing import Any, Protocol

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from lab import LabError

MINIMUM_SECONDS = 600
"""The shortest token that Kubernetes makes (TokenRequest refuses less)."""


class TokenIssuer(Protocol):
    """Signs service-account tokens, as Kubernetes does for a projected volume."""

    @property
    def issuer(self) -> str:
        """The `iss` of its tokens."""

    @property
    def public_key_pem(self) -> str:
        """The key that proves its tokens, without a newline at the end: Pulumi would show a change for ever."""

    def create_service_account(self, namespace: str, name: str) -> None:
        """Make a service account, and its namespace; one that exists is left as it is."""

    def create_pod(self, namespace: str, name: str, service_account: str) -> str:
        """Make a pod that never runs, and return its uid; one that exists is left as it is."""

    def add_pod(self, manifest: dict[str, Any]) -> str:
        """Keep the pod of this manifest, and return its uid; it runs elsewhere."""

    def remove_pod(self, namespace: str, name: str) -> None:
        """Forget a pod: no token is bound to it any more, and another of its name has another uid."""

    def token(
        self, namespace: str, service_account: str, audience: str, pod: str | None = None, seconds: int = 600
    ) -> str:
        """A token for one audience, bound to `pod` if one is named; refused for another account's pod."""


@dataclass(frozen=True)
class Pod:
    """A pod that the lab's issuer knows of."""

    uid: str
    service_account: str


@dataclass
class LabIssuer:
    """The lab's own issuer: RS256 tokens with the claims of a Kubernetes service-account token, and no server.

    Vault is told its public key; there is nothing to discover. Like an API server it refuses a token for an
    account or a pod that does not exist.
    """

    issuer: str = "https://issuer.runlease.invalid"
    _accounts: dict[tuple[str, str], str] = field(default_factory=dict)
    _pods: dict[tuple[str, str], Pod] = field(default_factory=dict)
    _key: rsa.RSAPrivateKey = field(
        default_factory=lambda: rsa.generate_private_key(public_exponent=65537, key_size=2048), repr=False
    )

    @property
    def public_key_pem(self) -> str:
        """The public key in PEM, without a newline at the end."""
        return public_pem(self._key.public_key())

    def create_service_account(self, namespace: str, name: str) -> None:
        """Make the service account, with a uid of its own."""
        self._accounts.setdefault((namespace, name), str(uuid.uuid4()))

    def create_pod(self, namespace: str, name: str, service_account: str) -> str:
        """Make the pod, and return its uid. Raises LabError for an account that does not exist."""
        self._account_uid(namespace, service_account)
        return self._pods.setdefault((namespace, name), Pod(str(uuid.uuid4()), service_account)).uid

    def add_pod(self, manifest: dict[str, Any]) -> str:
        """Make the pod of a manifest, and return its uid."""
        metadata = manifest["metadata"]
        return self.create_pod(metadata["namespace"], metadata["name"], manifest["spec"]["serviceAccountName"])

    def remove_pod(self, namespace: str, name: str) -> None:
        """Forget a pod."""
        self._pods.pop((namespace, name), None)

    def token(
        self, namespace: str, service_account: str, audience: str, pod: str | None = None, seconds: int = 600
    ) -> str:
        """Sign a token. Raises LabError for an unknown account or pod, a pod of another account, or < 600 s."""
        if seconds < MINIMUM_SECONDS:
            raise LabError(
                f"lab.issuer: a token cannot be that short (got {seconds} s, expected at least "
                f"{MINIMUM_SECONDS}). Fix: ask for {MINIMUM_SECONDS} s"
            )
        now = int(time.time())
        bound: dict[str, object] = {
            "namespace": namespace,
            "serviceaccount": {"name": service_account, "uid": self._account_uid(namespace, service_account)},
        }
        if pod is not None:
            bound["pod"] = {"name": pod, "uid": self._pod_uid(namespace, pod, service_account)}
        claims = {
            "aud": [audience],
            "exp": now + seconds,
            "iat": now,
            "nbf": now,
            "iss": self.issuer,
            "jti": str(uuid.uuid4()),
            "sub": f"system:serviceaccount:{namespace}:{service_account}",
            "kubernetes.io": bound,
        }
        header = {"kid": key_id(self._key.public_key()), "typ": None}  # Kubernetes writes no typ
        return jwt.encode(claims, self._key, "RS256", headers=header)

    def _account_uid(self, namespace: str, name: str) -> str:
        if (namespace, name) not in self._accounts:
            raise LabError(
                f"lab.issuer: no service account {namespace}/{name}. Fix: call create_service_account() first"
            )
        return self._accounts[namespace, name]

    def _pod_uid(self, namespace: str, name: str, service_account: str) -> str:
        pod = self._pods.get((namespace, name))
        if pod is None or pod.service_account != service_account:
            raise LabError(
                f"lab.issuer: pod {namespace}/{name} does not run as {service_account} (got "
                f"{pod.service_account if pod else 'no such pod'}). Fix: call create_pod() first"
            )
        return pod.uid


def public_pem(key: rsa.RSAPublicKey) -> str:
    """`key` in PEM, without a newline at the end."""
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_bytes(serialization.Encoding.PEM, form).decode().strip()


def key_id(key: rsa.RSAPublicKey) -> str:
    """The `kid` that Kubernetes gives a key: the hash of its DER form (pkg/serviceaccount/jwt.go)."""
    der = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return base64.urlsafe_b64encode(hashlib.sha256(der).digest()).decode().rstrip("=")
