"""A comparison in every format: what it says, what it never lets through, and where it is cut."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable
from email.message import Message

import pytest

from runlease.access import (
    Access,
    Binding,
    Duration,
    Grant,
    Identity,
    Lease,
    ObjectKind,
    OnNamed,
    Privilege,
    Role,
    TaskText,
    Unread,
)
from runlease.access.rules import Finding, Severity
from runlease.report.comparison import Comparison, worst
from runlease.report.documents import as_json
from runlease.report.html import html
from runlease.report.markdown import LIMIT, markdown
from runlease.report.rules_told import rules_address
from runlease.report.text import text

NASTY = "x`</code><script>alert(1)</script>\n# h\x1b[31m @all [a](javascript:b) |"
FORMATS = pytest.mark.parametrize("render", [text, markdown, html, as_json], ids=lambda one: one.__name__)
Render = Callable[[Comparison], str]


def access(role: str = "shop_seeder", table: str = "product", account: str = "seed", bindings: int = 1) -> Access:
    grant = Grant((Privilege.UPDATE,), OnNamed(ObjectKind.TABLE, "app", (table,)), role)
    return Access(
        "shop-prod",
        roles=(Role(role, "shop", None, (grant,)),),
        leases=(Lease("shop-seeder", "shop", None, role, Duration(600), Duration(600)),),
        bindings=tuple(
            Binding(
                Identity("ci", f"{account}{n or ''}", "https://issuer", "runlease/shop-prod"), "shop-seeder", "p", "t"
            )
            for n in range(bindings)
        ),
    )


NOTHING = Access("shop-prod")
FINDING = Finding("RL011", Severity.MEDIUM, "grant of shop", "names no table")


def test_the_sentence_says_who_gains_what_on_what_through_what_and_for_how_long() -> None:
    told = markdown(Comparison.of(NOTHING, access(), ()))
    assert "`ci/seed`" in told
    assert "**gains** UPDATE on `table app.product` in `shop` through `shop_seeder`, for 10m a run" in told


@FORMATS
def test_no_change_is_said(render: Render) -> None:
    assert "no change of access" in render(Comparison.of(access(), access(), ()))


def test_one_state_is_told_as_what_there_is() -> None:
    told = text(Comparison.of_one(access(), ()))
    assert "ci/seed  [writer]" in told
    assert "has UPDATE on table app.product in shop through shop_seeder" in told


def test_escalations_come_first_and_removals_last() -> None:
    before = dataclasses.replace(access(account="old"), roles=access().roles)
    told = text(Comparison.of(before, access(account="new"), ()))
    assert told.index("ci/new") < told.index("ci/old")


@FORMATS
def test_nothing_of_a_name_is_markup_or_moves_the_cursor(render: Render) -> None:
    nasty = dataclasses.replace(access(NASTY, NASTY, NASTY), unread=(Unread(NASTY, NASTY),))
    told = render(Comparison.of(NOTHING, nasty, [dataclasses.replace(FINDING, where=NASTY, what=NASTY)]))
    assert "\x1b" not in told
    assert "\n# h" not in told
    if render is html:
        assert "<script>alert" not in told
    if render is markdown:
        outside = re.sub(r"(`+)(?!`).*?(?<!`)\1(?!`)", "", told)
        assert not re.search(r"<script|@all|javascript", outside)


@FORMATS
def test_a_text_that_could_hold_a_secret_is_in_no_format(render: Render) -> None:
    old, new = (
        dataclasses.replace(NOTHING, tasks=(TaskText("ci", "t", scripts=(("s", f"psql -W {word}"),)),))
        for word in ("hunter1", "hunter2")
    )
    assert "hunter" not in render(Comparison.of(old, new, ()))


def test_a_comment_is_cut_at_the_limit_and_says_how_much_is_missing() -> None:
    names = [Unread(f"urn:{number:05}:" + "é" * 60, "not understood") for number in range(2000)]
    told = markdown(Comparison.of(NOTHING, dataclasses.replace(NOTHING, unread=tuple(names)), ()))
    assert len(told.encode()) <= LIMIT
    shown = told.count("urn:")
    assert f"**{2000 - shown} more entries do not fit into a comment.**" in told


def test_one_holder_with_very_many_privileges_still_fits() -> None:
    grants = tuple(
        Grant((Privilege.SELECT,), OnNamed(ObjectKind.TABLE, "app", (f"table_{number}",)), "shop_seeder")
        for number in range(3000)
    )
    wide = dataclasses.replace(access(), roles=(Role("shop_seeder", "shop", None, grants),))
    told = markdown(Comparison.of(NOTHING, wide, ()))
    assert len(told.encode()) <= LIMIT
    assert "2892 more" in told


def test_the_page_loads_nothing_and_runs_no_code_but_its_own() -> None:
    page = html(Comparison.of(NOTHING, access(), [FINDING]))
    assert not re.search(r"<[^>]+\son[a-z]+\s*=", page)
    assert not re.search(r"(src|href)=\"(?!#RL011\")", page)
    assert "default-src 'none'" in page
    assert "unsafe-inline" not in page


def test_a_finding_leads_to_its_rule_and_never_to_another_page(monkeypatch: pytest.MonkeyPatch) -> None:
    compared = Comparison.of(NOTHING, access(), [FINDING, FINDING])
    page, comment = html(compared), markdown(compared)
    assert (page.count('href="#RL011"'), page.count('id="RL011"')) == (2, 1)
    assert ("](" in comment, comment.count("- RL011: "), "Fix: " in comment) == (False, 1, True)
    monkeypatch.setattr("runlease.report.markdown.rules_address", lambda: "https://docs.internal/rules.md")
    assert "[RL011](https://docs.internal/rules.md#rl011) **medium**" in markdown(compared)
    assert "- RL011: " not in markdown(compared)


@pytest.mark.parametrize(
    ("urls", "address"),
    [
        (["Source, https://a.internal", "Rules, https://b.internal/rules.md"], "https://b.internal/rules.md"),
        (["Source, https://a.internal"], ""),
        (None, ""),
    ],
)
def test_where_the_rules_stand_is_what_the_distribution_says(
    monkeypatch: pytest.MonkeyPatch, urls: list[str] | None, address: str
) -> None:
    said = Message()
    for url in urls or []:
        said["Project-URL"] = url
    monkeypatch.setattr("runlease.report.rules_told.metadata", lambda _: said)
    assert rules_address.__wrapped__() == address


def test_the_page_of_one_state_has_nothing_that_is_gained() -> None:
    told, compared = html(Comparison.of_one(access(), ())), html(Comparison.of(NOTHING, access(), ()))
    assert '"holders":[["ci/seed",[0],[0]]]' in told
    assert '"holders":[["ci/seed",[],[0]]]' in compared
    assert "<ins>" in compared
    assert "<ins>" not in told
    assert ('<label class="row" hidden>' in told, '<label class="row">' in compared) == (True, True)


def test_the_page_multiplies_nothing() -> None:
    small, large = (len(html(Comparison.of(NOTHING, access(bindings=count), ()))) for count in (100, 1100))
    assert (large - small) / 1000 < 100


def test_json_has_what_the_other_formats_say() -> None:
    document = json.loads(as_json(Comparison.of(NOTHING, access(), [FINDING])))
    assert document["affected"][0]["holders"] == ["ci/seed"]
    effect = document["affected"][0]["effects"][0]
    assert (effect["privileges"], effect["target"], effect["role"]) == ("UPDATE", "table app.product", "shop_seeder")
    assert document["findings"][0]["rule"] == "RL011"
    assert document["findings"][0]["severity"] == "medium"
    assert {change["section"] for change in document["changes"]} == {"roles", "leases", "bindings"}


def test_only_findings_that_nobody_accepted_count() -> None:
    assert worst([FINDING]) is Severity.MEDIUM
    assert worst([]) is None


def test_a_wider_audience_is_an_escalation() -> None:
    binding = access().bindings[0]
    wider = dataclasses.replace(binding, identity=dataclasses.replace(binding.identity, audience="another"))
    comparison = Comparison.of(access(), dataclasses.replace(access(), bindings=(wider,)), ())
    assert comparison.escalations == 1
    assert "runlease/shop-prod" in text(comparison)
    assert "another" in text(comparison)
