"""The least that a client can do: log in with a pod's token and read one credential. Imports what that needs alone.

`python bench/bare_client.py ADDRESS CA TOKEN_FILE MOUNT ROLE CREDS DONE` writes the file DONE, then waits for SIGTERM.
Each call has a connection of its own, as the guard's have.
"""

from __future__ import annotations

import http.client
import json
import os
import signal
import ssl
import sys
import urllib.parse
from pathlib import Path

Answer = dict[str, dict[str, str]]


def call(address: str, tls: ssl.SSLContext, method: str, path: str, body: object, token: str) -> Answer:
    """One request and its JSON."""
    server = http.client.HTTPSConnection(urllib.parse.urlsplit(address).netloc, timeout=60, context=tls)
    server.request(method, f"/v1/{path}", json.dumps(body) if body else None, {"X-Vault-Token": token} if token else {})
    answer = server.getresponse()
    document: Answer = json.loads(answer.read())
    if answer.status != 200:
        raise SystemExit(f"bench.bare_client: {path} was refused (got {answer.status}: {document})")
    return document


def lease(address: str, ca: str, token_file: str, mount: str, role: str, creds: str) -> str:
    """The login and password of a new lease."""
    tls = ssl.create_default_context(cafile=ca)
    login = {"role": role, "jwt": Path(token_file).read_text()}
    token = call(address, tls, "POST", f"{mount}/login", login, "")["auth"]["client_token"]
    data = call(address, tls, "GET", creds, None, token)["data"]
    return f"{data['username']}:{data['password']}"


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    draft = Path(sys.argv[7] + ".draft")
    draft.write_text(lease(*sys.argv[1:7]))
    draft.rename(sys.argv[7])
    signal.pause()
