"""What was verified, for people and for programs. Names come from servers: control characters are escaped. Pure."""

import json
from collections import Counter
from collections.abc import Iterator

from runlease.access.rules import Severity
from runlease.evidence.verify.check import Verified
from runlease.report.escape import printable


def as_text(verified: Verified) -> str:
    """The worst first; in the first line whether the answer is the whole one."""
    return "\n".join(map(printable, _lines(verified)))


def _lines(verified: Verified) -> Iterator[str]:
    yield headline(verified)
    for severity in sorted({one.severity for one in verified.counting}, reverse=True):
        found = [one for one in verified.counting if one.severity is severity]
        yield ""
        yield f"{str(severity).capitalize()} ({len(found)})"
        for one in found:
            yield f"  {one.id} {one.name}: {one.where}: {one.what}"
            yield f"    Mend: {one.mend}"
    accepted = [one for one in verified.found if one.accepted is not None]
    if accepted:
        yield ""
        yield f"Accepted ({len(accepted)})"
        yield from (f"  {one.id} {one.name}: {one.where}: {one.what} ({one.accepted})" for one in accepted)
    if verified.not_tried:
        yield ""
        yield f"Not tried ({len(verified.not_tried)})"
        for missing in verified.not_tried:
            yield f"  {missing.place}: {missing.what}: {missing.why}"
            yield f"    Fix: {missing.fix}"
    if verified.answered:
        yield ""
        yield f"Answered ({len(verified.answered)})"
        yield from (f"  {one}" for one in verified.answered)


def headline(verified: Verified) -> str:
    """`PARTIAL, 2 not tried: shop-prod: 1 critical, 3 high`."""
    said = ", ".join(f"{count} {severity}" for severity, count in _count(verified).items() if count)
    partial = f"PARTIAL, {len(verified.not_tried)} not tried: " if verified.not_tried else ""
    return f"{partial}{verified.installation}: {said or 'what is live is what was declared'}"


def as_json(verified: Verified) -> str:
    """Who answered, findings with all their fields, what was not tried, and the number of findings by severity."""
    told = {
        "installation": verified.installation,
        "answered": {one.place: one.version for one in verified.answered},
        "partial": [str(one) for one in verified.not_tried],
        "findings": [
            {
                "id": one.id,
                "name": one.name,
                "severity": str(one.severity),
                "where": one.where,
                "what": one.what,
                "mend": one.mend,
                "accepted": str(one.accepted) if one.accepted else None,
            }
            for one in verified.found
        ],
        "count": _count(verified),
    }
    return json.dumps(told, indent=2)


def _count(verified: Verified) -> dict[str, int]:
    found = Counter(one.severity for one in verified.counting)
    return {str(severity): found[severity] for severity in sorted(Severity, reverse=True)}
