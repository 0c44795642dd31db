"""`make demo` tells the story with an API server and without one, and its exit status is its word."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lab.stack import REPOSITORY
from lab.story import Teller


def demo(**environment: str) -> subprocess.CompletedProcess[str]:
    inherited = {key: value for key, value in os.environ.items() if key not in ("RUNLEASE_LAB_KUBECONFIG", "PATH")}
    return subprocess.run(
        [sys.executable, "-m", "lab", "demo"],
        cwd=REPOSITORY,
        # Without a pulumi CLI: the engine tests show the other way.
        env={**inherited, "PATH": "/usr/local/bin:/usr/bin:/bin", **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )


@pytest.mark.usefixtures("kubernetes")
def test_everything_holds_with_an_api_server() -> None:
    told = demo()

    assert told.returncode == 0, told.stdout + told.stderr
    assert "kube-apiserver from" in told.stdout
    assert "32 of 32 held." in told.stdout


def test_everything_holds_without_one_and_the_first_lines_say_so(lab_folder: Path) -> None:
    cache = lab_folder / "an-empty-cache"
    cache.mkdir()

    told = demo(XDG_CACHE_HOME=str(cache), KUBEBUILDER_ASSETS="")

    assert told.returncode == 0, told.stdout + told.stderr
    assert told.stdout.startswith("No kube-apiserver here.")
    assert "make kubernetes" in told.stdout.split("\n\n")[0]
    assert "32 of 32 held." in told.stdout


def test_one_thing_that_does_not_hold_fails_the_summary(capsys: pytest.CaptureFixture[str]) -> None:
    teller = Teller()
    teller.held("this", true=True)
    teller.held("that", true=False)

    assert not teller.summary()
    assert "1 of 2 held." in capsys.readouterr().out
