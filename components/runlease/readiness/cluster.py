"""The cluster's issuer: whether its keys can be found and belong to it."""

import base64
import binascii
import re
from collections.abc import Iterator
from pathlib import Path

from runlease.config import ClusterSettings
from runlease.readers.https import Answer, UnreachableError, get
from runlease.readiness.findings import Finding, error, note, warning

DISCOVERY = "/.well-known/openid-configuration"

_PEM = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----\s(.*?)-----END \1-----", re.DOTALL)

_KEY_TYPES = (
    bytes.fromhex("06092a864886f70d010101"),  # rsaEncryption, RFC 8017
    bytes.fromhex("06072a8648ce3d0201"),  # id-ecPublicKey, RFC 5480
    bytes.fromhex("06032b6570"),  # id-Ed25519, RFC 8410
)


def check_issuer(cluster: ClusterSettings, folder: Path) -> Iterator[Finding]:
    """Everything that is found out about the issuer, by the way that Vault gets its keys."""
    ca = folder / cluster.jwks_ca if cluster.jwks_ca else None
    for place, path in enumerate(cluster.public_keys):
        yield from judge_key(f"access.cluster.public_keys.{place}", path, (folder / path).read_bytes())
    if cluster.jwks == "discovery":
        found = _get(cluster.issuer.rstrip("/") + DISCOVERY, ca)
        yield from judge_discovery(cluster.issuer, found)
    elif cluster.jwks != "static":
        yield from judge_keys("access.cluster.jwks", cluster.jwks, _get(cluster.jwks, ca))


def _get(url: str, ca: Path | None) -> Answer | UnreachableError:
    try:
        return get(url, ca)
    except UnreachableError as failed:
        return failed


def judge_discovery(issuer: str, found: Answer | UnreachableError) -> Iterator[Finding]:
    """Judge the discovery document, which Vault reads when its JWT mount is made. Pure."""
    where = "access.cluster.issuer"
    yield from _reached(where, issuer.rstrip("/") + DISCOVERY, found)
    if isinstance(found, UnreachableError) or found.status != 200:
        return
    said = found.body.get("issuer")
    if said != issuer:
        yield error(
            where, f"the discovery document is another issuer's (got {said}, expected {issuer})", f"issuer: {said}"
        )


def judge_keys(where: str, url: str, found: Answer | UnreachableError) -> Iterator[Finding]:
    """Judge what a JWKS URL answers. Pure."""
    yield from _reached(where, url, found)
    if isinstance(found, Answer) and found.status == 200 and not found.body.get("keys"):
        yield error(where, f"no keys there (got {url}, expected a JWKS)", "name the issuer's jwks_uri")


def _reached(where: str, url: str, found: Answer | UnreachableError) -> Iterator[Finding]:
    if isinstance(found, UnreachableError):
        problem = f"not reached from this machine, and Vault must reach it: {found.problem}"
        yield warning(where, problem, f"{found.fix}; on Vault's own server try: curl {url}")
    elif found.status in (401, 403):
        yield error(
            where,
            f"only known clients may read it, and Vault asks as nobody (got status {found.status} for {url})",
            "kubectl create clusterrolebinding oidc-discovery --group=system:unauthenticated"
            " --clusterrole=system:service-account-issuer-discovery; or set jwks: static",
        )
    elif found.status != 200:
        problem = f"nothing to read there (got status {found.status} for {url})"
        yield error(where, problem, "correct the address, or set jwks: static with public_keys")
    else:
        problem = "reached from this machine; Vault must reach it as well"
        yield note(where, problem, f"on Vault's own server try: curl {url}")


def judge_key(where: str, path: str, content: bytes) -> Iterator[Finding]:
    """Judge a static key: one PEM public key, as Vault reads it. Pure."""
    blocks = _PEM.findall(content.decode("ascii", errors="replace"))
    kinds = [kind for kind, _ in blocks]
    if any("PRIVATE KEY" in kind for kind in kinds):
        problem = f"a private key, which can sign tokens (got {path})"
        yield error(
            where, problem, f"openssl pkey -in {path} -pubout, keep its output here, and take the private key away"
        )
    elif kinds == ["RSA PUBLIC KEY"]:
        problem = f"an RSA key that Vault does not read (got PKCS#1 in {path}, expected BEGIN PUBLIC KEY)"
        yield error(where, problem, f"openssl rsa -RSAPublicKey_in -in {path} -pubout")
    elif kinds != ["PUBLIC KEY"]:
        problem = f"not one public key (got {kinds or 'no PEM'} in {path}, expected one BEGIN PUBLIC KEY)"
        yield error(where, problem, "one file for each of the issuer's public keys")
    elif not _is_public_key(blocks[0][1]):
        yield error(where, f"cannot be read (got a damaged key, or neither RSA nor EC, in {path})", "fetch it again")


def _is_public_key(text: str) -> bool:
    """Whether it is DER of a known key type, whole: SEQUENCE { SEQUENCE { type, … }, key } (RFC 5280, 4.1.2.7)."""
    try:
        der = base64.b64decode("".join(text.split()), validate=True)
    except binascii.Error:
        return False
    outer = _sequence(der)
    inner = _sequence(outer) if outer else None
    return outer is not None and inner is not None and inner.startswith(_KEY_TYPES) and len(der) == _length(der)


def _sequence(der: bytes) -> bytes | None:
    return der[_header(der) :] if len(der) > 1 and der[0] == 0x30 else None


def _header(der: bytes) -> int:
    return 2 if der[1] < 0x80 else 2 + (der[1] & 0x7F)


def _length(der: bytes) -> int:
    header = _header(der)
    return header + (der[1] if header == 2 else int.from_bytes(der[2:header]))
