"""Liquibase and PostgreSQL's JDBC driver from Maven Central, once, into the lab's cache."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from lab import LabError
from lab.folders import cache_folder

POM = Path(__file__).with_name("liquibase-pom.xml")
VERSION = "4.33.0"
_PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"
_MAIN = "liquibase.integration.commandline.LiquibaseCommandLine"


def liquibase_folder() -> Path:
    """A folder with a program `liquibase`. Raises LabError without Java or Maven, or when Maven Central is away."""
    target = cache_folder() / f"liquibase-{VERSION}"
    for program, package in (("java", "default-jre-headless"), ("mvn", "maven")):
        if shutil.which(program) is None:
            raise LabError(f"lab.liquibase: no {program} on PATH. Fix: apt-get install {package}")
    if not target.exists():
        with tempfile.TemporaryDirectory(prefix="liquibase-", dir=cache_folder()) as scratch:
            made = Path(scratch) / "made"
            _fetch(made / "jars")
            start = made / "liquibase"
            start.write_text(f"#!/bin/sh\nexec java -cp '{target}/jars/*' {_MAIN} \"$@\"\n")
            start.chmod(0o755)
            os.replace(made, target)
    return target


def _fetch(folder: Path) -> None:
    command = ["mvn", "-q", "-B", "-f", str(POM), _PLUGIN, "-DincludeScope=runtime", f"-DoutputDirectory={folder}"]
    done = subprocess.run(command, cwd=folder.parent.parent, capture_output=True, text=True, check=False)
    if done.returncode:
        said = " ".join((done.stdout + done.stderr).split())[-500:]
        raise LabError(f"lab.liquibase: Maven failed (got {said}). Fix: check the network, or Maven's settings.xml")
