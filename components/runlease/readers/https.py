"""One question over TLS, and in plain words why there was no answer."""

import http.client
import json
import socket
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

SECONDS = 5
"""How long to wait for a connection, and for each piece of the answer."""

_LARGEST = 10_000_000


@dataclass(frozen=True)
class Answer:
    """HTTP status, and the JSON object in the body: {} for anything else."""

    status: int
    body: Mapping[str, Any]


class UnreachableError(Exception):
    """There was no answer that could be trusted: what is wrong, and what mends it."""

    def __init__(self, problem: str, fix: str) -> None:
        super().__init__(problem)
        self.problem = problem
        self.fix = fix


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A token goes to the address in the settings and nowhere else."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


def get(url: str, ca: Path | None, headers: Mapping[str, str] | None = None) -> Answer:
    """Ask `url`, whose certificate must be signed by `ca` (None: by the system's store). Raises UnreachableError."""
    return send("GET", url, ca, headers)


def send(
    method: str,
    url: str,
    ca: Path | None,
    headers: Mapping[str, str] | None = None,
    body: Mapping[str, Any] | None = None,
    seconds: float = SECONDS,
) -> Answer:
    """The same with another method, a JSON body, and more patience. Raises UnreachableError."""
    try:
        context = _trusting(ca, ca.stat().st_mtime_ns if ca else 0)
    except ssl.SSLError:
        raise UnreachableError(
            f"the CA file holds no certificate (got {ca})", "put the CA certificate (PEM) there"
        ) from None
    opener = urllib.request.build_opener(_NoRedirect(), urllib.request.HTTPSHandler(context=context))
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(  # noqa: S310 - the settings allow https alone
        url, data, dict(headers or {}), method=method
    )
    try:
        return _ask(opener, request, seconds)
    except (OSError, http.client.HTTPException) as failed:
        reason = failed.reason if isinstance(failed, urllib.error.URLError) else failed
        raise in_plain_words(url, reason) from failed


@lru_cache
def _trusting(ca: Path | None, _changed: int) -> ssl.SSLContext:
    """Made once for each state of a file.

    The system's store takes 60 ms to read, and a look at a whole Vault asks hundreds of questions.
    """
    return ssl.create_default_context(cafile=str(ca) if ca else None)


def _ask(opener: urllib.request.OpenerDirector, request: urllib.request.Request, seconds: float) -> Answer:
    try:
        response = opener.open(request, timeout=seconds)
    except urllib.error.HTTPError as refused:
        response = refused  # an answer like any other: the status says it
    with response:
        return Answer(response.status, _object(response.read(_LARGEST)))


def in_plain_words(url: str, reason: object) -> UnreachableError:
    """Why `url` did not answer, and what mends it. Pure."""
    match reason:
        case ssl.SSLCertVerificationError() if "mismatch" in str(reason).lower():
            return UnreachableError(
                f"the certificate is for another name (got {url}: {reason})",
                "use a name that the certificate has",
            )
        case ssl.SSLCertVerificationError():
            return UnreachableError(
                f"the certificate is not trusted (got {url}: {reason})",
                "name the CA that signed it: ca for Vault, jwks_ca for the cluster",
            )
        case ssl.SSLError():
            return UnreachableError(
                f"does not speak TLS as expected (got {url}: {reason})", "use the server's TLS address"
            )
        case socket.gaierror():
            return UnreachableError(f"no such host (got {url})", "correct the name, or run this where it resolves")
        case TimeoutError():
            return UnreachableError(
                f"no answer within {SECONDS} s (got {url})", "open the way, or run this from inside the network"
            )
        case ConnectionRefusedError():
            return UnreachableError(f"nothing listens there (got {url})", "start the server or correct the address")
        case _:
            return UnreachableError(
                f"no usable answer (got {url}: {reason})", "ask it with curl -v, and correct the address"
            )


def _object(text: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
