"""`runlease diff`, `report` and `explain`: what access changes, what there is, and how one identity gets it."""

import argparse
import os
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path

from runlease.access import Access
from runlease.access.rules import Bounds, Finding, Severity, findings
from runlease.commands.output import write
from runlease.config import ConfigError, Settings, to_acceptances, to_access, to_bounds
from runlease.config.files import read_stack_file
from runlease.config.revisions import read_declared
from runlease.readers.comparable import comparable
from runlease.readers.live import read_live
from runlease.readers.preview import read_plan, read_state
from runlease.report.comparison import Comparison, worst
from runlease.report.documents import as_json
from runlease.report.explain import explain, identity_named
from runlease.report.html import html
from runlease.report.markdown import markdown
from runlease.report.text import text

FORMATS: dict[str, Callable[[Comparison], str]] = {"text": text, "markdown": markdown, "html": html, "json": as_json}
EXITS = (
    "Exit code: 0 nothing at or above --fail-on, 1 the tool failed, 2 the settings or files are wrong; otherwise the "
    "worst finding that nobody accepted: 10 low, 11 medium, 12 high, 13 critical."
)


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the three commands."""
    compare = commands.add_parser("diff", help="say which access changes, before it does", epilog=EXITS)
    compare.add_argument("old", nargs="?", help="stack file, or a revision of one: main:stacks/Pulumi.prod.yaml")
    compare.add_argument("new", nargs="?", help="the same, as it will be")
    compare.add_argument(
        "--preview", type=Path, help="what `pulumi preview --json` printed, in the place of OLD and NEW"
    )
    compare.add_argument("--state", type=Path, help="what `pulumi stack export` printed: what the preview leaves out")
    compare.add_argument("--live", type=Path, help="stack file; compare it with what its servers have now")
    compare.add_argument("--stack-file", help="with --preview: bounds of the rules, and accepted findings")
    compare.set_defaults(run=_diff)
    report = commands.add_parser("report", help="say who can do what now", epilog=EXITS)
    report.add_argument("stack_file", nargs="?", help="stack file, or a revision of one")
    report.add_argument("--state", type=Path, help="what `pulumi stack export` printed, in the place of a stack file")
    report.set_defaults(run=_report)
    for parser in (compare, report):
        parser.add_argument(
            "--project", default="", help="project, or project/stack, that preview and state must be of"
        )
        parser.add_argument("--format", choices=tuple(FORMATS), default="text", help="default: text")
        parser.add_argument("-o", "--output", type=Path, help="a file in the place of standard output")
        parser.add_argument(
            "--fail-on", choices=[str(one) for one in Severity], default="low", help="default: low, that is any finding"
        )
    told = commands.add_parser("explain", help="say how one identity gets its access, link by link")
    told.add_argument("stack_file", help="stack file, or a revision of one")
    told.add_argument("identity", help="namespace/service-account, for example ci/shop-release-migrate")
    told.set_defaults(run=_explain)


def _diff(given: argparse.Namespace) -> int:
    if given.live is not None:
        return _diff_live(given)
    if given.preview is None:
        if given.new is None:
            raise ConfigError(["diff: nothing to compare (expected OLD and NEW, or --preview FILE). Fix: name them"])
        old, new = read_declared(given.old), read_declared(given.new)
        return _told(given, Comparison.of(to_access(old), to_access(new), _findings(to_access(new), new)))
    if given.old is not None:
        raise ConfigError([f"diff: two ways at once (got {given.old} and --preview, expected one). Fix: take one out"])
    planned = read_plan(given.preview, given.state, given.project)
    settings = read_declared(given.stack_file) if given.stack_file else None
    found = (*planned.hazards, *_findings(planned.after, settings))
    return _told(given, Comparison.of(planned.before, planned.after, found))


def _diff_live(given: argparse.Namespace) -> int:
    """From what is declared to what there is: what somebody else gave is a gain, what is missing is a loss."""
    if given.old is not None or given.preview is not None:
        raise ConfigError(["diff: two ways at once (got --live and another, expected one). Fix: take one out"])
    settings = read_stack_file(given.live)
    live = comparable(read_live(settings, given.live.parent, os.environ), settings)
    return _told(given, Comparison.of(to_access(settings), live, _findings(live, settings)))


def _report(given: argparse.Namespace) -> int:
    if (given.stack_file is None) == (given.state is None):
        raise ConfigError(["report: expected a stack file or --state FILE, one of them. Fix: name one"])
    settings = read_declared(given.stack_file) if given.stack_file else None
    access = to_access(settings) if settings else read_state(given.state, given.project)
    return _told(given, Comparison.of_one(access, _findings(access, settings)))


def _explain(given: argparse.Namespace) -> int:
    access = to_access(read_declared(given.stack_file))
    try:
        identity = identity_named(access, given.identity)
    except KeyError as unknown:
        raise ConfigError([str(unknown.args[0])]) from None
    print(explain(access, identity))
    return 0


def _findings(access: Access, settings: Settings | None) -> Iterable[Finding]:
    today = datetime.now(UTC).date()
    if settings is None:
        return findings(access, Bounds(), (), today)
    return findings(access, to_bounds(settings), to_acceptances(settings), today)


def _told(given: argparse.Namespace, comparison: Comparison) -> int:
    write(given.output, FORMATS[given.format](comparison))
    found = worst(comparison.findings)
    return 0 if found is None or found < Severity[given.fail_on.upper()] else found.value
