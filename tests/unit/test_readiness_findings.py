"""How `runlease check` tells what it found."""

from __future__ import annotations

import json

from runlease.readiness.findings import Checked, as_json, as_text, error, has_errors, note, warning

FOUND = (
    Checked.of("PostgreSQL shop", [note("b", "three", "-"), warning("b", "two", "-"), error("a", "one", "mend it")]),
    Checked.of("Vault", []),
)


def test_text_is_grouped_with_the_worst_first_and_a_summary_last() -> None:
    assert as_text(FOUND).splitlines() == [
        "PostgreSQL shop",
        "  error    a: one. Fix: mend it",
        "  warning  b: two. Fix: -",
        "  note     b: three. Fix: -",
        "Vault",
        "  nothing found",
        "1 error, 1 warning, 1 note",
    ]


def test_json_carries_the_same() -> None:
    told = json.loads(as_json(FOUND))
    assert told["count"] == {"error": 1, "warning": 1, "note": 1}
    assert told["systems"][0]["findings"][0] == {"severity": "error", "where": "a", "problem": "one", "fix": "mend it"}
    assert told["systems"][1]["findings"] == []


def test_only_errors_count_as_errors() -> None:
    assert has_errors(FOUND)
    assert not has_errors([Checked.of("Vault", [warning("a", "b", "c"), note("a", "b", "c")])])


def test_a_name_from_a_server_cannot_write_to_the_terminal() -> None:
    told = as_text([Checked.of("x", [error("a", "role \x1b[2J\nDROP", "-")])])
    assert "\x1b" not in told
    assert "\\x1b[2J\\nDROP" in told
