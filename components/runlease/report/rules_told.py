"""The rules that a report names: where they are described, and in words."""

from collections.abc import Iterable
from functools import cache
from importlib.metadata import PackageNotFoundError, metadata

from runlease.access.rules import RULES, Finding, Rule
from runlease.readers.hazards import HAZARDS, Hazard

_ALL: dict[str, Rule | Hazard] = {one.id: one for one in (*RULES, *HAZARDS)}


@cache
def rules_address() -> str:
    """Where docs/rules.md stands: what the distribution calls `Rules` in `[project.urls]`.

    Empty where it says none: then a report has the rules in words, and never a link to somewhere else.
    """
    try:
        urls = metadata("runlease").get_all("Project-URL") or []
    except PackageNotFoundError:
        return ""
    named: dict[str, str] = dict(url.split(", ", 1) for url in urls)
    return named.get("Rules", "")


def broken_rules(findings: Iterable[Finding]) -> list[Rule | Hazard]:
    """Each rule that a finding is of, once, by its id."""
    return [_ALL[name] for name in sorted({one.rule for one in findings} & _ALL.keys())]
