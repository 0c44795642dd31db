"""The LeaseSweeper on real servers: its identity can sweep, as its pod would, and can do nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lab.folders import private_folder
from lab.https import RefusedError
from lab.kubernetes import Kubernetes
from lab.openbao import OpenBao
from lab.postgres import PostgresServer
from lab.stack import Servers, apply_without_pulumi
from tests.live.broker_calls import DONE, make
from tests.live.deployment import NAMESPACE, Deployment, settings_of
from tests.live.scheduled import Scheduled
from tests.live.sweeps import OFFERED
from tests.live.verifying import Verifier

HOME = "sweepers"
SWEEPER = {"namespace": HOME, "image": "registry/runlease", "leases": ["sweeper"], "apply": True}
LOGIN = "run_reader_0123456789abcdefghij"


@pytest.fixture(scope="module")
def swept(
    postgres18: PostgresServer, openbao: OpenBao, kubernetes: Kubernetes, tmp_path_factory: pytest.TempPathFactory
) -> Scheduled:
    folder = tmp_path_factory.mktemp("component")
    site = Deployment("clean", "pg18-clean", 18, False, postgres18, openbao, kubernetes)
    home = private_folder(folder / "deployed")
    settings = {**settings_of(site, home, profiles=OFFERED), "sweeper": SWEEPER}
    for database in settings["databases"].values():
        database["close"] = []
    for namespace in (NAMESPACE, HOME):
        kubernetes.create_namespace(namespace)
    apply_without_pulumi(settings, Servers(postgres18, openbao, kubernetes, kubernetes), home)
    return Scheduled.placed(site, kubernetes, folder, "sweeper", HOME)


@pytest.fixture
def command(swept: Scheduled, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    return swept.commanded("sweep", monkeypatch, capsys)


def test_its_pod_ends_what_dead_runs_left_and_leaves_nothing_itself(swept: Scheduled, command: Any) -> None:
    with swept.site.as_vault(undone=False) as vault:
        assert make(vault, login=LOGIN) == DONE
    lease = swept.site.take("seeder")
    swept.kubernetes.remove_pod(NAMESPACE, f"{swept.site.installation}-seeder")
    code, found = command("--older-than", "0s")
    assert (code, found["partial"]) == (3, [])
    assert {one["kind"] for one in found["remnants"]} == {"lease without a pod", "login without a lease"}
    code, ended = command("--older-than", "0s", "--apply")
    assert (code, ended["partial"]) == (0, [])
    assert {"revoked", "dropped"} <= {one["outcome"] for one in ended["remnants"]}
    assert swept.site.leased_logins() == []
    assert not swept.site.rows("SELECT FROM pg_roles WHERE rolname = %s", lease.login)
    assert command("--older-than", "0s", "--apply")[0] == 0


def test_by_default_it_leaves_alone_what_is_younger_than_ten_minutes(swept: Scheduled, command: Any) -> None:
    with swept.site.leased("reader"):
        nothing = {"partial": [], "applied": True, "remnants": [], "summary": "nothing left; 0 ended"}
        assert command("--apply") == (0, nothing)


def test_the_api_server_lets_its_account_get_one_pod_and_nothing_else(swept: Scheduled) -> None:
    api = swept.as_account()
    swept.kubernetes.create_service_account(NAMESPACE, "run-reader")
    swept.kubernetes.create_pod(NAMESPACE, "one", "run-reader")
    assert api.request("GET", f"/api/v1/namespaces/{NAMESPACE}/pods/one")["metadata"]["name"] == "one"
    for method, path in (
        ("GET", f"/api/v1/namespaces/{NAMESPACE}/pods"),
        ("GET", "/api/v1/namespaces/kube-system/pods/one"),
        ("GET", f"/api/v1/namespaces/{NAMESPACE}/secrets"),
        ("GET", f"/api/v1/namespaces/{NAMESPACE}/configmaps"),
        ("DELETE", f"/api/v1/namespaces/{NAMESPACE}/pods/one"),
        ("POST", f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/run-reader/token"),
    ):
        with pytest.raises(RefusedError) as refused:
            api.request(method, path, {} if method == "POST" else None)
        assert refused.value.status in (403, 404), path
        assert refused.value.status == 403 or "could not find" in refused.value.reason, path
    swept.kubernetes.remove_pod(NAMESPACE, "one")


@pytest.mark.parametrize("who", ["another account", "no pod", "another audience", "the api server's audience"])
def test_vault_lets_nobody_else_be_the_sweeper(swept: Scheduled, who: str) -> None:
    site, kubernetes = swept.site, swept.kubernetes
    kubernetes.create_service_account(HOME, "stranger")
    kubernetes.create_pod(HOME, "stranger", "stranger")
    tokens = {
        "another account": lambda: kubernetes.token(HOME, "stranger", site.audience, "stranger"),
        "no pod": lambda: swept.token(site.audience, None),
        "another audience": lambda: swept.token("runlease/other"),
        "the api server's audience": lambda: swept.token(kubernetes.issuer),
    }
    body = {"role": f"{site.installation}.{HOME}.{swept.account}", "jwt": tokens[who]()}
    with pytest.raises(RefusedError):
        site.openbao.request("POST", f"/auth/{site.installation}-jwt/login", body)
    body["jwt"] = swept.token(site.audience)
    made = site.openbao.request("POST", f"/auth/{site.installation}-jwt/login", body)
    site.openbao.request("PUT", "/auth/token/revoke-self", {}, made["auth"]["client_token"])


def test_its_token_takes_no_lease_of_a_run(swept: Scheduled) -> None:
    site = swept.site
    body = {"role": f"{site.installation}.{HOME}.{swept.account}", "jwt": swept.token(site.audience)}
    made = site.openbao.request("POST", f"/auth/{site.installation}-jwt/login", body)["auth"]
    assert made["policies"] == [f"{site.installation}.runlease.sweeper", f"{site.installation}.sweeper"]
    for lease in ("reader", "migrator"):
        with pytest.raises(RefusedError) as refused:
            site.openbao.request("GET", f"/{site.installation}-db/creds/{lease}", token=made["client_token"])
        assert refused.value.status == 403
    site.openbao.request("PUT", "/auth/token/revoke-self", {}, made["client_token"])


def test_the_api_server_admits_its_pod_where_only_restricted_pods_may_be(swept: Scheduled) -> None:
    job = swept.kubernetes.get("batch/v1", "CronJob", swept.account, HOME)
    assert job
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    strict = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "strict", "labels": labels}}
    swept.kubernetes.apply(strict)
    swept.kubernetes.create_service_account("strict", swept.account)
    template = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    metadata = {"name": "swept", "namespace": "strict"}
    swept.kubernetes.apply({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template})
    swept.kubernetes.remove_pod("strict", "swept")


def test_another_cluster_is_noticed_and_no_pod_is_taken_for_gone(swept: Scheduled, command: Any) -> None:
    stack = swept.folder / "stack" / "stack.yaml"
    kept = stack.read_text()
    lease = swept.site.take("seeder")
    swept.kubernetes.remove_pod(NAMESPACE, f"{swept.site.installation}-seeder")
    stack.write_text(kept.replace(swept.kubernetes.issuer, "https://another.invalid"))
    try:
        code, found = command("--older-than", "0s", "--apply")
    finally:
        stack.write_text(kept)
    assert code == 4
    assert any("another cluster" in why for why in found["partial"])
    assert found["remnants"] == []
    swept.site.revoke(lease)


def accepted(policy: str) -> list[dict[str, str]]:
    """As docs/sweep.md has it."""
    about = {"rule": "RL022", "reason": "it sweeps", "until": "2099-12-31"}
    return [{**about, "where": f"path sys/leases/{what} of policy {policy}"} for what in ("lookup", "revoke")]


def test_what_is_live_with_a_sweeper_is_what_was_declared(
    swept: Scheduled, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    verifier = Verifier(swept.site, tmp_path, monkeypatch, capsys, profiles=OFFERED)
    verifier.settings["sweeper"] = SWEEPER
    verifier.settings["rules"] = {"accept": accepted(f"{swept.site.installation}.runlease.sweeper")}
    verifier.change(close=[])
    assert [str(one) for one in verifier.drift()] == []
    left = [one for one in verifier.found() if not one["accepted"]]
    assert [(one["id"], one["where"], one["what"]) for one in left] == []
