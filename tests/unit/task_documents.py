"""The Tasks as documents, and where their files are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from runlease.provision.tekton import TASKS, read_task

TEKTON = Path(__file__).resolve().parents[2] / "tekton"
FRAGMENTS = ("params", "volumes", "pod", "check", "release")
"""What every Task carries, below tekton/fragments/."""


def folder(task: str) -> Path:
    return TEKTON / "task" / task / TASKS[task]


def text(task: str) -> str:
    return (folder(task) / f"{task}.yaml").read_text()


def spec(task: str) -> dict[str, Any]:
    return dict(read_task(task)["spec"])


def steps(task: str) -> list[dict[str, Any]]:
    return list(spec(task)["steps"])


def guard(task: str) -> dict[str, Any]:
    (sidecar,) = spec(task)["sidecars"]
    return dict(sidecar)


def volumes(task: str) -> dict[str, Any]:
    return {volume["name"]: volume for volume in spec(task)["volumes"]}
