"""A real kube-apiserver with its etcd on the loopback address: no kubelet, no controllers, nothing runs in it."""

from __future__ import annotations

import os
import secrets
import shutil
import ssl
from dataclasses import dataclass
from pathlib import Path

import yaml
from cryptography.hazmat.primitives.asymmetric import rsa

from lab import LabError
from lab.certificates import LOCAL_NAMES, CertificateAuthority, private_pem
from lab.folders import private_folder, write_private
from lab.https import HttpsClient
from lab.issuer import public_pem
from lab.kubernetes_build import apiserver_path
from lab.processes import Processes, free_port, wait_until_ready

EXISTING_CLUSTER = "RUNLEASE_LAB_KUBECONFIG"
"""Names the kubeconfig of a cluster to use instead. Only this: a user's current context is never taken."""

AUDIT_POLICY = Path(__file__).with_name("audit-policy.yaml")
AUDIT_LOG = "audit.log"
"""Beside the kubeconfig."""


@dataclass(frozen=True)
class ApiServer:
    """Where the lab's API server comes from: exactly one of a program to start and a cluster that runs."""

    found_in: str
    binary: Path | None = None
    kubeconfig: Path | None = None


def find_apiserver() -> ApiServer | None:
    """The cluster named by RUNLEASE_LAB_KUBECONFIG, else kube-apiserver from PATH, KUBEBUILDER_ASSETS or the cache.

    Raises LabError when RUNLEASE_LAB_KUBECONFIG names no file: another cluster is not taken in its place.
    """
    named = os.environ.get(EXISTING_CLUSTER, "")
    if named:
        if not Path(named).is_file():
            raise LabError(f"{EXISTING_CLUSTER}: no such file (got {named}). Fix: export {EXISTING_CLUSTER}=<file>")
        return ApiServer(EXISTING_CLUSTER, kubeconfig=Path(named))
    on_path = _find_program("kube-apiserver")
    if on_path:
        return on_path
    built = apiserver_path()
    return ApiServer("the lab's cache", binary=built) if built.exists() else None


def start_server(folder: Path, ca: CertificateAuthority, processes: Processes, binary: Path) -> Path:
    """Start etcd and kube-apiserver below `folder`; the path of an administrator's kubeconfig."""
    home = private_folder(folder / "kubernetes")
    etcd_flags = _start_etcd(home, ca, processes)
    port, token = free_port(), secrets.token_urlsafe(32)
    address = f"https://localhost:{port}"
    flags = {**etcd_flags, **_server_flags(home, ca, port, address, token)}
    command = [str(binary), *(f"--{name}={value}" for name, value in flags.items())]
    server = processes.start("kube-apiserver", command)
    context = ssl.create_default_context(cafile=str(ca.certificate))
    admin = HttpsClient(address, context, {"Authorization": f"Bearer {token}"})
    # A binding: the server makes all its own roles before, and every service account may then ask for its issuer.
    last = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/system:service-account-issuer-discovery"
    wait_until_ready(server, lambda: admin.reachable(last), seconds=120)
    return _write_kubeconfig(home, address, ca.certificate, token)


def _start_etcd(home: Path, ca: CertificateAuthority, processes: Processes) -> dict[str, str]:
    """Start etcd, which answers only to a certificate of `ca`; kube-apiserver's flags to reach it."""
    etcd = _find_program("etcd")
    if not etcd:
        raise LabError("lab.kubernetes_server: no program etcd on PATH. Fix: apt-get install etcd-server")
    files = ca.issue(LOCAL_NAMES, private_folder(home / "etcd-tls"), client=True)
    clients, peers = (f"https://127.0.0.1:{free_port()}" for _ in range(2))
    flags = {
        "data-dir": home / "etcd",
        "listen-client-urls": clients,
        "advertise-client-urls": clients,
        "listen-peer-urls": peers,
        "initial-advertise-peer-urls": peers,
        "initial-cluster": f"default={peers}",
        "log-level": "warn",
    }
    for prefix in ("", "peer-"):
        flags |= {
            f"{prefix}cert-file": files.certificate,
            f"{prefix}key-file": files.key,
            f"{prefix}trusted-ca-file": ca.certificate,
            f"{prefix}client-cert-auth": "true",
        }
    server = processes.start("etcd", [str(etcd.binary), *(f"--{name}={value}" for name, value in flags.items())])
    context = ssl.create_default_context(cafile=str(ca.certificate))
    context.load_cert_chain(files.certificate, files.key)
    wait_until_ready(server, lambda: HttpsClient(clients, context).reachable("/health"))
    return {
        "etcd-servers": clients,
        "etcd-cafile": str(ca.certificate),
        "etcd-certfile": str(files.certificate),
        "etcd-keyfile": str(files.key),
    }


def _server_flags(home: Path, ca: CertificateAuthority, port: int, issuer: str, token: str) -> dict[str, object]:
    """kube-apiserver's flags: RBAC, one administrator, and service-account tokens signed by a key of its own."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    signing = write_private(home / "service-account.key", private_pem(key))
    proving = write_private(home / "service-account.pub", public_pem(key.public_key()))
    files = ca.issue(LOCAL_NAMES, home)
    return {
        "bind-address": "127.0.0.1",
        "advertise-address": "127.0.0.1",
        "secure-port": port,
        "tls-cert-file": files.certificate,
        "tls-private-key-file": files.key,
        "cert-dir": home,
        "authorization-mode": "RBAC",
        "profiling": "false",
        "endpoint-reconciler-type": "none",
        "token-auth-file": write_private(home / "tokens.csv", f"{token},lab-admin,lab-admin,system:masters\n"),
        "service-account-issuer": issuer,
        "service-account-signing-key-file": signing,
        "service-account-key-file": proving,
        "service-cluster-ip-range": "10.0.0.0/24",
        "audit-policy-file": AUDIT_POLICY,
        "audit-log-path": home / AUDIT_LOG,
    }


def _write_kubeconfig(home: Path, address: str, ca: Path, token: str) -> Path:
    """A kubeconfig of the administrator, for the lab's client, Pulumi and kubectl."""
    name = "runlease-lab"
    return write_private(
        home / "kubeconfig",
        yaml.safe_dump(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": name,
                "clusters": [{"name": name, "cluster": {"server": address, "certificate-authority": str(ca)}}],
                "users": [{"name": name, "user": {"token": token}}],
                "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
            }
        ),
    )


def _find_program(name: str) -> ApiServer | None:
    """A program on PATH, else in KUBEBUILDER_ASSETS (where Kubernetes's own test tool keeps such programs)."""
    for place, path in (("PATH", None), ("KUBEBUILDER_ASSETS", os.environ.get("KUBEBUILDER_ASSETS"))):
        if (place == "PATH" or path) and (found := shutil.which(name, path=path)):
            return ApiServer(place, binary=Path(found))
    return None
