"""A site that is swept on a schedule: its sweeper is declared, and found out where it has more than that."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.folders import private_folder
from lab.issuer import LabIssuer
from lab.openbao import OpenBao
from lab.postgres import PostgresServer
from lab.stack import apply_without_pulumi
from tests.live.deployment import Deployment, servers_of, settings_of
from tests.live.sweeps import OFFERED
from tests.live.verifying import Verifier, ids


def test_a_sweeper_is_what_was_declared_until_its_policy_gives_more(
    postgres18: PostgresServer,
    openbao: OpenBao,
    issuer: LabIssuer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    site = Deployment("tidy", "pg18-tidy", 18, False, postgres18, openbao, issuer)
    sweeper = {"namespace": "sweepers", "image": "registry/runlease", "leases": ["sweeper"]}
    home = private_folder(tmp_path / "deployed")
    settings = {**settings_of(site, home, profiles=OFFERED, close=[]), "sweeper": sweeper}
    apply_without_pulumi(settings, servers_of(site), home)
    verifier = Verifier(site, tmp_path, monkeypatch, capsys, profiles=OFFERED, close=[])
    verifier.settings["sweeper"] = sweeper
    verifier.change()
    with site.leased("reader"):
        assert ids(verifier.found()) == {"RL022"}, "docs/sweep.md says to accept it"
    path = "/sys/policies/acl/{installation}.runlease.sweeper"
    text = verifier.vault("GET", path)["data"]["policy"]
    verifier.vault("PUT", path, {"policy": text + '\npath "sys/raw" { capabilities = ["read"] }'})
    (one,) = [one for one in verifier.found() if one["id"] == "LV705"]
    assert one["where"] == "Vault: policy pg18-tidy.runlease.sweeper"
    verifier.sql("GRANT EXECUTE ON FUNCTION runlease.create_login TO {key}_sweeper")
    assert "LV311" in ids(verifier.found())
