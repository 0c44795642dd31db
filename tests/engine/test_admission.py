"""Admission under the real engine: it converges, follows the settings, and goes last on a destroy."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

from lab.https import RefusedError
from lab.stack import Servers
from runlease.provision.admission.policies import POLICIES
from tests.engine.deployment import Deployment

KINDS = ("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding")


def test_admission_converges_follows_the_settings_and_is_destroyed(servers15: Servers, lab_folder: Path) -> None:
    shop = Deployment(lab_folder, servers15, "admitted")
    shop.settings["cluster"]["admission"] = {"deployers": {"users": ["lab-admin"]}}
    shop.apply()
    assert len(_policies(shop)) == len(KINDS) * len(POLICIES)
    shop.stack.expect_unchanged()
    _wait_until(lambda: "a leased account" in _refusal(shop, "release-reader"))
    assert "a leased account" not in _refusal(shop, "report-reader")

    shop.settings["pipelines"]["report"] = {"namespace": shop.key, "tasks": {"reader": "reader"}}
    shop.apply()
    _wait_until(lambda: "a leased account" in _refusal(shop, "report-reader"))
    shop.stack.expect_unchanged()

    shop.stack.stack.destroy(color="never")
    assert _policies(shop) == []
    assert shop.kubernetes.get("v1", "ServiceAccount", "release-reader", shop.key) is None
    assert shop.kubernetes.get("tekton.dev/v1", "Task", "postgres-migrate", shop.key) is None


def _policies(shop: Deployment) -> list[str]:
    names = [f"runlease.{shop.key}.{shop.key}.{policy}" for policy in POLICIES]
    return [
        name for kind in KINDS for name in names if shop.kubernetes.get("admissionregistration.k8s.io/v1", kind, name)
    ]


def _refusal(shop: Deployment, account: str) -> str:
    """What the API server says to a pod of one's own under an account; empty when it would make the pod."""
    spec = {"serviceAccountName": account, "containers": [{"name": "own", "image": "own"}]}
    pod = {"metadata": {"name": "own"}, "spec": spec}
    admin = shop.kubernetes.acting_as("lab-admin", "system:masters")
    try:
        admin.request("POST", f"/api/v1/namespaces/{shop.key}/pods?dryRun=All", pod)
    except RefusedError as refused:
        return str(json.loads(refused.reason)["message"])
    return ""


def _wait_until(settled: Callable[[], bool], seconds: float = 30) -> None:
    """A policy takes effect a moment after it is stored."""
    deadline = time.monotonic() + seconds
    while not settled():
        assert time.monotonic() < deadline
        time.sleep(0.2)
