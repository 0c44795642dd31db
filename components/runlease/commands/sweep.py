"""`runlease sweep`: what dead runs left behind, and with --apply its end."""

import argparse
import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from runlease.access import Duration, LifetimeError
from runlease.config import ConfigError
from runlease.config.files import missing_certificates, read_stack_file
from runlease.config.scheduled import OLDER_THAN
from runlease.evidence.sweep.edge_sweep import Sweep
from runlease.evidence.sweep.swept import Swept, as_json, as_text
from runlease.evidence.sweep.swept_page import as_html

_EXITS = (
    "VAULT_TOKEN and kubectl say who asks, unless --identity does. Exit code: 0 nothing is left, 1 the tool failed, "
    "2 the settings are wrong, 3 something is left, 4 the answer is partial, 5 both."
)
_FORMATS: dict[str, Callable[[Swept], str]] = {"text": as_text, "json": as_json, "html": as_html}


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command."""
    parser = commands.add_parser("sweep", help="say what dead runs left behind, and end it if asked", epilog=_EXITS)
    parser.add_argument("stack_file", type=Path, help="for example stacks/Pulumi.staging.yaml")
    parser.add_argument("--apply", action="store_true", help="end it; default: say it, and change nothing")
    parser.add_argument(
        "--older-than",
        type=_age,
        metavar="DURATION",
        help="default: as access.sweeper says, else 10m; below 2m it may end a run that is just beginning",
    )
    parser.add_argument("--identity", type=Path, metavar="FOLDER", help="tokens of the LeaseSweeper, in its pod")
    parser.add_argument("--format", choices=tuple(_FORMATS), default="text", help="default: text")
    parser.set_defaults(run=_sweep)


def _sweep(given: argparse.Namespace) -> int:
    settings, folder = read_stack_file(given.stack_file), given.stack_file.parent
    if missing := missing_certificates(settings, folder):
        raise ConfigError(missing)
    default = settings.sweeper.older_than if settings.sweeper else OLDER_THAN
    age = given.older_than if given.older_than is not None else default
    older_than = timedelta(seconds=age.seconds)
    swept = Sweep(settings, folder, os.environ, older_than, given.apply, given.identity).run()
    print(_FORMATS[given.format](swept))
    return swept.exit_code


def _age(text: str) -> Duration:
    try:
        return Duration(0) if text in ("0", "0s") else Duration.parse(text)
    except LifetimeError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
