"""The Tasks of `tekton/`: in an installed package, or in the repository it is developed in."""

import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

TASKS: Mapping[str, str] = {
    "lease-audit": "0.1",
    "postgres-migrate": "0.1",
    "postgres-run": "0.1",
    "postgres-sandbox": "0.1",
    "postgres-seed": "0.1",
    "postgres-verify": "0.1",
}
"""Every Task and the version that this package installs."""

_INCLUDE = re.compile(r"^# include (?P<path>\S+)\n", re.MULTILINE)


def task_file(task: str) -> Path:
    """Path of a Task's YAML."""
    return _tekton() / "task" / task / TASKS[task] / f"{task}.yaml"


@cache
def read_task(task: str) -> dict[str, Any]:
    """A Task as a document, read once. Raises FileNotFoundError when the package was built without `tekton/`."""
    document: dict[str, Any] = yaml.safe_load(task_file(task).read_text(encoding="utf-8"))
    return document


@cache
def step_script(name: str) -> str:
    """A script of `tekton/steps/` with what it includes, as `tekton/embed.py` carries it into a Task."""

    def read(path: str) -> str:
        return (_tekton() / path).read_text(encoding="utf-8")

    return _INCLUDE.sub(lambda line: read(line["path"]).partition("\n")[2], read(f"steps/{name}.sh"))


def for_installation(document: Mapping[str, Any], config: str, audience: str, token_expiry: int) -> dict[str, Any]:
    """The same Task with this installation's defaults, so that a pipeline names only its lease. Pure.

    config: the installation's ConfigMap. token_expiry: life of the run tokens, in seconds.
    """
    defaults = {"installation-config": config, "audience": audience}
    params = [
        {**param, "default": defaults[param["name"]]} if param["name"] in defaults else param
        for param in document["spec"]["params"]
    ]
    volumes = [_with_expiry(volume, token_expiry) for volume in document["spec"]["volumes"]]
    return {**document, "spec": {**document["spec"], "params": params, "volumes": volumes}}


def _with_expiry(volume: Mapping[str, Any], seconds: int) -> Mapping[str, Any]:
    if volume["name"] != "runlease-token":
        return volume
    sources = [
        {"serviceAccountToken": {**source["serviceAccountToken"], "expirationSeconds": seconds}}
        for source in volume["projected"]["sources"]
    ]
    return {**volume, "projected": {**volume["projected"], "sources": sources}}


def _tekton() -> Path:
    installed = Path(str(files("runlease"))) / "tekton"
    return installed if installed.exists() else Path(__file__).parents[3] / "tekton"
