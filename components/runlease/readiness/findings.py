"""What a check finds, and how it is told."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from runlease.report.escape import printable


class Severity(StrEnum):
    """How much a finding weighs, the worst first."""

    ERROR = "error"
    """`up` fails, or what it makes is not safe."""
    WARNING = "warning"
    """`up` works, and something is lost or does not reach as far as it looks."""
    NOTE = "note"
    """Good to know; nothing needs to be done."""


_ORDER = {severity: place for place, severity in enumerate(Severity)}


@dataclass(frozen=True)
class Finding:
    """One thing to mend. `access.vault.address: is sealed (got …, expected …). Fix: bao operator unseal`."""

    severity: Severity
    where: str
    """Path in the settings."""
    problem: str
    fix: str
    """A command or an edit; where SQL mends it, the SQL stands first, complete and quoted."""

    def __str__(self) -> str:
        return f"{self.where}: {self.problem}. Fix: {self.fix}"


@dataclass(frozen=True)
class Checked:
    """One outside system and what was found there, the worst first."""

    system: str
    findings: tuple[Finding, ...]

    @classmethod
    def of(cls, system: str, findings: Iterable[Finding]) -> "Checked":
        """Put the findings in their order: by severity, then by where they are and what they say."""
        return cls(system, tuple(sorted(findings, key=lambda one: (_ORDER[one.severity], one.where, one.problem))))


def error(where: str, problem: str, fix: str) -> Finding:
    """A finding that stops an `up`, or should."""
    return Finding(Severity.ERROR, where, problem, fix)


def warning(where: str, problem: str, fix: str) -> Finding:
    """A finding that an `up` survives and somebody may not."""
    return Finding(Severity.WARNING, where, problem, fix)


def note(where: str, problem: str, fix: str) -> Finding:
    """A finding to know of."""
    return Finding(Severity.NOTE, where, problem, fix)


def listed(names: Sequence[str], most: int = 20) -> str:
    """Names in one line; of a long list the first ones, and how many more."""
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")


def has_errors(checked: Iterable[Checked]) -> bool:
    """Whether any finding is an error."""
    return any(one.severity is Severity.ERROR for system in checked for one in system.findings)


def as_text(checked: Sequence[Checked]) -> str:
    """Grouped by system, with a summary in the last line. Names come from servers: control characters are escaped."""
    lines = []
    for system in checked:
        lines += [system.system, *(f"  {one.severity:8} {one}" for one in system.findings or ())]
        lines += [] if system.findings else ["  nothing found"]
    return "\n".join(map(printable, [*lines, summary(checked)]))


def as_json(checked: Sequence[Checked]) -> str:
    """The same for programs: systems with their findings, and the number of findings by severity."""
    systems = [
        {
            "system": system.system,
            "findings": [
                {"severity": str(one.severity), "where": one.where, "problem": one.problem, "fix": one.fix}
                for one in system.findings
            ],
        }
        for system in checked
    ]
    return json.dumps({"systems": systems, "count": _count(checked)}, indent=2)


def summary(checked: Iterable[Checked]) -> str:
    """`2 errors, 1 warning, 0 notes`."""
    return ", ".join(f"{count} {word}{'' if count == 1 else 's'}" for word, count in _count(checked).items())


def _count(checked: Iterable[Checked]) -> dict[str, int]:
    found = Counter(one.severity for system in checked for one in system.findings)
    return {str(severity): found[severity] for severity in Severity}
