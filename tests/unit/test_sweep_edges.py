"""What the edges make of answers that no server of the lab gives quickly, such as leases that Vault gave up on."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from runlease.cli import main
from runlease.config import load
from runlease.evidence.sweep.edge_cluster import Pods
from runlease.evidence.sweep.edge_vault import SweptVault
from runlease.evidence.sweep.facts import EngineFacts
from runlease.provision.vault.names import sweeper_policy
from runlease.readers import engine
from runlease.readers.api_server import as_pod, by_kubectl
from runlease.readers.https import Answer, UnreachableError
from tests.unit.config_edits import PROD

ISSUER = "https://oidc.internal"
DISCOVERY = {"/.well-known/openid-configuration": Answer(200, {"issuer": ISSUER})}
POD = "/api/v1/namespaces/ci/pods/one"
GONE = Answer(404, {"kind": "Status", "details": {"kind": "pods"}})


def pods(answers: Mapping[str, Answer]) -> Pods:
    return Pods(lambda path: answers.get(path, Answer(500, {})), ISSUER)


@pytest.mark.parametrize(
    ("answer", "lives"),
    [
        (Answer(200, {"metadata": {"uid": "u"}, "status": {"phase": "Running"}}), True),
        (Answer(200, {"metadata": {"uid": "u"}}), True),
        (Answer(200, {"metadata": {"uid": "u"}, "status": {"phase": "Succeeded"}}), False),
        (Answer(200, {"metadata": {"uid": "u"}, "status": {"phase": "Failed"}}), False),
        (Answer(200, {"metadata": {"uid": "another"}, "status": {"phase": "Running"}}), False),
        (Answer(200, {}), None),
        (GONE, False),
        (Answer(404, {}), None),
        (Answer(404, {"details": {"kind": "namespaces"}}), None),
        (Answer(403, {}), None),
        (Answer(500, {}), None),
    ],
)
def test_a_pod_is_gone_only_where_the_api_server_says_so(answer: Answer, lives: bool | None) -> None:
    asked = pods({**DISCOVERY, POD: answer})
    assert asked.lives("ci", "one", "u") is lives
    assert bool(asked.missing) == (lives is None and answer.status != 200)


@pytest.mark.parametrize("said", [{"issuer": "https://another"}, {}])
def test_no_pod_of_another_cluster_is_gone(said: dict[str, str]) -> None:
    asked = pods({"/.well-known/openid-configuration": Answer(200, said), POD: GONE})
    assert asked.lives("ci", "one", "u") is None
    assert len(asked.missing) == 1
    assert asked.lives("ci", "two", "u") is None
    assert len(asked.missing) == 1


def test_a_refusal_names_the_right_that_is_missing() -> None:
    asked = pods({**DISCOVERY, POD: Answer(403, {})})
    asked.lives("ci", "one", "u")
    assert "--verb=get --resource=pods -n ci" in asked.missing[0]


def test_without_kubectl_or_outside_a_pod_it_says_so() -> None:
    with pytest.raises(UnreachableError, match="kubectl cannot be asked"):
        by_kubectl(None, {"PATH": "/nowhere"})("/x")
    with pytest.raises(UnreachableError, match="this is no pod"):
        as_pod(Path("/"), {})("/x")


# --- Vault

MOUNT = f"{PROD['installation']}-db"
LOGINS = f"auth/{PROD['installation']}-jwt/login"
NOTHING = Answer(404, {"errors": []})
LEASE = {"id": f"{MOUNT}/creds/shop-reader/a", "issue_time": "2026-11-24T22:32:27.18548621Z", "expire_time": None}


def asked(monkeypatch: pytest.MonkeyPatch, answers: Mapping[str, Answer], own: tuple[str, ...] = ()) -> Any:
    def send(_method: str, url: str, *_: object) -> Answer:
        return answers.get(url.split("/v1/")[1].removesuffix("?list=true"), NOTHING)

    monkeypatch.setattr(engine, "send", send)
    vault = SweptVault(load(PROD), Path("/"), "token")
    return vault.facts(pods(DISCOVERY), timedelta(), own, with_leases=True), vault.missing


def test_a_vault_without_leases_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    assert asked(monkeypatch, {}) == (EngineFacts((), (), (), (), ()), [])


def test_a_vault_that_does_not_list_the_sweeps_own_lease_is_not_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    facts, missing = asked(monkeypatch, {}, ("mine",))
    assert facts.leases is None
    assert "does not list the sweep's own lease" in missing[0]


def test_leases_that_vault_gave_up_on_are_told_with_its_reason_and_those_of_others_are_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    error = "out of retries: failed to revoke entry: ERROR: division by zero (SQLSTATE 22012)"
    leases = [
        {"lease_id": f"{MOUNT}/creds/shop-reader/a", "mount_id": "database_4a876f37", "error": error},
        {"lease_id": "another-db/creds/x/b", "mount_id": "database_1", "error": error},
    ]
    facts, _ = asked(monkeypatch, {"sys/leases?type=irrevocable": Answer(200, {"data": {"leases": leases}})})
    assert [(one.id, one.error) for one in facts.irrevocable] == [(f"{MOUNT}/creds/shop-reader/a", error)]


@pytest.mark.parametrize(
    ("path", "attribute", "line"),
    [
        (
            f"sys/leases/lookup/{MOUNT}/creds/",
            "leases",
            f'path "sys/leases/lookup/{MOUNT}/creds/" {{ capabilities = ["list", "sudo"] }}',
        ),
        ("auth/token/accessors/", "tokens", 'path "auth/token/accessors/" { capabilities = ["list", "sudo"] }'),
        ("sys/leases?type=irrevocable", "irrevocable", 'path "sys/leases" { capabilities = ["read", "sudo"] }'),
        (
            "identity/entity-alias/id/",
            "entities",
            'path "identity/entity-alias/id/" { capabilities = ["list"] }',
        ),
    ],
)
def test_what_vault_refuses_is_unknown_and_its_line_of_a_policy_is_named(
    monkeypatch: pytest.MonkeyPatch, path: str, attribute: str, line: str
) -> None:
    facts, missing = asked(monkeypatch, {path: Answer(403, {"errors": ["permission denied"]})})
    assert getattr(facts, attribute) is None
    assert missing == [f"Vault {path.split('?')[0]}: cannot be read (got 403: permission denied). Fix: {line}"]


def test_one_lease_that_may_not_be_looked_up_makes_all_of_them_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    lists = f"sys/leases/lookup/{MOUNT}/creds/"
    answers = {lists: Answer(200, {"data": {"keys": ["shop-reader/"]}})}
    answers[f"{lists}shop-reader/"] = Answer(200, {"data": {"keys": ["a", "b"]}})
    answers["sys/leases/lookup"] = Answer(200, {"data": LEASE})
    facts, _ = asked(monkeypatch, answers)
    assert [one.name for one in facts.leases] == ["shop-reader"] * 2
    for refusal in (Answer(403, {"errors": ["permission denied"]}), Answer(500, {"errors": ["storage"]})):
        facts, missing = asked(monkeypatch, {**answers, "sys/leases/lookup": refusal})
        assert facts.leases is None
        assert missing


@pytest.mark.parametrize("issued", ["2026-11-24T22:00:01.123456789Z", "2026-11-24T23:00:01.123456789+01:00"])
def test_the_zone_of_vaults_server_moves_no_lease(monkeypatch: pytest.MonkeyPatch, issued: str) -> None:
    lists = f"sys/leases/lookup/{MOUNT}/creds/"
    answers = {lists: Answer(200, {"data": {"keys": ["shop-reader/"]}})}
    answers[f"{lists}shop-reader/"] = Answer(200, {"data": {"keys": ["a"]}})
    answers["sys/leases/lookup"] = Answer(200, {"data": {**LEASE, "issue_time": issued}})
    facts, _ = asked(monkeypatch, answers)
    assert [one.issued for one in facts.leases] == [datetime(2026, 11, 24, 22, 0, 1, 123456, UTC)]


def test_an_accessor_whose_token_has_gone_is_no_missing_right_and_a_missing_right_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A Vault that was killed keeps such accessors, and refuses to look them up as it refuses whoever may not."""
    refusal = Answer(403, {"errors": ["permission denied"]})
    own = Answer(200, {"data": {"path": "auth/token/create", "creation_time": 1, "policies": ["default"]}})
    lists = {"auth/token/accessors/": Answer(200, {"data": {"keys": ["gone", "own"]}})}
    looked_up = iter([refusal, own, refusal, refusal])

    def send(_method: str, url: str, *_: object) -> Answer:
        path = url.split("/v1/")[1].removesuffix("?list=true")
        return next(looked_up) if path == "auth/token/lookup-accessor" else lists.get(path, NOTHING)

    monkeypatch.setattr(engine, "send", send)
    vault = SweptVault(load(PROD), Path("/"), "token")
    assert vault.facts(pods(DISCOVERY), timedelta(), (), with_leases=True).tokens == ()
    assert vault.missing == []
    assert vault.facts(pods(DISCOVERY), timedelta(), (), with_leases=True).tokens is None
    assert 'path "auth/token/lookup-accessor" { capabilities = ["update"] }' in vault.missing[0]


def test_the_documented_policy_is_the_one_that_is_made() -> None:
    text = (Path(__file__).parents[2] / "docs" / "sweep.md").read_text()
    found = re.search(r"```hcl\n(.*?)\n```", text, re.DOTALL)
    assert found
    assert found[1] == sweeper_policy("shop-prod", "shop-prod-jwt", ["shop-migrator", "shop-sweeper"])


# --- the command


def test_a_stack_file_that_is_not_there_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sweep", "nowhere.yaml"]) == 2
    assert "nowhere.yaml: cannot be read" in capsys.readouterr().err


@pytest.mark.parametrize("age", ["soon", "-1m", "10"])
def test_an_age_without_a_unit_is_refused(age: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["sweep", "x.yaml", f"--older-than={age}"])
    assert "expected a duration" in capsys.readouterr().err
