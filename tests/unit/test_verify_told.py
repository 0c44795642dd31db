"""How a verification is told, and what Vault's facts mean."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from runlease.access import Unread
from runlease.access.rules import Acceptance, Severity
from runlease.config import Settings, load
from runlease.evidence.verify.check import Answered, Found, NotTried, Verified
from runlease.evidence.verify.checks import CHECKS
from runlease.evidence.verify.edge import together
from runlease.evidence.verify.edge_vault import not_read
from runlease.evidence.verify.told import as_json, as_text, headline
from runlease.evidence.verify.told_page import as_html
from runlease.evidence.verify.vault import VaultFacts, judge
from runlease.provision.vault.names import auditing
from runlease.readers.policies import read_policy
from tests.unit.config_edits import settings_with

LOW = Found("LV302", "open", Severity.LOW, "shop: server", "postgres", "is open", "REVOKE it;")
WORST = Found("LV103", "orphan", Severity.CRITICAL, "shop: server", "pid 7", "lives\x1b[2J", "SELECT 1;")
MISSING = NotTried("shop: server", "LV613 hba", "permission denied", "GRANT it;")

TODAY = date(2026, 11, 24)


def test_the_worst_stands_first_and_each_thing_once() -> None:
    verified = together("shop-prod", [LOW, WORST, LOW], (), TODAY)
    assert verified.found == (WORST, LOW)
    assert headline(verified) == "shop-prod: 1 critical, 1 low"
    assert verified.at_least(Severity.CRITICAL)
    assert not together("x", [LOW], (), TODAY).at_least(Severity.MEDIUM)


def test_a_partial_answer_says_so_first_and_why() -> None:
    verified = together("shop-prod", [MISSING], (), TODAY)
    first, *rest = as_text(verified).splitlines()
    assert first == "PARTIAL, 1 not tried: shop-prod: what is live is what was declared"
    assert "    Fix: GRANT it;" in rest
    assert json.loads(as_json(verified))["partial"] == [str(MISSING)]


def test_what_is_accepted_is_told_and_does_not_count_until_its_day_is_over() -> None:
    borne = Acceptance("LV302", "shop: server: postgres", "needed by backups", TODAY)
    verified = together("x", [LOW], (borne,), TODAY)
    assert not verified.at_least(Severity.LOW)
    assert "needed by backups" in as_text(verified)
    assert json.loads(as_json(verified))["count"]["low"] == 0
    assert together("x", [LOW], (borne,), date(2026, 11, 25)).at_least(Severity.LOW)
    assert together("x", [replace(LOW, object="template1")], (borne,), TODAY).at_least(Severity.LOW)


EVIL = replace(LOW, object="</style><script>alert(1)</script>", what="<img src=x onerror=alert(1)>", mend='"&<b>')


def test_a_page_says_all_of_it_and_partial_at_its_top() -> None:
    borne = Acceptance("LV302", LOW.where, "needed by backups", TODAY)
    page = as_html(together("shop-prod", [LOW, WORST, MISSING], (borne,), TODAY))
    top = page.index('<p class="partial">PARTIAL')
    assert page.index("<h1>PARTIAL, 1 not tried: shop-prod: 1 critical</h1>") < top < page.index("<h2>")
    order = ["<h2>Critical (1)", "LV103", "SELECT 1;", "<h2>Accepted (1)", "needed by backups", "<h2>Not tried (1)"]
    assert sorted(order, key=page.index) == order
    assert "<pre>GRANT it;</pre>" in page
    assert 'class="partial"' not in as_html(together("shop-prod", [LOW], (), TODAY)), "a whole answer has none"


def test_a_page_loads_nothing_runs_nothing_and_takes_no_name_for_markup() -> None:
    page = as_html(together("shop-prod", [EVIL], (), TODAY))
    assert "default-src 'none'; style-src 'sha256-" in page
    assert "script-src" not in page
    tags = set(re.findall(r"<(\w+)", page.split("</head>")[1]))
    assert tags <= {"body", "main", "h1", "h2", "ul", "li", "p", "span", "strong", "code", "pre"}
    assert not re.search(r"(src|href|style)=|\son\w+=", re.sub(r"&lt;.*?&gt;", "", page.split("</head>")[1]))
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


def test_a_name_moves_no_cursor() -> None:
    text = as_text(together("x", [WORST], (), TODAY))
    assert "lives\\x1b[2J" in text
    assert all(line.isprintable() for line in text.splitlines())


def test_who_answered_is_told_with_its_version() -> None:
    servers = [Answered("Vault", "OpenBao 2.7.1"), Answered("shop: server", "PostgreSQL <18.4>")]
    verified = together("x", [LOW, *reversed(servers)], (), TODAY)
    assert as_text(verified).splitlines()[-3:] == [
        "Answered (2)",
        "  Vault: OpenBao 2.7.1",
        "  shop: server: PostgreSQL <18.4>",
    ]
    assert json.loads(as_json(verified))["answered"] == {"Vault": "OpenBao 2.7.1", "shop: server": "PostgreSQL <18.4>"}
    assert "<li><p>shop: server: PostgreSQL &lt;18.4&gt;</p></li>" in as_html(verified)


def test_a_clean_answer_is_one_line() -> None:
    assert as_text(Verified("shop-prod", (), ())) == "shop-prod: what is live is what was declared"


@pytest.fixture
def settings() -> Settings:
    return load(settings_with())


GOOD = {"config": {"audit_non_hmac_response_keys": ["username"]}}


def told(settings: Settings, **facts: object) -> list[tuple[str, str]]:
    return [(one.id, one.object) for one in judge(settings, VaultFacts(**{"mount": GOOD, **facts}))]  # type: ignore[arg-type]  # fields by name


def test_a_vault_that_is_well_has_no_finding(settings: Settings) -> None:
    facts = {"irrevocable": (), "leases": {"a": 2}, "logins": {"a": ("run_a_1", "run_a_2")}}
    assert told(settings, **facts) == []


def test_more_logins_than_leases_are_found(settings: Settings) -> None:
    logins = {"a": ("run_a_1", "run_a_2"), "b": ("run_b_1",)}
    assert told(settings, leases={"a": 1, "b": 0}, logins=logins) == [("LV703", "a"), ("LV703", "run_b_1")]
    assert told(settings, leases={"b": 0}, logins={"a": ("run_a_1",)}) == [], "leases that could not be listed"


def test_what_vault_gave_up_on_and_what_it_hides_are_found(settings: Settings) -> None:
    assert told(settings, irrevocable=("x-db/creds/a/1",)) == [("LV702", "x-db/creds/a/1")]
    assert [id for id, _ in told(settings, mount={"config": {}})] == ["LV704"]
    assert [id for id, _ in told(settings, health={"version": "2.0.0"})] == ["LV701"]


@pytest.mark.parametrize(
    ("asked", "path", "capabilities"),
    [
        ("sys/leases?type=irrevocable", "sys/leases", '["read", "sudo"]'),
        ("sys/leases/lookup/x/creds/a", "sys/leases/lookup/x/creds/a/", '["list", "sudo"]'),
        ("sys/auth", "sys/auth", '["read"]'),
    ],
)
def test_what_a_token_may_not_read_comes_with_the_line_that_lets_it(asked: str, path: str, capabilities: str) -> None:
    unread = Unread(f"Vault {asked}", f'the token may not read it. Fix: path "{asked}" {{ capabilities = ["read"] }}')
    assert not_read(unread).fix == f'path "{path}" {{ capabilities = {capabilities} }}'


DOCUMENTATION = (Path(__file__).parents[2] / "docs/verify.md").read_text()


def test_the_documentation_has_every_check_as_it_is() -> None:
    for check in CHECKS:
        assert f"| {check.id} | {check.name} | {check.severity} | {check.sentence} |" in DOCUMENTATION
    assert len(re.findall(r"^\| LV", DOCUMENTATION, re.MULTILINE)) == len(CHECKS) + 15


def test_the_documentation_has_an_auditors_policy_as_it_is() -> None:
    (text,) = re.findall(r"```hcl\n(.*?)```", DOCUMENTATION, re.DOTALL)
    assert set(read_policy(text)) == set(read_policy(auditing("shop-prod", ["shop-migrator", "shop-auditor"])))


def test_no_sql_of_a_check_is_built_from_what_a_server_or_a_user_said() -> None:
    for check in CHECKS:
        assert not re.search(r"(?<!%)%[sI]", check.sql), f"{check.id}: a placeholder without a name"
