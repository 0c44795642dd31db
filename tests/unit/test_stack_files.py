"""The stack files of the repository: each loads, names no file outside its folder and holds no secret."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from runlease.config import load, to_access

STACKS = Path(__file__).parents[2] / "stacks"
FILES = sorted(STACKS.glob("Pulumi.*.yaml"))


def config(file: Path) -> dict[str, Any]:
    read: dict[str, Any] = yaml.safe_load(file.read_text(encoding="utf-8"))["config"]
    return read


def test_there_is_a_local_stack() -> None:
    assert STACKS / "Pulumi.local.yaml" in FILES


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_a_stack_file_loads_and_becomes_access(file: Path) -> None:
    access = to_access(load(config(file)["runlease:access"]))
    assert access.databases
    assert access.leases
    assert access.bindings


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_a_stack_file_turns_default_providers_off(file: Path) -> None:
    assert config(file)["pulumi:disable-default-providers"] == ["*"]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_a_stack_files_own_secrets_are_encrypted(file: Path) -> None:
    plain = [key for key, value in config(file).items() if key.startswith("runlease:") and not isinstance(value, dict)]
    assert not plain


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_paths_in_a_stack_file_begin_in_its_folder(file: Path) -> None:
    settings = load(config(file)["runlease:access"])
    paths = [database.ca for database in settings.databases.values()]
    paths += [path for path in (settings.vault.ca, settings.cluster.jwks_ca, *settings.cluster.public_keys) if path]
    assert not [path for path in paths if Path(path).is_absolute() or ".." in Path(path).parts]


def test_a_project_refreshes_always_and_finds_its_stacks() -> None:
    project = yaml.safe_load((STACKS.parent / "Pulumi.yaml").read_text(encoding="utf-8"))
    assert project["options"]["refresh"] == "always"
    assert (project["main"], project["stackConfigDir"]) == ("stacks", "stacks")
