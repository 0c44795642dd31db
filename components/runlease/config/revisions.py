"""Settings by a path, or as they were in a revision of a git repository."""

import subprocess
from pathlib import Path

from runlease.config.files import read_stack_file, read_stack_text
from runlease.config.load import ConfigError
from runlease.config.settings import Settings


def read_declared(given: str) -> Settings:
    """The settings of `stacks/Pulumi.prod.yaml`, or of `main:stacks/Pulumi.prod.yaml` as git spells a revision.

    Asks git for what it has, and nothing beside it: no network, no file that the settings name. Raises ConfigError.
    """
    revision, colon, _ = given.partition(":")
    if not colon or Path(given).exists():
        return read_stack_file(Path(given))
    if not revision or revision.startswith("-"):
        raise ConfigError([f"{given}: no revision (got {revision!r}, expected such as main). Fix: REVISION:PATH"])
    try:
        shown = subprocess.run(["git", "show", given], capture_output=True, check=False)
    except OSError as error:
        raise ConfigError([f"{given}: git cannot be run (got {error}). Fix: install git, or name a file"]) from error
    if shown.returncode != 0:
        said = " ".join(shown.stderr.decode(errors="replace").split())
        raise ConfigError([f"{given}: git does not have it (got {said}). Fix: fetch it, or correct revision and path"])
    return read_stack_text(shown.stdout.decode(errors="replace"), given)
