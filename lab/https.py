"""A client for the lab's own HTTPS APIs: JSON in, JSON out, the server's certificate always checked."""

from __future__ import annotations

import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any

from lab import LabError


class RefusedError(LabError):
    """The server answered with an error: `status` is HTTP's number, `reason` what the server said."""

    def __init__(self, method: str, url: str, status: int, reason: str) -> None:
        super().__init__(f"{method} {url}: refused with {status}: {reason}")
        self.status = status
        self.reason = reason


class HttpsClient:
    """Calls one server, without proxies: `context` says whom it trusts, `headers` go with every call."""

    def __init__(self, address: str, context: ssl.SSLContext, headers: Mapping[str, str] | None = None) -> None:
        self.address = address
        self._context = context
        self._headers = dict(headers or {})
        self._opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
        )

    def with_headers(self, headers: Mapping[str, str]) -> HttpsClient:
        """The same client, whose every call has these headers as well."""
        return HttpsClient(self.address, self._context, {**self._headers, **headers})

    def request(
        self, method: str, path: str, body: object = None, headers: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """The JSON object that the server answers, {} for none; `path` begins with a slash; 60 s at most.

        Raises RefusedError when the server says no, OSError when it cannot be reached or trusted.
        """
        url = self.address + path
        data = None if body is None else json.dumps(body).encode()
        every = {"Content-Type": "application/json", **self._headers, **(headers or {})}
        request = urllib.request.Request(url, data, every, method=method)  # noqa: S310 - address is https
        try:
            with self._opener.open(request, timeout=60) as response:
                return _object(response.read())
        except urllib.error.HTTPError as error:
            with error:
                raise RefusedError(method, url, error.code, error.read().decode(errors="replace")) from None

    def reachable(self, path: str) -> bool:
        """Whether `path` is answered without an error: what a starting server is asked."""
        try:
            self.request("GET", path)
        except (RefusedError, OSError):
            return False
        return True


def _object(text: bytes) -> dict[str, Any]:
    found = json.loads(text) if text.strip().startswith(b"{") else {}
    return dict(found)
