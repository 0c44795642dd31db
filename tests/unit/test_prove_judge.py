"""How an attempt ends decides what it shows, and a refusal counts for its own reason alone."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from psycopg.sql import SQL

from runlease.evidence.prove import told
from runlease.evidence.prove.attempts import Attempt, Expected, How, Omitted, Outcome, Promise, Row, Verdict
from runlease.evidence.prove.judge import DENIED, DONE, NO, Answered, judge, judge_answer, omitted
from runlease.evidence.prove.promises import SENTENCES, kept
from runlease.evidence.prove.told_page import as_html

A, R = Expected.ALLOWED, Expected.REFUSED
HELD, BROKEN, NOT_TRIED = Verdict.HELD, Verdict.BROKEN, Verdict.NOT_TRIED


def row(expected: Expected, state: str, said: str = "") -> Row:
    return judge(Attempt("reader", "SELECT", SQL("SELECT"), expected), Outcome(state, said))


@pytest.mark.parametrize(
    ("expected", "state", "verdict", "gap"),
    [
        (A, DONE, HELD, False),
        (A, DENIED, BROKEN, False),
        (A, NO, BROKEN, False),
        (A, "42P01", BROKEN, False),
        (A, "23505", BROKEN, False),
        (A, "01007", BROKEN, False),
        (R, DENIED, HELD, False),
        (R, NO, HELD, False),
        (R, "01007", HELD, False),
        (R, DONE, BROKEN, False),
        (R, "25001", BROKEN, False),
        (R, "23502", BROKEN, False),
        (R, "22012", BROKEN, False),
        (R, "42P01", NOT_TRIED, False),
        (R, "3F000", NOT_TRIED, False),
        *((expected, state, NOT_TRIED, True) for expected in (A, R) for state in ("55P03", "57014", "57P01", "08006")),
    ],
)
def test_the_sqlstate_decides(expected: Expected, state: str, verdict: Verdict, gap: bool) -> None:
    found = row(expected, state)
    assert (found.verdict, found.gap) == (verdict, gap)
    assert bool(found.reason) == (verdict is not HELD)


def test_a_refusal_for_another_reason_says_which() -> None:
    assert "25001 ActiveSqlTransaction" in row(R, "25001").reason
    assert row(R, "XX999").reason.startswith("ends with XX999, which is no answer of the rights")


@pytest.mark.parametrize(
    ("asked", "state", "said", "verdict", "gap"),
    [
        (Answered("r", "take", A), "200", "", HELD, False),
        (Answered("r", "take", A), "403", "permission denied", BROKEN, False),
        (Answered("r", "take", R), "403", "permission denied", HELD, False),
        (Answered("r", "take", R), "204", "", BROKEN, False),
        (Answered("r", "take", R), "400", "no such lease", BROKEN, False),
        (Answered("r", "take", R), "404", "", BROKEN, False),
        (Answered("r", "take", R), "503", "sealed", NOT_TRIED, True),
        (Answered("r", "take", R), "429", "", NOT_TRIED, True),
        (Answered("r", "log in", R, ("audience",)), "400", "invalid audience (aud) claim", HELD, False),
        (Answered("r", "log in", R, ("audience",)), "403", "no known key", NOT_TRIED, True),
        (Answered("r", "log in", R, ("audience",)), "200", "", BROKEN, False),
    ],
)
def test_vaults_answer_decides(asked: Answered, state: str, said: str, verdict: Verdict, gap: bool) -> None:
    found = judge_answer(asked, Outcome(state, said))
    assert (found.verdict, found.gap) == (verdict, gap)


# --- promises


def test_the_promises_are_those_of_the_readme() -> None:
    text = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    table = text.partition("## What is promised")[2].partition("## What is not promised")[0]
    promised = re.findall(r"^\| ([A-Z`].*?) \|", table, re.MULTILINE)
    assert promised
    assert [sentence for sentence, _ in SENTENCES][: len(promised)] == promised


def told_of(*rows: Row) -> dict[str, Verdict]:
    return {one.sentence: one.verdict for one in kept(rows)}


PROFILE = "A leased login can do what its profile says, and nothing else."


def test_one_broken_attempt_breaks_its_promise_and_no_other() -> None:
    identity = judge_answer(Answered("r", "log in", A), Outcome("200"))
    found = told_of(row(A, DONE), row(R, DONE), identity)
    assert [sentence for sentence, verdict in found.items() if verdict is BROKEN] == [PROFILE]
    assert found["The wrong service account, namespace or audience, and a token without a pod, get nothing."] is HELD


def test_a_promise_of_which_nothing_was_tried_is_not_held() -> None:
    gap = omitted(Omitted("r", "everything", "no token", gap=True))
    assert told_of(gap)[PROFILE] is NOT_TRIED
    (why,) = (one.why for one in kept([gap, row(A, DONE)]) if one.sentence == PROFILE)
    assert why == "as far as it was tried: 1 attempts, 1 could not be tried"


# --- text and JSON


def test_a_partial_answer_says_so_in_its_first_line() -> None:
    gap = omitted(Omitted("r", "everything", "no token", gap=True))
    chosen = omitted(Omitted("r", "TEMP", "PUBLIC keeps it", gap=False))
    assert told.as_text([gap, row(A, DONE)]).startswith("PARTIAL: 1 attempts could not be made")
    assert not told.as_text([chosen, row(A, DONE)]).startswith("PARTIAL")
    assert json.loads(told.as_json([gap, chosen]))["partial"] == ["r: everything: no token"]


def test_names_of_servers_move_no_cursor() -> None:
    evil = judge(Attempt("r", "SELECT ON TABLE app.\x1b[2J", SQL(""), R), Outcome(DONE, "a\nb"))
    assert "\x1b" not in told.as_text([evil], every=True)
    assert r"\x1b[2J" in told.as_text([evil])


def test_json_has_every_attempt() -> None:
    held = judge(Attempt("r", "SELECT", SQL(""), A, How.ASKED, promise=Promise.PROFILE), Outcome(DONE))
    (one,) = json.loads(told.as_json([held]))["attempts"]
    assert one == {
        "lease": "r",
        "attempt": "SELECT",
        "expected": "allowed",
        "got": "allowed",
        "verdict": "held",
        "how": "asked",
        "reason": "",
        "gap": False,
    }


def test_a_page_says_what_is_missing_first_and_takes_no_name_for_markup() -> None:
    gap = omitted(Omitted("r", "everything", "no token", gap=True))
    evil = judge(Attempt("<b>r</b>", "SELECT ON TABLE app.\x1b[2J", SQL(""), R), Outcome(DONE, "<script>"))
    page = as_html([gap, evil, row(A, DONE)])
    order = [
        "<h1>PARTIAL: Proof: 1 broken, 1 not tried, 1 held</h1>",
        '<p class="partial">',
        "<h2>Promises",
        "<h2>Leases",
    ]
    order += ["<h2>Broken (1)", "<h2>Not tried (1)", "<h2>Held (1)"]
    assert sorted(order, key=page.index) == order
    assert "&lt;b&gt;r&lt;/b&gt;" in page
    assert "\x1b" not in page
    tags = set(re.findall(r"<(\w+)", page.split("<body>")[1]))
    assert tags <= {"main", "h1", "h2", "ul", "li", "p", "span", "code", "table", "thead", "tbody", "tr", "th", "td"}
    assert 'class="partial"' not in as_html([evil]), "a whole answer has none"


def test_the_matrix_counts_each_lease() -> None:
    gap = omitted(Omitted("other", "everything", "no token", gap=True))
    assert {lease: dict(count) for lease, count in told.matrix([row(A, DONE), gap]).items()} == {
        "reader": {"tried": 1},
        "other": {"not tried": 1},
    }
