"""A certificate authority of the lab's own: every server speaks TLS, every client checks it."""

from __future__ import annotations

import datetime as dt
import ipaddress
import pwd
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from lab.folders import write_private

LOCAL_NAMES = ("localhost", "127.0.0.1")
"""What the lab's servers are called: they listen on the loopback address only."""

VALID_FOR = dt.timedelta(days=7)
"""Long enough to leave a lab running over a holiday; nothing of the lab is meant to last."""


Extension = tuple[x509.ExtensionType, bool]
"""An extension of a certificate, and whether it is critical."""


@dataclass(frozen=True)
class Certificate:
    """A certificate and its key, in PEM files; the key's mode is 0600."""

    certificate: Path
    key: Path


class CertificateAuthority:
    """A CA whose key never leaves this process: `certificate` is the file that clients trust."""

    def __init__(self, folder: Path) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "runlease lab CA")])
        self._certificate = self._sign(
            self._name,
            self._key.public_key(),
            [
                (x509.BasicConstraints(ca=True, path_length=0), True),
                (_key_usage(signs_certificates=True), True),
            ],
        )
        self.certificate = folder / "ca.pem"
        self.certificate.write_bytes(self._certificate.public_bytes(serialization.Encoding.PEM))

    def issue(
        self,
        names: Sequence[str],
        folder: Path,
        *,
        client: bool = False,
        owner: pwd.struct_passwd | None = None,
    ) -> Certificate:
        """A certificate for `names` (host names and addresses), in `folder`, named after the first one.

        client: it may also be used by a client, such as kube-apiserver towards etcd. owner: whose the key is.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        purposes = [ExtendedKeyUsageOID.SERVER_AUTH, *([ExtendedKeyUsageOID.CLIENT_AUTH] if client else [])]
        certificate = self._sign(
            x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])]),
            key.public_key(),
            [
                (x509.BasicConstraints(ca=False, path_length=None), True),
                (_key_usage(signs_certificates=False), True),
                (x509.ExtendedKeyUsage(purposes), False),
                (x509.SubjectAlternativeName([_general_name(name) for name in names]), False),
            ],
        )
        files = Certificate(folder / f"{names[0]}.pem", folder / f"{names[0]}.key")
        files.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        write_private(files.key, private_pem(key), owner)
        return files

    def _sign(
        self, subject: x509.Name, key: ec.EllipticCurvePublicKey, extensions: list[Extension]
    ) -> x509.Certificate:
        now = dt.datetime.now(dt.UTC)
        authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(hours=1))
            .not_valid_after(now + VALID_FOR)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
            .add_extension(authority, critical=False)
        )
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical)
        return builder.sign(self._key, hashes.SHA256())


def private_pem(key: PrivateKeyTypes) -> str:
    """A private key as PEM text, not encrypted."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
