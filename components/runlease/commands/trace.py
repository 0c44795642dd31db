"""`runlease trace`: from a statement to the run that issued it, out of logs, and nothing is changed."""

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from runlease.commands.trace_page import page
from runlease.commands.trace_rows import csv_rows, json_lines
from runlease.commands.trace_text import text
from runlease.config import ConfigError
from runlease.evidence.exits import exit_code
from runlease.evidence.trace import Answer, Question, Sources, trace
from runlease.evidence.trace.audit_hash import hashes_of
from runlease.evidence.trace.clock import Clock
from runlease.evidence.trace.creations import CONTROLLER
from runlease.evidence.trace.owners import Owners
from runlease.evidence.trace.postgres_prefix import DEFAULT_PREFIX
from runlease.readers.error import ReadError

FORMATS: dict[str, Callable[[Answer], Iterator[str]]] = {
    "text": text,
    "json": json_lines,
    "csv": csv_rows,
    "html": page,
}


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command."""
    parser = commands.add_parser("trace", help="say which run issued which statement, from logs")
    parser.epilog = (
        "docs/trace.md says what the logs must have. Exit code: 0 nothing to mend, 1 the tool failed, 2 wrong "
        "arguments or files, 3 findings, 4 partial: something was not given or not read, 5 findings and partial."
    )
    _add_logs(parser.add_argument_group("logs, plain or compressed by gz or zst, in any order"))
    _add_questions(parser.add_argument_group("questions; several are all to hold"))
    parser.add_argument("--show-values", action="store_true", help="show literals; they are hidden by default")
    parser.add_argument("--format", choices=tuple(FORMATS), default="text", help="default: text; html for one --run")
    parser.add_argument("-o", "--output", type=Path, help="a file in the place of standard output")
    parser.set_defaults(run=_trace)


def _add_logs(logs: "argparse._ArgumentGroup") -> None:
    kinds, shown = "PostgreSQL's csvlog, jsonlog, or plain log", DEFAULT_PREFIX.replace("%", "%%")
    logs.add_argument("--postgres-log", nargs="+", type=Path, required=True, metavar="FILE", help=kinds)
    logs.add_argument("--audit-log", nargs="+", type=Path, default=[], metavar="FILE", help="of Vault's file device")
    owners = "what `kubectl get pods,taskruns,pipelineruns -A -o json` printed, or - for standard input"
    logs.add_argument("--kubernetes", metavar="FILE", help=owners)
    api = "of Kubernetes' API server: who made which pod, and for which run"
    logs.add_argument("--api-audit-log", nargs="+", type=Path, default=[], metavar="FILE", help=api)
    controller = f"Tekton's, as the API server knows it; default: {CONTROLLER}"
    logs.add_argument("--tekton-controller", default=CONTROLLER, metavar="USER", help=controller)
    prefix = f"of plain logs; default: '{shown}'"
    logs.add_argument("--log-line-prefix", default=DEFAULT_PREFIX, metavar="PREFIX", help=prefix)
    zone = "PostgreSQL's log_timezone, where it is not UTC"
    logs.add_argument("--time-zone", type=_zone, metavar="AREA/CITY", help=zone)
    logs.add_argument("--audit-device", default="file", metavar="NAME", help="for hashed usernames; default: file")


def _add_questions(asked: "argparse._ArgumentGroup") -> None:
    run = "a PipelineRun, a TaskRun, or a pod by name or uid"
    asked.add_argument("--run", dest="of_run", default="", metavar="NAME", help=run)
    asked.add_argument("--statement", default="", metavar="TEXT", help="statements with this text in them")
    asked.add_argument("--table", default="", metavar="NAME", help="statements that name this table, [schema.]table")
    asked.add_argument("--since", type=_time, metavar="TIME", help="2026-11-24 or 2026-11-24T20:17:49Z; default: UTC")
    asked.add_argument("--until", type=_time, metavar="TIME", help="the same; not included")
    unattributed = "only what no lease explains, or what contradicts the audit log"
    asked.add_argument("--unattributed", action="store_true", help=unattributed)


def _trace(given: argparse.Namespace) -> int:
    question = Question(
        given.of_run, given.statement, given.table, given.since, given.until, given.unattributed, given.show_values
    )
    _check(given, question)
    with closing(trace(question, _sources(given))) as answer:
        _write(given.output, FORMATS[given.format](answer))
        return exit_code(found=bool(answer.findings), partial=bool(answer.partial))


def _check(given: argparse.Namespace, question: Question) -> None:
    wrong = []
    asked = [question.run, question.statement, question.table, question.since, question.until]
    if not question.unattributed and not any(asked):
        wrong.append(
            "trace: nothing is asked (expected --run, --statement, --table, --since, --until or --unattributed). "
            "Fix: name one"
        )
    if question.unattributed and (question.statement or question.table):
        wrong.append("trace: --unattributed is about sessions (got --statement or --table with it). Fix: take one out")
    if question.since and question.until and question.since >= question.until:
        wrong.append(f"trace: no such period (got --since {given.since} and --until {given.until}). Fix: swap them")
    if given.format == "html" and not question.run:
        wrong.append("trace: a page is of one run (got --format html without --run). Fix: name the run")
    if wrong:
        raise ConfigError(wrong)


def _sources(given: argparse.Namespace) -> Sources:
    resolve = None
    if os.environ.get("VAULT_ADDR") and os.environ.get("VAULT_TOKEN"):
        resolve = partial(hashes_of, device=given.audit_device, environ=os.environ)
    return Sources(
        given.postgres_log,
        given.audit_log,
        Owners([(given.kubernetes, _document(given.kubernetes))] if given.kubernetes else []),
        given.api_audit_log,
        given.tekton_controller,
        given.log_line_prefix,
        Clock(given.time_zone),
        resolve,
        _progress([*given.postgres_log, *given.audit_log, *given.api_audit_log]),
    )


def _document(name: str) -> Any:
    try:
        return json.loads(sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ReadError(f"--kubernetes {name}: cannot be read (got {error}). Fix: name what kubectl printed") from error


def _progress(files: list[Path]) -> Callable[[int], None]:
    """A line that counts on a terminal, and nothing elsewhere."""
    if not sys.stderr.isatty():
        return lambda _: None
    whole = sum(path.stat().st_size for path in files if path.exists()) or 1
    done, shown = 0, -1

    def advanced(more: int) -> None:
        nonlocal done, shown
        done += more
        if (percent := min(100, done * 100 // whole)) != shown:
            shown = percent
            end = "\n" if percent == 100 else ""
            print(f"\rtrace: {percent} % of {whole / 1e6:.0f} MB", end=end, file=sys.stderr, flush=True)

    return advanced


def _write(output: Path | None, pieces: Iterator[str]) -> None:
    if output is None:
        sys.stdout.writelines(pieces)
        return
    try:
        with output.open("w", encoding="utf-8", newline="") as file:
            file.writelines(pieces)
    except OSError as error:
        raise ConfigError([f"{output}: cannot be written (got {error}). Fix: name another file"]) from error


def _time(told: str) -> datetime:
    try:
        found = datetime.fromisoformat(told)
    except ValueError:
        raise argparse.ArgumentTypeError(f"no time (got {told!r}, expected 2026-11-24T20:17:49Z)") from None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise argparse.ArgumentTypeError(f"no time zone (got {name!r}, expected one as Europe/Berlin)") from None
