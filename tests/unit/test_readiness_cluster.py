"""What `runlease check` decides about the cluster's issuer and its keys."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from runlease.readers.https import Answer, UnreachableError
from runlease.readiness.cluster import judge_discovery, judge_key, judge_keys
from runlease.readiness.findings import Severity
from tests.unit.findings import only

ISSUER = "https://oidc.cluster.internal"


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
