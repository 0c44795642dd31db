"""The lab's Kubernetes: objects are stored, tokens are signed, nothing runs."""

from __future__ import annotations

import base64
import ssl
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jwt
import yaml
from cryptography.hazmat.primitives.asymmetric import rsa

from lab import LabError
from lab.certificates import CertificateAuthority
from lab.https import HttpsClient, RefusedError
from lab.issuer import public_pem
from lab.kubernetes_server import AUDIT_LOG, ApiServer, start_server
from lab.processes import Processes

TASK = ("tekton.dev/v1", "Task")
TASK_CRD = Path(__file__).with_name("tekton-task-crd.yaml")

Object = dict[str, Any]
"""A Kubernetes object as JSON has it."""


class Kubernetes:
    """An API server that signs service-account tokens: a TokenIssuer.

    No controller runs in the lab's own: a namespace has no `default` account, a pod is never scheduled, and a
    deleted namespace stays `Terminating`. What a test needs it creates.
    """

    def __init__(self, kubeconfig: Path) -> None:
        self.kubeconfig = kubeconfig
        self._client = client(kubeconfig)
        self._resources: dict[tuple[str, str], Object] = {}
        self.issuer: str = self._client.request("GET", "/.well-known/openid-configuration")["issuer"]
        self.public_key_pem = self._public_key()

    @classmethod
    def start(cls, folder: Path, ca: CertificateAuthority, processes: Processes, apiserver: ApiServer) -> Kubernetes:
        """Start what `find_apiserver` found, or use the cluster that it names; either can store Tekton Tasks.

        Raises LabError when a program is missing or does not come up, or when the named cluster has no Tekton.
        """
        if apiserver.binary:
            kubernetes = cls(start_server(folder, ca, processes, apiserver.binary))
            kubernetes.apply(yaml.safe_load(TASK_CRD.read_text()))
            kubernetes.wait_until_served(*TASK)
        elif apiserver.kubeconfig:
            kubernetes = cls(apiserver.kubeconfig)
            kubernetes._resource(*TASK)
        else:
            raise LabError("lab.kubernetes: neither a program nor a cluster. Fix: use find_apiserver()")
        return kubernetes

    def acting_as(self, user: str, group: str = "system:authenticated") -> HttpsClient:
        """The API as another user has it (impersonation): with the rights that RBAC gives to that name and group."""
        return self._client.with_headers({"Impersonate-User": user, "Impersonate-Group": group})

    def as_account(self, namespace: str, name: str) -> HttpsClient:
        """The API as a service account has it, by a token of its own."""
        return self._client.with_headers({"Authorization": f"Bearer {self.token(namespace, name, self.issuer)}"})

    def audit_log(self) -> Path:
        """Of the server that the lab started (lab/audit-policy.yaml). Raises LabError for another cluster."""
        log = self.kubeconfig.with_name(AUDIT_LOG)
        if not log.exists():
            raise LabError(f"{log}: no such file. Fix: let the lab start its own API server")
        return log

    def apply(self, manifest: Object) -> Object:
        """Create the object, or change it to what `manifest` says (server-side apply); the object as stored.

        Raises lab.https.RefusedError when the server refuses it.
        """
        metadata = manifest["metadata"]
        path = self._path(manifest["apiVersion"], manifest["kind"], metadata["name"], metadata.get("namespace"))
        headers = {"Content-Type": "application/apply-patch+yaml"}
        return self._client.request("PATCH", f"{path}?fieldManager=runlease-lab&force=true", manifest, headers)

    def wait_until_served(self, api_version: str, kind: str, seconds: float = 30) -> None:
        """Wait for a kind whose CRD was applied: it is served a moment later. Raises LabError when it is not."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                self._resource(api_version, kind)
                return
            except LabError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)

    def get(self, api_version: str, kind: str, name: str, namespace: str | None = None) -> Object | None:
        """The object, or None when there is none of that name."""
        try:
            return self._client.request("GET", self._path(api_version, kind, name, namespace))
        except RefusedError as error:
            if error.status == 404:
                return None
            raise

    def delete(self, api_version: str, kind: str, name: str, namespace: str | None = None) -> None:
        """Delete the object at once, without a grace period. Raises RefusedError when there is none."""
        now = {"apiVersion": "v1", "kind": "DeleteOptions", "gracePeriodSeconds": 0}
        self._client.request("DELETE", self._path(api_version, kind, name, namespace), now)

    def create_namespace(self, name: str) -> None:
        """Make a namespace; one that exists is left as it is."""
        self.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})

    def create_service_account(self, namespace: str, name: str) -> None:
        """Make a service account, and its namespace; one that exists is left as it is."""
        if self.get("v1", "ServiceAccount", name, namespace) is None:
            self.create_namespace(namespace)
            self.apply(
                {
                    "apiVersion": "v1",
                    "kind": "ServiceAccount",
                    "automountServiceAccountToken": False,
                    "metadata": {"name": name, "namespace": namespace},
                }
            )

    def create_pod(
        self, namespace: str, name: str, service_account: str, labels: Mapping[str, str] | None = None
    ) -> str:
        """Make a pod that never runs, and return its uid; it can have the labels that Tekton gives its pods."""
        metadata = {"name": name, "namespace": namespace, "labels": dict(labels or {})}
        spec = {
            "serviceAccountName": service_account,
            "automountServiceAccountToken": False,
            "containers": [{"name": "none", "image": "none"}],
        }
        pod = self.apply({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})
        return str(pod["metadata"]["uid"])

    def add_pod(self, manifest: Object) -> str:
        """Store a pod, and return its uid. Raises RefusedError when the server does not admit it."""
        return str(self.apply(manifest)["metadata"]["uid"])

    def remove_pod(self, namespace: str, name: str) -> None:
        """Delete a pod's object at once."""
        self.delete("v1", "Pod", name, namespace)

    def finish_pod(self, namespace: str, name: str) -> None:
        """Let a pod be over, as the kubelet reports it when every container has ended."""
        done = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "status": {"phase": "Succeeded"}}
        headers = {"Content-Type": "application/merge-patch+json"}
        self._client.request("PATCH", f"{self._path('v1', 'Pod', name, namespace)}/status", done, headers)

    def token(
        self, namespace: str, service_account: str, audience: str, pod: str | None = None, seconds: int = 600
    ) -> str:
        """A token by TokenRequest, bound to the object of `pod` as the kubelet would ask for it.

        Raises RefusedError for an unknown account, for less than 600 s, and for a pod of another account.
        """
        spec: Object = {"audiences": [audience], "expirationSeconds": seconds}
        if pod is not None:
            spec["boundObjectRef"] = {"apiVersion": "v1", "kind": "Pod", "name": pod}
        path = self._path("v1", "ServiceAccount", service_account, namespace) + "/token"
        asked = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
        return str(self._client.request("POST", path, asked)["status"]["token"])

    def _public_key(self) -> str:
        keys = self._client.request("GET", "/openid/v1/jwks")["keys"]
        key = jwt.PyJWK(keys[0]).key
        if len(keys) != 1 or not isinstance(key, rsa.RSAPublicKey):
            raise LabError(
                f"{self.kubeconfig}: the cluster must sign with one RSA key (got {len(keys)}, "
                f"{keys[0].get('kty')}). Fix: use a cluster whose key is not being rotated"
            )
        return public_pem(key)

    def _path(self, api_version: str, kind: str, name: str, namespace: str | None) -> str:
        found = self._resource(api_version, kind)
        root = f"/api/{api_version}" if "/" not in api_version else f"/apis/{api_version}"
        if bool(found["namespaced"]) != (namespace is not None):
            raise LabError(
                f"lab.kubernetes: {kind} {name}: a namespace must be named for objects that have one, "
                f"and for no other (got {namespace}). Fix: give {kind} its namespace, or none"
            )
        return f"{root}{f'/namespaces/{namespace}' if namespace else ''}/{found['name']}/{name}"

    def _resource(self, api_version: str, kind: str) -> Object:
        """How the API calls objects of `kind`: asked once, never guessed from the kind's name."""
        if (api_version, kind) not in self._resources:
            root = f"/api/{api_version}" if "/" not in api_version else f"/apis/{api_version}"
            served = self._client.request("GET", root)["resources"] if self._client.reachable(root) else []
            matching = [one for one in served if one["kind"] == kind and "/" not in one["name"]]
            if not matching:
                raise LabError(
                    f"lab.kubernetes: the cluster knows no {kind} of {api_version}. "
                    "Fix: install the CRD that declares it"
                )
            self._resources[api_version, kind] = matching[0]
        return self._resources[api_version, kind]


def client(kubeconfig: Path) -> HttpsClient:
    """A client of the current context of `kubeconfig`, by token or by client certificate.

    Raises LabError for other ways to log in, and for a cluster whose certificate cannot be checked.
    """
    config = yaml.safe_load(kubeconfig.read_text())
    context = _named(config, "context", config["current-context"])
    cluster, user = _named(config, "cluster", context["cluster"]), _named(config, "user", context["user"])
    authority = _pem(cluster, "certificate-authority", kubeconfig.parent)
    if authority is None:
        raise LabError(f"{kubeconfig}: no certificate-authority. Fix: name the CA of {cluster['server']}")
    tls = ssl.create_default_context(cadata=authority)
    if "token" in user:
        return HttpsClient(cluster["server"], tls, {"Authorization": f"Bearer {user['token']}"})
    certificate, key = (_pem(user, name, kubeconfig.parent) for name in ("client-certificate", "client-key"))
    if certificate is None or key is None:
        raise LabError(
            f"{kubeconfig}: the user has neither a token nor a client certificate (got "
            f"{sorted(user)}). Fix: make a kubeconfig with one of them"
        )
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as both:  # mode 0600; ssl reads keys from files only
        both.write(f"{certificate}\n{key}\n")
        both.flush()
        tls.load_cert_chain(both.name)
    return HttpsClient(cluster["server"], tls)


def _named(config: Object, kind: str, name: str) -> Object:
    return next(dict(entry[kind]) for entry in config[f"{kind}s"] if entry["name"] == name)


def _pem(entry: Object, name: str, folder: Path) -> str | None:
    """The PEM that stands in `entry`, or in the file that it names, seen from the kubeconfig's folder."""
    if f"{name}-data" in entry:
        return base64.b64decode(entry[f"{name}-data"]).decode()
    return (folder / entry[name]).read_text() if name in entry else None
