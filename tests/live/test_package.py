"""What is installed is whole: the components find SQL, policies, Tasks and guard without this repository."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from lab.stack import REPOSITORY

PROGRAM = """
import runlease
from runlease.provision.admission.policies import POLICIES, _spec
from runlease.provision.broker import functions
from runlease.provision.tekton import read_task, task_file
assert "REPOSITORY" not in str(task_file("postgres-migrate"))
assert len(functions((), "marker", "sweeper", ())) == 4
assert "runlease guard" in read_task("postgres-migrate")["spec"]["sidecars"][0]["script"]
assert all(_spec(policy)["validations"] for policy in POLICIES)
print(runlease.__file__)
"""


def test_a_wheel_holds_everything_it_needs(tmp_path: Path) -> None:
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "wheel", "--no-deps", "--wheel-dir", str(tmp_path), str(REPOSITORY)], check=True)
    (wheel,) = tmp_path.glob("runlease-*.whl")
    subprocess.run([*pip, "install", "--no-deps", "--target", str(tmp_path / "there"), str(wheel)], check=True)

    told = subprocess.run(
        [sys.executable, "-c", PROGRAM.replace("REPOSITORY", str(REPOSITORY))],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path / "there")},
        capture_output=True,
        text=True,
        check=False,
    )

    assert told.returncode == 0, told.stderr
    assert told.stdout.strip().startswith(str(tmp_path))
