"""`runlease check` on a server that does not answer or does not let it in."""

from __future__ import annotations

from pathlib import Path

from lab.certificates import CertificateAuthority
from lab.openbao import OpenBao
from tests.live.checked_stack import Stack


def test_a_wrong_password_is_refused_and_never_told(stack: Stack) -> None:
    stack.password("not-the-password")
    assert "the admin's password is refused" in stack.at("databases.<key>.admin")[0]["problem"]
    assert stack.code == 3
    assert "not-the-password" not in stack.told


def test_a_password_file_takes_the_place_of_the_variable(stack: Stack) -> None:
    stack.environment.delenv(f"RUNLEASE_ADMIN_PASSWORD_{stack.key.upper()}")
    assert "no password for postgres" in stack.at("databases.<key>.admin")[0]["problem"]
    passfile = stack.folder / "passfile"
    passfile.write_text(f"localhost:{stack.postgres.port}:*:postgres:{stack.postgres.password}\n")
    passfile.chmod(0o600)
    stack.environment.setenv("PGPASSFILE", str(passfile))
    assert stack.check() == []


def test_a_server_of_another_authority_is_not_asked(stack: Stack, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    stack.database["ca"] = str(CertificateAuthority(tmp_path / "other").certificate)
    assert "this CA did not sign" in stack.at("databases.<key>.ca")[0]["problem"]


def test_a_server_that_is_down_hides_nothing_of_the_others(stack: Stack, openbao: OpenBao) -> None:
    stack.database["port"] = 1
    openbao.request("PUT", f"/sys/policies/acl/{stack.key}.reader", {"policy": "# theirs"}, openbao.root_token)
    stack.settings["cluster"]["public_keys"] = [str(openbao.ca)]
    wheres = {found["where"] for found in stack.check()}
    assert wheres == {f"access.databases.{stack.key}.host", "access.installation", "access.cluster.public_keys.0"}
