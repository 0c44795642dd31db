"""Why a server gives no answer, and where a token is sent."""

from __future__ import annotations

import os
import socket
import ssl
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from lab.certificates import LOCAL_NAMES, CertificateAuthority
from runlease.readers.https import Answer, UnreachableError, get, in_plain_words


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


def test_a_ca_file_that_has_changed_is_read_again(tmp_path: Path) -> None:
    ca = CertificateAuthority(tmp_path).certificate
    for _ in range(2):
        with pytest.raises(UnreachableError, match="nothing listens there"):
            get("https://localhost:1", ca)
    ca.write_text("no certificate")
    os.utime(ca, ns=(0, 0))  # two writes can fall into one tick of the clock
    with pytest.raises(UnreachableError, match="holds no certificate"):
        get("https://localhost:1", ca)
