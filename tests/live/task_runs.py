"""A Task against a deployment: its own guard and steps as processes, with the parameters filled in."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab.folders import private_folder, write_private
from lab.processes import Processes
from runlease.provision.tekton import read_task
from tests.live.deployment import NAMESPACE, Deployment

Params = Mapping[str, str | Sequence[str]]
_VARIABLE = re.compile(r"\$\((params|workspaces|results)\.([a-z-]+)(?:\.path)?\)")
_ARRAY = re.compile(r"\$\(params\.([a-z-]+)\[\*\]\)")


@dataclass
class Ended:
    """How a Task ended: exit code of the step that ended it, what all steps said, the results."""

    code: int = 0
    steps: list[str] = field(default_factory=list)
    output: str = ""
    results: dict[str, str] = field(default_factory=dict)

    @property
    def last_line(self) -> str:
        return self.output.strip().splitlines()[-1]


class TaskRun:
    """One run of a Task, step by step."""

    def __init__(
        self,
        site: Deployment,
        processes: Processes,
        lab_folder: Path,
        task: str,
        lease: str,
        source: Path | None = None,
        run: str = "",
        config: Mapping[str, Mapping[str, object]] | None = None,
        **params: str | Sequence[str],
    ) -> None:
        self._spec: dict[str, Any] = read_task(task)["spec"]
        self._folder = Path(tempfile.mkdtemp(dir=lab_folder))
        self._source = source
        given = {name.replace("_", "-"): value for name, value in params.items()}
        self._params: Params = {p["name"]: p.get("default", lease) for p in self._spec["params"]} | given
        for name in ("lease", "state", "pod", "results", "tmp", "config"):
            private_folder(self._folder / name)
        (self._folder / "pod" / "run").write_text(run)
        self._configure(site, lab_folder, config or {})
        write_private(self._folder / "token", site.token_of_pod(lease))
        (self._folder / "guard.py").write_text(self._spec["sidecars"][0]["script"])
        places = {"CONFIG": "config", "TOKEN": "token", "SHARED": "lease", "STATE": "state", "POD": "pod"}
        self._processes = processes
        self._guard = processes.start(
            self._folder.name,
            [sys.executable, "-I", str(self._folder / "guard.py")],
            environment={f"RUNLEASE_{name}": str(self._folder / place) for name, place in places.items()}
            | {"RUNLEASE_LEASE": lease},
            stop_signal=signal.SIGTERM,
        )

    def _configure(self, site: Deployment, lab_folder: Path, changes: Mapping[str, Mapping[str, object]]) -> None:
        rendered = lab_folder / f"deployment-{site.installation}" / "rendered"
        path = rendered / f"configmap-{NAMESPACE}-runlease-{site.installation}.yaml"
        for name, text in yaml.safe_load(path.read_text())["data"].items():
            document = json.loads(text) | dict(changes.get(name, {}))
            (self._folder / "config" / name).write_text(json.dumps(document))

    def _arguments(self, texts: Sequence[str]) -> list[str]:
        def value(found: re.Match[str]) -> str:
            kind, name = found.groups()
            if kind == "params":
                return str(self._params[name])
            return str(self._source or "") if kind == "workspaces" else str(self._folder / "results" / name)

        words: list[str] = []
        for text in texts:
            array = _ARRAY.fullmatch(text)
            filled = self._params[array[1]] if array else [_VARIABLE.sub(value, text)]
            words += [word.replace("/runlease/lease", str(self._folder / "lease")) for word in filled]
        return words

    def begin(self, name: str) -> subprocess.Popen[str]:
        """Start one step."""
        step = next(step for step in self._spec["steps"] if step["name"] == name)
        script = self._folder / f"{name}.sh"
        script.write_text(step["script"])
        return subprocess.Popen(
            ["sh", str(script), *self._arguments(step["args"])],
            cwd=self._folder,
            text=True,
            env={"PATH": os.environ["PATH"], "HOME": str(self._folder), "TMPDIR": str(self._folder / "tmp")},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def stop(self) -> dict[str, str]:
        """Stop the guard, as Tekton does after the last step, and return the results."""
        self._processes.stop(self._guard)
        return {path.name: path.read_text() for path in (self._folder / "results").iterdir()}

    def to_its_end(self) -> Ended:
        """Run the steps until one fails, and stop the guard."""
        ended = Ended()
        for step in self._spec["steps"]:
            process = self.begin(step["name"])
            ended.steps.append(step["name"])
            ended.output += process.communicate()[0]
            ended.code = process.returncode
            if ended.code:
                break
        ended.results = self.stop()
        return ended


Begin = Callable[..., TaskRun]
"""Begins a run of a Task on one site: Task, lease, and what else `TaskRun` takes."""


ONE_SERVER = pytest.mark.parametrize("shop", [18], indirect=True, ids=["pg18"])
"""For what is decided before the server is asked."""


def sql_files(folder: Path, **texts: str | bytes) -> Path:
    """A new workspace; `_0001_customer="CREATE …"` is the file `0001_customer.sql`."""
    for name, text in texts.items():
        content = text if isinstance(text, bytes) else text.encode()
        (folder / f"{name.removeprefix('_')}.sql").write_bytes(content)
    return folder
