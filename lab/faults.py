"""A server between a client and OpenBao that does what networks do: it is slow, silent, cuts off, is another one."""

from __future__ import annotations

import http.client
import http.server
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from urllib.parse import urlsplit

from lab.certificates import LOCAL_NAMES, CertificateAuthority
from lab.folders import private_folder
from lab.openbao import OpenBao

SILENCE = 60.0
"""Seconds after which also a silent connection ends."""


class Fault(StrEnum):
    """What happens to a request."""

    SLOW = "slow"
    """It is passed on, and its answer comes two seconds late."""
    HELD = "held"
    """It is passed on, and its answer comes when the fault is taken back."""
    SILENT = "silent"
    """It is not passed on, and nothing is answered."""
    REFUSED = "refused"
    """It is not passed on; the connection is cut."""
    CUT = "cut"
    """It is passed on; the connection is cut in the middle of its answer."""
    SEALED = "sealed"
    """What a sealed OpenBao answers."""
    NOT_JSON = "not json"
    """A web page, as another server has it."""


@dataclass(frozen=True)
class Request:
    """One request as it came, without its body."""

    method: str
    path: str
    headers: dict[str, str]


class FaultyProxy:
    """Passes requests on to OpenBao, over TLS on both sides, but for the faults that are set."""

    def __init__(self, openbao: OpenBao) -> None:
        self.requests: list[Request] = []
        self._openbao, self._faults, self._lock = openbao, dict[str, list[Fault]](), threading.Lock()
        self._quiet = threading.Event()
        self._tls = ssl.create_default_context(cafile=str(openbao.ca))
        self.address = ""

    def fail(self, path: str, *faults: Fault) -> None:
        """Let the next requests whose path ends in `path` meet these faults, one each; the last one stays."""
        with self._lock:
            self._faults[path] = list(faults)

    def heal(self) -> None:
        """Take every fault back; answers that were held go out."""
        with self._lock:
            self._faults.clear()
        self._quiet.set()
        self._quiet = threading.Event()

    def asked(self, path: str) -> int:
        """How many requests ended in `path`."""
        return sum(request.path.endswith(path) for request in self.requests)

    def fault(self, path: str) -> Fault | None:
        """What the next request for `path` meets."""
        with self._lock:
            for end, faults in self._faults.items():
                if path.endswith(end):
                    return faults.pop(0) if len(faults) > 1 else faults[0]
        return None

    def wait(self, seconds: float) -> None:
        """Wait so long, or until the faults are taken back."""
        self._quiet.wait(seconds)

    def pass_on(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
        """What OpenBao answers."""
        server = http.client.HTTPSConnection(urlsplit(self._openbao.address).netloc, timeout=SILENCE, context=self._tls)
        server.request(method, path, body or None, headers)
        answer = server.getresponse()
        return answer.status, answer.read()


@contextmanager
def faulty_proxy(openbao: OpenBao, ca: CertificateAuthority, folder: Path, *names: str) -> Iterator[FaultyProxy]:
    """A running proxy on a free port of the loopback address, with a certificate for `names` (default: its own)."""
    proxy = FaultyProxy(openbao)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _handler(proxy))
    server.daemon_threads = True
    certificate = ca.issue(names or LOCAL_NAMES, private_folder(folder))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate.certificate, certificate.key)
    server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    proxy.address = f"https://localhost:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        proxy.heal()
        server.shutdown()
        server.server_close()


def _handler(proxy: FaultyProxy) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        timeout = SILENCE

        def _serve(self) -> None:
            headers = {name: value for name, value in self.headers.items() if name.lower() != "host"}
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            proxy.requests.append(Request(self.command, self.path, headers))
            fault = proxy.fault(self.path)
            if fault is Fault.REFUSED:
                return
            if fault is Fault.SILENT:
                proxy.wait(SILENCE)
                return
            if fault is Fault.SEALED:
                self._answer(503, b'{"errors":["Vault is sealed"]}')
                return
            if fault is Fault.NOT_JSON:
                self._answer(200, b"<html>Welcome</html>")
                return
            status, answer = proxy.pass_on(self.command, self.path, body, headers)
            if fault is Fault.HELD:
                proxy.wait(SILENCE)
            if fault is Fault.SLOW:
                time.sleep(2)
            self._answer(status, answer, cut=fault is Fault.CUT)

        def _answer(self, status: int, answer: bytes, *, cut: bool = False) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(max(len(answer), 1) if cut else len(answer)))
            self.end_headers()
            self.wfile.write(answer[: len(answer) // 2] if cut else answer)

        do_GET = do_POST = do_PUT = _serve  # noqa: N815 - http.server's names

        def log_message(self, *_: object) -> None:
            """Nothing: the requests are kept."""

    return Handler
