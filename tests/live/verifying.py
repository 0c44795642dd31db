"""`runlease verify` run on a deployment, as its users run it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from runlease.cli import main
from runlease.config import load
from runlease.evidence.verify.check import Found
from runlease.evidence.verify.drift import verify_drift
from runlease.readers.live import read_live
from runlease.readers.session import password_variable
from tests.live.deployment import Deployment, settings_of

EXPLAINED = {"LV302", "LV307", "LV612"}
"""Other databases stand open on the lab's servers, and they log DDL alone."""

Finding = dict[str, str]


class Verifier:
    """Runs the command and keeps what it said."""

    def __init__(
        self,
        site: Deployment,
        folder: Path,
        environment: pytest.MonkeyPatch,
        output: pytest.CaptureFixture[str],
        **database: object,
    ) -> None:
        self.site, self._output, self._environment = site, output, environment
        self.settings = settings_of(site, folder, **database)
        self.stack = folder / "Pulumi.test.yaml"
        self.change()
        self.password(site.postgres.password)
        environment.setenv("VAULT_TOKEN", site.openbao.root_token)

    def change(self, **database: object) -> None:
        """Write the stack file, with other settings of the database."""
        self.settings["databases"][self.site.key] |= database
        self.stack.write_text(yaml.safe_dump({"config": {"runlease:access": self.settings}}))

    def password(self, password: str) -> None:
        self._environment.setenv(password_variable(self.site.key), password)

    def run(self, *arguments: str) -> tuple[int, str]:
        """Exit code, and what was printed."""
        code = main(["verify", str(self.stack), *arguments])
        return code, self._output.readouterr().out

    def told(self, *arguments: str) -> dict[str, Any]:
        """What it said as JSON."""
        answer: dict[str, Any] = json.loads(self.run("--format", "json", *arguments)[1])
        return answer

    def found(self, *arguments: str) -> list[Finding]:
        """Findings but the explained ones."""
        return [one for one in self.told(*arguments)["findings"] if one["id"] not in EXPLAINED]

    def drift(self) -> list[Found]:
        """What is live and was not declared, and the reverse, without the checks."""
        settings = load(self.settings)
        return list(verify_drift(settings, read_live(settings, self.stack.parent, os.environ)))

    @contextmanager
    def after(self, done: str, undone: str) -> Iterator[list[Finding]]:
        """The findings while some SQL of a superuser holds; {key} stands for the key."""
        self.sql(done)
        try:
            yield self.found()
        finally:
            self.sql(undone)

    def sql(self, statements: str) -> None:
        """Run SQL as the superuser."""
        with self.site.as_superuser() as session:
            session.execute(statements.replace("{key}", self.site.key).encode())

    def vault(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        """Ask Vault as its root."""
        path = path.replace("{installation}", self.site.installation)
        return self.site.openbao.request(method, path, body, self.site.openbao.root_token)


def ids(findings: list[Finding]) -> set[str]:
    return {one["id"] for one in findings}
