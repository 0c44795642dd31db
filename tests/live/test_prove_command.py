"""`runlease verify --prove` as it is typed: tokens that kubectl makes, or in files; what it prints, and how it ends."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab.faults import Fault, FaultyProxy
from lab.issuer import LabIssuer
from lab.kubernetes import Kubernetes
from lab.openbao import OpenBao
from lab.postgres import PostgresServer
from runlease.cli import main
from runlease.evidence.exits import FOUND, FOUND_AND_PARTIAL, OK, PARTIAL
from tests.live.deployment import MIGRATION, NAMESPACE, PROFILES, Deployment, deploy
from tests.live.guards import wait_until
from tests.live.provable import Provable, expired

Prove = Callable[..., tuple[int, str]]


@pytest.fixture(scope="module")
def place(postgres18: PostgresServer, openbao: OpenBao, kubernetes: Kubernetes, lab_folder: Path) -> Provable:
    """A site that trusts a real API server, with an account in another namespace that has no lease."""
    site = deploy(Deployment("minted", "pg18-minted", 18, False, postgres18, openbao, kubernetes), lab_folder)
    for profile in PROFILES:
        kubernetes.create_service_account(NAMESPACE, f"run-{profile}")
    kubernetes.create_service_account("elsewhere", "builder")
    site.migrate(*MIGRATION)
    return Provable(site, lab_folder)


@pytest.fixture
def stack_file(place: Provable, tmp_path: Path) -> Path:
    file = tmp_path / "Pulumi.prod.yaml"
    file.write_text(yaml.safe_dump({"config": {"runlease:access": place.written("reader", "seeder")}}))
    return file


@pytest.fixture
def prove(
    stack_file: Path, kubernetes: Kubernetes, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Prove:
    monkeypatch.setenv("KUBECONFIG", str(kubernetes.kubeconfig))

    def run(*arguments: str) -> tuple[int, str]:
        code = main(["verify", str(stack_file), "--prove", *arguments])
        return code, capsys.readouterr().out

    return run


def pods(kubernetes: Kubernetes) -> list[str]:
    found = kubernetes._client.request("GET", "/api/v1/pods?labelSelector=app.kubernetes.io/managed-by=runlease")
    return [one["metadata"]["name"] for one in found["items"]]


def not_tried(told: dict[str, Any]) -> set[str]:
    return {f"{one['lease']}: {one['attempt']}" for one in told["attempts"] if one["gap"]}


def test_kubectl_makes_every_token_but_an_expired_one(prove: Prove, kubernetes: Kubernetes) -> None:
    code, said = prove("--mint", "--stranger", "elsewhere/builder", "--format", "json")
    told = json.loads(said)
    assert not_tried(told) == {f"{lease}: log in with an expired token" for lease in ("reader", "seeder")}
    assert {one["verdict"] for one in told["attempts"]} == {"held", "not tried"}
    assert code == PARTIAL
    assert pods(kubernetes) == []
    assert f"log in with a token for another audience: {kubernetes.issuer}" in said


def test_what_the_cluster_does_not_make_is_said(prove: Prove) -> None:
    _, said = prove("--mint", "--stranger", "nowhere/nobody")
    lines = said.splitlines()
    assert lines[0].startswith("PARTIAL: ")
    assert any("tokens: make a token of nowhere/nobody: the cluster refuses" in line for line in lines)


def test_an_expired_token_of_another_key_proves_nothing(prove: Prove, place: Provable, tmp_path: Path) -> None:
    other = LabIssuer(place.site.issuer.issuer)
    other.create_service_account(NAMESPACE, "run-reader")
    other.create_pod(NAMESPACE, "pod", "run-reader")
    impostor = Deployment("minted", "pg18-minted", 18, False, place.site.postgres, place.site.openbao, other)
    (tmp_path / "old").write_text(expired(impostor, impostor.token_of_pod("reader")))
    _, said = prove("--mint", "--token", f"ci/run-reader={tmp_path / 'old'}", "--format", "json")
    (row,) = (one for one in json.loads(said)["attempts"] if "an expired token" in one["attempt"] and one["got"])
    assert (row["verdict"], row["gap"]) == ("not tried", True)
    assert "not for its reason" in row["reason"]


# --- tokens in files


@pytest.fixture(scope="module")
def filed(postgres18: PostgresServer, openbao: OpenBao, lab_folder: Path) -> Provable:
    """A site that trusts the lab's issuer, which can sign expired tokens."""
    site = deploy(Deployment("filed", "pg18-filed", 18, False, postgres18, openbao, LabIssuer()), lab_folder)
    site.migrate(*MIGRATION)
    return Provable(site, lab_folder)


@dataclass(frozen=True)
class Typed:
    """A stack file, and the options for every token of its wallet."""

    file: Path
    tokens: list[str]


@pytest.fixture
def typed(filed: Provable, tmp_path: Path) -> Typed:
    return typed_of(filed, filed.written("reader", "seeder"), tmp_path)


def typed_of(filed: Provable, settings: dict[str, Any], folder: Path) -> Typed:
    options = []
    for number, token in enumerate(filed.wallet("reader", "seeder").tokens):
        (folder / f"token-{number}").write_text(token.text + "\n")
        options.append(f"--token={'/'.join(token.subject.split(':')[2:])}={folder / f'token-{number}'}")
    file = folder / "Pulumi.prod.yaml"
    file.write_text(yaml.safe_dump({"config": {"runlease:access": settings}}))
    return Typed(file, options)


def test_with_every_token_the_answer_is_whole(
    filed: Provable, typed: Typed, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["verify", str(typed.file), "--prove", *typed.tokens, "--every"]) == OK
    said = capsys.readouterr().out
    lines = said.splitlines()
    assert lines[0] == "Promises"
    assert "  held: A leased login can do what its profile says, and nothing else." in said
    assert "  reader: SELECT ON TABLE app.items (expected allowed, got allowed)" in lines
    for token in filed.wallet("reader", "seeder").tokens:
        assert token.text.split(".")[1] not in said
    assert re.search(r"\bs\.[A-Za-z0-9]{20}|SCRAM-SHA-256|eyJ", said) is None


def test_what_is_broken_and_what_is_missing_are_both_in_the_exit_code(
    filed: Provable, typed: Typed, capsys: pytest.CaptureFixture[str]
) -> None:
    with filed.sql("GRANT DELETE ON app.items TO {}_reader", "REVOKE DELETE ON app.items FROM {}_reader"):
        assert main(["verify", str(typed.file), "--prove", *typed.tokens]) == FOUND
        assert "  reader: DELETE ON TABLE app.items: is open and not declared" in capsys.readouterr().out
        assert main(["verify", str(typed.file), "--prove", typed.tokens[0]]) == FOUND_AND_PARTIAL
    said = capsys.readouterr().out
    assert said.startswith("PARTIAL: ")
    assert "seeder: everything, as ci/run-seeder: no token of ci/run-seeder that holds now. Fix: give one" in said


def test_options_of_a_proof_need_a_proof(typed: Typed, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", str(typed.file), "--writes", typed.tokens[0]]) == 2
    assert "Fix: add --prove" in capsys.readouterr().err
    assert main(["verify", str(typed.file), "--prove", "--stranger", "a/b"]) == 2
    assert "--stranger: makes no token without --mint" in capsys.readouterr().err


def test_all_wrong_tokens_are_told_at_once(typed: Typed, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "none").write_text("not.a.token")
    wrong = ["--token", f"ci/a={tmp_path / 'none'}", "--token", f"ci/a={tmp_path / 'absent'}", "--token", "ci=x"]
    assert main(["verify", str(typed.file), "--prove", *wrong, typed.tokens[0].replace("run-reader=", "other=")]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 4
    for line, problem in zip(lines, ("no token of a service", "cannot be read", "no account", "another"), strict=True):
        assert problem in line


def test_a_server_that_cannot_be_reached_makes_it_partial(
    filed: Provable, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = filed.written("reader")
    settings["databases"]["filed"]["port"] = 1
    away = typed_of(filed, settings, tmp_path)
    assert main(["verify", str(away.file), "--prove", *away.tokens]) == PARTIAL
    assert "nothing listens there" in capsys.readouterr().out
    settings["vault"]["address"] = "https://localhost:1"
    away = typed_of(filed, settings, tmp_path)
    assert main(["verify", str(away.file), "--prove", *away.tokens]) == 2
    assert "access.vault.address: nothing listens there" in capsys.readouterr().err
    assert filed.left() == []


@contextmanager
def typed_in(typed: Typed) -> Iterator[subprocess.Popen[bytes]]:
    """The command as a process."""
    command = [sys.executable, "-c", "import sys; from runlease.cli import main; sys.exit(main())", "verify", "--prove"]
    with subprocess.Popen([*command, str(typed.file), *typed.tokens], stderr=subprocess.PIPE) as running:
        yield running


INTERRUPTIONS = pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "sigterm"])


@INTERRUPTIONS
def test_what_was_taken_is_given_back_when_it_is_interrupted(filed: Provable, typed: Typed, how: int) -> None:
    with typed_in(typed) as running:
        wait_until(filed.left, "a login")
        running.send_signal(how)
        _, said = running.communicate(timeout=60)
    assert b"interrupted. What was taken is given back" in said
    assert running.returncode == 1
    assert filed.left() == []


@INTERRUPTIONS
def test_a_lease_that_vault_is_just_giving_is_awaited_and_given_back(
    filed: Provable, proxy: FaultyProxy, tmp_path: Path, how: int
) -> None:
    settings = filed.written("reader", "seeder")
    settings["vault"]["address"] = proxy.address
    proxy.fail("/creds/reader", Fault.HELD)
    with typed_in(typed_of(filed, settings, tmp_path)) as running:
        wait_until(filed.left, "a login")
        running.send_signal(how)
        time.sleep(0.5)
        assert running.poll() is None
        proxy.heal()
        _, said = running.communicate(timeout=60)
    assert b"interrupted. What was taken is given back" in said
    assert running.returncode == 1
    assert filed.left() == []
    assert proxy.asked("/creds/seeder") == 0
