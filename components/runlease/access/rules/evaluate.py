"""Every rule on one Access, beside what a stack accepts."""

from collections.abc import Iterator, Sequence
from dataclasses import fields, replace
from datetime import date

from runlease.access.model import Access
from runlease.access.rules.registry import RULES
from runlease.access.rules.rl038_unused_acceptance import RULE as UNUSED
from runlease.access.rules.rule import Acceptance, Bounds, Finding

_DECLARED = {"installation", "databases", "roles", "leases", "bindings"}


def findings(access: Access, bounds: Bounds, acceptances: Sequence[Acceptance], today: date) -> tuple[Finding, ...]:
    """Everything that breaks a rule, the worst first; what is accepted is listed and marked, never left out.

    An acceptance that has ended accepts nothing, and the finding says so. One that matches nothing is itself found,
    but not in declared access, which knows too little to say so.
    """
    found = [finding for rule in RULES for finding in rule.findings(access, bounds)]
    marked = [_marked(finding, acceptances, today) for finding in found]
    if any(getattr(access, field.name) for field in fields(access) if field.name not in _DECLARED):
        marked += _unused(found, acceptances)
    return tuple(sorted(marked, key=lambda one: (-one.severity.value, one.rule, one.where, one.what)))


def _marked(finding: Finding, acceptances: Sequence[Acceptance], today: date) -> Finding:
    matching = [one for one in acceptances if (one.rule, one.where) == (finding.rule, finding.where)]
    if not matching:
        return finding
    latest = max(matching, key=lambda one: one.until)
    if today > latest.until:
        return replace(finding, what=f"{finding.what}; it was accepted until {latest.until}, which is over")
    return replace(finding, accepted=latest)


def _unused(found: Sequence[Finding], acceptances: Sequence[Acceptance]) -> Iterator[Finding]:
    matched = {(finding.rule, finding.where) for finding in found}
    ours = {rule.id for rule in RULES}
    for one in acceptances:
        if one.rule in ours and (one.rule, one.where) not in matched:
            where, what = f"acceptance of {one.rule} for {one.where}", f"matches nothing (its reason: {one.reason})"
            yield Finding(UNUSED.id, UNUSED.severity, where, what)
