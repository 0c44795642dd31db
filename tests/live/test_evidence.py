"""`runlease evidence` on real servers: one folder, whole, without a secret, and its hashes hold."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
import yaml

from lab.kubernetes import Kubernetes
from runlease.cli import main
from tests.live.deployment import Deployment, settings_of
from tests.live.live_reader import reader_of
from tests.live.task_runs import Begin, login_of


def test_a_run_is_in_the_evidence_of_its_environment(
    runs: Begin, shop: Deployment, kubernetes: Kubernetes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack_file, out = tmp_path / "Pulumi.shop.yaml", tmp_path / "evidence"
    # Its tokens are another issuer's; so its ConfigMap is not in the cluster, and that is found by asking.
    settings = settings_of(shop, tmp_path) | {"cluster": {"issuer": kubernetes.issuer}}
    stack_file.write_text(yaml.safe_dump({"config": {"runlease:access": settings}}))
    for name, value in reader_of(shop, tmp_path).environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("VAULT_TOKEN", shop.openbao.root_token)
    monkeypatch.setenv("KUBECONFIG", str(kubernetes.kubeconfig))
    token = tmp_path / "token"
    token.write_text(shop.token_of_pod("reader"))
    ended = runs("postgres-run", "reader", sql="SELECT label FROM app.items").settle()
    assert ended.succeeded, ended.output

    logs = [
        "--postgres-log",
        str(shop.postgres.log),
        "--audit-log",
        str(shop.openbao.audit_log),
        "--since",
        "2026-01-01",
    ]
    proof = ["--token", f"ci/run-reader={token}"]
    code = main(["evidence", str(stack_file), "--out", str(out), "--cluster", *proof, *logs])

    assert code in (3, 4, 5), (out / "README.md").read_text()
    files = {path.name: path.read_text() for path in out.iterdir()}
    assert {"access.html", "access.json", "rules.json", "verify.html", "verify.json", "prove.json"} <= files.keys()
    assert "NOT MADE" not in files["README.md"], files["README.md"]
    assert "**PARTIAL**" in files["README.md"]
    assert login_of(ended) in files["trace.jsonl"]
    assert "ci/run-reader" in files["access.json"]
    not_there = [one["where"] for one in json.loads(files["verify.json"])["findings"] if one["id"] == "LV803"]
    assert not_there == [f"Kubernetes: ci/runlease-{shop.installation}"]
    servers = json.loads(files["verify.json"])["answered"]
    assert servers[f"{shop.key}: server"] == f"PostgreSQL {shop.postgres.version}"
    assert servers.keys() == {f"{shop.key}: server", "Vault", "Kubernetes"}
    assert all(f"* {server}: `{version}`" in files["README.md"] for server, version in servers.items())
    tried = json.loads(files["prove.json"])["attempts"]
    assert {one["verdict"] for one in tried if one["lease"] == "reader"} >= {"held"}
    checked = subprocess.run(["sha256sum", "-c", "--quiet", "MANIFEST.sha256"], cwd=out, check=False)
    assert checked.returncode == 0
    for secret in (shop.postgres.password, shop.openbao.root_token, token.read_text()):
        assert not [name for name, text in files.items() if secret in text]
