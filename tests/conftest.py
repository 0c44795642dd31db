"""What more than one kind of tests asks for."""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
import tomllib
from pathlib import Path

import pytest

from lab.stack import REPOSITORY


@pytest.fixture(scope="session")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of policy/ with its virtual environment, in which runlease is this repository's."""
    made = tmp_path_factory.mktemp("pack") / "policy"
    shutil.copytree(REPOSITORY / "policy", made, ignore=shutil.ignore_patterns("venv", "__pycache__"))
    subprocess.run([sys.executable, "-m", "venv", made / "venv"], check=True)
    extras = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    install = [str(made / "venv/bin/python"), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    subprocess.run([*install, *extras["policy"]], check=True)
    # What this environment has comes first, and so protobuf as pulumi-policy wants it.
    [packages] = (made / "venv" / "lib").glob("python*/site-packages")
    beside = [str(REPOSITORY / "components"), sysconfig.get_paths()["purelib"]]
    (packages / "beside.pth").write_text("\n".join(beside) + "\n")
    return made
