"""`runlease verify --prove`: take each declared lease, and try what it may and may not do."""

import argparse
import sys
from collections.abc import Sequence

from runlease.commands.output import write
from runlease.config import ConfigError, Settings, to_access
from runlease.config.files import missing_files, read_stack_file
from runlease.evidence.exits import exit_code
from runlease.evidence.prove import told, wallet
from runlease.evidence.prove.attempts import Row
from runlease.evidence.prove.edge_cluster import Cluster
from runlease.evidence.prove.edge_proof import Prover, Report
from runlease.evidence.prove.told_page import as_html


def add_arguments(parser: "argparse._ArgumentGroup") -> None:
    """Add what a proof asks for besides the stack file."""
    parser.add_argument(
        "--token",
        action="append",
        default=[],
        metavar="NAMESPACE/ACCOUNT=FILE",
        help="a token of a service account; its claims say what it can be tried for; may be repeated",
    )
    parser.add_argument(
        "--mint",
        action="store_true",
        help="let kubectl make the tokens, each bound to a pod that never starts and is deleted at once",
    )
    parser.add_argument(
        "--stranger",
        action="append",
        default=[],
        metavar="NAMESPACE/ACCOUNT",
        help="with --mint: an account that has no lease, best one in another namespace; may be repeated",
    )
    parser.add_argument(
        "--writes",
        action="store_true",
        help="use privileges to write, undone again: triggers of statements may fire, sequences advance; "
        "default: the server is asked",
    )
    parser.add_argument("--every", action="store_true", help="text: list what held, too")


def run(given: argparse.Namespace) -> int:
    """Prove, print, and say how it ended."""
    settings, folder = read_stack_file(given.stack_file), given.stack_file.parent
    if missing := missing_files(settings, folder):
        raise ConfigError(missing)
    report = _progress()
    rows = Prover(settings, folder, _wallet(given, settings, report), given.writes, report).prove()
    write(given.output, _told(rows, given))
    return exit_code(found=any(row.broken for row in rows), partial=bool(told.partial(rows)))


def _told(rows: Sequence[Row], given: argparse.Namespace) -> str:
    match given.format:
        case "json":
            return told.as_json(rows)
        case "html":
            return as_html(rows)
    return told.as_text(rows, every=given.every)


def _wallet(given: argparse.Namespace, settings: Settings, report: Report) -> wallet.Wallet:
    tokens, strangers = wallet.given(given.token), wallet.accounts(given.stranger)
    if not given.mint:
        if strangers:
            raise ConfigError(["--stranger: makes no token without --mint (expected both). Fix: add --mint"])
        return wallet.Wallet(tokens)
    identities = [binding.identity for binding in to_access(settings).bindings]
    return Cluster(settings.cluster, report).mint(identities, strangers, tokens)


def _progress() -> Report:
    if not sys.stderr.isatty():
        return lambda _: None
    return lambda what: print(what, file=sys.stderr)
