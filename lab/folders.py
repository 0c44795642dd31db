"""Where the lab keeps things: binaries in a cache that stays, a run's data and logs in a folder that goes."""

from __future__ import annotations

import os
import pwd
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SYSTEM_CACHE = Path("/var/cache/runlease")


def cache_folder() -> Path:
    """The one cache folder, made if missing: server binaries, no data and no secrets.

    `$XDG_CACHE_HOME/runlease`, or `~/.cache/runlease`. As root PostgreSQL runs as another user, who must be
    able to read its binaries: where that user cannot enter the folder, `/var/cache/runlease` is used.
    """
    base = os.environ.get("XDG_CACHE_HOME", "").strip()
    folder = (Path(base) if base else Path.home() / ".cache") / "runlease"
    if os.geteuid() == 0 and not entered_by_all(folder):
        folder = SYSTEM_CACHE
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextmanager
def lab_folder() -> Iterator[Path]:
    """A folder for one run of the lab, removed with all that is in it at the end.

    Others may pass through it, because as root PostgreSQL runs as another user and keeps its data below; they
    may not list it, and each server's own folder is closed to them.
    """
    folder = Path(tempfile.mkdtemp(prefix="runlease-lab-"))
    folder.chmod(0o711)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def private_folder(path: Path, owner: pwd.struct_passwd | None = None) -> Path:
    """`path`, made if missing, which only we, or `owner`, may enter."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.chmod(0o700)
    if owner:
        os.chown(path, owner.pw_uid, owner.pw_gid)
    return path


def write_private(path: Path, text: str, owner: pwd.struct_passwd | None = None) -> Path:
    """`text` in a new file at `path` that nobody but us, or `owner`, could ever read."""
    path.unlink(missing_ok=True)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    if owner:
        os.chown(path, owner.pw_uid, owner.pw_gid)
    return path


def entered_by_all(folder: Path) -> bool:
    """Whether every user may pass through `folder` and all folders above it, as far as they exist."""
    return all(part.stat().st_mode & 0o001 for part in [folder, *folder.parents] if part.exists())


def unprivileged_user() -> pwd.struct_passwd | None:
    """Who runs PostgreSQL: `postgres`, else `nobody`, when we are root; None (ourselves) when we are not."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam("postgres")
    except KeyError:
        return pwd.getpwnam("nobody")
