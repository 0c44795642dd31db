"""The policy pack under the real CLI, in an environment of its own: what is let through, what is refused, and where."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab.stack import REPOSITORY, Servers
from runlease.access.rules import RULES
from tests.broken import PASSWORD
from tests.engine.deployment import Deployment

ALL_MANDATORY = {"enforcement": dict.fromkeys(("critical", "high", "medium", "low"), "mandatory")}
NOTHING = {"rule": "RL001", "where": "nothing", "reason": "a misspelling", "until": "2999-12-31"}
WILD = {"rule": "RL021", "where": "path secret/* of policy wide", "reason": "goes away", "until": "2999-12-31"}
ONE_POLICY = """\
import pulumi
import pulumi_vault as vault

access = pulumi.Config("runlease").require_object("access")["vault"]
provider = vault.Provider(
    "vault",
    address=access["address"],
    ca_cert_file=access["ca"],
    token=pulumi.Config("runlease").require_secret("vault-token"),
)
vault.Policy(
    "wide",
    name="wide",
    policy='path "secret/*" { capabilities = ["read"] }',
    opts=pulumi.ResourceOptions(provider=provider),
)
"""


class Judged:
    """A stack that is previewed with the pack; nothing of it is ever made."""

    def __init__(self, folder: Path, servers: Servers, pack: Path, key: str) -> None:
        self.deployment, self._pack = Deployment(folder, servers, key), pack
        self.program = self.deployment.stack.folder / "stacks" / "__main__.py"

    def preview(self, *accepted: dict[str, str], policy: dict[str, Any] | None = None) -> tuple[int, str]:
        """Exit code, and everything that is printed, of a preview with these acceptances and `runlease:policy`."""
        self._write(accepted, policy)
        return self._run("preview")

    def up_without_preview(self) -> tuple[int, str]:
        """The same of an update that begins at once."""
        self._write((), None)
        return self._run("up", "--skip-preview", "--yes")

    def _write(self, accepted: Sequence[dict[str, str]], policy: dict[str, Any] | None) -> None:
        settings, stack = deepcopy(self.deployment.settings), self.deployment.stack
        stack.change(settings | {"rules": {"accept": list(accepted)}})
        path = stack.folder / "stacks" / f"Pulumi.{stack.stack.name}.yaml"
        document = yaml.safe_load(path.read_text())
        document["config"]["runlease:policy"] = policy or {}
        path.write_text(yaml.safe_dump(document))

    def _run(self, *command: str) -> tuple[int, str]:
        stack = self.deployment.stack
        quiet = ["--non-interactive", "--color=never", "--suppress-progress"]
        ran = subprocess.run(
            ["pulumi", *command, *quiet, "--stack", stack.stack.name, "--policy-pack", str(self._pack)],
            cwd=stack.folder,
            env={**os.environ, **stack.environment},
            capture_output=True,
            text=True,
            check=False,
        )
        return ran.returncode, ran.stdout + ran.stderr


@pytest.fixture(scope="module")
def broken(lab_folder: Path, servers18: Servers, pack: Path) -> tuple[int, str]:
    """A preview of the components and, beside them, of resources that break every rule."""
    judged = Judged(lab_folder, servers18, pack, "broken")
    shutil.copy(REPOSITORY / "tests" / "broken.py", judged.program.with_name("broken.py"))
    program = judged.program.read_text()
    judged.program.write_text(f"{program}\nfrom broken import break_every_rule\n\nbreak_every_rule()\n")
    return judged.preview(NOTHING, policy=ALL_MANDATORY)


def test_a_first_preview_of_the_components_is_let_through(lab_folder: Path, servers18: Servers, pack: Path) -> None:
    code, printed = Judged(lab_folder, servers18, pack, "kind").preview(policy=ALL_MANDATORY)
    assert code == 0, printed
    assert "✅ runlease@v" in printed


def test_a_stack_that_breaks_rules_is_refused(broken: tuple[int, str]) -> None:
    code, printed = broken
    assert code != 0
    assert "❌ runlease@v" in printed
    assert "[advisory]" not in printed


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_each_broken_rule_is_a_reason(rule: Any, broken: tuple[int, str]) -> None:
    _, printed = broken
    assert f"[mandatory] [severity: {rule.severity}]  {rule.id}  (" in printed
    assert f"Fix: {rule.fix}" in printed


@pytest.mark.parametrize(
    ("rule", "place"),
    [
        ("RL002", "postgresql:index:Grant: everybody"),
        ("RL021", "vault:index:Policy: wide"),
        ("RL024", "vault:jwt:AuthBackendRole: one-two"),
        ("RL034", "kubernetes:tekton.dev/v1:Task: query"),
    ],
)
def test_a_finding_stands_at_the_resource_that_makes_it(rule: str, place: str, broken: tuple[int, str]) -> None:
    assert f"  {rule}  ({place})" in broken[1]


def test_no_secret_is_printed(broken: tuple[int, str], servers18: Servers) -> None:
    for secret in (PASSWORD, servers18.postgres.password, servers18.openbao.root_token):
        assert secret not in broken[1]


def test_what_is_accepted_or_advisory_is_let_through(lab_folder: Path, servers18: Servers, pack: Path) -> None:
    judged = Judged(lab_folder, servers18, pack, "borne")
    judged.program.write_text(ONE_POLICY)
    code, printed = judged.preview(WILD)
    assert (code, "RL021" in printed) == (0, False), printed
    code, printed = judged.preview(policy={"enforcement": {"high": "advisory"}})
    assert (code, "[advisory] [severity: high]  RL021  (vault:index:Policy: wide)" in printed) == (0, True), printed
    code, printed = judged.preview()
    assert (code != 0, "[mandatory] [severity: high]  RL021  (vault:index:Policy: wide)" in printed) == (True, True)


def test_an_update_stops_before_it_makes_what_one_resource_breaks(
    lab_folder: Path, servers18: Servers, pack: Path
) -> None:
    judged = Judged(lab_folder, servers18, pack, "stopped")
    judged.program.write_text(ONE_POLICY)
    code, printed = judged.up_without_preview()
    assert (code != 0, "RL021" in printed) == (True, True), printed
    names = judged.deployment.vault("GET", "/sys/policies/acl?list=true")["data"]["keys"]
    assert "wide" not in names


def test_a_wrong_policy_setting_is_said_and_nothing_is_judged(lab_folder: Path, servers18: Servers, pack: Path) -> None:
    judged = Judged(lab_folder, servers18, pack, "wrong")
    judged.program.write_text(ONE_POLICY)
    code, printed = judged.preview(policy={"enforcement": {"high": "maybe"}})
    assert code != 0
    assert "policy.enforcement.high: " in printed
    assert "Traceback" not in printed
