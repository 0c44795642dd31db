"""Where a command's answer goes."""

import sys
from pathlib import Path

from runlease.config import ConfigError


def write(output: Path | None, told: str) -> None:
    """To the file, or to standard output where none is named. Raises ConfigError where it cannot be written."""
    text = told if told.endswith("\n") else f"{told}\n"
    if output is None:
        sys.stdout.write(text)
        return
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError([f"{output}: cannot be written (got {error}). Fix: name another file"]) from error
