"""`runlease check` names what stands in the way in Vault."""

from __future__ import annotations

from pathlib import Path

from lab.certificates import CertificateAuthority
from lab.openbao import OpenBao
from tests.live.checked_stack import Stack


def test_names_that_somebody_else_holds_in_vault_are_named(stack: Stack, openbao: OpenBao) -> None:
    def enable(path: str, kind: str) -> None:
        openbao.request("POST", path, {"type": kind, "description": "ours since 2019"}, openbao.root_token)

    enable(f"/sys/mounts/{stack.key}-db", "kv")
    enable(f"/sys/auth/{stack.key}-jwt", "userpass")
    assert [one["problem"].split(" (")[0] for one in stack.at("installation")] == [
        f"the auth mount {stack.key}-jwt/ is somebody else's",
        f"the secrets engine {stack.key}-db/ is somebody else's",
    ]
    stack.settings["vault"]["jwt_mount"] = f"{stack.key}-jwt"
    assert "of type userpass" in stack.at("vault.jwt_mount")[0]["problem"]


def test_vault_is_told_apart_by_its_token(stack: Stack, openbao: OpenBao) -> None:
    stack.environment.setenv("VAULT_TOKEN", "wrong-token")
    assert [one["problem"] for one in stack.at("vault.address")] == ["VAULT_TOKEN is refused"]
    assert "wrong-token" not in stack.told
    small = openbao.request("POST", "/auth/token/create", {"policies": ["default"]}, openbao.root_token)
    stack.environment.setenv("VAULT_TOKEN", small["auth"]["client_token"])
    assert "not all checked" in stack.at("vault.address", "note")[0]["problem"]
    stack.environment.delenv("VAULT_TOKEN")
    assert "got no VAULT_TOKEN" in stack.at("vault.address", "note")[0]["problem"]


def test_a_namespace_is_missing_until_it_is_made(stack: Stack, openbao: OpenBao) -> None:
    stack.settings["vault"]["namespace"] = f"{stack.key}/inner"
    openbao.request("PUT", f"/sys/namespaces/{stack.key}", {}, openbao.root_token)
    assert f"got {stack.key}/inner" in stack.at("vault.namespace")[0]["problem"]
    openbao.request("PUT", f"/{stack.key}/sys/namespaces/inner", {}, openbao.root_token)
    assert stack.check() == []


def test_a_vault_of_another_authority_gets_no_token(stack: Stack, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    stack.settings["vault"]["ca"] = str(CertificateAuthority(tmp_path / "other").certificate)
    assert "the certificate is not trusted" in stack.at("vault.address")[0]["problem"]


def test_a_sealed_vault_is_named_until_it_is_unsealed(stack: Stack, openbao: OpenBao) -> None:
    openbao.stop()
    openbao.start_again()
    try:
        assert [one["problem"].split(" (")[0] for one in stack.at("vault.address")] == ["is sealed"]
    finally:
        openbao.unseal()
    assert stack.check() == []
