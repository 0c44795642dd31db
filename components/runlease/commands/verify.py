"""`runlease verify`: whether the access that is live is the access that was declared, and what else is wrong there."""

import argparse
import os
from collections.abc import Callable
from pathlib import Path

from runlease.access.rules import Severity
from runlease.commands import prove
from runlease.commands.output import write
from runlease.config import ConfigError, Settings
from runlease.config.files import missing_certificates, read_stack_file
from runlease.evidence.exits import exit_code
from runlease.evidence.verify.check import Verified
from runlease.evidence.verify.edge import Asking, verify
from runlease.evidence.verify.edge_auditor import verify_as_auditor
from runlease.evidence.verify.told import as_json, as_text
from runlease.evidence.verify.told_page import as_html
from runlease.readers.api_server import by_kubectl

FORMATS: dict[str, Callable[[Verified], str]] = {"text": as_text, "json": as_json, "html": as_html}
_OF_THE_CHECKS = {"login": None, "identity": None, "kubernetes": False, "fail_on": "low"}
_OF_THE_PROOF = {"token": [], "mint": False, "stranger": [], "writes": False, "every": False}
"""Options of one of the two ways, and what they are where nobody names them."""


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command."""
    parser = commands.add_parser("verify", help="say what is live and was not declared; nothing is changed")
    parser.epilog = (
        "Secrets come from the environment: RUNLEASE_ADMIN_PASSWORD_<KEY> for each database (or PGPASSFILE), and "
        "VAULT_TOKEN. docs/verify.md says what they need. Exit code: 0 nothing at or above --fail-on, 1 the tool "
        "failed, 2 the settings are wrong, 3 found, 4 partial: something could not be asked, 5 found and partial."
    )
    parser.add_argument("stack_file", type=Path, help="for example stacks/Pulumi.prod.yaml")
    parser.add_argument("--login", help="login in PostgreSQL; default: the admin of each database")
    parser.add_argument("--kubernetes", action="store_true", help="ask the cluster, too: kubectl says who asks")
    parser.add_argument("--identity", type=Path, metavar="FOLDER", help="tokens of the LeaseAuditor, in its pod")
    parser.add_argument("--format", choices=tuple(FORMATS), default="text", help="default: text")
    parser.add_argument("-o", "--output", type=Path, help="a file in the place of standard output")
    parser.add_argument(
        "--fail-on", choices=[str(one) for one in Severity], default="low", help="default: low, that is any finding"
    )
    proof = parser.add_argument_group("with --prove, in the place of the above: what a lease can do, shown by trying")
    proof.add_argument("--prove", action="store_true", help="take each declared lease, try it, and give it back")
    prove.add_arguments(proof)
    parser.set_defaults(run=_verify)


def _verify(given: argparse.Namespace) -> int:
    _check(given)
    if given.prove:
        return prove.run(given)
    settings, folder = read_stack_file(given.stack_file), given.stack_file.parent
    if missing := missing_certificates(settings, folder):
        raise ConfigError(missing)
    verified = _verified(given, settings, folder)
    write(given.output, FORMATS[given.format](verified))
    return exit_code(found=verified.at_least(Severity[given.fail_on.upper()]), partial=bool(verified.not_tried))


def _verified(given: argparse.Namespace, settings: Settings, folder: Path) -> Verified:
    if given.identity is not None:
        return verify_as_auditor(settings, folder, os.environ, given.identity)
    logins = dict.fromkeys(settings.databases, given.login) if given.login else {}
    cluster = by_kubectl(settings.cluster.context, os.environ) if given.kubernetes else None
    return verify(Asking(settings, folder, os.environ, logins, cluster))


def _check(given: argparse.Namespace) -> None:
    """What belongs to the other of the two ways would be passed over in silence."""
    named = _OF_THE_CHECKS if given.prove else _OF_THE_PROOF
    other = [f"--{name.replace('_', '-')}" for name, usual in named.items() if getattr(given, name) != usual]
    if other:
        expected, fix = ("no --prove", "take --prove out") if given.prove else ("--prove", "add --prove")
        raise ConfigError([f"verify: not of this way (got {', '.join(other)}, expected {expected}). Fix: {fix}"])
    if given.identity is not None and (given.login or given.kubernetes):
        raise ConfigError(
            ["verify: who asks is said twice (got --identity with --login or --kubernetes). Fix: keep --identity"]
        )
