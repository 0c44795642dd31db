"""Previews of the real CLI as test data: what is recorded, and how it is made the same on every machine."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

from tests.engine.deployment import Deployment

FOLDER = Path(__file__).parents[1] / "data" / "previews"
_DROPPED = {
    "config",
    "created",
    "detailedDiff",
    "dependencies",
    "duration",
    "id",
    "manifest",
    "modified",
    "outputs",
    "propertyDependencies",
    "resourceHooks",
    "secrets_providers",
    "sourcePosition",
    "sourcePositions",
    "stackTrace",
    "timestamp",
    "time",
}
"""What no reader looks at, and what differs from run to run."""
_UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_PEM = re.compile(r"-----BEGIN.*?-----END[^-]*-----(?:\\n|\n)*", re.DOTALL)
_STEP = re.compile(r'\}, \{("op"|"urn"): ')
"""Between two steps or resources; in a text its quotes would be escaped. One stands on a line, to be read in a diff."""
_ALLOW_LIST = re.compile(r"\(VALUES .*?\) AS a \([^)]*\)", re.DOTALL)


class Recorder:
    """Runs `pulumi` on a deployment as it is, and keeps what it prints by name."""

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment
        self.texts: dict[str, str] = {}

    def preview(self, name: str, *arguments: str, command: str = "preview", streaming: bool = False) -> None:
        """Keep a preview with the settings and the program as they are now."""
        self._deployment.stack.change(self._deployment.settings)
        self._keep(name, [*command.split(), "--json", *arguments], streaming)

    def export(self, name: str) -> None:
        """Keep the state."""
        self._keep(name, ["stack", "export"], streaming=False)

    def program(self, text: str) -> None:
        """Another program beside the components'."""
        path = self._deployment.stack.folder / "stacks" / "beside.py"
        path.write_text(text)
        main = path.with_name("__main__.py")
        if "beside" not in main.read_text():
            main.write_text(f"{main.read_text()}\nimport beside  # what stands beside the components\n")

    def _keep(self, name: str, arguments: list[str], streaming: bool) -> None:
        stack = self._deployment.stack
        environment = {**os.environ, **stack.environment}
        if streaming:
            environment["PULUMI_ENABLE_STREAMING_JSON_PREVIEW"] = "true"
        ran = subprocess.run(
            ["pulumi", *arguments, "--stack", stack.stack.name, "--non-interactive"],
            cwd=stack.folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if not ran.stdout.strip():
            raise AssertionError(f"pulumi {' '.join(arguments)} printed nothing: {ran.stderr}")
        self.texts[name] = self._scrubbed(ran.stdout, streaming)

    def _scrubbed(self, text: str, streaming: bool) -> str:
        if not streaming:
            line = json.dumps(self._clean(json.loads(text)))
            return _STEP.sub(r"},\n{\1: ", line) + "\n"
        events = [json.loads(line) for line in text.splitlines()]
        return "".join(f"{json.dumps(self._clean(event))}\n" for event in events if _matters(event))

    def _clean(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {key: self._clean(inner) for key, inner in value.items() if key not in _DROPPED}
        if isinstance(value, list):
            return [self._clean(inner) for inner in value]
        return self._text(value) if isinstance(value, str) else value

    def _text(self, text: str) -> str:
        servers = self._deployment.servers
        places = [
            (str(self._deployment.stack.folder.parent), "/stack"),
            (servers.openbao.address.removeprefix("https://"), "vault.internal:8200"),
            (servers.issuer.issuer.removeprefix("https://"), "kubernetes.internal:6443"),
            (str(servers.postgres.port), "5432"),
            ("localhost", "db.internal"),
        ]
        for here, everywhere in places:
            text = text.replace(here, everywhere)
        text = _UUID.sub(lambda found: found[0] if found[0] == _UNKNOWN else "0" * 8, _PEM.sub("(PEM)", text))
        text = re.sub(r"^v1:[A-Za-z0-9+/=]+:[A-Za-z0-9+/=]+$", "v1:AAAA:AAAA", text)
        if len(text) > 1500:
            # A function's body or a script: what a reader looks at is the allow-list.
            listed = _ALLOW_LIST.search(text)
            return f"{text[:40]}… FROM {listed[0]} …" if listed else f"{text[:40]}…"
        return text


def _matters(event: dict[str, Any]) -> bool:
    warning = event.get("diagnosticEvent", {}).get("severity", "error") != "error"
    outputs = event.get("resOutputsEvent", {}).get("metadata", {}).get("op", "refresh") != "refresh"
    return not warning and not outputs
