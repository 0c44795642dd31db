"""The command line: the only file that exits. A command is a function that prints and returns an exit code."""

import argparse
import os
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from runlease.config import ConfigError
from runlease.config.files import missing_files, read_stack_file
from runlease.readiness import as_json, as_text, check, has_errors

OK, WRONG_SETTINGS, FOUND_ERRORS = 0, 2, 3
"""Exit codes. 1 is Python's own: the tool failed, and a traceback says how."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; what it returns is the program's exit code."""
    given = _parser().parse_args(arguments)
    try:
        code: int = given.run(given)
    except ConfigError as wrong:
        print("\n".join(wrong.messages), file=sys.stderr)
        return WRONG_SETTINGS
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="runlease", description="A database lease for every pipeline run.")
    parser.add_argument("--version", action="version", version=f"%(prog)s {version('runlease')}")
    commands = parser.add_subparsers(required=True, metavar="command")
    _add_check(commands.add_parser("check", help="say what will not work, before an up; nothing is changed"))
    return parser


def _add_check(parser: argparse.ArgumentParser) -> None:
    parser.epilog = (
        "Secrets come from the environment: RUNLEASE_ADMIN_PASSWORD_<KEY> for each database (or PGPASSFILE), and "
        "VAULT_TOKEN (optional). Exit code: 0 no error, 1 the tool failed, 2 the settings are wrong, 3 errors found."
    )
    parser.add_argument("stack_file", type=Path, help="for example stacks/Pulumi.staging.yaml")
    parser.add_argument("--format", choices=("text", "json"), default="text", help="default: text")
    parser.set_defaults(run=_check)


def _check(given: argparse.Namespace) -> int:
    settings, folder = read_stack_file(given.stack_file), given.stack_file.parent
    if missing := missing_files(settings, folder):
        raise ConfigError(missing)
    checked = check(settings, folder, os.environ)
    print(as_json(checked) if given.format == "json" else as_text(checked))
    return FOUND_ERRORS if has_errors(checked) else OK
