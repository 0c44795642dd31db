"""The lab's tokens: those of kube-apiserver, and those of the lab's own issuer, which must be like them."""

from __future__ import annotations

import base64
import http.server
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest
import yaml

from lab import LabError
from lab.certificates import LOCAL_NAMES, CertificateAuthority
from lab.https import HttpsClient, RefusedError
from lab.issuer import LabIssuer, TokenIssuer
from lab.kubernetes import Kubernetes, client
from lab.kubernetes_server import EXISTING_CLUSTER, find_apiserver
from lab.openbao import OpenBao
from lab.processes import Processes

# --- tokens, from both issuers


@pytest.fixture(params=["kube-apiserver", "lab-issuer"])
def issuer(request: pytest.FixtureRequest) -> TokenIssuer:
    made: TokenIssuer = LabIssuer()
    if request.param == "kube-apiserver":
        made = request.getfixturevalue("kubernetes")
    for account in ("migrate", "seed"):
        made.create_service_account("ci", account)
    return made


def verified(issuer: TokenIssuer, token: str, audience: str) -> dict[str, Any]:
    claims: dict[str, Any] = jwt.decode(
        token, issuer.public_key_pem, ["RS256"], audience=audience, issuer=issuer.issuer
    )
    return claims


def test_a_pod_bound_token_names_the_pods_uid(issuer: TokenIssuer) -> None:
    uid = issuer.create_pod("ci", "run-1", "migrate")
    claims = verified(issuer, issuer.token("ci", "migrate", "runlease/lab", "run-1"), "runlease/lab")
    assert claims["sub"] == "system:serviceaccount:ci:migrate"
    assert claims["aud"] == ["runlease/lab"]
    assert claims["exp"] - claims["iat"] == 600
    assert claims["kubernetes.io"]["pod"] == {"name": "run-1", "uid": uid}
    assert issuer.create_pod("ci", "run-1", "migrate") == uid


def test_a_token_without_a_pod_names_none(issuer: TokenIssuer) -> None:
    claims = verified(issuer, issuer.token("ci", "migrate", "runlease/lab"), "runlease/lab")
    assert "pod" not in claims["kubernetes.io"]


def test_a_token_for_another_accounts_pod_is_refused(issuer: TokenIssuer) -> None:
    issuer.create_pod("ci", "run-2", "migrate")
    with pytest.raises(LabError):
        issuer.token("ci", "seed", "runlease/lab", "run-2")


@pytest.mark.parametrize(
    ("account", "pod", "seconds"),
    [("migrate", "no-such-pod", 600), ("no-such-account", None, 600), ("migrate", None, 599)],
)
def test_a_token_that_kubernetes_would_not_give_is_refused(
    issuer: TokenIssuer, account: str, pod: str | None, seconds: int
) -> None:
    with pytest.raises(LabError):
        issuer.token("ci", account, "runlease/lab", pod, seconds)


def test_the_public_key_has_no_newline_at_the_end(issuer: TokenIssuer) -> None:
    assert issuer.public_key_pem.startswith("-----BEGIN PUBLIC KEY-----\n")
    assert issuer.public_key_pem.endswith("-----END PUBLIC KEY-----")


def shape(value: object) -> object:
    """The keys and types of a JSON value, without what it says."""
    if isinstance(value, dict):
        return {key: shape(inner) for key, inner in value.items()}
    return [shape(inner) for inner in value] if isinstance(value, list) else type(value)


def test_the_labs_tokens_have_the_shape_of_the_api_servers(kubernetes: Kubernetes) -> None:
    shapes: list[tuple[object, object]] = []
    for one in (kubernetes, LabIssuer()):
        assert isinstance(one, Kubernetes | LabIssuer)
        one.create_service_account("ci", "migrate")
        one.create_pod("ci", "run-3", "migrate")
        token = one.token("ci", "migrate", "runlease/lab", "run-3")
        shapes.append((shape(jwt.get_unverified_header(token)), shape(verified(one, token, "runlease/lab"))))
    assert shapes[0] == shapes[1]


@pytest.fixture
def jwt_mount(openbao: OpenBao, issuer: TokenIssuer) -> Iterator[str]:
    """A JWT mount that trusts the issuer's key, with one role for ci/migrate."""
    root = openbao.root_token
    openbao.request("POST", "/sys/auth/lab-jwt", {"type": "jwt"}, root)
    openbao.request(
        "POST",
        "/auth/lab-jwt/config",
        {"jwt_validation_pubkeys": [issuer.public_key_pem], "bound_issuer": issuer.issuer},
        root,
    )
    openbao.request(
        "POST",
        "/auth/lab-jwt/role/migrate",
        {
            "role_type": "jwt",
            "user_claim": "sub",
            "bound_audiences": ["runlease/lab"],
            "bound_subject": "system:serviceaccount:ci:migrate",
        },
        root,
    )
    yield "/auth/lab-jwt"
    openbao.request("DELETE", "/sys/auth/lab-jwt", token=root)


def test_openbao_proves_the_tokens_of_both_issuers(openbao: OpenBao, issuer: TokenIssuer, jwt_mount: str) -> None:
    issuer.create_pod("ci", "run-4", "migrate")

    def login(account: str, audience: str, pod: str | None) -> dict[str, Any]:
        token = issuer.token("ci", account, audience, pod)
        return openbao.request("POST", f"{jwt_mount}/login", {"role": "migrate", "jwt": token})

    assert login("migrate", "runlease/lab", "run-4")["auth"]["client_token"]
    for account, audience in (("seed", "runlease/lab"), ("migrate", "runlease/other")):
        with pytest.raises(RefusedError):
            login(account, audience, None)


def test_openbao_refuses_a_token_of_another_issuers_key(openbao: OpenBao, issuer: TokenIssuer, jwt_mount: str) -> None:
    forger = LabIssuer(issuer=issuer.issuer)
    forger.create_service_account("ci", "migrate")
    with pytest.raises(RefusedError):
        openbao.request(
            "POST", f"{jwt_mount}/login", {"role": "migrate", "jwt": forger.token("ci", "migrate", "runlease/lab")}
        )


# --- Kubernetes


def test_kubernetes_stores_a_tekton_task_and_deletes_it(kubernetes: Kubernetes) -> None:
    kubernetes.create_namespace("stored")
    task = {
        "apiVersion": "tekton.dev/v1",
        "kind": "Task",
        "metadata": {"name": "migrate", "namespace": "stored"},
        "spec": {"steps": [{"name": "one", "image": "none", "script": "true"}]},
    }
    assert kubernetes.apply(task)["spec"] == task["spec"]
    kubernetes.delete("tekton.dev/v1", "Task", "migrate", "stored")
    assert kubernetes.get("tekton.dev/v1", "Task", "migrate", "stored") is None


def test_kubernetes_refuses_whoever_is_not_the_administrator(
    kubernetes: Kubernetes, lab_ca: CertificateAuthority
) -> None:
    kubernetes.create_service_account("ci", "migrate")
    token = kubernetes.token("ci", "migrate", kubernetes.issuer)
    context = ssl.create_default_context(cafile=str(lab_ca.certificate))
    for headers in ({}, {"Authorization": f"Bearer {token}"}):
        somebody = HttpsClient(kubernetes.issuer, context, headers)
        with pytest.raises(RefusedError) as refused:
            somebody.request("GET", "/api/v1/namespaces")
        assert refused.value.status == 403


def test_an_existing_cluster_is_used_only_when_it_is_named(
    kubernetes: Kubernetes, lab_folder: Path, lab_ca: CertificateAuthority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(kubernetes.kubeconfig))
    own = find_apiserver()
    assert own is None or own.kubeconfig is None
    monkeypatch.setenv(EXISTING_CLUSTER, str(kubernetes.kubeconfig))
    named = find_apiserver()
    assert named is not None
    assert named.binary is None
    with Processes(lab_folder) as nothing_started:
        cluster = Kubernetes.start(lab_folder, lab_ca, nothing_started, named)
    assert (cluster.issuer, cluster.public_key_pem) == (kubernetes.issuer, kubernetes.public_key_pem)


def test_a_named_cluster_without_a_file_is_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(EXISTING_CLUSTER, str(tmp_path / "missing"))
    with pytest.raises(LabError, match="no such file"):
        find_apiserver()


class Hello(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"hello": "you"}')

    def log_message(self, *_: object) -> None:
        """Says nothing."""


def test_a_kubeconfig_may_log_in_by_client_certificate(tmp_path: Path) -> None:
    ca = CertificateAuthority(tmp_path)
    server_files = ca.issue(LOCAL_NAMES, tmp_path)
    client_files = ca.issue(["admin"], tmp_path, client=True)
    server = http.server.HTTPServer(("127.0.0.1", 0), Hello)
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(ca.certificate))
    tls.verify_mode = ssl.CERT_REQUIRED
    tls.load_cert_chain(server_files.certificate, server_files.key)
    server.socket = tls.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(
        yaml.safe_dump(
            {
                "current-context": "c",
                "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
                "clusters": [
                    {
                        "name": "c",
                        "cluster": {
                            "server": f"https://localhost:{server.server_port}",
                            "certificate-authority": "ca.pem",
                        },
                    }
                ],
                "users": [
                    {
                        "name": "u",
                        "user": {
                            "client-certificate-data": base64.b64encode(client_files.certificate.read_bytes()).decode(),
                            "client-key": "admin.key",
                        },
                    }
                ],
            }
        )
    )
    try:
        assert client(kubeconfig).request("GET", "/") == {"hello": "you"}
    finally:
        server.shutdown()
        server.server_close()
