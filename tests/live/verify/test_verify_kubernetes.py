"""Whether the objects of a stack are in a cluster, asked of a real API server with a token that may read two kinds."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab.kubernetes import Kubernetes
from runlease.config import Settings, load
from runlease.evidence.verify.check import Answered, Found, NotTried, Told
from runlease.evidence.verify.edge_kubernetes import verify_kubernetes
from runlease.readers.api_server import Ask, by_kubectl
from tests.unit.config_edits import at, settings_with

NAMESPACE = "verified"


@pytest.fixture
def settings(kubernetes: Kubernetes) -> Settings:
    pipelines = {"release": {"namespace": NAMESPACE, "tasks": {"migrate": "shop-migrator", "read": "shop-reader"}}}
    return load(settings_with(at("pipelines", is_=pipelines), at("cluster", "issuer", is_=kubernetes.issuer)))


def kubeconfig_of(kubernetes: Kubernetes, folder: Path, *, may: bool) -> Path:
    """That of a service account, which may read what is asked or nothing."""
    account = "verify" if may else "nobody"
    kubernetes.create_service_account(NAMESPACE, account)
    if may:
        rules = [{"apiGroups": [""], "resources": ["serviceaccounts", "configmaps"], "verbs": ["get"]}]
        subject = {"kind": "ServiceAccount", "name": account, "namespace": NAMESPACE}
        reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": account}
        for kind, rest in (("Role", {"rules": rules}), ("RoleBinding", {"roleRef": reference, "subjects": [subject]})):
            metadata = {"name": account, "namespace": NAMESPACE}
            made = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind, "metadata": metadata, **rest}
            kubernetes.apply(made)
    document: dict[str, Any] = yaml.safe_load(kubernetes.kubeconfig.read_text())
    token = kubernetes.token(NAMESPACE, account, kubernetes.issuer)
    document["users"] = [{"name": one["name"], "user": {"token": token}} for one in document["users"]]
    path = folder / "kubeconfig"
    path.write_text(yaml.safe_dump(document))
    return path


def asking(path: Path) -> Ask:
    return by_kubectl(None, {"KUBECONFIG": str(path), "HOME": str(path.parent), "PATH": os.environ["PATH"]})


def ids(answers: Iterable[Told]) -> set[tuple[str, str]]:
    server, *rest = answers
    assert re.fullmatch(r"Kubernetes: kube-apiserver v1\.34\.\d+", str(server))
    return {(one.id, one.object) if isinstance(one, Found) else ("not tried", str(one)) for one in rest}


def test_what_is_not_in_the_cluster_is_found(kubernetes: Kubernetes, settings: Settings, tmp_path: Path) -> None:
    config = f"runlease-{settings.installation}"
    path = kubeconfig_of(kubernetes, tmp_path, may=True)
    assert ids(verify_kubernetes(settings, asking(path))) == {
        ("LV801", f"{NAMESPACE}/release-migrate"),
        ("LV801", f"{NAMESPACE}/release-read"),
        ("LV803", f"{NAMESPACE}/{config}"),
    }
    kubernetes.create_service_account(NAMESPACE, "release-migrate")
    metadata = {"namespace": NAMESPACE, "name": "release-read"}
    kubernetes.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata})
    kubernetes.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"namespace": NAMESPACE, "name": config}})
    assert ids(verify_kubernetes(settings, asking(path))) == {("LV802", f"{NAMESPACE}/release-read")}


def test_what_may_not_be_read_is_not_tried(kubernetes: Kubernetes, settings: Settings, tmp_path: Path) -> None:
    server, *answers = verify_kubernetes(settings, asking(kubeconfig_of(kubernetes, tmp_path, may=False)))
    assert isinstance(server, Answered)
    assert len(answers) == 3
    assert all(isinstance(one, NotTried) and "got 403" in one.why for one in answers)
