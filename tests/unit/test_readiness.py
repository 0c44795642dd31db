"""What `runlease check` decides about Vault and the cluster, and how it tells what it found."""

import json
import socket
import ssl
import threading
from collections.abc import Mapping
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from lab.certificates import LOCAL_NAMES, CertificateAuthority
from runlease.config import Settings, load
from runlease.readiness.cluster import judge_discovery, judge_key, judge_keys
from runlease.readiness.engine import Engine, Token, judge
from runlease.readiness.findings import Checked, Finding, Severity, as_json, as_text, error, has_errors, note, warning
from runlease.readiness.https import Answer, UnreachableError, get, in_plain_words

ISSUER = "https://oidc.cluster.internal"
BAO = {"initialized": True, "sealed": False, "version": "2.7.2"}
HEALTHY = Engine(BAO, Token.ACCEPTED, mounts={}, auths={}, policies=frozenset({"default"}))


def settings(**vault: Any) -> Settings:
    return load(
        {
            "installation": "shop-prod",
            "vault": {"address": "https://vault:8200", **vault},
            "cluster": {"issuer": ISSUER},
            "databases": {
                "shop": {
                    "server": "self_managed",
                    "host": "db",
                    "dbname": "shop",
                    "ca": "ca.pem",
                    "public": "keep",
                    "owner": "shop_owner",
                    "schemas": ["app"],
                    "profiles": {"reader": {}},
                }
            },
            "leases": {"shop-reader": {"database": "shop", "profile": "reader", "ttl": "5m", "max_ttl": "10m"}},
            "pipelines": {"release": {"namespace": "ci", "tasks": {"read": "shop-reader"}}},
        }
    )


def only(findings: Any) -> Finding:
    (finding,) = findings
    assert isinstance(finding, Finding)
    return finding


# --- Vault


def test_a_healthy_vault_with_free_names_has_no_finding() -> None:
    assert list(judge(settings(), HEALTHY)) == []


def test_without_a_token_it_says_what_is_not_checked() -> None:
    finding = only(judge(settings(), Engine(BAO)))
    assert finding.severity is Severity.NOTE
    assert "VAULT_TOKEN" in finding.problem


def test_a_refused_token_is_an_error() -> None:
    assert only(judge(settings(), Engine(BAO, Token.REFUSED))).problem == "VAULT_TOKEN is refused"


@pytest.mark.parametrize(
    ("health", "problem"),
    [
        ({}, "no Vault answers there"),
        ({**BAO, "sealed": True}, "is sealed"),
        ({**BAO, "initialized": False, "sealed": True}, "is not initialised"),
    ],
)
def test_a_vault_that_cannot_serve_is_one_error(health: Mapping[str, Any], problem: str) -> None:
    finding = only(judge(settings(), Engine(health)))
    assert finding.severity is Severity.ERROR
    assert finding.problem.startswith(problem)


@pytest.mark.parametrize(
    ("health", "least"),
    [
        ({"version": "2.5.4"}, "OpenBao 2.5.4, expected at least 2.6.0"),
        ({"version": "1.18.0", "enterprise": False}, "Vault 1.18.0, expected at least 2.0.0"),
        ({"version": "1.18.0"}, "Vault 1.18.0, expected at least 2.0.0"),
        ({"version": "1.21.4+ent", "enterprise": True}, "expected at least 1.21.5"),
        ({"version": "1.20.9+ent", "enterprise": True}, "expected at least 1.20.10"),
    ],
)
def test_a_version_with_known_holes_is_a_warning(health: Mapping[str, Any], least: str) -> None:
    finding = only(judge(settings(), replace(HEALTHY, health={**BAO, **health})))
    assert finding.severity is Severity.WARNING
    assert least in finding.problem


@pytest.mark.parametrize(
    "health",
    [
        {"version": "2.6.0"},
        {"version": "2.0.0", "enterprise": False},
        {"version": "1.21.5+ent", "enterprise": True},
        {"version": "1.19.16+ent", "enterprise": True},
    ],
)
def test_a_version_without_known_holes_is_fine(health: Mapping[str, Any]) -> None:
    assert list(judge(settings(), replace(HEALTHY, health={**BAO, **health}))) == []


def test_a_missing_namespace_is_the_only_thing_said_about_the_token() -> None:
    finding = only(judge(settings(namespace="team/db"), Engine(BAO, Token.REFUSED, namespace_missing=True)))
    assert finding.where == "access.vault.namespace"
    assert finding.fix == "bao namespace create team/db"


def test_a_vault_without_namespaces_is_named_without_a_token() -> None:
    health = {**BAO, "version": "2.0.0", "enterprise": False}
    findings = list(judge(settings(namespace="team"), Engine(health)))
    assert [one.severity for one in findings] == [Severity.ERROR, Severity.NOTE]


def test_mounts_of_somebody_else_are_errors_and_of_an_earlier_up_notes() -> None:
    theirs, ours = {"type": "kv", "description": "ours since 2019"}, {"type": "database", "description": "runlease: x"}
    assert only(judge(settings(), replace(HEALTHY, mounts={"shop-prod-db/": theirs}))).severity is Severity.ERROR
    assert only(judge(settings(), replace(HEALTHY, auths={"shop-prod-jwt/": theirs}))).severity is Severity.ERROR
    assert only(judge(settings(), replace(HEALTHY, mounts={"shop-prod-db/": ours}))).severity is Severity.NOTE


def test_policies_of_our_names_are_an_error_unless_the_mount_is_ours() -> None:
    taken = replace(HEALTHY, policies=frozenset({"shop-prod.shop-reader"}))
    assert "shop-prod.shop-reader" in only(judge(settings(), taken)).problem
    ours = replace(taken, mounts={"shop-prod-db/": {"type": "database", "description": "runlease: leases"}})
    assert only(judge(settings(), ours)).severity is Severity.NOTE


@pytest.mark.parametrize("auths", [{}, {"kube/": {"type": "kubernetes"}}])
def test_a_jwt_mount_that_is_none_is_an_error(auths: Mapping[str, Mapping[str, Any]]) -> None:
    finding = only(judge(settings(jwt_mount="kube"), replace(HEALTHY, auths=auths)))
    assert finding.where == "access.vault.jwt_mount"
    fine = replace(HEALTHY, auths={"kube/": {"type": "jwt"}})
    assert list(judge(settings(jwt_mount="kube"), fine)) == []


def test_a_token_that_may_not_list_is_a_note() -> None:
    assert "not all checked" in only(judge(settings(), replace(HEALTHY, policies=None))).problem


# --- the cluster


def test_the_discovery_document_must_name_the_same_issuer() -> None:
    findings = list(judge_discovery(ISSUER, Answer(200, {"issuer": ISSUER + "/"})))
    assert [one.severity for one in findings] == [Severity.NOTE, Severity.ERROR]
    assert "Vault must reach it" in only(judge_discovery(ISSUER, Answer(200, {"issuer": ISSUER}))).problem


def test_an_issuer_that_this_machine_does_not_reach_is_a_warning() -> None:
    finding = only(judge_discovery(ISSUER, UnreachableError("no such host", "correct the name")))
    assert finding.severity is Severity.WARNING


@pytest.mark.parametrize("status", [401, 403])
def test_an_issuer_that_wants_to_know_who_asks_is_an_error(status: int) -> None:
    finding = only(judge_discovery(ISSUER, Answer(status, {})))
    assert finding.severity is Severity.ERROR
    assert "system:service-account-issuer-discovery" in finding.fix


def test_a_jwks_url_must_have_keys() -> None:
    assert only(judge_keys("w", "u", Answer(404, {}))).severity is Severity.ERROR
    assert [one.severity for one in judge_keys("w", "u", Answer(200, {"keys": []}))] == [Severity.NOTE, Severity.ERROR]
    assert only(judge_keys("w", "u", Answer(200, {"keys": [{}]}))).severity is Severity.NOTE


RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PEM, SPKI = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo


@pytest.mark.parametrize("key", [RSA, ec.generate_private_key(ec.SECP256R1()), ed25519.Ed25519PrivateKey.generate()])
def test_public_keys_in_pem_are_fine(key: Any) -> None:
    assert list(judge_key("w", "k.pem", key.public_key().public_bytes(PEM, SPKI))) == []
    assert list(judge_key("w", "k.pem", b"# a comment\n" + key.public_key().public_bytes(PEM, SPKI).strip())) == []


def test_a_private_key_is_called_one() -> None:
    private = RSA.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    assert "private key" in only(judge_key("w", "k.pem", private)).problem


def test_a_key_that_vault_does_not_read_comes_with_the_command_that_turns_it() -> None:
    pkcs1 = RSA.public_key().public_bytes(PEM, serialization.PublicFormat.PKCS1)
    assert "openssl rsa" in only(judge_key("w", "k.pem", pkcs1)).fix


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe",
        b"not a key",
        RSA.public_key().public_bytes(PEM, SPKI) * 2,
        b"-----BEGIN PUBLIC KEY-----\n!!!!\n-----END PUBLIC KEY-----",
        b"-----BEGIN PUBLIC KEY-----\nMA==\n-----END PUBLIC KEY-----",
        b"-----BEGIN PUBLIC KEY-----\nMIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8A\n-----END PUBLIC KEY-----",
        b"-----BEGIN PUBLIC KEY-----\nMAIFAA==\n-----END PUBLIC KEY-----",
    ],
)
def test_what_is_no_public_key_is_an_error(content: bytes) -> None:
    assert only(judge_key("w", "k.pem", content)).severity is Severity.ERROR


# --- why there is no answer


@pytest.mark.parametrize(
    ("reason", "problem"),
    [
        (ssl.SSLCertVerificationError("self-signed certificate"), "the certificate is not trusted"),
        (ssl.SSLCertVerificationError("Hostname mismatch, not valid"), "the certificate is for another name"),
        (ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number"), "does not speak TLS"),
        (socket.gaierror(-2, "Name or service not known"), "no such host"),
        (TimeoutError("timed out"), "no answer within 5 s"),
        (ConnectionRefusedError(111, "Connection refused"), "nothing listens there"),
        (ConnectionResetError(104, "reset"), "no usable answer"),
    ],
)
def test_a_server_that_does_not_answer_says_why(reason: Exception, problem: str) -> None:
    said = in_plain_words("https://vault:8200", reason)
    assert said.problem.startswith(problem)
    assert "https://vault:8200" in said.problem


class Redirecting(BaseHTTPRequestHandler):
    """Sends every caller on to /other, and remembers who came."""

    came: ClassVar[list[tuple[str, str | None]]] = []

    def do_GET(self) -> None:
        self.came.append((self.path, self.headers["X-Vault-Token"]))
        self.send_response(307)
        self.send_header("Location", "/other")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def test_a_token_is_sent_to_its_address_and_nowhere_else(tmp_path: Path) -> None:
    authority = CertificateAuthority(tmp_path)
    served = authority.issue(LOCAL_NAMES, tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(served.certificate, served.key)
    with HTTPServer(("127.0.0.1", 0), Redirecting) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        answer = get(f"https://localhost:{server.server_port}/first", authority.certificate, {"X-Vault-Token": "t"})
        server.shutdown()
        thread.join()
    assert answer == Answer(307, {})
    assert Redirecting.came == [("/first", "t")]


def test_a_ca_file_without_a_certificate_is_named(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("no certificate")
    with pytest.raises(UnreachableError, match="holds no certificate"):
        get("https://localhost:1", tmp_path / "ca.pem")


# --- telling it

FOUND = (
    Checked.of("PostgreSQL shop", [note("b", "three", "-"), warning("b", "two", "-"), error("a", "one", "mend it")]),
    Checked.of("Vault", []),
)


def test_text_is_grouped_with_the_worst_first_and_a_summary_last() -> None:
    assert as_text(FOUND).splitlines() == [
        "PostgreSQL shop",
        "  error    a: one. Fix: mend it",
        "  warning  b: two. Fix: -",
        "  note     b: three. Fix: -",
        "Vault",
        "  nothing found",
        "1 error, 1 warning, 1 note",
    ]


def test_json_carries_the_same() -> None:
    told = json.loads(as_json(FOUND))
    assert told["count"] == {"error": 1, "warning": 1, "note": 1}
    assert told["systems"][0]["findings"][0] == {"severity": "error", "where": "a", "problem": "one", "fix": "mend it"}
    assert told["systems"][1]["findings"] == []


def test_only_errors_count_as_errors() -> None:
    assert has_errors(FOUND)
    assert not has_errors([Checked.of("Vault", [warning("a", "b", "c"), note("a", "b", "c")])])


def test_a_name_from_a_server_cannot_write_to_the_terminal() -> None:
    told = as_text([Checked.of("x", [error("a", "role \x1b[2J\nDROP", "-")])])
    assert "\x1b" not in told
    assert "\\x1b[2J\\nDROP" in told
