"""What a CronJob of runlease's would find in its pod, on this machine."""

from __future__ import annotations

import base64
import json
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from lab.folders import private_folder
from lab.https import HttpsClient
from lab.kubernetes import Kubernetes
from runlease.cli import main
from tests.live.deployment import Deployment


@dataclass(frozen=True)
class Scheduled:
    """A site, and the pod of what runs there on a schedule."""

    site: Deployment
    kubernetes: Kubernetes
    folder: Path
    """`stack/` and `identity/` as the pod has them."""
    environment: dict[str, str]
    section: str
    namespace: str

    @classmethod
    def placed(cls, site: Deployment, kubernetes: Kubernetes, folder: Path, section: str, namespace: str) -> Scheduled:
        """With the volumes of its pod."""
        config = yaml.safe_load(kubernetes.kubeconfig.read_text())
        cluster = config["clusters"][0]["cluster"]
        server = urlsplit(cluster["server"])
        address = {"KUBERNETES_SERVICE_HOST": str(server.hostname), "KUBERNETES_SERVICE_PORT": str(server.port)}
        made = cls(site, kubernetes, folder, address, section, namespace)
        kubernetes.create_pod(namespace, made.pod, made.account)
        stack, identity = private_folder(folder / "stack"), private_folder(folder / "identity")
        found = kubernetes.get("v1", "ConfigMap", made.account, namespace)
        assert found
        for name, text in found["data"].items():
            (stack / name).write_text(text)
        (identity / "vault-token").write_text(made.token(site.audience))
        (identity / "cluster-token").write_text(made.token(kubernetes.issuer))
        (identity / "cluster-ca.crt").write_text(_authority(cluster))
        return made

    @property
    def account(self) -> str:
        return f"{self.site.installation}-{self.section}"

    @property
    def pod(self) -> str:
        return f"{self.account}-1"

    def token(self, audience: str, pod: str | None = "") -> str:
        """A token of its account, bound to its pod unless another or none is asked for."""
        return self.kubernetes.token(self.namespace, self.account, audience, self.pod if pod == "" else pod)

    def commanded(
        self, command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> Callable[..., tuple[int, dict[str, Any]]]:
        """The container's own command, with the paths of this machine: its exit code, and what it says."""
        monkeypatch.delenv("VAULT_TOKEN", raising=False)
        for name, value in self.environment.items():
            monkeypatch.setenv(name, value)

        def run(*more: str) -> tuple[int, dict[str, Any]]:
            stack, identity = self.folder / "stack" / "stack.yaml", self.folder / "identity"
            code = main([command, str(stack), "--identity", str(identity), "--format", "json", *more])
            return code, json.loads(capsys.readouterr().out)

        return run

    def as_account(self) -> HttpsClient:
        """The API server as the pod has it."""
        host, port = (self.environment[f"KUBERNETES_SERVICE_{part}"] for part in ("HOST", "PORT"))
        tls = ssl.create_default_context(cafile=str(self.folder / "identity" / "cluster-ca.crt"))
        bearer = {"Authorization": f"Bearer {self.token(self.kubernetes.issuer)}"}
        return HttpsClient(f"https://{host}:{port}", tls, bearer)


def _authority(cluster: dict[str, Any]) -> str:
    if "certificate-authority-data" in cluster:
        return base64.b64decode(cluster["certificate-authority-data"]).decode()
    return Path(cluster["certificate-authority"]).read_text()
