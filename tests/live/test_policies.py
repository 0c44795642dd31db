"""The pack's own tests, which call its policies directly, in the environment that its protobuf pin asks for."""

from __future__ import annotations

import subprocess
from pathlib import Path

from lab.stack import REPOSITORY


def test_the_policies_hold_when_they_are_called_directly(pack: Path) -> None:
    ran = subprocess.run(
        [pack / "venv/bin/python", "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/policy"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    # Pytest says 5 when it found none of them.
    assert ran.returncode == 0, ran.stdout + ran.stderr
