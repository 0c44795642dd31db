"""A comparison for programs: JSON. Texts that could hold a secret are left out."""

import json
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any

from runlease.access import Duration
from runlease.access.rules import Finding, Severity
from runlease.report.comparison import Comparison
from runlease.report.sentences import label, sentences


def as_json(comparison: Comparison) -> str:
    """Everything that the other formats say, uncut; the keys are those of the nouns."""
    return json.dumps(
        {
            "headline": comparison.headline,
            "affected": [
                {
                    "holders": one.holders,
                    "worst": label(one.worst, comparison.gains),
                    "effects": [
                        {**_plain(sentence), "kind": label(sentence.kind), "escalates": sentence.kind.escalates}
                        for sentence in sentences(one, comparison.gains)
                    ],
                }
                for one in comparison.affected
            ],
            "changes": [
                {"section": one.section, "name": one.name, "before": _plain(one.before), "after": _plain(one.after)}
                for one in comparison.changes
            ],
            "findings": [finding_as_document(one) for one in comparison.findings],
            "unread": [_plain(one) for one in comparison.after.unread],
        },
        indent=1,
    )


def finding_as_document(finding: Finding) -> dict[str, Any]:
    """One finding with who accepted it."""
    document: dict[str, Any] = _plain(finding)
    return document


def _plain(value: Any) -> Any:
    """Dataclasses as objects by field, without what `repr` leaves out; values as they are written."""
    if isinstance(value, Duration | Severity):
        return str(value)
    if is_dataclass(value):
        kind = {"is": type(value).__name__} if not isinstance(value, type) else {}
        return kind | {one.name: _plain(getattr(value, one.name)) for one in fields(value) if one.repr}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, tuple | list):
        return [_plain(one) for one in value]
    if isinstance(value, frozenset):
        return sorted(map(str, value))
    return value if isinstance(value, str | int | float | bool | type(None)) else str(value)
