"""The command line: the only file that exits. A command is a function that prints and returns an exit code."""

import argparse
import os
import signal
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from runlease.access.rules import RULES
from runlease.commands import access, evidence, sweep, trace, verify
from runlease.config import ConfigError
from runlease.config.files import missing_files, read_stack_file
from runlease.config.names import LeaseName, VaultName
from runlease.readers.error import ReadError
from runlease.readiness import as_json, as_text, check, has_errors
from runlease.report import rules_page
from runlease.tasks import FORMS, UID, Connection, WrapError, Wrapping, read_notices, wrap_file

OK, INTERRUPTED, WRONG_SETTINGS, FOUND_ERRORS = 0, 1, 2, 3
"""Exit codes. 1 is Python's own, too: the tool failed, and a traceback says how."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; what it returns is the program's exit code. SIGTERM ends it as Ctrl-C does: in good order."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return run(arguments)
    except KeyboardInterrupt:
        print("runlease: interrupted. What was taken is given back; nothing is said of the rest", file=sys.stderr)
        return INTERRUPTED
    finally:
        signal.signal(signal.SIGTERM, before)


def run(arguments: Sequence[str] | None) -> int:
    """Run one command, which may be a part of another: who interrupts it ends both."""
    given = _parser().parse_args(arguments)
    try:
        code: int = given.run(given)
    except (ConfigError, WrapError) as wrong:
        print("\n".join(wrong.messages), file=sys.stderr)
        return WRONG_SETTINGS
    except ReadError as wrong:
        print(wrong, file=sys.stderr)
        return WRONG_SETTINGS
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="runlease", description="A database lease for every pipeline run.")
    parser.add_argument("--version", action="version", version=f"%(prog)s {version('runlease')}")
    commands = parser.add_subparsers(required=True, metavar="command")
    _add_check(commands.add_parser("check", help="say what will not work, before an up; nothing is changed"))
    _add_wrap(commands.add_parser("wrap", help="put the guard round a Tekton Task of your own"))
    _add_rules(commands.add_parser("rules", help="list the rules that access is judged by"))
    access.add(commands)
    sweep.add(commands)
    trace.add(commands)
    verify.add(commands)
    evidence.add(commands, run)
    return parser


def _add_rules(parser: argparse.ArgumentParser) -> None:
    parser.epilog = "docs/rules.md says of each why it is, how to keep it, and how a stack accepts a finding."
    parser.add_argument("--format", choices=("text", "json"), default="text", help="default: text")
    parser.set_defaults(run=_rules)


def _rules(given: argparse.Namespace) -> int:
    print(rules_page.as_json(RULES) if given.format == "json" else rules_page.as_text(RULES))
    return OK


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


def _add_wrap(parser: argparse.ArgumentParser) -> None:
    parser.epilog = "docs/wrap.md says what a wrapped Task is. Exit code: 0 wrapped, 1 the tool failed, 2 refused."
    parser.add_argument("task", help="YAML file with a Task, or - for standard input")
    parser.add_argument(
        "--lease", required=True, type=_named(TypeAdapter(LeaseName)), help="default of the parameter lease"
    )
    parser.add_argument(
        "--installation", type=_named(TypeAdapter(VaultName)), help="whose ConfigMap and audience; default: none"
    )
    forms = f"{', '.join(FORMS)}; a URL may name its variable: jdbc-url=NAME. May be repeated; default: service"
    parser.add_argument("--connection", action="append", type=_connection, metavar="FORM", help=forms)
    user = f"one user for guard and steps, or `platform` where it insists on its own; default: {UID}"
    parser.add_argument("--run-as-user", type=_user, default=UID, metavar="UID", help=user)
    parser.add_argument("--guard-image", default="", help="default: the catalogue's; best by digest")
    parser.add_argument("--psql-image", default="", help="default: the catalogue's; best by digest")
    parser.add_argument("-o", "--output", type=Path, help="default: standard output")
    parser.set_defaults(run=_wrap)


def _wrap(given: argparse.Namespace) -> int:
    connections = tuple(given.connection or [Connection("service")])
    images = {"guard-image": given.guard_image, "psql-image": given.psql_image}
    wrapping = Wrapping(given.lease, connections, given.run_as_user, images, given.installation)
    try:
        text = sys.stdin.read() if given.task == "-" else Path(given.task).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError([f"{given.task}: cannot be read (got {error}). Fix: name a YAML file"]) from error
    wrapped = wrap_file(text, given.task, wrapping)
    for notice in read_notices(text, given.task):
        print(notice, file=sys.stderr)
    if given.output:
        given.output.write_text(wrapped, encoding="utf-8")
    else:
        print(wrapped, end="")
    return OK


def _named(kind: TypeAdapter[str]) -> Callable[[str], str]:
    def check_name(name: str) -> str:
        try:
            return kind.validate_python(name)
        except ValidationError as error:
            raise argparse.ArgumentTypeError(str(error.errors()[0]["ctx"]["error"])) from error

    return check_name


def _connection(text: str) -> Connection:
    try:
        return Connection.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _user(text: str) -> int | None:
    if text == "platform":
        return None
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"no user (got {text!r}, expected a number above 0, or platform)")
    return int(text)
