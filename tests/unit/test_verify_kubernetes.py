"""What Kubernetes answers, and which kubeconfigs can be used."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from runlease.config import load
from runlease.evidence.verify.check import Found, NotTried
from runlease.evidence.verify.edge_kubernetes import Cluster, judge, verify_kubernetes
from runlease.readers.https import Answer
from tests.unit.config_edits import settings_with


@pytest.mark.parametrize(
    ("kind", "answer", "id"),
    [
        ("serviceaccounts", Answer(404, {}), "LV801"),
        ("serviceaccounts", Answer(200, {}), "LV802"),
        ("serviceaccounts", Answer(200, {"automountServiceAccountToken": True}), "LV802"),
        ("configmaps", Answer(404, {}), "LV803"),
    ],
)
def test_an_object_that_is_not_as_it_was_made_is_found(kind: str, answer: Answer, id: str) -> None:
    (found,) = judge(kind, "ci", "a", answer)
    assert isinstance(found, Found)
    assert (found.id, found.where) == (id, "Kubernetes: ci/a")


def test_what_is_there_is_no_finding_and_what_may_not_be_read_is_not_tried() -> None:
    assert list(judge("serviceaccounts", "ci", "a", Answer(200, {"automountServiceAccountToken": False}))) == []
    assert list(judge("configmaps", "ci", "a", Answer(200, {}))) == []
    (missing,) = judge("configmaps", "ci", "a", Answer(403, {}))
    assert isinstance(missing, NotTried)
    assert "--resource=configmaps -n ci" in missing.fix


def test_a_broken_kubeconfig_is_not_quoted(tmp_path: Path) -> None:
    path = tmp_path / "kubeconfig"
    path.write_text('users: [{token: "secret-token", broken: ]')
    (missing,) = verify_kubernetes(load(settings_with()), path)
    assert "secret-token" not in str(missing)


def test_a_token_goes_over_tls_alone(tmp_path: Path) -> None:
    path = kubeconfig(tmp_path, token="secret-token")
    path.write_text(path.read_text().replace("https://127", "http://127"))
    (missing,) = verify_kubernetes(load(settings_with()), path)
    assert "expected a context with an https server" in str(missing)


def kubeconfig(folder: Path, **user: str) -> Path:
    (folder / "ca.pem").write_text("a certificate")
    path = folder / "kubeconfig"
    document = {
        "current-context": "here",
        "contexts": [{"name": "here", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:1", "certificate-authority": "ca.pem"}}],
        "users": [{"name": "u", "user": user}],
    }
    path.write_text(yaml.safe_dump(document))
    return path


def test_a_token_is_read_and_never_shown(tmp_path: Path) -> None:
    cluster = Cluster.of(kubeconfig(tmp_path, token="secret-token"), None)
    assert (cluster.server, cluster.token) == ("https://127.0.0.1:1", "secret-token")
    assert "secret-token" not in repr(cluster)


@pytest.mark.parametrize("user", [{}, {"client-certificate": "a.pem", "client-key": "b.pem"}])
def test_another_way_to_log_in_is_not_tried_and_said(tmp_path: Path, user: dict[str, str]) -> None:
    (missing,) = verify_kubernetes(load(settings_with()), kubeconfig(tmp_path, **user))
    assert isinstance(missing, NotTried)
    assert "kubectl create token" in missing.fix


def test_a_kubeconfig_that_is_not_there_is_not_tried(tmp_path: Path) -> None:
    (missing,) = verify_kubernetes(load(settings_with()), tmp_path / "absent")
    assert isinstance(missing, NotTried)
