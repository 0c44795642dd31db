"""The rules as text, as JSON and as a page."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from runlease.access.rules import RULES
from runlease.cli import main
from runlease.readers.hazards import HAZARDS
from runlease.report.rules_page import as_page

PAGE = Path(__file__).parents[2] / "docs" / "rules.md"


def test_the_page_is_in_step_with_the_rules() -> None:
    assert PAGE.read_text(encoding="utf-8") == as_page(RULES), "Fix: make rules"


def test_every_rule_has_a_section_that_its_row_links_to() -> None:
    page = as_page(RULES)
    assert re.findall(r"^### (RL\d{3})$", page, re.MULTILINE) == [rule.id for rule in RULES]
    assert re.findall(r"^\| \[(RL\d{3})\]\(#(\w+)\)", page, re.MULTILINE) == [(r.id, r.anchor) for r in RULES]


def test_the_page_has_one_sentence_a_line() -> None:
    prose = re.sub(r"```.*?```", "", as_page(RULES), flags=re.DOTALL)
    assert not re.findall(r"^.*[a-z`)][.] [A-Z].*$", prose, re.MULTILINE)


def test_the_rules_are_listed_as_text(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rules"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1] == "RL002  high      Nothing is granted to PUBLIC."
    assert len(lines) == len(RULES)


def test_the_rules_are_listed_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rules", "--format", "json"]) == 0
    rules = json.loads(capsys.readouterr().out)["rules"]
    assert [rule["id"] for rule in rules] == [rule.id for rule in RULES]
    assert (rules[1]["severity"], rules[1]["sentence"]) == ("high", "Nothing is granted to PUBLIC.")
    assert all(rule.keys() == {"id", "severity", "sentence", "why", "fix"} for rule in rules)


def test_every_hazard_of_a_plan_has_a_section_that_a_report_links_to() -> None:
    assert re.findall(r"^### (PL\d{3})$", as_page(RULES), re.MULTILINE) == [hazard.id for hazard in HAZARDS]
