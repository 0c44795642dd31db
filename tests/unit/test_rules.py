"""Each rule, broken and kept."""

from __future__ import annotations

import dataclasses
import re
from dataclasses import replace

import pytest

from runlease.access import Access, Duration
from runlease.access.rules import RULES, Bounds, Rule, Severity
from tests.unit import rule_cases_database, rule_cases_leases, rule_cases_wiring
from tests.unit.rule_cases_wiring import GOOD, PLACE, VAULT_TOKEN, chain, connection, may, script, trust, value

BROKEN = rule_cases_database.BROKEN + rule_cases_leases.BROKEN + rule_cases_wiring.BROKEN
KEPT = rule_cases_database.KEPT + rule_cases_leases.KEPT + rule_cases_wiring.KEPT
BY_ID = {rule.id: rule for rule in RULES}


@pytest.mark.parametrize(
    ("rule", "access", "where"), [(r, a, w) for r, _, a, w in BROKEN], ids=[f"{r}-{case}" for r, case, _, _ in BROKEN]
)
def test_a_broken_rule_is_found_where_it_is(rule: str, access: Access, where: str) -> None:
    found = list(BY_ID[rule].findings(access, Bounds()))
    assert where in [finding.where for finding in found]
    assert all((finding.rule, finding.severity) == (rule, BY_ID[rule].severity) for finding in found)


@pytest.mark.parametrize(("rule", "access"), [(r, a) for r, _, a in KEPT], ids=[f"{r}-{case}" for r, case, _ in KEPT])
def test_a_kept_rule_finds_nothing(rule: str, access: Access) -> None:
    assert list(BY_ID[rule].findings(access, Bounds())) == []


def test_every_rule_has_a_case_that_breaks_and_one_that_keeps_it() -> None:
    judged = set(BY_ID) - {"RL038"}  # test_rules_evaluate: it judges acceptances
    assert {case[0] for case in BROKEN} == judged
    assert {case[0] for case in KEPT} == judged


def test_ids_are_unique_and_counted() -> None:
    assert [rule.id for rule in RULES] == [f"RL{number:03}" for number in range(1, len(RULES) + 1)]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_a_rule_says_everything_in_whole_sentences(rule: Rule) -> None:
    for text in (rule.sentence, rule.why, rule.fix):
        assert re.fullmatch(r"[A-Za-z`].*[.]", text, re.DOTALL), text
    assert rule.before != rule.after


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_a_finding_leads_to_its_source(rule: Rule) -> None:
    sources = [
        (finding.source, finding.where)
        for of, _, access, _ in BROKEN
        if of == rule.id
        for finding in rule.findings(sourced(access), Bounds())
    ]
    assert all(source == "urn:here" for source, _ in sources), sources


def sourced(access: Access) -> Access:
    """The same with every noun made by one thing."""

    def at(noun: object) -> object:
        if isinstance(noun, tuple):
            return tuple(map(at, noun))
        if not dataclasses.is_dataclass(noun) or isinstance(noun, type):
            return noun
        inner = {field.name: at(getattr(noun, field.name)) for field in dataclasses.fields(noun)}
        return dataclasses.replace(noun, **{**inner, **({"source": "urn:here"} if "source" in inner else {})})

    made = at(access)
    assert isinstance(made, Access)
    return made


@pytest.mark.parametrize(
    ("rule", "access", "got"),
    [
        ("RL008", rule_cases_database.roles(rule_cases_database.role(login=True)), "got jane"),
        ("RL015", connection(username_template=""), "got Vault's default"),
        ("RL016", connection(password_authentication=""), "got password_authentication nothing, which means password"),
        ("RL016", connection(password_authentication="password"), "got password_authentication password"),
        ("RL019", connection(sslmode=""), "got sslmode nothing, which means prefer"),
        ("RL019", connection(sslmode="require"), "got sslmode require"),
        ("RL020", connection(replace(GOOD, name="b")), "shares the login vault with db/b"),
        ("RL024", trust(audiences=()), "got none"),
        ("RL024", trust(audiences=("a", "b")), "got a, b"),
        ("RL026", trust(bound_subject=""), "got bound_subject nothing, which means any"),
        ("RL026", trust(bound_subject="jane"), "got bound_subject jane"),
        ("RL035", chain(token_max_ttl=Duration(1919)), "ends its lease early (got a life of 31m59s"),
        ("RL035", chain(token_max_ttl=Duration(1921)), "again after it has ended (got a life of 32m1s"),
    ],
)
def test_a_finding_says_what_was_got(rule: str, access: Access, got: str) -> None:
    assert got in next(iter(BY_ID[rule].findings(access, Bounds()))).what


def test_the_bound_of_an_environment_is_asked() -> None:
    access = rule_cases_database.lease(max_ttl=Duration(1800))
    (finding,) = BY_ID["RL012"].findings(access, Bounds(longest_lease=Duration(1799)))
    assert finding.what == "lives too long (got max_ttl 30m, expected at most 29m59s)"


def test_a_controller_of_ones_own_is_let_through_where_it_is_named() -> None:
    access = may("create", "pods")
    assert list(BY_ID["RL031"].findings(access, Bounds(controllers=("jane",)))) == []
    assert list(BY_ID["RL031"].findings(access, Bounds(controllers=())))


def test_an_audience_of_this_clusters_api_server_is_found() -> None:
    bounds = Bounds(api_audiences=("runlease/shop-prod",))
    assert list(BY_ID["RL025"].findings(trust(), bounds))


@pytest.mark.parametrize(
    "access", [value(PLACE, "hunter2"), value("params.x", VAULT_TOKEN), script("PGPASSWORD=hunter2 psql")]
)
def test_a_secret_that_is_found_is_not_told(access: Access) -> None:
    (finding,) = BY_ID["RL032"].findings(access, Bounds())
    for told in (str(finding), repr(finding)):
        assert "hunter2" not in told
        assert VAULT_TOKEN not in told


def test_severities_are_ordered_and_are_exit_codes() -> None:
    assert sorted(Severity) == [Severity.LOW, Severity.MEDIUM, Severity.HIGH, Severity.CRITICAL]
    assert [(str(one), one.value) for one in sorted(Severity)] == [
        ("low", 10),
        ("medium", 11),
        ("high", 12),
        ("critical", 13),
    ]
